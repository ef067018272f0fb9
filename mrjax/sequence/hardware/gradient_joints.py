"""Where gradients jump from one event to the next by more than a scanner can play."""

from collections.abc import Iterator

import numpy as np

from mrjax.sequence.gradients import AXES
from mrjax.sequence.hardware.event_times import EventTimes
from mrjax.sequence.hardware.findings import name_of, relative
from mrjax.sequence.hardware.gradient_limits import (
    allowed_jump,
    exceeds_by_a_jump,
    line_of,
    pieces_of,
    without_rounding,
)
from mrjax.sequence.hardware.limits import Limits


def breaches_between(limits: Limits, playings: list[EventTimes]) -> Iterator[tuple[int, str]]:
    """The worst jump into each event, and out of the last, along each axis; each with the number of the event."""
    begin, end, owner, lasts = _ends(limits, playings)
    played = np.flatnonzero(lasts)
    rest = np.zeros((1, len(AXES)))
    # from left to right of each joint, the start and the end of the sequence among them
    left, right = np.concatenate([rest, end[played]]), np.concatenate([begin[played], rest])
    jump = without_rounding(right - left, np.maximum(np.abs(left), np.abs(right)))
    ratio = relative(jump, allowed_jump(limits))
    worst: dict[tuple[int, bool, int], int] = {}
    for place, axis in np.argwhere(ratio > 1).tolist():
        last = place == len(played)
        key = (int(owner[played[place - last]]), last, axis)
        if key not in worst or ratio[place, axis] > ratio[worst[key], axis]:
            worst[key] = place
    named = lambda playing: _name_of_playing(playings[owner[playing]], int(playing))
    for (number, last, axis), place in worst.items():
        amounts = f"{left[place, axis] * 1e3:.6g} to {right[place, axis] * 1e3:.6g} mT/m"
        where = f"after {named(played[place - 1])}" if place else "at the start of the sequence"
        where = "at the end of the sequence" if last else where
        event = named(played[place - last])
        yield number, f"{event}: a jump along {AXES[axis]} from {amounts} {where}{exceeds_by_a_jump(limits)}"


def _ends(limits: Limits, playings: list[EventTimes]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """For every playing the gradients at its begin and end, the number of its event, and whether it takes time."""
    total = sum(one.order.size for one in playings)
    begin, end = np.zeros((2, total, len(AXES)))
    owner, lasts = np.zeros(total, int), np.zeros(total, bool)
    for number, one in enumerate(playings):
        order = one.order.ravel()
        owner[order] = number
        lasts[order] = np.broadcast_to(one.duration > 0, one.order.shape).ravel()
        for i, axis in enumerate(AXES):
            if parts := one.gradients_along(axis):
                pieces = pieces_of(limits, line_of(one, parts))
                begin[order, i] = np.broadcast_to(pieces.begin, one.order.shape).ravel()
                end[order, i] = np.broadcast_to(pieces.end, one.order.shape).ravel()
    return begin, end, owner, lasts


def _name_of_playing(one: EventTimes, playing: int) -> str:
    (at,) = np.argwhere(one.order == playing).tolist()
    return name_of(one, repetition=tuple(at))
