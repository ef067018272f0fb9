"""How fast is mrjax on this machine, beside its peers and beside the least time that a CPU needs?

    python -m benchmarks [--small] [--only fisp bloch ...]

Every contestant is a process of its own, one after the other, on one core and on two. Prints a table and writes
results/<date>-cpu.json. What fails is a row of the table.
"""

import argparse
import datetime
import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.peers.environment import python_of_peers

ROOT = Path(__file__).parents[1]
LIMIT = 1800  # s, for one process

Numbers = dict[str, Any]


@dataclass(frozen=True)
class Question:
    """A script, what its peer and its floor are called with, and on how many cores it makes sense."""

    script: str
    peer: tuple[str, ...] = ()
    floor: tuple[str, ...] = ()
    size: tuple[str, ...] = ()
    small: tuple[str, ...] = ()
    threads: tuple[int, ...] = (1, 2)
    arguments: tuple[str, ...] = ()

    def sized(self, command: tuple[str, ...], small: bool) -> tuple[str, ...]:
        return (*command, *(self.small if small else self.size))


def of_epg(name: str, voxels: int, small: int = 200, floor: tuple[str, ...] = ()) -> Question:
    size = lambda n: ("--voxels", str(n), "--states", "20")
    return Question(name, ("blochsim_peer", name), floor, size(voxels), size(small))


def of_bloch(positions: int, frequencies: int) -> tuple[str, ...]:
    return ("--positions", str(positions), "--frequencies", str(frequencies))


QUESTIONS = (
    of_epg("fisp", 10_000, floor=("fisp",)),
    of_epg("fisp_jacobian", 10_000),
    of_epg("fisp_gradient", 1000),
    of_epg("cpmg", 100_000, small=500),
    Question("bloch", ("blochsimulator_peer", "bloch"), ("bloch",), of_bloch(1000, 100), of_bloch(20, 25)),
    Question(
        "blochnet_step",
        ("blochnet_torch_peer",),
        size=("--voxels", "1000", "--repetitions", "1000"),
        small=("--voxels", "100", "--repetitions", "100"),
    ),
    Question("gradient_choices"),
    Question("steady_states"),
    Question("trigonometry", threads=(1,)),
    Question("scaling", threads=(1,), arguments=("--plot",)),
)

COMPARED = {"fisp", "fisp_jacobian", "fisp_gradient", "cpmg", "bloch_float32", "bloch_float64", "blochnet_step"}
"""The jobs that the peer and the floor of their script do as well; other jobs do more."""


def ran(python: str | Path, module: str, arguments: tuple[str, ...], threads: int) -> Numbers:
    """What a module reports in its last line, or the error it ended with. `--threads` binds it to that many cores."""
    command = [str(python), "-m", module, *arguments, "--threads", str(threads)]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=LIMIT)
    except (OSError, subprocess.TimeoutExpired) as error:
        return {"error": without_folders(f"{type(error).__name__} of {module}")}
    lines = done.stdout.strip().splitlines()
    if done.returncode or not lines:
        complaint = done.stderr.strip().splitlines()
        return {"error": without_folders(complaint[-1] if complaint else f"exit status {done.returncode}")}
    return json.loads(lines[-1])


def without_folders(text: str) -> str:
    """Results are published, and folders tell of the machine and its user."""
    return re.sub(r"(?:/[^\s/'\":]+)+/|[A-Z]:\\(?:[^\s\\]+\\)*", "", text)


def ran_peer(question: Question, small: bool, threads: int) -> Numbers:
    name, *arguments = question.sized(question.peer, small)
    try:
        python = python_of_peers()
    except Exception as error:  # without peers the rest is still worth having
        return {"error": without_folders(str(error))}
    return ran(python, f"benchmarks.peers.{name}", tuple(arguments), threads)


def answers(question: Question, small: bool, threads: int) -> Numbers:
    """What all contestants of one question report."""
    arguments = (*question.arguments, *(("--small",) if small else ()))
    result = {
        "question": question.script,
        "threads": threads,
        "mrjax": ran(sys.executable, f"benchmarks.{question.script}", arguments, threads),
    }
    if question.peer:
        result["peer"] = ran_peer(question, small, threads)
    if question.floor:
        result["floor"] = ran(sys.executable, "benchmarks.floor", question.sized(question.floor, small), threads)
    return result


def rows(answer: Numbers) -> Iterator[Numbers]:
    """One for each job, with the times of those that did the same."""
    mrjax = answer["mrjax"]
    jobs = mrjax.get("jobs") or [{"job": answer["question"], "error": mrjax.get("error", "no job reported")}]
    for job in jobs:
        row = {"threads": answer["threads"], **job}
        if job["job"] in COMPARED:
            row |= beside(job, answer, "peer") | beside(job, answer, "floor")
        yield row


def beside(job: Numbers, answer: Numbers, other: str) -> Numbers:
    report = answer.get(other, {})
    if "error" in report:
        return {f"{other}_error": report["error"]}
    if "median_s" not in report:
        return {}
    ratio = {f"to_{other}": job["median_s"] / report["median_s"]} if "median_s" in job else {}
    return {f"{other}_s": report["median_s"], **ratio}


COLUMNS = {
    "median": ("median_s", "{:.3g} s"),
    "compile": ("compile_s", "{:.2f} s"),
    "temporary": ("temp_mib", "{:.1f} MiB"),
    "per order, voxel and repetition": ("ns_per", "{:.3f} ns"),
    "peer": ("peer_s", "{:.3g} s"),
    "time / peer": ("to_peer", "{:.2f}"),
    "floor": ("floor_s", "{:.3g} s"),
    "time / floor": ("to_floor", "{:.2f}"),
}


def cell(row: Numbers, key: str, form: str) -> str:
    if row.get(key) is not None:
        return form.format(row[key])
    return "failed" if f"{key.removesuffix('_s')}_error" in row else ""


def table(found: list[Numbers]) -> Table:
    result = Table(
        "job", "threads", caption="per spin and step for bloch, per pair of cosine and sine for trigonometry"
    )
    for title in COLUMNS:
        result.add_column(title, justify="right")
    for row in found:
        if "error" in row:
            result.add_row(row["job"], str(row["threads"]), f"[red]{row['error'][:60]}")
        else:
            result.add_row(row["job"], str(row["threads"]), *(cell(row, *column) for column in COLUMNS.values()))
    return result


def machine() -> Numbers:
    versions = {name: version(name) for name in ("mrjax", "jax", "jaxlib", "numpy")}
    return {
        "cpu": cpu_model(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "platform": platform.platform(),
        "versions": {"python": platform.python_version(), **versions},
    }


def cpu_model() -> str:
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.exists() else []
    return next(
        (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.processor()
    )


def save(small: bool, raw: list[Numbers], found: list[Numbers]) -> Path:
    date = datetime.datetime.now(datetime.UTC).date().isoformat()
    target = ROOT / "benchmarks" / "results" / f"{date}-cpu{'-small' if small else ''}.json"
    target.parent.mkdir(exist_ok=True)
    content = {"date": date, "small": small, "machine": machine(), "rows": found, "reports": raw}
    target.write_text(json.dumps(content, indent=1) + "\n")
    return target


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", action="store_true", help="jobs of seconds, to see that all of them run")
    parser.add_argument("--only", nargs="+", choices=[question.script for question in QUESTIONS], metavar="NAME")
    return parser.parse_args()


def main() -> None:
    options = arguments()
    # as wide as the table needs where no terminal says otherwise, so that a file keeps whole columns
    console = Console() if sys.stdout.isatty() else Console(width=180)
    raw = []
    for question in QUESTIONS:
        if options.only and question.script not in options.only:
            continue
        for threads in question.threads:
            print(f"{question.script}, {threads} thread(s)", file=sys.stderr, flush=True)
            raw.append(answers(question, options.small, threads))
    found = [row for answer in raw for row in rows(answer)]
    console.print(table(found))
    for row in found:
        for name in ("error", "peer_error", "floor_error"):
            if name in row:
                console.print(f"{row['job']}, {row['threads']} thread(s), {name}: {row[name]}", markup=False)
    print(save(options.small, raw, found).relative_to(ROOT))


if __name__ == "__main__":
    main()
