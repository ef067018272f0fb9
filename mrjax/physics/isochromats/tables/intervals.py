"""Events as intervals of free precession that end with a change: all repetitions at once.

In NumPy's double precision where an event is known, and by JAX where it is traced.

What gradients do between two changes is their areas; what RF that lasts does is worked out later, once for all pulses that are
equal but for their phase.
"""

import functools
import math
import operator
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jaxtyping import Complex, Float

from mrjax.physics.isochromats.tables.change import Change
from mrjax.physics.isochromats.tables.concomitant import products_until
from mrjax.physics.isochromats.tables.courses import N_PRODUCTS, Asked, GradientCourse, Row, Rows
from mrjax.physics.isochromats.tables.winding import integrals_of_winding
from mrjax.physics.waveforms.scanner_events import together_of
from mrjax.sequence import (
    AbstractEvent,
    AbstractRF,
    AbstractScannerEvent,
    ContinuousWave,
    Delay,
    Dephase,
    Gradient,
    Pulse,
    Readout,
    Reset,
    Sample,
    SampleLongitudinal,
    Spoil,
    Together,
)
from mrjax.sequence.gradients import AXES
from mrjax.sequence.precision import Numbers, numpy_of

PLAYED = (Pulse, Delay, Dephase, Spoil, Reset, Sample, SampleLongitudinal, AbstractScannerEvent)
"""What can be taken apart."""


@dataclass(frozen=True, eq=False)
class SampledMeanwhile:
    """Samples taken meanwhile, from the start of an interval: `(row, n)`."""

    time: Rows
    area: Float[Numbers, "_row _n _column"]
    receiver: Complex[Numbers, "_row _n"]
    longitudinal: bool = False

    @property
    def n(self) -> int:
        """How many for each playing."""
        return self.receiver.shape[-1]


@dataclass(frozen=True, eq=False)
class Interval:
    """Free precession with samples, and then a change."""

    duration: Row
    """In s."""
    area: Float[Numbers, "_row _column"]
    """Of the gradients along x, y and z in T s/m; then what is asked for besides."""
    across: float = 0.0
    """Cycles wound across the voxel by `Dephase`."""
    reading: SampledMeanwhile | None = None
    change: Change | None = None
    begins_anew: bool = False
    """Whether nothing is wound any more."""


NOTHING = np.zeros((1, 3))
AT_ONCE = np.zeros(1)


def intervals_of(event: AbstractEvent, engine: str, asked: Asked) -> list[Interval]:
    """One of the events in `PLAYED`, whose leaves have the repetitions in front, one or all."""
    match event:
        case Pulse():
            return [_at_once(Change("turn", _rows(event.flip_angle)[:, None], _rows(event.phase)))]
        case Delay():
            return _waiting(_rows(event.duration), 0.0)
        case Dephase():
            return _waiting(_rows(event.duration), float(event.order))
        case Spoil():
            return [_at_once(Change("longitudinal", np.array([[1.0, 0.0]]), AT_ONCE))]
        case Reset():
            z = _rows(event.magnetisation)
            along_z = Change("longitudinal", numpy_of(z).stack([0 * z, z], axis=-1), AT_ONCE)
            return [Interval(AT_ONCE, NOTHING, change=along_z, begins_anew=True)]
        case Sample():
            return [_sampled(_turned_back(_rows(event.phase)), longitudinal=False)]
        case SampleLongitudinal():
            return [_sampled(np.ones(1, complex), longitudinal=True)]
        case AbstractScannerEvent():
            return _Waveforms(together_of(event, engine), asked).intervals()
        case _:
            raise TypeError(f"{type(event).__name__} is none of the events that are taken apart.")


def _rows(leaf: Any) -> Row:
    xp = numpy_of(leaf)
    return xp.atleast_1d(xp.asarray(leaf, float))


def _turned_back(angle: Float[Numbers, "..."]) -> Complex[Numbers, "..."]:
    return numpy_of(angle).exp(-1j * angle)


def _at_once(change: Change) -> Interval:
    return Interval(AT_ONCE, NOTHING, change=change)


def _sampled(receiver: Complex[Numbers, " _row"], longitudinal: bool) -> Interval:
    time = np.zeros((1, 1))
    return Interval(
        AT_ONCE, NOTHING, reading=SampledMeanwhile(time, time[..., None] * NOTHING, receiver[:, None], longitudinal)
    )


def _waiting(duration: Row, across: float) -> list[Interval]:
    """Waiting; all of equilibrium is reached after an infinite time."""
    if isinstance(duration, jax.Array) or not np.any(np.isinf(duration)):
        return [Interval(duration, NOTHING, across)]
    return [Interval(AT_ONCE, NOTHING, across, change=Change("longitudinal", np.array([[0.0, 1.0]]), AT_ONCE))]


class _Waveforms:
    """What is played together, taken apart."""

    def __init__(self, event: Together, asked: Asked):
        self.asked = asked
        placed = [one for track in event.tracks for one in _started(track)]
        self.placed = [(start, one) for start, one in placed if isinstance(one, AbstractRF | Readout)]
        self.duration = _longest([lasts(track) for track in event.tracks])
        self.courses: dict[int, list[GradientCourse]] = defaultdict(list)
        for start, one in placed:
            if isinstance(one, Gradient):
                self.courses[AXES.index(one.axis)].append(GradientCourse.of(start, one))

    def intervals(self) -> list[Interval]:
        """From change to change."""
        found, now, waiting = [], AT_ONCE, []
        # RF and readouts share one track, and so come in the order in which they are played
        for start, one in self.placed:
            if isinstance(one, Readout):
                waiting.append((start, one))
                continue
            # what winds is as of a pulse that takes no time, in the middle of this one
            half = _rows(one.duration) / 2 * self.asked.winding
            found.append(self._interval(now, start + half, waiting, self._pulse(start, one)))
            now, waiting = start + _rows(one.duration) - half, []
        return [*found, self._interval(now, self.duration, waiting, None)]

    def _interval(self, start: Row, end: Row, readouts: list, change: Change | None) -> Interval:
        middle = (start + end)[:, None] / 2
        area = self._between(start[:, None], end[:, None], middle)[:, 0]
        reading = self._reading(start, middle, readouts) if readouts else None
        # rounding must not make a time negative where pulses adjoin
        return Interval(_longest([end - start, AT_ONCE]), area, reading=reading, change=change)

    def _reading(self, start: Row, middle: Rows, readouts: list[tuple[Row, Readout]]) -> SampledMeanwhile:
        offsets = [_dwells(one) for _, one in readouts]
        times = _joined([begin[:, None] + offset for (begin, _), offset in zip(readouts, offsets, strict=True)])
        angles = [_receiver_angle(one, offset) for (_, one), offset in zip(readouts, offsets, strict=True)]
        time = times - start[:, None]
        return SampledMeanwhile(time, self._between(start[:, None], times, middle), _turned_back(_joined(angles)))

    def _between(self, start: Rows, times: Rows, middle: Rows) -> Float[Numbers, "_row _n _column"]:
        """Areas of the gradients from a time until others, and what is asked for besides."""
        along: list[Any] = [np.zeros((1, times.shape[-1]))] * 3
        moments = list(along)
        for axis, courses in self.courses.items():
            area, second = map(_total, zip(*(course.until(times) for course in courses), strict=True))
            before, second_before = map(_total, zip(*(course.until(start) for course in courses), strict=True))
            along[axis] = area - before
            moments[axis] = (times - middle) * area - (start - middle) * before - (second - second_before)
        columns = along + moments * self.asked.moments
        if self.asked.products:
            products = products_until(self.courses, times) - products_until(self.courses, start)
            columns += [products[..., i] for i in range(N_PRODUCTS)]
        if self.asked.winding:
            columns += integrals_of_winding(self.courses, start, times)
        xp = numpy_of(columns)
        return xp.stack(xp.broadcast_arrays(*columns), axis=-1)

    def _pulse(self, start: Row, pulse: AbstractRF) -> Change:
        phase, offset, duration = (_rows(value) for value in (pulse.phase, pulse.offset, pulse.duration))
        xp = numpy_of(pulse.b1_samples)
        samples = xp.atleast_2d(xp.asarray(pulse.b1_samples))
        real, imaginary = xp.real(samples), xp.imag(samples)
        if isinstance(pulse, ContinuousWave) and not self.courses:
            numbers = _joined([real, imaginary, offset[:, None], duration[:, None]])
            return Change("constant", numbers, phase, duration=duration)
        n = samples.shape[-1]
        dt = duration[:, None] / n
        edges = start[:, None] + dt * np.arange(n + 1)[None]
        areas, moments = self._in_steps(edges, dt)
        products = []
        if self.asked.products:
            until = products_until(self.courses, edges)
            products = [numpy_of(until).diff(until[..., i], axis=-1) for i in range(N_PRODUCTS)]
        own = [dt, offset[:, None], np.full((1, 1), float(n))]
        if self.asked.winding:
            halves = self._in_steps(start[:, None] + duration[:, None] / 2 * np.arange(3)[None], duration[:, None] / 2)[
                0
            ]
            own += [halves[axis][:, half, None] for half in (0, 1) for axis in range(3)]
        numbers = _joined([*own, real, imaginary, *areas, *moments, *products])
        return Change("steps", numbers, phase, n, len(own), duration)

    def _in_steps(self, edges: Rows, dt: Rows) -> tuple[list[Rows], list[Rows]]:
        r"""$\int G\,dt$ and $\int G\,\tau\,dt / \Delta t$ of each step along x, y and z, with $\tau$ from its middle."""
        areas: list[Any] = [np.zeros((1, edges.shape[-1] - 1))] * 3
        moments = list(areas)
        for axis, courses in self.courses.items():
            area, second = map(_total, zip(*(course.until(edges) for course in courses), strict=True))
            xp = numpy_of(area, dt)
            areas[axis] = xp.diff(area, axis=-1)
            mean = xp.diff(second, axis=-1) / xp.where(dt > 0, dt, 1.0)
            moments[axis] = xp.where(dt > 0, (area[:, 1:] + area[:, :-1]) / 2 - mean, 0.0)
        return areas, moments


def _started(track: tuple[AbstractEvent, ...]) -> list[tuple[Row, Any]]:
    return [(lasts(track[:place]), one) for place, one in enumerate(track)]


def lasts(track: tuple[AbstractEvent, ...]) -> Row:
    """The duration in s of events that are played one after the other."""
    return sum((_rows(one.duration) for one in track), start=AT_ONCE)


def _dwells(readout: Readout) -> Rows:
    return _rows(readout.dwell)[:, None] * (np.arange(readout.n) + 0.5)[None]


def _receiver_angle(readout: Readout, times: Rows) -> Rows:
    xp = numpy_of(readout.modulation)
    modulation = xp.atleast_2d(xp.asarray(readout.modulation, float))
    turned = 2 * math.pi * _rows(readout.offset)[:, None] * times
    return _rows(readout.phase)[:, None] + modulation + turned + np.zeros((1, readout.n))


def _joined(parts: list[Rows]) -> Rows:
    n_rows, xp = max(map(len, parts)), numpy_of(parts)
    return xp.concatenate([xp.broadcast_to(part, (n_rows, part.shape[-1])) for part in parts], axis=-1)


def _total(parts: Iterable[Rows]) -> Rows:
    return functools.reduce(operator.add, parts)


def _longest(times: list[Row]) -> Row:
    xp = numpy_of(times)
    return xp.max(xp.stack(xp.broadcast_arrays(*times)), axis=0)
