"""The intervals of a whole sequence in playing order, with repeats written out."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import jax
import numpy as np
from jaxtyping import Int

from mrjax import _checks
from mrjax.physics.isochromats.tables.courses import Asked, Row
from mrjax.physics.isochromats.tables.intervals import PLAYED, Interval, intervals_of, lasts
from mrjax.sequence import AbstractContainer, AbstractEvent, AbstractScannerEvent, Delay
from mrjax.sequence.precision import Numbers, in_double_precision, numpy_of

Repetitions = Int[np.ndarray, "*repetitions"]


@dataclass(frozen=True, eq=False)
class Placed:
    """An interval, its place among all at each playing, and which row of its numbers is played there."""

    interval: Interval
    place: Int[np.ndarray, " n"]
    row: Int[np.ndarray, " n"]

    @property
    def n_samples(self) -> int:
        """Taken at each playing."""
        return 0 if self.interval.reading is None else self.interval.reading.n

    def played(self, rows: Numbers) -> Numbers:
        """The numbers of each playing."""
        if len(rows) > 1:
            return rows[self.row]
        return numpy_of(rows).broadcast_to(rows, (len(self.row), *rows.shape[1:]))


@dataclass(frozen=True, eq=False)
class EventApart:
    """The intervals of an event, and the row of numbers that each repetition plays."""

    intervals: list[Interval]
    row: Repetitions

    @property
    def count(self) -> int:
        """Intervals in one repetition of all that encloses the event."""
        return len(self.intervals)

    def placed(self, start: Repetitions) -> Iterator[Placed]:
        """All playings, of which each repetition begins at some place."""
        for number, interval in enumerate(self.intervals):
            yield Placed(interval, np.ravel(start + number), np.ravel(self.row))


@dataclass(frozen=True, eq=False)
class ContainerApart:
    """What a container plays, once or again and again."""

    parts: list["EventApart | ContainerApart"]
    repetitions: tuple[int, ...]

    @property
    def count(self) -> int:
        """Intervals in one repetition of all that encloses the container."""
        return math.prod(self.repetitions) * sum(part.count for part in self.parts)

    def placed(self, start: Repetitions) -> Iterator[Placed]:
        """All playings, of which each repetition begins at some place."""
        if self.repetitions:
            start = start[..., None] + sum(part.count for part in self.parts) * np.arange(*self.repetitions)
        for part in self.parts:
            yield from part.placed(start)
            start = np.asarray(start + part.count)


def apart(
    container: AbstractContainer, engine: str, asked: Asked, outer: tuple[int, ...] = ()
) -> ContainerApart | None:
    """A sequence in intervals; None where one of its events cannot be taken apart."""
    repeats, parts = (*outer, *container.repetitions), []
    for entry in container.events:
        is_event = isinstance(entry, AbstractEvent)
        part = _event(entry, repeats, engine, asked) if is_event else apart(entry, engine, asked, repeats)
        if part is None:
            return None
        parts.append(part)
    return ContainerApart(parts, container.repetitions)


def _event(event: AbstractEvent, repeats: tuple[int, ...], engine: str, asked: Asked) -> EventApart | None:
    leaves = {name: leaf for name, leaf in event.leaves().items() if isinstance(leaf, jax.Array | np.ndarray)}
    shapes = {name: event.repetition_shapes()[name] for name in leaves}
    lengths = {name: (1,) * (len(repeats) - len(shape)) + shape for name, shape in shapes.items()}
    varies = np.broadcast_shapes((1,) * len(repeats), *lengths.values())

    def rows(name: str) -> Numbers:
        leaf = in_double_precision(leaves[name]) if _checks.is_concrete(leaves[name]) else leaves[name]
        own = leaf.shape[len(shapes[name]) :]
        if math.prod(lengths[name]) == 1:
            return leaf.reshape(1, *own)
        xp = numpy_of(leaf)
        return xp.broadcast_to(leaf.reshape(*lengths[name], *own), (*varies, *own)).reshape(-1, *own)

    in_rows = event.with_leaves({name: rows(name) for name in leaves})
    if not _can_be_taken_apart(in_rows):
        return None
    number = np.arange(math.prod(varies)).reshape(varies)
    return EventApart(intervals_of(in_rows, engine, asked), np.broadcast_to(number, repeats))


def _can_be_taken_apart(event: AbstractEvent) -> bool:
    """Whether `intervals_of` knows an event; durations that are traced are taken to be finite."""
    if isinstance(event, AbstractScannerEvent) and not isinstance(event, Delay):
        return all(not _known_to_be(np.isinf, lasts(track)) for track in event.tracks)
    duration = lasts((event,))
    # one delay without end is no interval, but sets the magnetisation
    is_mixed = _known_to_be(np.isinf, duration) and _known_to_be(np.isfinite, duration)
    return isinstance(event, PLAYED) and not is_mixed


def _known_to_be(which: Callable[[np.ndarray], np.ndarray], times: Row) -> bool:
    return isinstance(times, np.ndarray) and bool(np.any(which(times)))
