"""The field of an RF event of a Pulseq file over time."""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Inexact, Int

from mrjax.pulseq.events import PulseqFile, RfEvent
from mrjax.pulseq.shapes import MOST_RUNS, Shape, from_samples

STRONGEST = 1 - 1e-5
"""Relative to its peak: where a pulse is as strong, it acts."""


@dataclass(frozen=True, eq=False)
class RfSamples:
    """Runs of equal samples, `dt` seconds each: `magnitude` in Hz, `phase` in rad, `counts` samples long."""

    magnitude: Float[np.ndarray, " n_runs"]
    phase: Float[np.ndarray, " n_runs"]
    counts: Int[np.ndarray, " n_runs"]
    dt: float

    @property
    def duration(self) -> float:
        """In s."""
        return int(self.counts.sum()) * self.dt

    @property
    def is_constant(self) -> bool:
        """Whether all samples are equal: a block pulse."""
        return bool(np.all(self.magnitude == self.magnitude[0]) and np.all(self.phase == self.phase[0]))

    def between(self, first: int, last: int) -> "RfSamples":
        """The runs from `first` up to `last`, without it."""
        return RfSamples(self.magnitude[first:last], self.phase[first:last], self.counts[first:last], self.dt)


def rf_samples(file: PulseqFile, event: RfEvent) -> RfSamples:
    """The field of an RF event, without its delay, offset and phase.

    Without a time shape, samples are constant over a raster each. With one they are constant around their times where these
    are the centres of equal intervals, and else joined by straight lines and sampled at the centres of the rasters.

    **Raises:** `ValueError` where times do not grow, or sampling would take more than four million samples.
    """
    magnitude = file.shapes[event.magnitude_shape]
    n_samples = magnitude.n_samples
    none = Shape(np.zeros(1), np.array([n_samples]))
    phase = file.shapes[event.phase_shape] if event.phase_shape else none
    dt = file.rf_raster
    if event.time_shape > 0:
        magnitude, phase, dt = _at_times(magnitude, phase, file.shapes[event.time_shape], dt)
    elif event.time_shape < 0:
        dt = dt / 2
    ends = np.union1d(np.cumsum(magnitude.counts), np.cumsum(phase.counts))
    at = lambda shape: shape.values[np.searchsorted(np.cumsum(shape.counts), ends)]
    return RfSamples(event.amplitude * at(magnitude), 2 * math.pi * at(phase), np.diff(ends, prepend=0), dt)


def strongest_at(waveform: Inexact[np.ndarray, " n"]) -> float:
    """When a pulse acts of which nothing else is known, in samples from its start: in the middle of where it is strongest."""
    strength = np.abs(waveform)
    return float(np.mean(np.flatnonzero(strength >= STRONGEST * strength.max()) + 0.5))


def _at_times(magnitude: Shape, phase: Shape, time: Shape, raster: float) -> tuple[Shape, Shape, float]:
    """Magnitude and phase in equal steps, and the step in s; times are in rasters."""
    if time.n_samples > MOST_RUNS:
        raise ValueError(f"A time shape of {time.n_samples} samples is too long; at most {MOST_RUNS} are read.")
    times = time.samples()
    steps = np.diff(times)
    if times.size == 0 or times[0] < 0 or np.any(steps <= 0):
        raise ValueError("A time shape must hold times that grow from 0 or later.")
    step = steps[0] if steps.size else 2 * times[0]
    if np.allclose(steps, step, rtol=1e-6, atol=0) and np.isclose(times[0], step / 2, rtol=1e-6, atol=0):
        return magnitude, phase, step * raster
    length = math.ceil(times[-1])
    if magnitude.values.size == phase.values.size == 1 and times[0] == 0:
        counts = np.array([length])
        return Shape(magnitude.values, counts), Shape(phase.values, counts), raster
    if length > MOST_RUNS:
        raise ValueError(
            f"An RF pulse of {length} rasters with a time shape is too long; at most {MOST_RUNS} are read."
        )
    centres = np.arange(length) + 0.5
    resample = lambda shape, outside: from_samples(np.interp(centres, times, shape.samples(), left=outside))
    return resample(magnitude, 0.0), resample(phase, None), raster
