"""The events of one block of a Pulseq file as tracks that are played at once."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Inexact

from mrjax import units
from mrjax.pulseq.file import AdcEvent, Block, PulseqError, PulseqFile, RfEvent
from mrjax.pulseq.gradient_points import Points, arbitrary_points, rotated, trapezoid_points
from mrjax.pulseq.plain_events import PlainEvent, Tracks
from mrjax.pulseq.rf_events import RfSamples, rf_samples, strongest_at, total_frequency, total_phase
from mrjax.pulseq.shapes import MOST_RUNS
from mrjax.sequence.events import Delay
from mrjax.sequence.gradients import AXES, Gradient
from mrjax.sequence.readout import Readout
from mrjax.sequence.rf import ContinuousWave, ShapedPulse

GAMMA_BAR = units.GAMMA_BAR["1H"]

ROUNDING = 1e-9
"""In s: what sums of times may be off."""

PICOSECOND = 12
"""Digits after the point of a second to which differences of times are rounded."""

Edges = tuple[tuple[float, float], ...] | None


class BlockConverter:
    """The events of a file as parts of tracks; each is converted once."""

    def __init__(self, file: PulseqFile, larmor: float, uses: Mapping[int, str | None]):
        self._file = file
        self._larmor = larmor
        self._uses = uses
        self._known: dict[Any, Any] = {}

    def tracks(self, number: int, block: Block, edges: Edges, rotation: np.ndarray | None) -> Tracks:
        """Those of a block: the `number`-th of the file; none where nothing lasts.

        **Raises:** `PulseqError` where an event cannot be played, or the block ends before it.
        """
        timed = [self._once(self._rf, block.rf)] if block.rf else []
        timed += [self._once(self._adc, block.adc)] if block.adc else []
        tracks = [self._in_turn(number, timed)] if timed else []
        gradients = [
            self._gradient(identifier, None if edges is None else edges[axis])
            for axis, identifier in enumerate(block.gradients)
        ]
        if rotation is not None:
            gradients = rotated(gradients, rotation)
        ends = [end for *_, end in timed]
        for axis, points in zip(AXES, gradients, strict=True):
            if points is not None:
                turned = None if rotation is None else id(rotation)
                tracks.append(
                    self._once(_gradient_track, points, axis) if turned is None else _gradient_track(points, axis)
                )
                ends.append(points.end)
        longest = max(ends, default=0.0)
        if longest > block.duration + 100 * ROUNDING:
            raise self._error(f"block {number} lasts {block.duration:.9g} s, but its events {longest:.9g} s.")
        if block.duration > longest + ROUNDING:
            tracks.append((PlainEvent(Delay, (), (block.duration,)),))
        return tuple(tracks)

    def _once(self, convert: Any, *what: Any) -> Any:
        key = (convert.__name__, *(id(x) if isinstance(x, Points) else x for x in what))
        if key not in self._known:
            self._known[key] = convert(*what)
        return self._known[key]

    def _error(self, cause: str) -> PulseqError:
        return PulseqError(self._file.path, None, cause)

    def _in_turn(self, number: int, timed: list[tuple[PlainEvent, float, float]]) -> tuple[PlainEvent, ...]:
        """Pulse and readout one after the other, with delays before them."""
        track, now = [], 0.0
        for part, start, end in sorted(timed, key=lambda one: one[1]):
            if start < now - ROUNDING:
                raise self._error(f"block {number} transmits and receives at the same time.")
            if start > now + ROUNDING:
                track.append(PlainEvent(Delay, (), (start - now,)))
            track.append(part)
            now = end
        return tuple(track)

    def _rf(self, identifier: int) -> tuple[PlainEvent, float, float]:
        """A pulse, when it begins and when it ends in s from the start of the block."""
        event = self._file.rf[identifier]
        try:
            offset = total_frequency(event, self._larmor, self._file)
            phase = total_phase(event, self._larmor, self._file)
            shape = self._once(self._shape, event.magnitude_shape, event.phase_shape, event.time_shape)
        except ValueError as error:
            raise self._error(f"RF event {identifier}: {error}") from None
        static = (("use", self._uses[identifier]), ("center", _center(event, shape)))
        amplitude = event.amplitude / GAMMA_BAR
        start = event.delay + shape.start
        if shape.samples is None:
            # the phase of an offset counts from the start of the stored shape
            phase += shape.phase + 2 * math.pi * offset * shape.start
            part = PlainEvent(ContinuousWave, static, (amplitude * shape.height, shape.duration, offset, phase))
        else:
            part = PlainEvent(ShapedPulse, static, (shape.dt, offset, phase), (self._scaled(shape.samples, amplitude),))
        return part, start, start + shape.duration

    def _scaled(self, samples: np.ndarray, amplitude: float) -> np.ndarray:
        return self._known.setdefault(("scaled", id(samples), amplitude), samples * amplitude)

    def _shape(self, magnitude: int, phase: int, time: int) -> "_Shape":
        unit = RfEvent(1.0, magnitude, phase, time, 0.0, 0.0, 0.0)
        return _shape_of(rf_samples(self._file, unit))

    def _adc(self, identifier: int) -> tuple[PlainEvent, float, float]:
        event: AdcEvent = self._file.adc[identifier]
        if event.n_samples < 1 or event.dwell <= 0:
            raise self._error(f"ADC event {identifier} must have samples that last, but has {event.n_samples}.")
        try:
            offset = total_frequency(event, self._larmor, self._file)
            phase = total_phase(event, self._larmor, self._file)
        except ValueError as error:
            raise self._error(f"ADC event {identifier}: {error}") from None
        modulation = self._modulation(identifier, event)
        part = PlainEvent(Readout, (("n", event.n_samples),), (event.dwell, phase, offset), modulation)
        return part, event.delay, event.delay + event.n_samples * event.dwell

    def _modulation(self, identifier: int, event: AdcEvent) -> tuple[np.ndarray, ...]:
        """The phase of each sample in rad, if there is one."""
        if event.phase_shape <= 0:
            return ()
        shape = self._file.shapes[event.phase_shape]
        if shape.n_samples != event.n_samples:
            raise self._error(
                f"ADC event {identifier} has {event.n_samples} samples, but its phase shape {shape.n_samples}."
            )
        if shape.n_samples > MOST_RUNS:
            raise self._error(f"ADC event {identifier} has {shape.n_samples} phases; at most {MOST_RUNS} are read.")
        return (shape.samples(),)

    def _gradient(self, identifier: int, edges: tuple[float, float] | None) -> Points | None:
        if identifier == 0:
            return None
        if identifier in self._file.trapezoids:
            return self._once(self._trapezoid, identifier)
        event = self._file.gradients[identifier]
        stored = (event.first or 0.0, event.last or 0.0)
        return self._once(self._arbitrary, identifier, stored if edges is None or event.first is not None else edges)

    def _trapezoid(self, identifier: int) -> Points:
        return trapezoid_points(self._file.trapezoids[identifier])

    def _arbitrary(self, identifier: int, edges: tuple[float, float]) -> Points:
        try:
            return arbitrary_points(self._file, self._file.gradients[identifier], *edges)
        except ValueError as error:
            raise self._error(f"gradient {identifier}: {error}") from None


@dataclasses.dataclass(frozen=True, eq=False)
class _Shape:
    """What a pulse of 1 Hz plays: its samples of `dt` seconds, or, where they are constant, `height` and `phase`; from
    `start` on, both in s."""

    start: float
    duration: float
    dt: float
    samples: Inexact[np.ndarray, " n"] | None
    height: float = 0.0
    phase: float = 0.0

    @property
    def center(self) -> float:
        """When it acts in s from its start, as long as nothing else is said."""
        return self.duration / 2 if self.samples is None else strongest_at(self.samples) * self.dt


def _shape_of(stored: RfSamples) -> _Shape:
    """A block pulse, however long, stays one number; zeros around it are left out."""
    playing = np.flatnonzero(stored.magnitude)
    if playing.size == 0:
        return _Shape(0.0, stored.duration, stored.dt, None)
    first, last = playing[0], playing[-1] + 1
    kept = RfSamples(stored.magnitude[first:last], stored.phase[first:last], stored.counts[first:last], stored.dt)
    if kept.is_constant:
        start = int(stored.counts[:first].sum()) * stored.dt
        return _Shape(start, kept.duration, stored.dt, None, kept.magnitude[0].item(), kept.phase[0].item())
    if stored.counts.sum() > MOST_RUNS:
        raise ValueError(
            f"a pulse of {stored.counts.sum()} samples that change is too long; at most {MOST_RUNS} are read."
        )
    magnitude = np.repeat(stored.magnitude, stored.counts)
    turns = np.repeat(stored.phase, stored.counts) / math.pi
    # half turns are signs
    signs = np.where(np.round(turns) % 2 == 0, 1.0, -1.0)
    if np.all((np.abs(turns - np.round(turns)) < ROUNDING) | (magnitude == 0)):
        return _Shape(0.0, stored.duration, stored.dt, magnitude * signs)
    return _Shape(0.0, stored.duration, stored.dt, magnitude * np.exp(1j * math.pi * turns))


def _center(event: RfEvent, shape: _Shape) -> float | None:
    """When a pulse acts in s from its start, None where that is as it would be taken without being told."""
    if event.center is None or abs(event.center - shape.start - shape.center) <= ROUNDING:
        return None
    return round(event.center - shape.start, PICOSECOND)


def _gradient_track(points: Points, axis: str) -> tuple[PlainEvent, ...]:
    gradient = PlainEvent(Gradient, (("axis", axis),), (), (points.values / GAMMA_BAR, points.times))
    return (gradient,) if points.delay == 0 else (PlainEvent(Delay, (), (points.delay,)), gradient)
