"""How long does `import mrjax` take, and how long what it cannot do without?

CPU seconds, user and system, of processes of their own, the least of several. The two take turns, so that what else the
machine does concerns both. Bytecode is compiled before, as `pip` does when it installs.

    python -m benchmarks.import_time --runs 20
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile

MRJAX = "import mrjax"
FLOOR = "import jax, equinox"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=10, help="of each of the two")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        environment["PYTHONPYCACHEPREFIX"] = folder
        for statement in (MRJAX, FLOOR):
            cpu_seconds(statement, environment)  # writes the bytecode
        times = [(cpu_seconds(MRJAX, environment), cpu_seconds(FLOOR, environment)) for _ in range(options.runs)]
    mrjax, floor = (min(each) for each in zip(*times, strict=True))
    print(json.dumps({MRJAX: round(mrjax, 3), FLOOR: round(floor, 3), "ratio": round(mrjax / floor, 2)}))


def cpu_seconds(statement: str, environment: dict[str, str]) -> float:
    """User and system time of a new process that runs one statement."""
    before = _used_by_children()
    subprocess.run([sys.executable, "-c", statement], check=True, env=environment)
    return _used_by_children() - before


def _used_by_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
