"""Sequences as text."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from mrjax._checks import Neutral
from mrjax._module import is_constructed
from mrjax._quantities import BARE, MAYBE_DERIVATIVES, quantity
from mrjax.sequence import walk
from mrjax.sequence.events import AbstractContainer, AbstractEvent, Dephase
from mrjax.sequence.gradients import Gradient
from mrjax.sequence.labels import Annotation, Label
from mrjax.sequence.readout import Readout


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
            lines.append(f"{indent}{describe_event(entry, in_units)}")
        elif isinstance(entry, AbstractContainer):
            lines.append(" x ".join([indent + type(entry).__name__, *map(str, entry.repetitions)]))
            lines.extend(_lines(entry.events, indent + "  ", in_units))
        else:  # a tree of something else in the form of a sequence
            lines.append(indent + type(entry).__name__)
    return lines


def describe_event(event: AbstractEvent, in_units: bool = True) -> str:
    """One event as a line, such as 'Pulse    flip_angle 90 deg, phase 0 deg', or with numbers as they are."""
    if tracks := getattr(event, "tracks", None):
        tracks = (", then ".join(" ".join(describe_event(one, in_units).split()) for one in track) for track in tracks)
        return f"Together [{'] ['.join(tracks)}]"
    static = {Dephase: "order", Gradient: "axis", Readout: "n", Label: "name", Annotation: "name"}.get(type(event))
    counts = [f"{static} {getattr(event, static)}"] if static else []
    units = UNITS | ({"waveform": (1e3, "mT/m")} if isinstance(event, Gradient) else {})
    numbers = [
        f"{name} {quantity(value, *(units.get(name, DEGREES) if in_units else BARE))}"
        for name, value in event.leaves().items()
        if not isinstance(value, Neutral)
    ]
    return f"{type(event).__name__:<8} {', '.join(counts + numbers)}".rstrip()


DEGREES = (180 / np.pi, "deg")

UNITS = {
    "duration": (1e3, "ms"),
    "times": (1e3, "ms"),
    "dwell": (1e6, "us"),
    "dt": (1e6, "us"),
    "b1": (1e6, "uT"),
    "waveform": (1e6, "uT"),
    "offset": (1.0, "Hz"),
    "magnetisation": (1.0, ""),
    "value": (1.0, ""),
}
"""How numbers of events are shown; angles in degrees."""
