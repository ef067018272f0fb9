"""Where the gradients of an event exceed amplitude, slew rate and raster of a scanner."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mrjax.sequence.gradients import AXES
from mrjax.sequence.hardware.event_times import EventTimes, PartTimes
from mrjax.sequence.hardware.findings import ROUNDING, name_of, off_raster, relative, worst
from mrjax.sequence.hardware.limits import Limits
from mrjax.sequence.piecewise_linear import PiecewiseLinear, summed

TOO_SHORT = 0.01
"""Pieces shorter than this share of the raster come from rounding: what changes in them is a jump."""


@dataclass(frozen=True)
class Pieces:
    """The straight pieces of a line, and the jumps before them; the axes of repetitions come first."""

    times: np.ndarray
    """Where pieces begin, and the end of the last, in s."""
    slope: np.ndarray
    """In T/m/s, zero in pieces that are too short."""
    jump: np.ndarray
    """In T/m, from the end of the last piece that was long enough; zero before the first."""
    begin: np.ndarray
    """Gradient with which the event begins, in T/m, without an axis of pieces."""
    end: np.ndarray


def gradient_breaches(limits: Limits, one: EventTimes) -> Iterator[str]:
    """Breaches within an event."""
    for axis in AXES:
        if parts := one.gradients_along(axis):
            line = line_of(one, parts)
            pieces = pieces_of(limits, line)
            yield from _amplitude(limits, one, parts, line)
            yield from _slew(limits, one, parts, pieces)
            yield from _jumps(limits, one, parts, pieces)
            for part in parts:
                yield from _corners(limits, one, part)


def line_of(one: EventTimes, parts: list[PartTimes]) -> PiecewiseLinear:
    """The gradient from the start of the event to its end."""
    line = summed((part.start, part.event) for part in parts)
    shape = np.broadcast_shapes(line.times.shape[:-1], one.duration.shape)
    edge = lambda value: np.broadcast_to(np.asarray(value), shape)[..., None]
    rows = ((0.0, line.times, one.duration), (0.0, line.before, 0.0), (0.0, line.after, 0.0))
    spread = lambda row: np.broadcast_to(row, (*shape, row.shape[-1]))
    return PiecewiseLinear(*(np.concatenate([edge(a), spread(row), edge(b)], axis=-1) for a, row, b in rows))


def pieces_of(limits: Limits, line: PiecewiseLinear) -> Pieces:
    """What a line that covers an event consists of."""
    steps, start, end = np.diff(line.times, axis=-1), line.after[..., :-1], line.before[..., 1:]
    lasts = steps > max(TOO_SHORT * limits.gradient_raster, 1e-12)
    n = steps.shape[-1]
    latest = np.maximum.accumulate(np.where(lasts, np.arange(n), -1), axis=-1)
    before = np.concatenate([np.full_like(latest[..., :1], -1), latest[..., :-1]], axis=-1)
    came_with = np.take_along_axis(end, np.maximum(before, 0), axis=-1)
    jump = np.where(lasts & (before >= 0), start - came_with, 0.0)
    first = np.argmax(lasts, axis=-1)[..., None]
    any_lasts = np.any(lasts, axis=-1)
    slope = np.where(lasts, (end - start) / np.where(lasts, steps, 1.0), 0.0)
    largest = np.max(np.abs(line.after), axis=-1, keepdims=True)
    return Pieces(
        times=line.times,
        slope=slope,
        jump=without_rounding(jump, largest),
        begin=np.where(any_lasts, np.take_along_axis(start, first, axis=-1)[..., 0], 0.0),
        end=np.where(any_lasts, np.take_along_axis(end, np.maximum(latest[..., -1:], 0), axis=-1)[..., 0], 0.0),
    )


def without_rounding(change: np.ndarray, among: np.ndarray) -> np.ndarray:
    """The size of changes, those that come from rounding left out."""
    return np.where(np.abs(change) > 1e-6 * among, np.abs(change), 0.0)


def allowed_jump(limits: Limits) -> float:
    """By how much a gradient may change at once, in T/m."""
    return limits.max_slew * limits.gradient_raster if np.isfinite(limits.max_slew) else np.inf


def _amplitude(limits: Limits, one: EventTimes, parts: list[PartTimes], line: PiecewiseLinear) -> Iterator[str]:
    largest = np.maximum(np.abs(line.before), np.abs(line.after))
    if (at := worst(relative(largest, limits.max_gradient))) is not None:
        yield (
            f"{name_of(one, parts, at[:-1])}: {largest[at] * 1e3:.6g} mT/m at {line.times[at] * 1e3:.6g} ms of the event "
            f"exceeds max_gradient {limits.max_gradient * 1e3:.6g} mT/m"
        )


def _slew(limits: Limits, one: EventTimes, parts: list[PartTimes], pieces: Pieces) -> Iterator[str]:
    begin, end = pieces.times[..., :-1], pieces.times[..., 1:]
    length = np.where(pieces.slope != 0, end - begin, np.inf)
    ratio = relative(np.abs(pieces.slope), limits.max_slew) / (1 + ROUNDING * end / length)
    if (at := worst(ratio)) is not None:
        yield (
            f"{name_of(one, parts, at[:-1])}: {np.abs(pieces.slope[at]):.6g} T/m/s from {begin[at] * 1e3:.6g} to "
            f"{end[at] * 1e3:.6g} ms of the event exceeds max_slew {limits.max_slew:.6g} T/m/s"
        )


def _jumps(limits: Limits, one: EventTimes, parts: list[PartTimes], pieces: Pieces) -> Iterator[str]:
    if (at := worst(relative(pieces.jump, allowed_jump(limits)))) is not None:
        yield (
            f"{name_of(one, parts, at[:-1])}: a jump by {pieces.jump[at] * 1e3:.6g} mT/m at {pieces.times[at] * 1e3:.6g} ms "
            f"of the event{exceeds_by_a_jump(limits)}"
        )


def _corners(limits: Limits, one: EventTimes, part: PartTimes) -> Iterator[str]:
    times = part.start[..., None] + part.event.times
    on = off_raster(times, limits.gradient_raster)
    between = np.concatenate(
        [on[..., :1], off_raster(times[..., 1:-1], limits.gradient_raster, shift=0.5), on[..., -1:]], axis=-1
    )
    either = np.where(np.max(between, axis=-1, keepdims=True) <= 1, 0.0, on)
    if (at := worst(either)) is not None:
        yield (
            f"{name_of(one, [part], at[:-1])}: a corner at {times[at] * 1e6:.6g} us of the event is on no multiple of "
            f"gradient_raster {limits.gradient_raster * 1e6:.6g} us"
        )


def exceeds_by_a_jump(limits: Limits) -> str:
    """The end of a message."""
    return (
        f" exceeds what max_slew {limits.max_slew:.6g} T/m/s allows within a gradient_raster, "
        f"{allowed_jump(limits) * 1e3:.6g} mT/m"
    )
