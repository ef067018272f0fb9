"""Do the figures that `mr.Scanner` limits agree with pypulseqpp's, on ten imaging sequences?

    python -m benchmarks.scanner_limits <python with pypulseqpp==0.0.53>

from the root of the repository. Writes `results/scanner_limits.json` and `results/scanner_limits.md`.
"""

import argparse
import dataclasses
import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

import mrjax as mr
from mrjax.cli.imaging_protocols import PROTOCOLS, scan_called
from mrjax.units import ms

RESULTS = Path(__file__).parent / "results"
FOV = (0.22, 0.22, 0.16)
SETTINGS = {
    "mprage": {"matrix": (32, 16, 2), "ti": 0.5, "tr": 0.8},
    "fse": {"tr": 0.4},
    "oled": {"te": (22 * ms, 60 * ms)},
    "moled": {"te": (22 * ms, 35 * ms, 48 * ms, 60 * ms)},
}
"""So that all last seconds, and echoes fall into the readout."""

SAFE = {
    "x": (0.40, 0.10, 0.50, 0.20, 0.03, 3.00, 30.0, 0.35),
    "y": (0.55, 0.15, 0.30, 1.50, 2.50, 0.15, 15.0, 0.31),
    "z": (0.42, 0.40, 0.18, 2.00, 0.12, 1.00, 25.0, 0.25),
}
"""Weights, time constants in ms, limit in T/m/s and scale: the example of the published program (`safe_example_hw`)."""
CHRONAXIE = {"chronaxie": 360e-6, "rheobase": 20.0, "alpha": 0.333}
SCANNER = {
    "rf_raster_time": "rf_raster",
    "grad_raster_time": "gradient_raster",
    "adc_raster_time": "adc_raster",
    "block_duration_raster": "block_raster",
    "rf_dead_time": "rf_dead_time",
    "rf_ringdown_time": "rf_ringdown",
    "adc_dead_time": "adc_dead_time",
}
"""By pypulseqpp's names."""
BANDS = ((540.0, 640.0), (1030.0, 1250.0))
WINDOW = 40 * ms
SAR_PER_SQUARED_B1 = 0.4e12
"""In W/kg/T^2."""


def sequence_called(name: str) -> mr.Sequence:
    """With settings that the command line takes."""
    settings: dict[str, Any] = dict(SETTINGS.get(name, {}))
    rank = max(2, PROTOCOLS[name].n_axes)
    matrix = settings.pop("matrix", (48,) * PROTOCOLS[name].n_axes)
    return scan_called(name, matrix, FOV[:rank], settings, mr.Scanner()).sequence


def limited() -> mr.Scanner:
    """A scanner that limits all, at values by which shares are turned into figures again."""
    rows = np.array(list(SAFE.values()))
    nerves = mr.hardware.SafeStimulation(rows[:, 6], rows[:, 3:6] * ms, rows[:, :3], scale=rows[:, 7], is_sampled=True)
    return mr.Scanner(
        max_gradient=1.0,
        max_slew=1.0,
        max_gradient_magnitude=1.0,
        max_slew_magnitude=1.0,
        max_b1=1.0,
        max_b1_rms=1.0,
        b1_rms_window=1e6,
        max_sar=1.0,
        sar_per_squared_b1=SAR_PER_SQUARED_B1,
        sar_window=1e6,
        stimulation=nerves,
        resonance_window=WINDOW,
    )


def figures(sequence: mr.Sequence) -> dict[str, Any]:
    """What mrjax says, in SI."""
    scanner = limited()
    found = scanner.utilisation(sequence)
    largest = {name: float(np.max(share)) for name, share in found.items()}
    axes = {
        name: np.max(np.abs(found[name]), axis=tuple(range(np.ndim(found[name]) - 1))) for name in ("gradient", "slew")
    }
    law = mr.hardware.ChronaxieStimulation(CHRONAXIE["rheobase"], CHRONAXIE["alpha"], CHRONAXIE["chronaxie"])
    with_law = dataclasses.replace(scanner, stimulation=law)
    driven = []
    for low, high in BANDS:
        band = mr.hardware.Resonance((low + high) / 2, high - low, most=1.0)
        one = dataclasses.replace(scanner, resonances=[band])
        driven.append(float(np.max(one.utilisation(sequence, ("resonance",))["resonance"])))
    return {
        **{name: values.tolist() for name, values in axes.items()},
        **{name: largest[name] for name in ("gradient_magnitude", "slew_magnitude", "b1", "b1_rms", "sar")},
        "safe": largest["stimulation"],
        "chronaxie": float(np.max(with_law.utilisation(sequence, ("stimulation",))["stimulation"])),
        "resonances": driven,
    }


def compared(python: Path) -> list[dict[str, Any]]:
    """By sequence, what both say."""
    with tempfile.TemporaryDirectory() as name:
        folder, ours = Path(name), {}
        for protocol in PROTOCOLS:
            sequence = sequence_called(protocol)
            mr.pulseq.write(sequence, folder / f"{protocol}.seq")
            ours[protocol] = {"duration": float(sequence.duration), **figures(sequence)}
        asked = {
            "names": list(PROTOCOLS),
            "scanner": {theirs: getattr(mr.Scanner(), ours) for theirs, ours in SCANNER.items()},
            "safe": SAFE,
            "chronaxie": CHRONAXIE,
            "bands": BANDS,
            "window": WINDOW,
            "sar_per_squared_b1": SAR_PER_SQUARED_B1,
        }
        (folder / "asked.json").write_text(json.dumps(asked))
        command = [str(python), "-m", "benchmarks.peers.scanner_limits_peer", str(folder)]
        lines = subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE).stdout.splitlines()
    theirs = {line["name"]: line for line in map(json.loads, lines)}
    return [{"name": one, "mrjax": ours[one], "pypulseqpp": theirs[one]} for one in PROTOCOLS]


SHOWN = {
    "gradient": ("G (mT/m)", 1e3),
    "gradient_magnitude": ("\\|G\\| (mT/m)", 1e3),
    "slew": ("slew (T/m/s)", 1.0),
    "slew_magnitude": ("\\|slew\\| (T/m/s)", 1.0),
    "safe": ("SAFE", 1.0),
    "chronaxie": ("chronaxie", 1.0),
    "b1": ("B1 (uT)", 1e6),
    "b1_rms": ("B1+rms (uT)", 1e6),
    "sar": ("SAR (W/kg)", 1.0),
    "resonances": ("bands (mT/m)", 1e3),
}


def difference(row: dict[str, Any], name: str) -> float:
    """Relative to the largest of pypulseqpp's."""
    ours, theirs = (np.atleast_1d(row[who][name]) for who in ("mrjax", "pypulseqpp"))
    return float(np.max(np.abs(ours - theirs)) / np.max(np.abs(theirs)))


def table(rows: list[dict[str, Any]]) -> str:
    """What mrjax says, and the largest difference of each figure."""
    titles = [title for title, _ in SHOWN.values()]
    lines = [f"| | s | {' | '.join(titles)} |", "|---|---|" + "---|" * len(titles)]
    for row in rows:
        cells = [
            " / ".join(f"{value * size:.3g}" for value in np.atleast_1d(row["mrjax"][name]))
            for name, (_, size) in SHOWN.items()
        ]
        lines.append(f"| {row['name']} | {row['mrjax']['duration']:.2f} | {' | '.join(cells)} |")
    largest = [f"{100 * max(difference(row, name) for row in rows):.2g} %" for name in SHOWN]
    return "\n".join([*lines, f"| **largest difference** | | {' | '.join(largest)} |"])


def report(rows: list[dict[str, Any]]) -> str:
    """What is compared, and how it comes out."""
    refused = [row["name"] for row in rows if not row["pypulseqpp"]["timing"]]
    bands = " and ".join(f"{low:g} to {high:g} Hz" for low, high in BANDS)
    return f"""\
# Figures of `mr.Scanner.utilisation` beside pypulseqpp {rows[0]["pypulseqpp"]["pypulseqpp"]}

    python -m benchmarks.scanner_limits <python with pypulseqpp==0.0.53>

Ten protocols as `mrjax simulate` plays them, written as Pulseq files, which pypulseqpp reads. The largest of each figure:
gradients and slew rates along x, y and z and of all axes together, nerves relative to their threshold by the SAFE model (the
example of the published program) and by the law of strength and duration, B1+rms and SAR of the whole file
({SAR_PER_SQUARED_B1 * 1e-12:g} W/kg per squared uT), and the largest oscillation from {bands} in windows
of {WINDOW * 1e3:g} ms.

{table(rows)}

Refused by pypulseqpp's check of timing: {", ".join(refused) or "none"}.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("python", type=Path, help="that has pypulseqpp")
    rows = compared(parser.parse_args().python)
    (RESULTS / "scanner_limits.json").write_text(json.dumps(rows, indent=1) + "\n")
    (RESULTS / "scanner_limits.md").write_text(report(rows))


if __name__ == "__main__":
    main()
