"""Sequences as text."""

from collections.abc import Iterable
from typing import Any

from mrjax._module import is_constructed
from mrjax._quantities import MAYBE_DERIVATIVES
from mrjax.sequence import walk
from mrjax.sequence.base import AbstractContainer, AbstractEvent


def describe(container: AbstractContainer) -> str:
    """A sequence as an indented list with durations in ms and angles in degrees.

    Its numbers are taken for those of a sequence, also where a transformation of JAX returned it; of one that holds
    derivatives, use `repr`, which prints numbers as they are.

    **Arguments:**

    - `container`: A `Sequence` or `Repeat`.

    !!! example

        ```python
        >>> import jax
        >>> import mrjax as mr
        >>> train = mr.Repeat(mr.Pulse(0.5), mr.Delay(5e-3), mr.Sample(), n_repetitions=3)
        >>> doubled = jax.tree.map(lambda leaf: 2 * leaf, train)
        >>> print(mr.sequence.describe(doubled))
        Sequence
          Repeat x 3
            Pulse    flip_angle 57.2958 deg
            Delay    duration 10 ms
            Sample
        >>> print(doubled)
        Sequence (as JAX returned it: numbers in SI units, or derivatives by them)
          Repeat x 3
            Pulse    flip_angle 1
            Delay    duration 0.01
            Sample

        ```
    """
    return _text(container, "Sequence", in_units=True)


def described_if_constructed(container: AbstractContainer) -> str:
    """As `describe`, but with numbers as they are, and a note on that, where they may be derivatives."""
    in_units = all(is_constructed(located.event) for located in walk.events_of(container.events))
    return _text(container, "Sequence" if in_units else f"Sequence ({MAYBE_DERIVATIVES})", in_units)


def _text(container: AbstractContainer, heading: str, in_units: bool) -> str:
    entries = (container,) if container.repetitions else container.events
    return "\n".join([heading, *_lines(entries, "  ", in_units)])


def _lines(entries: Iterable[Any], indent: str, in_units: bool) -> list[str]:
    lines = []
    for entry in entries:
        if isinstance(entry, AbstractEvent):
            lines.append(f"{indent}{entry.described(in_units)}")
        elif isinstance(entry, AbstractContainer):
            lines.append(" x ".join([indent + type(entry).__name__, *map(str, entry.repetitions)]))
            lines.extend(_lines(entry.events, indent + "  ", in_units))
        else:  # a tree of something else in the form of a sequence
            lines.append(indent + type(entry).__name__)
    return lines
