"""Sequences as text."""

from typing import Any

import numpy as np

from mrjax import _checks
from mrjax._checks import Neutral
from mrjax.sequence.events import AbstractContainer, AbstractEvent, Dephase
from mrjax.sequence.gradients import Gradient
from mrjax.sequence.labels import Annotation, Label
from mrjax.sequence.readout import Readout


def describe(container: AbstractContainer) -> str:
    """A sequence as an indented list with durations in ms and angles in degrees."""
    return "\n".join(["Sequence", *_lines(container, "  ")])


def _lines(container: AbstractContainer, indent: str) -> list[str]:
    lines = []
    for entry in container.events:
        if isinstance(entry, AbstractEvent):
            lines.append(f"{indent}{describe_event(entry)}")
        else:
            lines.append(" x ".join([indent + type(entry).__name__, *map(str, entry.repetitions)]))
            lines.extend(_lines(entry, indent + "  "))
    return lines


def describe_event(event: AbstractEvent) -> str:
    """One event as a line, such as 'Pulse    flip_angle 90 deg, phase 0 deg'."""
    if tracks := getattr(event, "tracks", None):
        tracks = (", then ".join(" ".join(describe_event(one).split()) for one in track) for track in tracks)
        return f"Together [{'] ['.join(tracks)}]"
    static = {Dephase: "order", Gradient: "axis", Readout: "n", Label: "name", Annotation: "name"}.get(type(event))
    counts = [f"{static} {getattr(event, static)}"] if static else []
    units = UNITS | ({"waveform": (1e3, "mT/m")} if isinstance(event, Gradient) else {})
    numbers = [
        f"{name} {_quantity(value, *units.get(name, DEGREES))}"
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


def _quantity(value: Any, factor: float, unit: str) -> str:
    if not _checks.is_concrete(value):
        return f"traced {np.shape(value)} {unit}" if np.shape(value) else f"traced {unit}"
    magnitudes = np.abs(value) if np.iscomplexobj(value) else np.asarray(value, dtype=float)
    numbers = np.asarray(magnitudes, dtype=float) * factor
    if numbers.size == 1 or np.all(numbers == numbers.flat[0]):
        return f"{numbers.flat[0]:.6g} {unit}".rstrip()
    return f"{numbers.min():.6g} ... {numbers.max():.6g} {unit} {numbers.shape}"
