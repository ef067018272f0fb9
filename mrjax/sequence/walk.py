"""Going through the events of a nested sequence."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

import jax
import numpy as np

from mrjax._memory import remembered
from mrjax.sequence.base import AbstractContainer, AbstractEvent
from mrjax.sequence.events import Reset
from mrjax.sequence.partial_orders import Order, common_denominator

Container = TypeVar("Container", bound=AbstractContainer)


@dataclass(frozen=True)
class Located:
    """An event and where it stands."""

    event: AbstractEvent
    path: tuple[int, ...]
    """Position in each enclosing container, outermost first."""
    repeats: tuple[int, ...]
    """Numbers of repetitions of the enclosing `Repeat`s, outermost first."""

    @property
    def name(self) -> str:
        """How messages call the event, such as 'event 3.1 (Delay)'."""
        return f"event {'.'.join(map(str, self.path))} ({type(self.event).__name__})"


def events_of(events: tuple, path: tuple[int, ...] = (), repeats: tuple[int, ...] = ()) -> Iterator[Located]:
    """Every event below the given ones, in playing order, each once however often it is repeated."""
    for position, entry in enumerate(events):
        here = (*path, position)
        if isinstance(entry, AbstractEvent):
            yield Located(entry, here, repeats)
        elif isinstance(entry, AbstractContainer):
            yield from events_of(entry.events, here, (*repeats, *entry.repetitions))


def validated(sequence: Container) -> Container:
    """`sequence` with shapes checked now and values checked now or at run time; errors name the event."""

    def check(keys: tuple, event: AbstractEvent) -> AbstractEvent:
        path = tuple(key.idx for key in keys if isinstance(key, jax.tree_util.SequenceKey))
        return event.checked(Located(event, path, ()).name)

    is_event = lambda node: isinstance(node, AbstractEvent)
    return jax.tree_util.tree_map_with_path(check, fitting(sequence), is_leaf=is_event)


def fitting(sequence: Container) -> Container:
    """`sequence` with shapes checked; errors name the event."""
    for located in events_of(sequence.events):
        for name, shape in located.event.repetition_shapes().items():
            try:
                fits = np.broadcast_shapes(shape, located.repeats) == located.repeats
            except ValueError:
                fits = False
            if not fits:
                own = " before its own" if name in located.event.own_axes else ""
                raise ValueError(
                    f"`{name}` of {located.name} must be a scalar or have one axis per enclosing Repeat{own}, "
                    f"{located.repeats}, but got shape {shape}."
                )
    return sequence


@remembered
def winding(sequence: AbstractContainer, orders_per_cycle: int = 1) -> int:
    """Upper bound of the dephasing order that playing the events of `sequence` once from order 0 can reach.

    In cycles, or in parts of one where orders are fractions; rounded up to a whole number of them.
    """
    return math.ceil(_wound(sequence, 0)[0] * orders_per_cycle)


@remembered
def orders_per_cycle(sequence: AbstractContainer) -> int:
    """Parts of a cycle of which all that is wound is a multiple; 1 where whole cycles are."""
    return common_denominator(located.event.winding for located in events_of(sequence.events))


def _wound(container: AbstractContainer, start: Order) -> tuple[Order, Order]:
    """The highest order, and the last, of one playing that begins at order `start`; a `Reset` begins at zero again."""
    highest = now = start
    for entry in container.events:
        match entry:
            case Reset():
                now = 0
            case AbstractEvent():
                now += abs(entry.winding)
            case AbstractContainer():
                inside, now = _wound_repeatedly(entry, now)
                highest = max(highest, inside)
        highest = max(highest, now)
    return highest, now


def _wound_repeatedly(container: AbstractContainer, start: Order) -> tuple[Order, Order]:
    (length,) = container.repetitions or (1,)
    highest, end = _wound(container, start)
    if any(isinstance(located.event, Reset) for located in events_of(container.events)):
        # every repetition after the first begins where one that was reset has ended
        return max(highest, _wound(container, end)[0] if length > 1 else 0), end
    return start + length * (highest - start), start + length * (end - start)
