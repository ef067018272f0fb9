"""Going through the events of a nested sequence."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

import jax
import numpy as np

from mrjax.sequence.events import AbstractContainer, AbstractEvent, Dephase, Reset

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

    def check(keys: tuple, event: AbstractEvent) -> AbstractEvent:
        path = tuple(key.idx for key in keys if isinstance(key, jax.tree_util.SequenceKey))
        return event.checked(Located(event, path, ()).name)

    return jax.tree_util.tree_map_with_path(check, sequence, is_leaf=lambda node: isinstance(node, AbstractEvent))


def winding(sequence: AbstractContainer) -> int:
    """Upper bound of the dephasing order that playing the events of `sequence` once from order 0 can reach."""
    return _wound(sequence, 0)[0]


def _wound(container: AbstractContainer, start: int) -> tuple[int, int]:
    """The highest order, and the last, of one playing that begins at order `start`; a `Reset` begins at zero again."""
    highest = now = start
    for entry in container.events:
        match entry:
            case Reset():
                now = 0
            case Dephase():
                now += abs(entry.order)
            case AbstractContainer():
                inside, now = _wound_repeatedly(entry, now)
                highest = max(highest, inside)
        highest = max(highest, now)
    return highest, now


def _wound_repeatedly(container: AbstractContainer, start: int) -> tuple[int, int]:
    (length,) = container.repetitions or (1,)
    highest, end = _wound(container, start)
    if any(isinstance(located.event, Reset) for located in events_of(container.events)):
        # every repetition after the first begins where one that was reset has ended
        return max(highest, _wound(container, end)[0] if length > 1 else 0), end
    return start + length * (highest - start), start + length * (end - start)
