"""Run the tests that depend most on JAX with its oldest version that pyproject.toml allows, and with the newest.

    python scripts/check_jax_versions.py                    # environments in a temporary folder
    python scripts/check_jax_versions.py --folder ~/jaxes   # environments that are kept, and used again
    python scripts/check_jax_versions.py jax==0.9.2         # any other version

The newest is the newest that the Python which runs this script can install: JAX 0.11 and later need Python 3.12.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import tomllib
import venv
from pathlib import Path

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
TESTS = (
    "tests/jax_rules",
    "tests/physics/test_simulate.py",
    "tests/physics/test_gradient_modes.py",
    "tests/physics/test_sizes.py",
    "tests/physics/test_tables.py",
    "tests/physics/isochromats/test_sequence_tables.py",
    "tests/physics/epg/test_reference.py",
    "tests/physics/pools/test_bloch_mcconnell.py",
    "tests/inverse/test_least_squares.py",
    "tests/nn/test_training_state.py",
)


def oldest() -> str:
    """The requirement that installs the oldest version."""
    (version,) = [found[1] for each in PROJECT["dependencies"] if (found := re.match(r"jax >= ([\d.]+)", each))]
    return f"jax=={version}" + ".0" * (2 - version.count("."))


def check(requirement: str, folder: Path) -> int:
    """Make an environment with this JAX and run the tests in it; their exit status."""
    home = folder / re.sub(r"[^\w.]+", "-", requirement)
    if not home.exists():
        venv.create(home, with_pip=True)
    python = home / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", requirement, "-e", f"{ROOT}[test]"], check=True)
    subprocess.run([python, "-c", "import jax; print('jax', jax.__version__, flush=True)"], check=True)
    environment = os.environ | {"JAX_PLATFORMS": "cpu", "MPLBACKEND": "Agg"}
    return subprocess.run([python, "-m", "pytest", *TESTS], cwd=ROOT, env=environment, check=False).returncode


def main() -> int:
    """Check every version; the exit status says whether all passed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "requirements", nargs="*", default=[oldest(), "jax"], help="what to install, such as jax==0.9.2"
    )
    parser.add_argument("--folder", type=Path, help="where environments are kept")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        return max(check(each, options.folder or Path(temporary)) for each in options.requirements)


if __name__ == "__main__":
    sys.exit(main())
