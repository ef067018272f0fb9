"""Sequences as text."""

from typing import Any

import numpy as np

from mrjax import _checks
from mrjax._checks import Neutral
from mrjax.sequence.events import AbstractContainer, AbstractEvent, Dephase


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
    order = [f"order {event.order}"] if isinstance(event, Dephase) else []
    numbers = [
        f"{name} {_quantity(name, value)}" for name, value in event.leaves().items() if not isinstance(value, Neutral)
    ]
    return f"{type(event).__name__:<8} {', '.join(order + numbers)}".rstrip()


def _quantity(name: str, value: Any) -> str:
    factor, unit = (1e3, "ms") if name == "duration" else (180 / np.pi, "deg")
    if not _checks.is_concrete(value):
        return f"traced {np.shape(value)} {unit}" if np.shape(value) else f"traced {unit}"
    numbers = np.asarray(value, dtype=float) * factor
    if numbers.size == 1 or np.all(numbers == numbers.flat[0]):
        return f"{numbers.flat[0]:.6g} {unit}"
    return f"{numbers.min():.6g} ... {numbers.max():.6g} {unit} {numbers.shape}"
