"""Gradients of a whole sequence at points in time that are dense where something has just changed."""

from collections.abc import Iterator
from dataclasses import dataclass

import jax
import numpy as np
from jaxtyping import Float

from mrjax.sequence.base import AbstractEvent
from mrjax.sequence.gradients import AXES, Gradient
from mrjax.sequence.precision import Numbers, numpy_of
from mrjax.sequence.tracks import AbstractScannerEvent

SAME_TIME = 1e-11
"""Times nearer than this, in s, are one."""

AT_ONCE = 64
"""Of how many points events have a multiple."""


@dataclass(frozen=True, eq=False)
class EventPoints:
    """Points of one event, its start and its end included; twice where a gradient may jump in between."""

    start: float
    """Of the event in s from the start of the sequence."""
    times: np.ndarray
    """In s from the start of the event; its end is there several times."""
    values: Float[Numbers, "n 3"]
    """What is asked of the gradients in T/m; at its ends what is inside, where a time is there twice what is before and after."""


@dataclass(frozen=True)
class Spacing:
    """How far points lie apart: a raster in s after a corner, later a share of the time since, and none after some time."""

    raster: float
    share: float = 0.0
    until: float = np.inf

    def since_corner(self, until: float) -> np.ndarray:
        """Times since a corner at which there are points, up to some time."""
        until = min(until, self.until)
        grows_from = min(self.raster / self.share if self.share else np.inf, until)
        if not grows_from > 0:
            return np.zeros(0)
        even = np.arange(1, int(grows_from / self.raster) + 1) * self.raster
        n_growing = int(np.log(until / grows_from) / np.log1p(self.share)) if self.share else 0
        return np.concatenate([even, grows_from * (1 + self.share) ** np.arange(1, n_growing + 1)])


def lasts(event: AbstractEvent) -> float:
    """The duration of an event in s, known inside of `jit` as well."""
    with jax.ensure_compile_time_eval():
        return float(np.asarray(event.duration))


def gradients_of(event: AbstractScannerEvent) -> list[tuple[np.ndarray, Gradient]]:
    """The gradients of an event and the times of their points in s from its start."""
    return [(start + np.asarray(one.times, float), one) for start, one in placed(event) if isinstance(one, Gradient)]


def placed(event: AbstractScannerEvent) -> Iterator[tuple[float, AbstractScannerEvent]]:
    """What an event plays, with the time at which each begins in s from its start."""
    for track in event.tracks:
        now = 0.0
        for one in track:
            yield now, one
            now += lasts(one)


@dataclass(frozen=True, eq=False)
class Corners:
    """Where gradients of a sequence bend, and where they may jump, in s from its start, in order."""

    bends: np.ndarray
    jumps: np.ndarray

    @classmethod
    def of(cls, events: list[tuple[float, AbstractScannerEvent]], delays: np.ndarray) -> "Corners":
        """Those of events that begin at some times, and their echoes after each of the delays."""
        bends, jumps = [np.zeros(0)], [np.zeros(0)]
        for start, event in events:
            for times, _ in gradients_of(event):
                bends.append(start + times)
                jumps.append(start + _jumps(times))
        after = np.concatenate([[0.0], delays])[:, None]
        return cls(*(np.sort(np.ravel(np.concatenate(found) + after)) for found in (bends, jumps)))

    def within(self, start: float, end: float) -> "Corners":
        """Those from one time until another, counted from the first."""
        some = lambda of: of[np.searchsorted(of, start - SAME_TIME) : np.searchsorted(of, end + SAME_TIME)] - start
        return Corners(some(self.bends), some(self.jumps))


def points_of(event: AbstractScannerEvent, start: float, corners: Corners, spacing: np.ndarray) -> EventPoints:
    """The points of one event.

    **Arguments:**

    - `event`: With a finite duration that is known.
    - `start`: Of it in s.
    - `corners`: Of the whole sequence.
    - `spacing`: Times since a corner at which there are points.
    """
    duration = lasts(event)
    own = corners.within(start, start + duration)
    knots = _merged(np.concatenate([[0.0, duration], own.bends]), duration)
    inner = [begin + spacing for begin in knots[:-1]]
    inner = [t[t < end - SAME_TIME] for t, end in zip(inner, knots[1:], strict=True)]
    jumps = _merged(np.concatenate([[0.0, duration], own.jumps]), duration)[1:-1]
    times = np.sort(np.concatenate([_merged(np.concatenate([knots, *inner]), duration), _snapped(jumps, knots)]))
    after = np.concatenate([[True], np.diff(times) == 0])
    # events of like numbers of points share programs
    missing = -len(times) % AT_ONCE
    times, after = np.pad(times, (0, missing), "edge"), np.pad(after, (0, missing))
    return EventPoints(start, times, _values(times, after, knots, gradients_of(event)))


def _merged(times: np.ndarray, duration: float) -> np.ndarray:
    """Times in order, those that are the same once; the ends of the event as they are."""
    ordered = np.sort(np.where(np.abs(times) < SAME_TIME, 0.0, times))
    ordered = np.where(np.abs(ordered - duration) < SAME_TIME, duration, ordered)
    return ordered[np.concatenate([[True], np.diff(ordered) > SAME_TIME])]


def _jumps(times: np.ndarray) -> np.ndarray:
    """Where a gradient may jump: where two of its points have one time, and at its ends."""
    return np.concatenate([times[:1], times[1:][np.diff(times) < SAME_TIME], times[-1:]])


def _values(
    times: np.ndarray, after: np.ndarray, knots: np.ndarray, gradients: list[tuple[np.ndarray, Gradient]]
) -> Float[Numbers, "n 3"]:
    along: list[Numbers] = [np.zeros(len(times))] * 3
    for points, gradient in gradients:
        axis = AXES.index(gradient.axis)
        along[axis] = along[axis] + _value(times, after, _snapped(points, knots), gradient.waveform)
    xp = numpy_of(along)
    return xp.stack(along, axis=-1)


def _snapped(points: np.ndarray, knots: np.ndarray) -> np.ndarray:
    middles = (knots[1:] + knots[:-1]) / 2
    return knots[np.searchsorted(middles, points)]


def _value(times: np.ndarray, after: np.ndarray, points: np.ndarray, waveform: Numbers) -> Float[Numbers, " n"]:
    """A gradient just before or just after some times."""
    piece = np.where(after, np.searchsorted(points, times, "right"), np.searchsorted(points, times, "left")) - 1
    inside = (piece >= 0) & (piece < len(points) - 1)
    piece = np.clip(piece, 0, len(points) - 2)
    length = points[piece + 1] - points[piece]
    share = np.where(inside, (times - points[piece]) / np.where(length > 0, length, 1.0), 0.0)
    value = waveform[piece] * (1 - share) + waveform[piece + 1] * share
    return numpy_of(value).where(inside, value, 0.0)
