"""Trains of lines read to and fro, with blips between them."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from mrjax.protocols.imaging._lines import ReadoutLine, centered, on_ramps
from mrjax.protocols.imaging._lobes import GAMMA_BAR_PROTON
from mrjax.protocols.imaging._timing import up
from mrjax.sequence import Gradient, Label, Repeat, Scanner, Together


@dataclass(frozen=True)
class EpiTrain:
    """Lines along x, every other one backwards, and blips along y in the turns between.

    **Arguments:**

    - `line`: The first.
    - `n_lines`: How many there are.
    - `k_blip`: By which ky grows from one to the next, in cycles/m.
    - `half_blip`: Half the duration of a blip, in s: it ends a block, and begins the next.
    - `kx_start`: Where the train begins, in cycles/m.
    """

    line: ReadoutLine
    n_lines: int
    k_blip: float
    half_blip: float
    kx_start: float

    @property
    def duration(self) -> float:
        """In s."""
        return self.n_lines * self.line.duration

    @property
    def kx_end(self) -> float:
        """Where the train ends, in cycles/m."""
        return self.kx_start + self.line.k_total * (self.n_lines % 2)

    def time_of(self, number: int) -> float:
        """When a line crosses kx = 0, in s from the start of the train."""
        forward = self.line.ramp + (-self.kx_start / self.line.k_per_second - self.line.ramp / 2)
        within = self.line.duration - forward if number % 2 else forward
        return number * self.line.duration + within

    def events(self, lines: Any) -> Repeat:
        """What is played, with the number of each line as label: `(n_lines,)`, or `(n_shots, n_lines)`."""
        backwards = np.arange(self.n_lines) % 2
        peak = -self.k_blip / GAMMA_BAR_PROTON / self.half_blip
        peaks = np.full(self.n_lines + 1, peak)
        peaks[[0, -1]] = 0.0
        nothing = np.zeros(self.n_lines)
        waveform = np.stack([peaks[:-1], nothing, nothing, peaks[1:]], axis=-1)
        times = np.array([0.0, self.half_blip, self.line.duration - self.half_blip, self.line.duration])
        read, blip = self.line.gradient("x", 1.0 - 2.0 * backwards), Gradient(waveform, times, "y")
        labels = Label("LIN", lines), Label("REV", backwards)
        return Repeat(*labels, Together(read, blip, self.line.readout()), n_repetitions=self.n_lines)


def epi_train(
    n: int, fov: float, dwell: float, n_lines: int, k_blip: float, scanner: Scanner, *, ramp_sampling: bool = False
) -> EpiTrain:
    """A train whose lines have `n` samples at whole multiples of 1 / `fov`, or as many as the ramps allow beside."""
    area = abs(k_blip) / GAMMA_BAR_PROTON
    least = max(math.sqrt(area / scanner.max_slew), area / scanner.max_gradient, scanner.adc_dead_time)
    half = max(scanner.gradient_raster, up(least, scanner.gradient_raster))
    if ramp_sampling:
        line = on_ramps(n, fov, dwell, scanner, half)
        return EpiTrain(line, n_lines, k_blip, half, -line.k_total / 2)
    line = centered(n, fov, dwell, scanner, half)
    return EpiTrain(line, n_lines, k_blip, half, -line.k_before)
