"""Where is a Python that has the peers? Made once, in a virtual environment of its own.

    python -m benchmarks.peers.environment

from the root of the repository prints its path. `MRJAX_PEERS` names another Python that has them already.
"""

import json
import os
import subprocess
import venv
from pathlib import Path

TORCH = "torch==2.13.0"
PEERS = ("blochsim==0.0.14", "blochsimulator==2.9.5")
CACHE = Path(__file__).parents[1] / ".peers"
OVERRIDE = "MRJAX_PEERS"


def python_of_peers(cache: Path = CACHE) -> Path:
    """The Python named by `MRJAX_PEERS`, or that of an environment below `cache`, which is made if it is not there."""
    named = os.environ.get(OVERRIDE)
    if named:
        if not Path(named).is_file():
            raise FileNotFoundError(f"{OVERRIDE} must name a Python that has the peers, but there is no {named!r}.")
        return Path(named)
    python = cache / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    complete = cache / "complete.json"  # written last, so that a broken-off installation is begun anew
    wanted = json.dumps([TORCH, *PEERS])
    if not complete.is_file() or complete.read_text() != wanted:
        install(cache, python)
        complete.write_text(wanted)
    return python


def install(cache: Path, python: Path) -> None:
    """PyTorch goes first: the peers ask for any build of it, and would bring one with gigabytes of CUDA."""
    venv.EnvBuilder(clear=True, with_pip=True).create(cache)
    build = cpu_build(python)
    pip(python, build)
    pip(python, build, *PEERS)


def cpu_build(python: Path) -> str:
    """The requirement of the CPU build of PyTorch; refuses, before anything is fetched, where pip would take another."""
    answer = pip(python, "--dry-run", "--ignore-installed", "--no-deps", "--quiet", "--report", "-", TORCH)
    version = json.loads(answer)["install"][0]["metadata"]["version"]
    if not version.endswith("+cpu"):
        raise RuntimeError(
            f"The benchmarks compare CPUs and need the CPU build of PyTorch, but pip would install torch {version}. "
            f"Nothing was installed: configure pip with an index of CPU builds, "
            f"or name a Python that has the peers in {OVERRIDE}."
        )
    return f"torch=={version}"


def pip(python: Path, *arguments: str) -> str:
    """What `pip install` prints; its complaints go to the terminal."""
    command = [str(python), "-m", "pip", "install", *arguments]
    return subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE).stdout


if __name__ == "__main__":
    print(python_of_peers())
