"""Trains that share a program: repetitions are added for a length of few, and how many are played is data."""

import math
from typing import Any, NamedTuple, TypeGuard

import jax
import numpy as np

from mrjax._memory import remembered
from mrjax.physics.execution import sizes
from mrjax.physics.loop import AbstractCountedRepeat, CountedRepeat
from mrjax.sequence import AbstractContainer
from mrjax.sequence.base import with_fields
from mrjax.sequence.walk import events_of

LENGTHS = 16
"""Of trains within a factor of two. What is added is prepared, but not played."""

SHORTEST = 16
"""Repetitions of the trains that are lengthened: of shorter ones too much would be added."""


class Lengthened(NamedTuple):
    """A sequence whose loops have more repetitions than are to be played."""

    sequence: AbstractContainer
    loops: tuple[tuple[int, int], ...]
    """For each loop among its entries, the number of repetitions to be played, and that with those that were added."""

    @property
    def is_longer(self) -> bool:
        """Whether there is a loop whose repetitions are counted."""
        return any(n >= SHORTEST for n, _ in self.loops)


class Counted(NamedTuple):
    """A sequence that was lengthened, as an engine has planned it."""

    sequence: AbstractContainer
    """Whose loops play as many repetitions as their data say."""
    rows: np.ndarray
    """Which of its samples are those of the given sequence."""


@remembered
def counted(planned: AbstractContainer, loops: tuple[tuple[int, int], ...]) -> Counted:
    """What an engine's plan has made of a lengthened sequence; it must have left the loops among its entries."""
    counts, entries, taken = iter(loops), [], []
    for entry in planned.events:
        n = sum(math.prod(at.repeats) * at.event.n_samples for at in events_of((entry,)))
        n_played, length = next(counts) if _is_loop(entry) else (1, 1)
        entries.append(_counted(entry, n_played, length) if _is_loop(entry) else entry)
        taken.append(np.arange(n) < n // length * n_played)
    return Counted(with_fields(planned, {"events": tuple(entries)}), np.flatnonzero(np.concatenate(taken)))


def has_loops(planned: AbstractContainer, loops: tuple[tuple[int, int], ...]) -> bool:
    """Whether the loops among the entries are those of a lengthened sequence."""
    found = [entry.repetitions[0] for entry in planned.events if _is_loop(entry)]
    return found == [length for _, length in loops]


@remembered
def lengthened(sequence: AbstractContainer) -> Lengthened:
    """A sequence of known numbers with those of its loops lengthened that are worth it."""
    loops = tuple((n, _length(n)) for entry in sequence.events if _is_loop(entry) for n in entry.repetitions)
    entries = tuple(_longer(entry, *entry.repetitions) if _is_loop(entry) else entry for entry in sequence.events)
    return Lengthened(with_fields(sequence, {"events": entries}), loops)


def _is_loop(entry: Any) -> TypeGuard[AbstractContainer]:
    return isinstance(entry, AbstractContainer) and bool(entry.repetitions)


def _length(n: int) -> int:
    return n if n < SHORTEST else sizes.rounded_up(n, LENGTHS)


def _longer(loop: Any, n: int) -> AbstractContainer:
    events = tuple(_with_entries(entry, 1, n, _length(n)) for entry in loop.events)
    return with_fields(loop, {"events": events, "n_repetitions": _length(n)})


def _with_entries(entry: Any, depth: int, n: int, length: int) -> Any:
    """An entry inside so many loops, whose leaves get the last of their `n` entries again up to a length."""
    if isinstance(entry, AbstractContainer):
        inside = tuple(_with_entries(one, depth + len(entry.repetitions), n, length) for one in entry.events)
        return with_fields(entry, {"events": inside})
    shapes, leaves = entry.repetition_shapes(), entry.leaves()
    changing = [name for name, shape in shapes.items() if len(shape) == depth and shape[0] == n]
    grown = {name: jax.device_put(sizes.lengthened(np.asarray(leaves[name]), 0, length)) for name in changing}
    return entry.with_leaves(grown) if grown else entry


def _counted(loop: Any, n_played: int, length: int) -> AbstractContainer:
    """A loop that plays as many repetitions as its data say."""
    if n_played < SHORTEST:
        return loop
    count = jax.device_put(np.int32(n_played))
    if isinstance(loop, AbstractCountedRepeat):
        return with_fields(loop, {"n_played": count})
    return CountedRepeat(events=loop.events, length=length, n_played=count)
