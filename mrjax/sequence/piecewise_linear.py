"""The sum of gradients along one axis, as straight lines between points, in NumPy."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from mrjax.sequence.gradients import Gradient

SHORTEST = 1e-12
"""Pieces shorter than this, in s, are jumps."""


@dataclass(frozen=True)
class PiecewiseLinear:
    """Points that are joined by straight lines, with a value on each side of them; zero before the first and after the last."""

    times: np.ndarray
    """In s, rising along the last axis; the axes of repetitions come first."""
    before: np.ndarray
    after: np.ndarray


def summed(gradients: Iterable[tuple[np.ndarray, Gradient]]) -> PiecewiseLinear:
    """The sum of gradients, at least one, each with its start in s; leaves are NumPy arrays."""
    corners = [_corners(start, gradient) for start, gradient in gradients]
    shape = np.broadcast_shapes(*(times.shape[:-1] for times, _, _ in corners))
    spread = lambda row: np.broadcast_to(row, (*shape, row.shape[-1]))
    times, jump, bend = (np.concatenate([spread(row) for row in rows], axis=-1) for rows in zip(*corners, strict=True))
    order = np.argsort(times, axis=-1, kind="stable")
    times, jump, bend = (np.take_along_axis(row, order, axis=-1) for row in (times, jump, bend))
    slope = np.cumsum(bend, axis=-1)
    climbed = np.cumsum(slope[..., :-1] * np.diff(times, axis=-1), axis=-1)
    after = np.cumsum(jump, axis=-1) + np.concatenate([np.zeros_like(times[..., :1]), climbed], axis=-1)
    return PiecewiseLinear(times, after - jump, after)


def _corners(start: np.ndarray, gradient: Gradient) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Times of the points of a gradient, by how much it jumps there and by how much its slope changes."""
    times, values = np.broadcast_arrays(start[..., None] + gradient.times, gradient.waveform)
    steps = np.diff(times, axis=-1)
    lasts = steps > SHORTEST
    slope = np.where(lasts, np.diff(values, axis=-1) / np.where(lasts, steps, 1.0), 0.0)
    outside = np.zeros_like(times[..., :1])
    of_next = lambda pieces: np.concatenate([pieces, outside], axis=-1)
    of_last = lambda pieces: np.concatenate([outside, pieces], axis=-1)
    jump = of_next(np.where(lasts, values[..., :-1], 0.0)) - of_last(np.where(lasts, values[..., 1:], 0.0))
    return times, jump, of_next(slope) - of_last(slope)
