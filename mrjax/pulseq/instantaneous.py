"""Pulses and samples that take no time, played by such as do, for scanners."""

import math
from typing import Any

import equinox as eqx
import numpy as np

from mrjax import units
from mrjax.pulseq.playing_order import Playing, playing_order
from mrjax.sequence import walk
from mrjax.sequence.base import AbstractContainer, AbstractEvent, AbstractIdealEvent
from mrjax.sequence.events import Delay, Pulse, Sample
from mrjax.sequence.labels import AbstractNote
from mrjax.sequence.readout import Readout
from mrjax.sequence.rf import ContinuousWave
from mrjax.sequence.unrolled import known

GAMMA = 2 * math.pi * units.GAMMA_BAR["1H"]

ARGUMENTS = {
    Pulse: ", or pass `pulse_duration=` in s for block pulses",
    Sample: ", or pass `readout=`, such as `readout=mr.Readout(64, dwell=10e-6)`",
}
"""Arguments of `from_sequence` by which events that no scanner plays become such as it does."""

ROUNDING = 1e-12
"""In s, of differences of durations."""


def require_lasting(played: Playing) -> None:
    """Refuse what no scanner plays.

    **Raises:** `ValueError` with what could be played in its place.
    """
    event = played.located.event
    if isinstance(event, AbstractIdealEvent):
        way = ARGUMENTS.get(type(event), "")
        raise ValueError(
            f"{played.name} cannot be played by a scanner; write {event.instead} in its place for a Pulseq file{way}."
        )


def made_lasting(sequence: AbstractContainer, pulse_duration: Any, readout: Any) -> AbstractContainer:
    """A sequence with block pulses and readouts whose middles are where `Pulse`s and `Sample`s were; delays give the time.

    Only where it begins or ends with one of them the sequence becomes longer, by half of it.

    **Arguments:**

    - `sequence`: With known numbers.
    - `pulse_duration`: In s, positive; None to leave pulses as they are.
    - `readout`: Played for each sample, its phase added to that of the sample; None to leave samples as they are.

    **Raises:** `ValueError` where a delay is missing or too short, or the arguments are others.
    """
    sequence = known(sequence)
    replaced: dict[type, Any] = {}
    if pulse_duration is not None:
        replaced[Pulse] = _duration(pulse_duration)
    if readout is not None:
        replaced[Sample] = _duration_of(readout)
    events = {located.path: located for located in walk.events_of(sequence.events)}
    taken = _taken(sequence, events, replaced)

    def changed(container: AbstractContainer, path: tuple[int, ...]) -> AbstractContainer:
        entries = []
        for position, entry in enumerate(container.events):
            here = (*path, position)
            if isinstance(entry, AbstractEvent):
                entries.append(_changed(events[here], taken.get(here), replaced, readout))
            else:
                entries.append(changed(entry, here))
        return eqx.tree_at(lambda c: c.events, container, tuple(entries))

    return changed(sequence, ())


def _duration(pulse_duration: Any) -> float:
    if not (np.ndim(pulse_duration) == 0 and np.isrealobj(pulse_duration) and 0 < float(pulse_duration) < math.inf):
        raise ValueError(f"`pulse_duration` must be one positive time in s, but got {pulse_duration!r}.")
    return float(pulse_duration)


def _duration_of(readout: Any) -> float:
    if not isinstance(readout, Readout) or any(readout.repetition_shapes().values()):
        raise ValueError(
            "`readout` must be a `Readout` without axes of repetitions, such as `mr.Readout(64, dwell=10e-6)`, but got "
            f"{type(readout).__name__}."
        )
    return _decimal(readout.dwell).item() * readout.n


def _taken(
    sequence: AbstractContainer, events: dict[tuple, walk.Located], replaced: dict[type, float]
) -> dict[tuple, np.ndarray]:
    """By how much each delay is shortened in s, in every repetition: by halves of its neighbours."""
    taken = {path: np.zeros(place.repeats) for path, place in events.items() if isinstance(place.event, Delay)}
    before: tuple[tuple, tuple] | None = None
    for path, repetition in playing_order(sequence):
        event = events[path].event
        # what takes no time and is not replaced is refused when it is written
        if isinstance(event, AbstractNote) or (isinstance(event, AbstractIdealEvent) and type(event) not in replaced):
            continue
        for one, other in ((before, (path, repetition)), ((path, repetition), before)):
            half = replaced.get(type(events[one[0]].event), 0.0) / 2 if one is not None else 0.0
            if half and other is not None:
                if other[0] not in taken:
                    raise ValueError(
                        f"{events[one[0]].name if one else ''} needs a `Delay` of {half:g} s or more on both sides to become "
                        f"one that lasts, but is next to {events[other[0]].name}."
                    )
                taken[other[0]][other[1]] += half
        before = (path, repetition)
    return taken


def _changed(
    located: walk.Located, taken: np.ndarray | None, replaced: dict[type, float], readout: Readout | None
) -> AbstractEvent:
    match located.event:
        case Pulse(flip_angle=flip_angle, phase=phase) if Pulse in replaced:
            duration = replaced[Pulse]
            return ContinuousWave(np.asarray(flip_angle) / (GAMMA * duration), duration, phase=phase)
        case Sample(phase=phase) if readout is not None:
            total = np.asarray(phase, float) + np.asarray(readout.phase, float)
            return Readout(readout.n, readout.dwell, total, readout.offset, readout.modulation)
        case Delay(duration=duration) if taken is not None and np.any(taken):
            return Delay(_shortened(located, _decimal(duration), _smallest(taken)))
    return located.event


def _shortened(located: walk.Located, duration: np.ndarray, taken: np.ndarray) -> np.ndarray:
    left = np.asarray(duration - taken)
    if np.any(left < -ROUNDING):
        short = np.unravel_index(np.argmin(left), left.shape)
        needed, given = (np.broadcast_to(values, left.shape)[short] for values in (taken, duration))
        raise ValueError(
            f"{located.name} must last {needed:g} s or more to give the pulses and readouts beside it their time, but lasts "
            f"{given:g} s; choose a shorter `pulse_duration` or `readout`."
        )
    return np.asarray(np.maximum(np.round(left, 12), 0.0))


def _smallest(values: np.ndarray) -> np.ndarray:
    """Values over repetitions, of length 1 along those with which they do not change."""
    for axis in range(values.ndim):
        first = np.take(values, [0], axis)
        values = first if np.all(values == first) else values
    return values


def _decimal(values: Any) -> np.ndarray:
    """Numbers in double precision that are written alike: 0.1 in single precision is meant as 0.1."""
    return np.asarray([float(str(value)) for value in np.ravel(values)]).reshape(np.shape(values))
