"""A sequence written out event by event, for pictures and for reading."""

from collections.abc import Iterator
from dataclasses import dataclass

import jax
import numpy as np

from mrjax import _checks
from mrjax.sequence import walk
from mrjax.sequence.base import AbstractContainer, AbstractEvent
from mrjax.sequence.containers import as_sequence
from mrjax.sequence.precision import Numbers, held


@dataclass(frozen=True)
class TimedEvent:
    """One playing of an event, whose leaves have no axes of repetitions any more."""

    event: AbstractEvent
    start: float
    """In s from the start of the sequence."""
    duration: float
    """In s."""


def unrolled(sequence: AbstractContainer) -> list[TimedEvent]:
    """Every event in the order of playing, repeats written out, with the times at which it starts.

    **Raises:** `ValueError` where values are traced: a picture needs numbers.
    """
    events, now = [], 0.0
    for event in one_by_one(jax.tree.map(np.asarray, walk.validated(known(sequence))), ()):
        duration = float(event.duration)
        events.append(TimedEvent(event, now, duration))
        now += duration
    return events


def known(sequence: AbstractContainer) -> AbstractContainer:
    """`sequence` as a `Sequence` of known numbers and fitting shapes.

    **Raises:** `ValueError` where values are traced.
    """
    if not isinstance(sequence, AbstractContainer):
        raise ValueError(f"`sequence` must be a Sequence, but got {type(sequence).__name__}.")
    if not all(_checks.is_concrete(leaf) for leaf in jax.tree.leaves(sequence)):
        raise ValueError(
            "`sequence` must hold known numbers to be written out, but some are traced; leave `jit` or `grad` first."
        )
    return walk.fitting(as_sequence(sequence))


def one_by_one(container: AbstractContainer, outer: tuple[int, ...] = ()) -> Iterator[AbstractEvent]:
    """Every event in the order of playing, repeats written out; its leaves may be traced."""
    for repetition in range(*container.repetitions or (1,)):
        here = (*outer, repetition) if container.repetitions else outer
        for entry in container.events:
            if isinstance(entry, AbstractEvent):
                yield _now(entry, here)
            else:
                yield from one_by_one(entry, here)


def _now(event: AbstractEvent, repetitions: tuple[int, ...]) -> AbstractEvent:
    """The event in one repetition of each enclosing `Repeat`; axes of length one are the same in each."""
    leaves = event.leaves()
    shapes = {name: shape for name, shape in event.repetition_shapes().items() if shape}

    def entry(name: str) -> Numbers:
        last = repetitions[len(repetitions) - len(shapes[name]) :]
        return held(leaves[name][tuple(0 if n == 1 else i for i, n in zip(last, shapes[name], strict=True))])

    return event.with_leaves({name: entry(name) for name in shapes})
