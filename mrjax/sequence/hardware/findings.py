"""How breaches of limits are found in all repetitions at once, and named."""

from collections.abc import Sequence as Several
from typing import Any

import numpy as np

from mrjax.sequence.gradients import Gradient
from mrjax.sequence.hardware.event_times import EventTimes, PartTimes

ROUNDING = 2.4e-7
"""Two units in the last place of a number in single precision, relative to it."""

SLACK = 1e-5
"""Relative excess over a limit that is taken for rounding."""


def worst(ratio: Any) -> tuple[int, ...] | None:
    """Where what is played exceeds its limit most, relative to it; None where it does nowhere."""
    ratio = np.asarray(ratio)
    if not ratio.size:
        return None
    index = np.unravel_index(np.argmax(ratio), ratio.shape)
    return tuple(map(int, index)) if ratio[index] > 1 + SLACK else None


def relative(value: Any, limit: float) -> np.ndarray:
    """`value` over `limit`, where nothing exceeds a limit of zero by being zero."""
    return np.asarray(np.where(value > 0, value / limit if limit > 0 else np.inf, 0.0))


def off_raster(times: Any, raster: float, shift: float = 0.0) -> np.ndarray:
    """By how much times, in s, lie off the multiples of a raster, `shift` of it later: above one where rounding is excluded."""
    if raster == 0:
        return np.zeros(np.shape(times))
    steps = np.asarray(times) / raster - shift
    return np.asarray(np.abs(steps - np.round(steps)) / (1e-3 + ROUNDING * np.abs(steps)))


def name_of(one: EventTimes, parts: Several[PartTimes] = (), repetition: tuple[int, ...] = ()) -> str:
    """How a message calls parts of an event, such as 'event 0.2 (Together), track 1 (Gradient z), repetition 3'."""
    names = [one.located.name]
    if parts and parts[0].track:
        event = parts[0].event
        kind = f"Gradient {event.axis}" if isinstance(event, Gradient) else type(event).__name__
        tracks = " and ".join(part.track for part in parts)
        names.append(f"track{'s' * (len(parts) > 1)} {tracks} ({kind})")
    elif parts and isinstance(parts[0].event, Gradient):
        names.append(f"axis {parts[0].event.axis}")
    # the last axes are those of the innermost repeats; what does not change with the others is found in their first
    if any(n > 1 for n in one.located.repeats) and repetition:
        full = (0,) * (len(one.located.repeats) - len(repetition)) + repetition
        names.append(f"repetition {'.'.join(map(str, full))}")
    return ", ".join(names)
