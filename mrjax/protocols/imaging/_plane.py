"""The lines of a plane that shots of an echo-planar sequence acquire."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from mrjax import _checks
from mrjax.protocols.imaging import _arguments, _timing
from mrjax.protocols.imaging._epi_train import EpiTrain, epi_train
from mrjax.protocols.imaging._lobes import lobes
from mrjax.sequence import Label, Repeat, Scanner, Sequence

SPOILING = 2.0
"""Cycles across a pixel along x that are wound after each of several shots."""


@dataclass(frozen=True)
class PlaneOfShots:
    """Interleaved trains that make a plane.

    **Arguments:**

    - `train`: Of each shot.
    - `lines`: Numbers of the lines, `(n_shots, n_lines)`.
    - `ky`: Where each shot begins, in cycles/m, `(n_shots,)`.
    - `center`: Which line of its shot is the middle of k-space.
    """

    train: EpiTrain
    lines: np.ndarray
    ky: np.ndarray
    center: int

    @property
    def n_shots(self) -> int:
        """How many there are."""
        return self.lines.shape[0]

    @property
    def ky_end(self) -> np.ndarray:
        """Where each shot ends, in cycles/m."""
        return self.ky + self.train.k_blip * (self.train.n_lines - 1)

    @property
    def time_of_center(self) -> float:
        """When the middle of k-space is crossed, in s from the start of a train."""
        return self.train.time_of(self.center)


def plane_of(
    fov: Any,
    matrix: Any,
    dwell_time: Any,
    scanner: Scanner,
    *,
    n_shots: Any = 1,
    acceleration: Any = 1,
    partial_fourier: Any = 1.0,
    ramp_sampling: bool = False,
) -> PlaneOfShots:
    """The trains of a plane.

    **Raises:** `ValueError` where shots would differ in length or the middle of k-space is left out.
    """
    (nx, ny), (lx, ly) = _arguments.counts(matrix, "matrix", 2), _arguments.lengths(fov, "fov", 2)
    n_shots = _checks.positive_integer(n_shots, "n_shots")
    share = _arguments.time(partial_fourier, "partial_fourier")
    if not 0.5 < share <= 1:
        raise ValueError(f"`partial_fourier` must be above 0.5 and at most 1, but got {share:g}.")
    first = ny - min(ny, max(math.ceil(share * ny - 1e-9), ny - ny // 2 + 1))
    skip = _checks.positive_integer(acceleration, "acceleration")
    played = np.arange(first + (ny // 2 - first) % skip, ny, skip)
    if played.size % n_shots:
        raise ValueError(
            f"`n_shots` must divide the {played.size} lines that are acquired, but got {n_shots}; change `matrix`, "
            "`acceleration` or `partial_fourier`."
        )
    dwell, step = _arguments.time(dwell_time, "dwell_time", "sampling"), n_shots * skip / ly
    train = epi_train(nx, lx, dwell, played.size // n_shots, step, scanner, ramp_sampling=ramp_sampling)
    lines = played.reshape(-1, n_shots).T
    center = int(np.flatnonzero(np.any(lines == ny // 2, axis=0))[0])
    return PlaneOfShots(train, lines, (lines[:, 0] - ny // 2) / ly, center)


def shots(plane: PlaneOfShots, events: tuple, spent: float, tr: Any, scanner: Scanner) -> Sequence:
    """The shots one after the other, with a label, a spoiler where there are several, and a rest."""
    train, after = plane.train, 0.0
    label = Label("SEG", np.arange(plane.n_shots))
    if plane.n_shots > 1:
        k = SPOILING * train.line.k_total - train.kx_end
        spoiler = lobes({"x": k, "y": -plane.ky_end}, scanner)
        events, after = (*events, spoiler.event), spoiler.duration
    rest = _timing.wait_of(None if tr is None else _arguments.time(tr, "tr", "tr"), spent + after, "tr", scanner)
    return Sequence(Repeat(label, *events, *_timing.delays(rest), n_repetitions=plane.n_shots))
