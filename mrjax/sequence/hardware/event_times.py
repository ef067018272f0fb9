"""Every event with the moments at which it is played, in NumPy and without writing out the repeats."""

import dataclasses
import functools
import math
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from mrjax.sequence import walk
from mrjax.sequence.base import AbstractContainer, AbstractEvent
from mrjax.sequence.gradients import Gradient
from mrjax.sequence.precision import in_double_precision
from mrjax.sequence.tracks import AbstractChannelEvent, AbstractScannerEvent
from mrjax.sequence.unrolled import known


@dataclass(frozen=True)
class PartTimes:
    """One of the events that a `Together` plays, or an event that is played alone."""

    event: Any
    start: np.ndarray
    """In s from the start of the `Together`."""
    end: np.ndarray
    track: str
    """Such as '1', or '1.2' where the track holds several; empty for an event that is played alone."""


@dataclass(frozen=True)
class EventTimes:
    """An event and all its playings."""

    located: walk.Located
    """Its leaves are NumPy arrays in double precision."""
    parts: tuple[PartTimes, ...]
    """What is played in one playing, track by track."""
    duration: np.ndarray
    """In s, of a shape that broadcasts to `located.repeats`."""
    start: np.ndarray
    """In s from the start of the sequence, of the shape `located.repeats`."""
    order: np.ndarray
    """Which of all playings of all events each is, of the same shape."""

    @property
    def event(self) -> AbstractEvent:
        """What is played."""
        return self.located.event

    def gradients_along(self, axis: str) -> list[PartTimes]:
        """The gradients along one axis."""
        return [part for part in self.parts if isinstance(part.event, Gradient) and part.event.axis == axis]


def event_times(sequence: AbstractContainer) -> list[EventTimes]:
    """Every event once, in the order of the sequence, with the times of its playings.

    **Raises:** `ValueError` where values are traced: the times have to be known.
    """
    return _container(jax.tree.map(in_double_precision, known(sequence)), (), ())[0]


def _parts_of(event: AbstractEvent) -> tuple[PartTimes, ...]:
    if isinstance(event, AbstractChannelEvent) or not isinstance(event, AbstractScannerEvent):
        return (PartTimes(event, np.zeros(()), np.asarray(event.duration, float), ""),)
    parts = []
    for i, track in enumerate(event.tracks):
        now = np.zeros(())
        for j, one in enumerate(track):
            end = np.asarray(now + one.duration)
            parts.append(PartTimes(one, now, end, f"{i}.{j}" if len(track) > 1 else f"{i}"))
            now = end
    return tuple(parts)


def _container(
    container: AbstractContainer, path: tuple[int, ...], outer: tuple[int, ...]
) -> tuple[list[EventTimes], np.ndarray, int]:
    """What one playing of `container` holds, its duration and its number of playings, for every outer repetition."""
    shape = (*outer, *container.repetitions)
    now, count, inside = np.zeros(shape), 0, []
    for position, entry in enumerate(container.events):
        here = (*path, position)
        if isinstance(entry, AbstractEvent):
            parts = _parts_of(entry)
            duration = functools.reduce(np.maximum, [part.end for part in parts])
            located = walk.Located(entry, here, shape)
            inside.append(EventTimes(located, parts, np.asarray(duration), now, np.full(shape, count)))
            now, count = np.asarray(now + duration), count + 1
        else:
            within, elapsed, n = _container(entry, here, shape)
            inside += [_later(one, now, count) for one in within]
            now, count = np.asarray(now + elapsed), count + n
    if not container.repetitions:
        return inside, now, count
    ends = np.cumsum(now, axis=-1)
    begin = np.concatenate([np.zeros_like(ends[..., :1]), ends[..., :-1]], axis=-1)
    (n,) = container.repetitions
    before = np.broadcast_to(count * np.arange(n), shape)
    return [_later(one, begin, before) for one in inside], ends[..., -1], math.prod((count, n))


def _later(one: EventTimes, by: np.ndarray, count: Any) -> EventTimes:
    spread = lambda x: np.reshape(x, (*np.shape(x), *(1,) * (one.start.ndim - np.ndim(x))))
    start, order = one.start + spread(by), one.order + spread(np.asarray(count))
    return dataclasses.replace(one, start=np.asarray(start), order=np.asarray(order))
