"""Waveforms of a sequence as points of curves, as many as can be seen."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from mrjax.sequence.hardware.event_times import EventTimes, PartTimes
from mrjax.sequence.piecewise_linear import summed
from mrjax.sequence.readout import Readout
from mrjax.sequence.rf import AbstractRF

Points = tuple[np.ndarray, np.ndarray]
"""Times in s and values, along the last axis; the axes of repetitions come first."""

Seen = tuple[EventTimes, np.ndarray]
"""An event, and the numbers of some of its playings."""

MOST_POINTS = 8000
"""A curve of more points is drawn by the extremes of columns."""

COLUMNS = 2000
MOST_GATHERED = 2_000_000
"""Points in view from which on each playing of an event is thinned before they are put in a row."""

SAME_TIME = 1e-9
"""In s: points that lie closer fall together but for rounding."""


def curve(
    seen: Iterable[Seen], points_of: Callable[[EventTimes], Points | None], view: tuple[float, float]
) -> tuple[Points, bool]:
    """What is played in view over time, and whether all its points are there."""
    made = [(one, which, points) for one, which in seen if (points := points_of(one)) is not None]
    total = sum(which.size * times.shape[-1] for _, which, (times, _) in made)
    thinning = max(1, total // MOST_GATHERED)
    rows = [_in_a_row(one, which, points, thinning) for one, which, points in made]
    if not rows:
        return (np.zeros(0), np.zeros(0)), True
    order, times, values = (np.concatenate(columns) for columns in zip(*rows, strict=True))
    sorted_rows = np.argsort(order, kind="stable")
    return _extremes(times[sorted_rows], values[sorted_rows], view, complete=thinning == 1)


def seen_of(playings: Iterable[EventTimes], view: tuple[float, float]) -> list[Seen]:
    """The events of which playings are in view, with the numbers of those."""
    return [(one, which) for one in playings if (which := in_view(one, view)).size]


def in_view(one: EventTimes, view: tuple[float, float]) -> np.ndarray:
    """Numbers of the playings that overlap a time from `view[0]` to `view[1]` in s."""
    lasting = np.broadcast_to(one.duration, one.start.shape)
    end = one.start + np.where(np.isfinite(lasting), lasting, 0.0)
    return np.flatnonzero(np.isfinite(one.start) & (one.start <= view[1]) & (end >= view[0]))


def gradient_points(axis: str) -> Callable[[EventTimes], Points | None]:
    """Points of the gradient along an axis in T/m."""

    def points(one: EventTimes) -> Points | None:
        parts = one.gradients_along(axis)
        if not parts:
            return None
        line = summed((part.start, part.event) for part in parts)
        times = np.repeat(line.times, 2, axis=-1)
        values = np.stack([line.before, line.after], axis=-1).reshape(*line.times.shape[:-1], -1)
        return _padded(one, times, values)

    return points


def amplitude_points(one: EventTimes) -> Points | None:
    """Points of the magnitude of RF in T."""
    return _steps(one, np.abs, 0.0)


def phase_points(one: EventTimes) -> Points | None:
    """Points of the phase of RF in degrees from 0 to 360, without that of its offset; nan where there is none."""
    turned = lambda field: np.where(np.abs(field) > 0, np.round(np.rad2deg(np.angle(field)), 6) % 360, np.nan)
    return _steps(one, turned, np.nan)


def readout_points(one: EventTimes) -> Points | None:
    """Points of a curve that is one while the receiver is on."""
    parts = [part for part in one.parts if isinstance(part.event, Readout)]
    edges = [np.stack(np.broadcast_arrays(p.start, p.end), axis=-1) for p in parts]
    return _in_rest(one, edges, [np.ones(1) for _ in parts], 0.0) if parts else None


def sample_times(seen: Iterable[Seen], view: tuple[float, float], most: int) -> np.ndarray | None:
    """Times of the samples of readouts in view; None if there are more than `most`."""
    found, left = [np.zeros(0)], most
    for one, which in seen:
        for part in one.parts:
            if not isinstance(part.event, Readout):
                continue
            # few of those of a playing may be in view, but not of two that follow each other
            if which.size * part.event.n > 2 * part.event.n + left:
                return None
            offsets = (np.arange(part.event.n) + 0.5) * np.asarray(part.event.dwell)[..., None] + part.start[..., None]
            times = (one.start.ravel()[which, None] + _entries(offsets, one, which)).ravel()
            found.append(times[(times >= view[0]) & (times <= view[1])])
            left -= found[-1].size
            if left < 0:
                return None
    return np.concatenate(found)


def _steps(one: EventTimes, shown: Callable[[np.ndarray], np.ndarray], rest: float) -> Points | None:
    parts = [part for part in one.parts if isinstance(part.event, AbstractRF)]
    if not parts:
        return None
    edges, values = zip(*(_samples(part) for part in parts), strict=True)
    return _in_rest(one, list(edges), [shown(field) for field in values], rest)


def _samples(part: PartTimes) -> Points:
    """Edges of the samples of a pulse in s, and the field between them."""
    event: Any = part.event
    turn = np.exp(1j * np.asarray(event.phase))[..., None]
    edges = part.start[..., None] + np.asarray(event.dt)[..., None] * np.arange(event.b1_samples.shape[-1] + 1)
    return edges, np.asarray(event.b1_samples) * turn


def _in_rest(one: EventTimes, edges: list[np.ndarray], values: list[np.ndarray], rest: float) -> Points:
    """Values that are constant between edges, with rest before, between and after them."""
    shape = np.broadcast_shapes(*(x.shape[:-1] for x in (*edges, *values)))
    spread = lambda x: np.broadcast_to(x, (*shape, x.shape[-1]))
    resting = np.full((*shape, 1), rest)
    times = [np.repeat(spread(own), 2, axis=-1) for own in edges]
    held = [np.concatenate([resting, np.repeat(spread(own), 2, axis=-1), resting], axis=-1) for own in values]
    return _padded(one, np.concatenate(times, axis=-1), np.concatenate(held, axis=-1), rest)


def _padded(one: EventTimes, times: np.ndarray, values: np.ndarray, rest: float = 0.0) -> Points:
    """Points with rest at the start and at the end of the event."""
    duration = one.duration
    shape = np.broadcast_shapes(times.shape[:-1], duration.shape)
    spread = lambda x: np.broadcast_to(x, (*shape, x.shape[-1]))
    edge = lambda x: np.broadcast_to(np.asarray(x), shape)[..., None]
    padded = lambda first, row, last: np.concatenate([edge(first), spread(row), edge(last)], axis=-1)
    return padded(0.0, times, duration), padded(rest, values, rest)


def _in_a_row(
    one: EventTimes, which: np.ndarray, points: Points, thinning: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The points of the chosen playings, with the order of their playings, one after the other."""
    times, values = (_entries(x, one, which) for x in points)
    if thinning > 1 and times.shape[-1] > 4 * thinning:
        times, values = _thinned(times, values, thinning)
    start = one.start.ravel()[which, None]
    times = start + np.broadcast_to(times, (which.size, times.shape[-1]))
    order = np.broadcast_to(one.order.ravel()[which, None], times.shape)
    return order.ravel(), times.ravel(), np.broadcast_to(values, times.shape).ravel()


def _entries(x: np.ndarray, one: EventTimes, which: np.ndarray) -> np.ndarray:
    """The rows of `x` for the chosen playings; a single row where it is the same for all."""
    if all(n == 1 for n in x.shape[:-1]):
        return x.reshape(1, x.shape[-1])
    return np.broadcast_to(x, (*one.start.shape, x.shape[-1]))[np.unravel_index(which, one.start.shape)]


def _thinned(times: np.ndarray, values: np.ndarray, thinning: int) -> Points:
    """The extremes of neighbouring points, in the place of twice `thinning` points each; the first and the last stay."""
    first = np.arange(1, times.shape[-1] - 1, 2 * thinning)
    inner = slice(0, times.shape[-1] - 1)
    low, high = (extreme.reduceat(values[..., inner], first, axis=-1) for extreme in (np.fmin, np.fmax))
    pairs = lambda a, b: np.stack([a, b], axis=-1).reshape(*a.shape[:-1], -1)
    ends = lambda row, of: np.concatenate([of[..., :1], row, of[..., -1:]], axis=-1)
    begin = times[..., first]
    return ends(pairs(begin, begin), times), ends(pairs(low, high), values)


def _extremes(times: np.ndarray, values: np.ndarray, view: tuple[float, float], complete: bool) -> tuple[Points, bool]:
    """The points, or in each of the columns of the view the first, the lowest, the highest and the last of many."""
    # of points at one time, as where events meet, the first and the last are what the curve comes from and goes to
    near = np.diff(times) < SAME_TIME
    inner = np.concatenate([[False], near]) & np.concatenate([near, [False]])
    times, values = times[~inner], values[~inner]
    if times.size <= MOST_POINTS:
        return (times, values), complete
    length = max(view[1] - view[0], SAME_TIME)
    column = np.clip((times - view[0]) / length * COLUMNS, -1, COLUMNS).astype(int)
    first = np.flatnonzero(np.diff(column, prepend=-2))
    last = np.append(first[1:], times.size) - 1
    low, high = np.fmin.reduceat(values, first), np.fmax.reduceat(values, first)
    times = np.stack([times[first], times[first], times[last], times[last]], axis=-1)
    return (times.ravel(), np.stack([values[first], low, high, values[last]], axis=-1).ravel()), False
