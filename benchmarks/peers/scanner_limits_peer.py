"""What does pypulseqpp say of Pulseq files: gradients, slew rates, nerves, power, resonances and timing?

    <python with pypulseqpp==0.0.53> -m benchmarks.peers.scanner_limits_peer FOLDER

from the root of the repository, where FOLDER holds `.seq` files and `asked.json`, as `benchmarks.scanner_limits` writes them.
Prints one line of JSON for each file. Spectra are those of `mech_resonance_spectrum` in every window, of all axes together;
power is the mean over the whole file, of the windows of `check_sar` by how long they last.
"""

import json
import sys
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pypulseqpp
from pypulseqpp import safety

GAMMA_BAR = 42.577478518e6
"""In Hz/T, by which files are turned into tesla."""


def nerves(asked: dict[str, Any]) -> SimpleNamespace:
    """The SAFE model, with times in ms."""
    names = ("a1", "a2", "a3", "tau1", "tau2", "tau3", "stim_limit", "g_scale")
    return SimpleNamespace(
        **{axis: SimpleNamespace(**dict(zip(names, row, strict=True))) for axis, row in asked["safe"].items()}
    )


def driven(sequence: Any, system: Any, window: float, bands: list[list[float]]) -> list[float]:
    """The largest amplitude in each band, of all axes together, in T/m."""
    forbidden = [(None, *band, 1.0) for band in bands]
    _, report = safety.check_mech_resonance(sequence, forbidden, window_width=window, system=system)
    largest = [0.0] * len(bands)
    for number in range(report.windows):
        found = safety.mech_resonance_spectrum(sequence, window=number, window_width=window, system=system)
        total = np.sqrt(np.sum(found.amplitude**2, axis=0)) * 1e-3
        for i, (low, high) in enumerate(bands):
            inside = total[(found.frequency >= low) & (found.frequency <= high)]
            largest[i] = max(largest[i], float(inside.max()))
    return largest


def system_of(scanner: dict[str, float]) -> Any:
    """Rasters and dead times of the scanner, and limits that nothing reaches."""
    limits = {"max_grad": 1000, "grad_unit": "mT/m", "max_slew": 1000, "slew_unit": "T/m/s"}
    # the number of samples of a readout is nothing that `mr.Scanner` limits
    return pypulseqpp.Opts(gamma=GAMMA_BAR, adc_samples_divisor=1, **limits, **scanner)


def figures(path: Path, asked: dict[str, Any]) -> dict[str, Any]:
    system = system_of(asked["scanner"])
    sequence = pypulseqpp.Sequence(system)
    sequence.read(str(path))
    _, gradient = safety.check_max_grad(sequence, system)
    _, slew = safety.check_max_slew(sequence, system)
    _, safe = safety.check_pns(sequence, nerves(asked), system=system)
    _, chronaxie = safety.check_pns(sequence, safety.ChronaxieModel(**asked["chronaxie"]), system=system)
    mean, peak, _, _ = sequence.calc_rf_power()
    body = np.full((1, 1, 1), asked["sar_per_squared_b1"] / GAMMA_BAR**2, complex)
    _, power = safety.check_sar(sequence, safety.VopModel(body, body[0]), drive_per_hz=1.0)
    windows = power.windows
    largest = driven(sequence, system, asked["window"], asked["bands"])
    return {
        "gradient": [peak.value / GAMMA_BAR for peak in gradient.axes],
        "gradient_magnitude": gradient.vector.value / GAMMA_BAR,
        "slew": [peak.value / GAMMA_BAR for peak in slew.axes],
        "slew_magnitude": slew.vector.value / GAMMA_BAR,
        "safe": safe.peak.value,
        "chronaxie": chronaxie.peak.value,
        "b1": float(np.sqrt(peak)) / GAMMA_BAR,
        "b1_rms": float(np.sqrt(mean)) / GAMMA_BAR,
        "sar": float(np.sum(windows.global_sar * windows.duration) / np.sum(windows.duration)),
        "resonances": largest,
        "timing": bool(sequence.check_timing()[0]),
    }


def main(folder: Path) -> None:
    asked = json.loads((folder / "asked.json").read_text())
    for name in asked["names"]:
        print(json.dumps({"name": name, "pypulseqpp": version("pypulseqpp"), **figures(folder / f"{name}.seq", asked)}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
