"""How long does a user wait for the first answer, how long for the next, and what does another size compile?

    python -m benchmarks.first_calls [--only imaging cest/loas40_3p_MT] [--as now]

Every case of `first_call_cases` in a process of its own, one after the other, at best on an idle machine. What is found is
added to results/first_calls.json under the name that `--as` gives, and results/first_calls.md shows all names side by side;
so two states of the code are compared by running the script in both. The reference data are needed (`MRJAX_DATA`, or
../shared/data). No test asserts any of these times.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks import first_call_cases
from benchmarks.__main__ import ROOT, machine

RESULTS = ROOT / "benchmarks" / "results" / "first_calls.json"
LIMIT = 300  # s, for one process

GOALS = {
    "fisp": 0.6,
    "fisp_gradient": 1.5,
    "fisp_maps": 1.5,
    "imaging": 2.0,
    "pulseq": 1.5,
    "cest/loas40_3p_MT": 5.0,
    "cest": 3.0,
    "bloch_ode": 5.0,
    "phantom": 2.0,
    "fisp, kept on disk": 1.0,
    "demo": 25.0,
}
"""First calls in s: what was asked for."""


def measured(name: str, *options: str) -> dict:
    command = [sys.executable, "-m", "benchmarks.first_call_cases", name, *options]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=LIMIT, check=True)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        return {"error": type(error).__name__}
    return json.loads(done.stdout.strip().splitlines()[-1])


def kept_on_disk() -> dict:
    """The first call of a second process, where the first has kept what it compiled."""
    with tempfile.TemporaryDirectory() as folder:
        measured("fisp", "--cache", folder)
        return measured("fisp", "--cache", folder)


def demo() -> dict:
    """All of `mrjax demo`, the start of Python included."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "mrjax.cli", "--no-cache", "demo", "--out", folder]
        start = time.perf_counter()
        subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
        return {"first": {"s": time.perf_counter() - start}}


OTHERS = {"fisp, kept on disk": kept_on_disk, "demo": demo}


def chosen(only: list[str] | None) -> Iterator[str]:
    for name in (*first_call_cases.names(), *OTHERS):
        if only is None or name in only or name.split("/")[0] in only:
            yield name


def goal(name: str) -> float | None:
    return GOALS.get(name, GOALS.get(name.split("/")[0]))


def table(found: dict) -> str:
    """One row for each case, first call and next of each state of the code, and what other sizes compile in the last."""
    labels = list(found)
    lines = ["| case | goal | " + " | ".join(f"{label}: first, next" for label in labels) + " | other sizes compile |"]
    lines.append("|---" * (3 + len(labels)) + "|")
    for name in (*first_call_cases.names(), *OTHERS):
        runs = [found[label]["cases"].get(name, {}) for label in labels]
        if any(runs):
            due = goal(name)
            cells = [name, "" if due is None else f"{due:g} s", *map(seconds, runs), sizes(runs[-1])]
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def seconds(run: dict) -> str:
    if "first" not in run:
        return run.get("error", "")
    again = f", {1e3 * run['again']['s']:.3g} ms" if "again" in run else ""
    return f"{run['first']['s']:.2f} s{again}"


def sizes(run: dict) -> str:
    return ", ".join(f"{which}: {one['programs']}" for which, one in run.get("neighbours", {}).items())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="cases, or groups of cases")
    parser.add_argument("--as", dest="label", default="now", help="name of this state of the code in the results (now)")
    options = parser.parse_args()
    found = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    entry = found.setdefault(options.label, {"cases": {}})
    entry["machine"] = machine()
    for name in chosen(options.only):
        entry["cases"][name] = OTHERS[name]() if name in OTHERS else measured(name)
        print(name, seconds(entry["cases"][name]), sizes(entry["cases"][name]), flush=True)
        RESULTS.write_text(json.dumps(found, indent=1) + "\n")
    heading = (
        "# First calls\n\n`python -m benchmarks.first_calls`: first call, and the least time of those after it.\n\n"
    )
    Path(RESULTS.with_suffix(".md")).write_text(heading + table(found))


if __name__ == "__main__":
    main()
