"""Draw the imaging protocols for the documentation: what is played, and its way through k-space.

    python scripts/draw_imaging_protocols.py

from the root of the repository writes `benchmarks/results/imaging_protocols_*.png`.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import mrjax as mr
from mrjax.protocols import imaging
from mrjax.units import deg, mm, ms

RESULTS = Path(__file__).parents[1] / "benchmarks" / "results"

FOV, MATRIX = 200 * mm, (32, 16)

FAMILIES = {
    "lines": {
        "flash": (imaging.flash(FOV, MATRIX, 15 * deg, te=4 * ms, tr=10 * ms), (0, 10 * ms)),
        "bssfp": (imaging.bssfp(FOV, MATRIX, 40 * deg, tr=5 * ms, n_dummies=0), (0, 10 * ms)),
        "fse": (imaging.fse(FOV, MATRIX, 10 * ms, 8, tr=100 * ms), (0, 35 * ms)),
    },
    "echo_planar": {
        "gre_epi": (imaging.gre_epi(FOV, MATRIX, 90 * deg, te=10 * ms), None),
        "se_epi": (imaging.se_epi(FOV, MATRIX, te=24 * ms, partial_fourier=0.75), None),
        "moled": (
            imaging.moled(FOV, (32, 32), (22 * ms, 30 * ms, 38 * ms), echo_shifts=(-6, 0, 6), dwell_time=4e-6),
            None,
        ),
    },
    "other": {
        "spen": (imaging.spen(FOV, (32, 16)), None),
        "radial": (imaging.radial(FOV, 64, 8, 40 * deg, tr=5 * ms, balanced=True), (0, 10 * ms)),
        "spiral": (imaging.spiral(FOV, 64, 4, 20 * deg, tr=12 * ms), (0, 12 * ms)),
    },
}


def main() -> None:
    for family, sequences in FAMILIES.items():
        figure, rows = plt.subplots(3, 2, figsize=(12, 12), width_ratios=(2.2, 1), layout="constrained")
        for (name, (sequence, shown)), (left, right) in zip(sequences.items(), rows, strict=True):
            mr.plot.sequence_diagram(sequence, time_range=shown, axes=left).set_title(name, loc="left")
            mr.plot.trajectory(sequence, axes=right)
            # around the samples: crushers and spoilers lead far beyond
            furthest = 1.4 * float(np.abs(sequence.timeline().trajectory()).max())
            right.set(xlim=(-furthest, furthest), ylim=(-furthest, furthest))
            right.set_aspect("equal", adjustable="box")
        figure.savefig(RESULTS / f"imaging_protocols_{family}.png", dpi=70)


if __name__ == "__main__":
    main()
