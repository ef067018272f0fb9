"""RF events of a Pulseq file: their field over time, their offset, and what they are for."""

import math
import warnings
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import get_args

import numpy as np
from jaxtyping import Float, Inexact, Int

from mrjax import _checks
from mrjax.pulseq.file import AdcEvent, PulseqError, PulseqFile, RfEvent
from mrjax.pulseq.shapes import MOST_RUNS, Shape, from_samples
from mrjax.sequence.rf import Use
from mrjax.sequence.steps import REFOCUSES_FROM

STRONGEST = 1 - 1e-5
"""Relative to its peak: where a pulse is as strong, it acts."""

USES: Mapping[str, str | None] = {
    "e": "excitation", "r": "refocusing", "i": "inversion", "s": "saturation", "p": "preparation", "o": "other", "u": None,
}  # fmt: skip

EQUAL = 0.01
"""Relative difference of flip angles that are taken for one: files round amplitudes to some digits."""


def larmor_frequency(file: PulseqFile, gyromagnetic_ratio: float, b0: float | None) -> float:
    """In Hz, of a field in T or else of that in the file's DEFINITIONS; NaN where neither is a positive number.

    **Raises:** `ValueError` where `b0` is given and is not positive.
    """
    if b0 is not None and not (np.isfinite(b0) and b0 > 0):
        raise ValueError(f"`b0` must be positive (T), but got {b0!r}.")
    field = file.b0 if b0 is None else b0
    return field * gyromagnetic_ratio / (2 * math.pi)


def total_frequency(event: RfEvent | AdcEvent, larmor: float, file: PulseqFile) -> float:
    """The offset of an event in Hz, with its part in ppm of the Larmor frequency.

    **Raises:** `ValueError` where there is such a part and the Larmor frequency is not known.
    """
    return event.frequency + _of_larmor(event.frequency_ppm * 1e-6, larmor, file)


def total_phase(event: RfEvent | AdcEvent, larmor: float, file: PulseqFile) -> float:
    """The phase of an event in rad, with its part that grows with the Larmor frequency.

    **Raises:** `ValueError` where there is such a part and the Larmor frequency is not known.
    """
    return event.phase + _of_larmor(event.phase_per_megahertz * 1e-6, larmor, file)


def _of_larmor(fraction: float, larmor: float, file: PulseqFile) -> float:
    if fraction == 0:
        return 0.0
    if math.isnan(larmor):
        raise ValueError(f"{file.path} gives offsets in ppm but no positive B0 in its DEFINITIONS; pass `b0` in T.")
    return fraction * larmor


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


def uses_of(file: PulseqFile, told: Mapping[int, str]) -> dict[int, str | None]:
    """By id of the RF event: what `told` says, else what the file states; None where neither does.

    Such pulses are later taken for refocusing ones where they turn by more than 120 degrees, and else for excitations.
    Warns where that is in doubt and decides k-space: where a readout follows a pulse that is taken for refocusing, or one
    for an excitation although not all of these turn by the same angle of at most 90 degrees.

    **Raises:** `ValueError` where `told` names an event that the file does not have, or another use.
    """
    for identifier, use in told.items():
        if identifier not in file.rf:
            raise ValueError(f"`uses` must name RF events of {file.path} by id, but it has none of id {identifier!r}.")
        if use not in get_args(Use):
            raise ValueError(f"`uses` must be among {', '.join(get_args(Use))}, but event {identifier} has {use!r}.")
    uses = {i: told[i] if i in told else USES[event.use] for i, event in file.rf.items()}
    angles = {i: _flip_angle(file, i, event) for i, event in file.rf.items() if uses[i] is None}
    refocusing = {i for i, angle in angles.items() if angle > REFOCUSES_FROM}
    doubtful = refocusing if _are_excitations([angles[i] for i in angles.keys() - refocusing]) else angles.keys()
    certain = {i for i, use in uses.items() if use == "excitation"} | (angles.keys() - doubtful)
    if _decide_k_space(file, doubtful, certain):
        warnings.warn(
            f"{file.path} does not say what all RF pulses are for, and k-space depends on it: {_listed(refocusing)} turn by "
            f"more than 120 degrees and count as refocusing, {_listed(angles.keys() - refocusing)} as excitations. Pass "
            '`uses`, such as `{1: "excitation", 2: "refocusing"}`, to say so.',
            stacklevel=_checks.frames_to_the_caller(),
        )
    return uses


def _flip_angle(file: PulseqFile, identifier: int, event: RfEvent) -> float:
    """In rad, on resonance."""
    try:
        samples = rf_samples(file, event)
    except ValueError as error:
        raise PulseqError(file.path, None, f"RF event {identifier}: {error}") from None
    turns = np.sum(samples.magnitude * np.exp(1j * samples.phase) * samples.counts) * samples.dt
    return 2 * math.pi * abs(complex(turns))


def _are_excitations(angles: list[float]) -> bool:
    """Whether pulses that turn by these angles can hardly be anything else: the sequence has none that could excite besides."""
    return not angles or (max(angles) <= math.pi / 2 * (1 + EQUAL) and max(angles) <= min(angles) * (1 + EQUAL))


def _decide_k_space(file: PulseqFile, doubtful: Collection[int], certain: Collection[int]) -> bool:
    """Whether a readout follows a doubtful pulse, without a certain excitation between them, in a file with gradients."""
    if not doubtful or not (file.gradients or file.trapezoids):
        return False
    is_doubtful = False
    for block in file.blocks:
        if block.rf in doubtful:
            is_doubtful = True
        elif block.rf in certain:
            is_doubtful = False
        if block.adc and is_doubtful:
            return True
    return False


def _listed(identifiers: Collection[int]) -> str:
    shown = sorted(identifiers)[:5]
    more = f" and {len(identifiers) - len(shown)} more" if len(identifiers) > len(shown) else ""
    return f"{len(identifiers)} ({', '.join(map(str, shown))}{more})" if shown else "none"
