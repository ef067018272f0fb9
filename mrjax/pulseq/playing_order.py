"""The events of a sequence with their numbers, one playing after the other."""

from collections.abc import Iterator
from dataclasses import dataclass

import jax
import numpy as np
from jaxtyping import Int, Shaped

from mrjax import _checks
from mrjax.sequence import walk
from mrjax.sequence.base import AbstractContainer, AbstractEvent
from mrjax.sequence.containers import as_sequence
from mrjax.sequence.walk import Located


@dataclass(frozen=True, eq=False)
class Playing:
    """One playing of an event: where it stands, its numbers by name, and which repetition it is, outermost first."""

    located: Located
    values: dict[str, Shaped[np.ndarray, "..."]]
    repetition: tuple[int, ...]
    key: tuple
    """Equal for playings that are the same."""

    @property
    def name(self) -> str:
        """How messages call it."""
        return self.located.name + (f" in repetition {', '.join(map(str, self.repetition))}" if self.repetition else "")


def playings(sequence: AbstractContainer) -> Iterator[Playing]:
    """Every playing of every event, in order.

    **Raises:** `ValueError` where numbers are traced.
    """
    if not isinstance(sequence, AbstractContainer):
        raise ValueError(f"`sequence` must be a Sequence, but got {type(sequence).__name__}.")
    if not all(_checks.is_concrete(leaf) for leaf in jax.tree.leaves(sequence)):
        raise ValueError(
            "`sequence` must hold known numbers to be written, but some are traced; leave `jit` or `grad` first."
        )
    sequence = walk.validated(as_sequence(sequence))
    tables = {located.path: _RepetitionRows(located) for located in walk.events_of(sequence.events)}
    for path, repetition in playing_order(sequence):
        yield tables[path].played(repetition)


def playing_order(
    container: AbstractContainer, path: tuple[int, ...] = (), outer: tuple[int, ...] = ()
) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    """The path of each event, in order, and which repetition it is, outermost first."""
    for n in range(*container.repetitions or (1,)):
        repetition = (*outer, n) if container.repetitions else outer
        for position, entry in enumerate(container.events):
            if isinstance(entry, AbstractEvent):
                yield (*path, position), repetition
            else:
                yield from playing_order(entry, (*path, position), repetition)


class _RepetitionRows:
    """The leaves of an event, a row for each repetition in which they change."""

    def __init__(self, located: Located):
        event = located.event
        shapes = event.repetition_shapes()
        self._located = located
        leaves = {name: np.asarray(leaf) for name, leaf in event.leaves().items()}
        self._leaves = {name: leaf.reshape(-1, *leaf.shape[len(shapes[name]) :]) for name, leaf in leaves.items()}
        rows = [_row_numbers(shapes[name], located.repeats) for name in leaves]
        self._rows = np.stack(rows, axis=-1).tolist() if rows else []

    def played(self, repetition: tuple[int, ...]) -> Playing:
        flat = 0
        for n, i in zip(self._located.repeats, repetition, strict=True):
            flat = flat * n + i
        rows = self._rows[flat] if self._rows else []
        values = {name: np.asarray(leaf[row]) for (name, leaf), row in zip(self._leaves.items(), rows, strict=True)}
        return Playing(self._located, values, repetition, (self._located.path, tuple(rows)))


def _row_numbers(shape: tuple[int, ...], repeats: tuple[int, ...]) -> Int[np.ndarray, " n"]:
    """The row of a leaf in every repetition."""
    rows = np.arange(np.prod(shape, dtype=int)).reshape(shape)
    return np.broadcast_to(rows, repeats).ravel()
