"""Gradients along one axis and their integrals, of all repetitions at once, in NumPy and double precision."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from mrjax.sequence import Gradient
from mrjax.sequence.piecewise_linear import SHORTEST, summed

Rows = Float[np.ndarray, "_row _n"]
"""One row for each repetition, or one for all."""


@dataclass(frozen=True, eq=False)
class GradientCourse:
    r"""$G(t)$ along one axis, straight between points, with $A = \int G\,dt$ and $\int A\,dt$ until each of them."""

    times: Rows
    value: Rows
    """After each point."""
    slope: Rows
    area: Rows
    second: Rows

    @classmethod
    def of(cls, gradients: list[tuple[np.ndarray, Gradient]]) -> "GradientCourse":
        """Of gradients that begin at some times and add up; their leaves have the repetitions in front."""
        points = summed(gradients)
        steps = np.diff(points.times, axis=-1)
        lasts = steps > SHORTEST
        first, last = points.after[..., :-1], points.before[..., 1:]
        slope = np.where(lasts, (last - first) / np.where(lasts, steps, 1.0), 0.0)
        nothing = np.zeros_like(points.times[..., :1])
        until_each = lambda growth: np.concatenate([nothing, np.cumsum(growth, axis=-1)], axis=-1)
        area = until_each((first + last) / 2 * steps)
        second = until_each((area[..., :-1] + (first / 2 + slope * steps / 6) * steps) * steps)
        # nothing is played after the last point
        value, slope = (np.concatenate([x, nothing], axis=-1) for x in (first, slope))
        return cls(points.times, value, slope, area, second)

    def until(self, times: Rows) -> tuple[Rows, Rows]:
        r"""$A$ and $\int A\,dt$ at some times."""
        piece = self._piece(times)
        row = np.arange(len(self.times))[:, None]
        at = lambda points: points[row, piece]
        into = np.maximum(times - at(self.times), 0.0)
        value, slope, area = at(self.value), at(self.slope), at(self.area)
        return (
            area + (value + slope * into / 2) * into,
            at(self.second) + (area + (value / 2 + slope * into / 6) * into) * into,
        )

    def _piece(self, times: Rows) -> Int[np.ndarray, "_row _n"]:
        """The last point before each time; the first where there is none."""
        if len(self.times) == 1:
            return np.maximum(np.searchsorted(self.times[0], times, side="right") - 1, 0)
        spread = np.broadcast_to(times, (len(self.times), times.shape[-1]))
        rows = [np.searchsorted(points, at, side="right") for points, at in zip(self.times, spread, strict=True)]
        return np.maximum(np.stack(rows) - 1, 0)
