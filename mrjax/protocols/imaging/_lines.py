"""Readouts of a line of k-space, under a trapezoid."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from mrjax.protocols.imaging._lobes import GAMMA_BAR_PROTON, gradient_of, ramp_time
from mrjax.protocols.imaging._timing import misses, nearest, up
from mrjax.sequence import Delay, Gradient, Readout, Scanner, Sequence, Together


@dataclass(frozen=True)
class ReadoutLine:
    """A readout on the flat part of a trapezoid, or beyond.

    **Arguments:**

    - `n`, `dwell`: Number of samples, and the time of each in s.
    - `k_per_second`: How fast k moves on the flat part, in cycles/m/s.
    - `ramp`, `flat`: Parts of the trapezoid, in s.
    - `delay`: Until the readout begins, in s.
    """

    n: int
    dwell: float
    k_per_second: float
    ramp: float
    flat: float
    delay: float

    @property
    def duration(self) -> float:
        """In s."""
        return 2 * self.ramp + self.flat

    @property
    def k_total(self) -> float:
        """What the trapezoid winds, in cycles/m."""
        return self.k_per_second * (self.ramp + self.flat)

    @property
    def center(self) -> float:
        """When sample n // 2 is taken, in s from the start."""
        return self.time_of(self.n // 2)

    @property
    def k_before(self) -> float:
        """What is wound until sample n // 2, in cycles/m."""
        return self.k_until(self.center)

    @property
    def k_after(self) -> float:
        """What is wound from sample n // 2 on, in cycles/m."""
        return self.k_total - self.k_before

    def time_of(self, sample: int) -> float:
        """When a sample is taken, in s from the start."""
        return self.delay + (sample + 0.5) * self.dwell

    def k_until(self, time: float) -> float:
        """What is wound until a time in s from the start, in cycles/m."""
        rising = np.clip(time, 0.0, self.ramp)
        flat = np.clip(time - self.ramp, 0.0, self.flat)
        falling = np.clip(time - self.ramp - self.flat, 0.0, self.ramp)
        share = rising**2 / 2 + falling * self.ramp - falling**2 / 2
        return float(self.k_per_second * (share / self.ramp + flat))

    def gradient(self, axis: Any, scale: Any = 1.0) -> Gradient:
        """The trapezoid, times a number for each repetition, or one."""
        amplitude = np.asarray(scale) * gradient_of(self.k_per_second)
        return Gradient.trapezoid(amplitude, rise=self.ramp, flat=self.flat, axis=axis)

    def readout(self, phase: Any = 0.0) -> Sequence:
        """The readout, as a track."""
        return Sequence(Delay(nearest(self.delay, 1e-9)), Readout(self.n, self.dwell, phase))

    def along(self, axis: Any, phase: Any = 0.0) -> Together:
        """Gradient and readout, played once a repetition."""
        return Together(self.gradient(axis), self.readout(phase))


def centered_on_a_sample(n: int, fov: float, dwell: float, scanner: Scanner) -> ReadoutLine:
    """A line of which sample n // 2 is taken in the middle of the gradient, as near as the RF raster allows."""
    ramp, speed = _ramp_of(fov, dwell, scanner)
    half = (max(n // 2, n - n // 2 - 1) + 0.5) * dwell
    flat = up(2 * half, 2 * scanner.gradient_raster)
    delay = nearest(ramp + flat / 2 - (n // 2 + 0.5) * dwell, scanner.rf_raster)
    if delay < ramp - 1e-9:  # the start was rounded towards the ramp
        delay += scanner.rf_raster
    return ReadoutLine(n, dwell, speed, ramp, flat, delay)


def centered(n: int, fov: float, dwell: float, scanner: Scanner, turning: float) -> ReadoutLine:
    """A line whose samples lie evenly about the middle of the gradient, so that one played backwards has the same places.

    **Arguments:**

    - `turning`: Which the ramps last at least, in s.

    **Raises:** `ValueError` where the readout cannot begin on the RF raster.
    """
    ramp, speed = _ramp_of(fov, dwell, scanner)
    ramp = max(ramp, turning)
    flat = up(n * dwell, 2 * scanner.gradient_raster)
    delay = ramp + (flat - n * dwell) / 2
    if misses(delay, scanner.rf_raster):
        raise ValueError(
            f"`dwell_time` must let {n} samples last a multiple of {2 * scanner.rf_raster * 1e6:g} us, so that lines in both "
            f"directions meet, but they last {n * dwell * 1e6:.6g} us; take a multiple of "
            f"{2 * scanner.rf_raster / n * 1e9:.6g} ns."
        )
    return ReadoutLine(n, dwell, speed, ramp, flat, delay)


def on_ramps(n: int, fov: float, dwell: float, scanner: Scanner, turning: float) -> ReadoutLine:
    """A line sampled on its ramps too, from `turning` in s after its start on: the samples cover n / `fov`, not evenly.

    Where the ramps to the gradient of an evenly sampled line would cover more, it is lower.
    """
    ramp, speed = _ramp_of(fov, dwell, scanner)
    ramp = max(ramp, turning)
    of_ramps = lambda: ramp - turning**2 / ramp
    while (flat := n / fov / speed - of_ramps()) < 0:
        ramp -= scanner.gradient_raster
        speed = min(speed, GAMMA_BAR_PROTON * scanner.max_slew * ramp)
    flat = up(flat, 2 * scanner.gradient_raster)
    # an even number of samples, in the middle
    n_samples = 2 * int((2 * (ramp - turning) + flat) / (2 * dwell) + 1e-6)
    delay = nearest(ramp + flat / 2 - n_samples * dwell / 2, scanner.rf_raster)
    return ReadoutLine(n_samples, dwell, speed, ramp, flat, delay)


def _ramp_of(fov: float, dwell: float, scanner: Scanner) -> tuple[float, float]:
    """How long ramps last, in s, and how fast k moves on the flat part, in cycles/m/s.

    **Raises:** `ValueError` where the gradient would be too strong.
    """
    speed = 1 / (fov * dwell)
    if speed > GAMMA_BAR_PROTON * scanner.max_gradient * (1 + 1e-9):
        least = 1 / (fov * GAMMA_BAR_PROTON * scanner.max_gradient)
        raise ValueError(
            f"`dwell_time` must be at least {least * 1e6:.4g} us for this field of view and the gradients of the scanner, but "
            f"got {dwell * 1e6:.4g} us."
        )
    edge = up(scanner.adc_dead_time, scanner.gradient_raster)
    return max(ramp_time(gradient_of(speed), scanner), edge), speed
