"""How fast are saturation experiments on one core, beside BMCTool and the published rate of a C++ dictionary generator?

    python -m benchmarks.cest [--small]

from the root of the repository, at best on an idle machine: times are the least of many calls. Each contestant is a process
of its own. `MRJAX_BMCTOOL` names a Python that has bmctool==1.0.3, `MRJAX_DATA` the folder of the reference data. Writes
results/<date>-cest-cpu.json and results/cest.md.
"""

import argparse
import datetime
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.__main__ import ROOT, machine, ran
from benchmarks.cest_tasks import TRAINS

Numbers = dict[str, Any]

BMCTOOL = "MRJAX_BMCTOOL"

PUBLISHED = {
    "dictionary_9.4T_continuous": {"atoms_per_cpu_s": 3533, "n_blocks": 149},
    "dictionary_3T_13_spin_locks": {"atoms_per_cpu_s": 78, "n_blocks": 5099},
}
"""open-py-cest-mrf, a C++ program built with g++, on a 2-core CPU: stated figures of another machine, from the survey of tools
that comes with the reference data (reference/cest.md, section 4c). Its spin-lock file also plays readouts."""

LABELS = {
    "apt001_2p_creatine": "36 pulses, APTw_3T_001",
    "apt001_3p_MT_Lor": "36 pulses, APTw_3T_001, semisolid",
    "bmsim_case7": "36 pulses, BMsim case 7",
    "bmsim_case3": "continuous wave, BMsim case 3",
}


def contestants(small: bool) -> Numbers:
    """What every process reports."""
    size = ("--small",) if small else ()
    found: Numbers = {}
    for precision in ("float64", "float32"):
        print(f"mrjax, {precision}", file=sys.stderr, flush=True)
        found[precision] = ran(sys.executable, "benchmarks.cest_jobs", ("--precision", precision, *size), threads=1)
    print("BMCTool", file=sys.stderr, flush=True)
    found["bmctool"] = {name: ran_bmctool(name, small) for name in TRAINS}
    return found


def ran_bmctool(name: str, small: bool) -> Numbers:
    python = os.environ.get(BMCTOOL)
    if not python:
        return {"error": f"{BMCTOOL} must name a Python that has bmctool==1.0.3, but is not set."}
    arguments = (name, *(("--offsets", "1", "--repeats", "1") if small else ("--offsets", "3", "--repeats", "4")))
    return ran(python, "benchmarks.peers.bmctool_peer", arguments, threads=1)


def table(titles: list[str], rows: list[list[str]]) -> list[str]:
    lines = [titles, ["---"] * len(titles), *rows]
    return [f"| {' | '.join(line)} |" for line in lines] + [""]


def per_offset(numbers: Numbers, key: str) -> float:
    """In ms."""
    return 1e3 * numbers[key]["cpu_s"] / numbers["n_offsets"]


def spectra(found: Numbers) -> list[str]:
    rows = []
    for precision in ("float64", "float32"):
        for job in found[precision].get("spectra", []):
            peer = found["bmctool"].get(job["job"], {})
            theirs = 1e3 * peer["cpu_s"] / peer["n_offsets"] if "cpu_s" in peer else None
            ours = [per_offset(job, key) for key in ("under_jit", "plain")]
            beside = [f"{theirs:.0f}", f"{theirs / ours[0]:.0f}", f"{theirs / ours[1]:.0f}"] if theirs else [""] * 3
            rows.append(
                [LABELS[job["job"]], f"{job['n_pools']}", f"{job['n_offsets']}", precision]
                + [f"{time:.4f}" for time in ours]
                + [f"{job['compile_s']:.1f}", f"{job['error']:.1e}", *beside]
            )
    titles = ["experiment", "pools", "offsets", "precision", "under jit, ms/offset", "plain call, ms/offset"]
    return table(
        [*titles, "compile, s", "largest error of Mz", "BMCTool, ms/offset", "ratio, jit", "ratio, plain"], rows
    )


def dictionaries(found: Numbers) -> list[str]:
    rows = []
    for job in found["float32"].get("dictionaries", []):
        published = PUBLISHED[job["job"]]
        rates = [job["n_atoms"] / job[key]["cpu_s"] for key in ("plain", "under_jit")]
        # equal work: what the published rate would be with the blocks that are played here
        scaled = published["atoms_per_cpu_s"] * published["n_blocks"] / job["n_blocks"]
        ratios = [rates[0] / published["atoms_per_cpu_s"], rates[0] / scaled]
        rows.append(
            [
                job["job"].replace("_", " "),
                *(f"{job[key]}" for key in ("n_atoms", "n_blocks")),
                *(f"{rate:.0f}" for rate in rates),
                f"{job['first_s']:.1f}",
                f"{job['error']:.1e}",
                *(f"{published[key]}" for key in ("atoms_per_cpu_s", "n_blocks")),
                *(f"{ratio:.1f}" for ratio in ratios),
            ]
        )
    titles = ["experiment", "atoms", "blocks", "plain call, atoms/CPU s", "under jit", "first call, s", "largest error"]
    return table([*titles, "C++, stated", "its blocks", "ratio", "ratio at equal blocks"], rows)


def gradients(found: Numbers) -> list[str]:
    rows = []
    for precision in ("float64", "float32"):
        for job in found[precision].get("gradients", []):
            times = [f"{per_offset(job, key):.3f}" for key in ("value", "gradient")]
            error = f"{job['error']:.0e}" if "error" in job else ""
            memory = f"{job['gradient']['temp_mib']:.1f}"
            compiling = f"{job['gradient']['compile_s']:.1f}"
            rows.append([LABELS[job["job"]], precision, *times, f"{job['ratio']:.2f}", compiling, memory, error])
    titles = ["experiment", "precision", "value, ms/offset", "value and gradient, ms/offset", "ratio", "compile, s"]
    return table([*titles, "temporary, MiB", "error against differences"], rows)


def files(found: Numbers) -> list[str]:
    rows = [
        [job["job"], f"{job['n_blocks']}", *(f"{1e3 * job[key]['cpu_s']:.1f}" for key in ("read", "converted"))]
        for job in found["float32"].get("files", [])
    ]
    return table(["file", "blocks", "read, ms", "made a sequence, ms"], rows)


def errors(found: Numbers) -> list[str]:
    reports = {"float64": found["float64"], "float32": found["float32"], **found["bmctool"]}
    return [
        f"Failed: {name}: {report['error']}" for name, report in reports.items() if isinstance(report.get("error"), str)
    ]


def markdown(content: Numbers) -> str:
    found, cpu = content["reports"], content["machine"]["cpu"]
    versions = {
        **content["machine"]["versions"],
        **{r["version"]: "" for r in found["bmctool"].values() if "version" in r},
    }
    listed = ", ".join(f"{name} {version}".strip() for name, version in versions.items())
    parts: list[tuple[str, Callable[[Numbers], list[str]]]] = [
        ("Z-spectra", spectra), ("Dictionaries, float32", dictionaries),
        ("Gradient in all 200 samples of the pulse", gradients), ("Pulseq files", files),
    ]  # fmt: skip
    lines = [
        "# Saturation transfer on one core",
        "",
        f"{content['date']}, {cpu}; {listed}. Load of the machine before and after: "
        f"{content['load'][0]:.1f}, {content['load'][1]:.1f}. Seconds are CPU seconds, the least of many calls.",
        "",
        *errors(found),
    ]
    for title, part in parts:
        lines += [f"## {title}", "", *part(found)]
    lines += [
        "Errors of Mz are to exact matrix exponentials of the reference data; BMCTool played a few of the offsets. The C++ rates "
        "were measured with g++-built C++ on two cores CPU, on another machine. Its spin-lock dictionary played more blocks "
        "per atom (readouts); at equal blocks its rate is scaled up by them.",
        "",
    ]
    return "\n".join(lines)


def load() -> float:
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")


def save(small: bool, content: Numbers) -> Path:
    suffix = "-small" if small else ""
    folder = ROOT / "benchmarks" / "results"
    folder.mkdir(exist_ok=True)
    (folder / f"{content['date']}-cest-cpu{suffix}.json").write_text(json.dumps(content, indent=1) + "\n")
    target = folder / f"cest{suffix}.md"
    target.write_text(markdown(content))
    return target


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", action="store_true", help="jobs of seconds, to see that all of them run")
    options = parser.parse_args()
    before = load()
    found = contestants(options.small)
    date = datetime.datetime.now(datetime.UTC).date().isoformat()
    content = {"date": date, "small": options.small, "machine": machine(), "load": [before, load()], "reports": found}
    target = save(options.small, content)
    print(target.read_text())
    print(target.relative_to(ROOT))


if __name__ == "__main__":
    main()
