"""Gradients and their integrals, of all repetitions at once: in NumPy's double precision where they are known."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from mrjax.sequence import Gradient
from mrjax.sequence.precision import Numbers, numpy_of

Row = Float[Numbers, " _row"]
Rows = Float[Numbers, "_row _n"]
"""One row for each repetition, or one for all."""

N_WINDING = 6
"""Integrals over time of what is wound along x, y, z and across the voxel, then of its square by gradients and across."""

N_PRODUCTS = 4
"""Of gradients: along z and z, x and x plus y and y, x and z, y and z."""


@dataclass(frozen=True)
class Asked:
    """Which integrals of gradients are due besides their areas; they are further columns."""

    moments: bool = False
    r"""$\int G\,\tau\,dt$ along x, y and z with $\tau$ from the middle of the interval, which turns spins that move."""
    products: bool = False
    """Of which concomitant fields are made."""
    dephasing: bool = False
    """The time since the last excitation, inverted by refocusing pulses, of each sample."""
    winding: bool = False
    """Of what gradients wind, and of its square, since the start of the row, by which diffusion weights."""

    @property
    def n_columns(self) -> int:
        """How many there are."""
        return 3 * self.moments + N_PRODUCTS * self.products + N_WINDING * self.winding


AREAS_ALONE = Asked()


@dataclass(frozen=True, eq=False)
class GradientCourse:
    r"""$G(t)$, straight between points, with $A = \int G\,dt$ and $\int A\,dt$ until each of them."""

    times: Rows
    value: Rows
    """After each point."""
    slope: Rows
    area: Rows
    second: Rows

    @classmethod
    def of(cls, start: Float[Numbers, " _row"], gradient: Gradient) -> "GradientCourse":
        """Of a gradient that begins at some time; its leaves have the repetitions in front."""
        xp = numpy_of(start, gradient)
        times = start[:, None] + xp.asarray(gradient.times)
        times, values = xp.broadcast_arrays(times, xp.asarray(gradient.waveform))
        steps, nothing = xp.diff(times, axis=-1), xp.zeros_like(times[:, :1])
        first, last = values[:, :-1], values[:, 1:]
        slope = xp.where(steps > 0, (last - first) / xp.where(steps > 0, steps, 1.0), 0.0)
        until_each = lambda growth: xp.concatenate([nothing, xp.cumsum(growth, axis=-1)], axis=-1)
        area = until_each((first + last) / 2 * steps)
        second = until_each((area[:, :-1] + (first / 2 + slope * steps / 6) * steps) * steps)
        # nothing is played after the last point
        value, slope = (xp.concatenate([x, nothing], axis=-1) for x in (first, slope))
        return cls(times, value, slope, area, second)

    def until(self, times: Rows) -> tuple[Rows, Rows]:
        r"""$A$ and $\int A\,dt$ at some times."""
        piece = self._piece(times)
        row = np.arange(len(self.times))[:, None]
        xp = numpy_of(piece)
        at = lambda points: xp.asarray(points)[row, piece]
        into = times - at(self.times)
        into = numpy_of(into).where(into < 0, 0.0, into)
        value, slope, area = at(self.value), at(self.slope), at(self.area)
        return (
            area + (value + slope * into / 2) * into,
            at(self.second) + (area + (value / 2 + slope * into / 6) * into) * into,
        )

    def values(self, times: Rows) -> Rows:
        """$G$ at some times at which it does not jump; zero before the first point and after the last."""
        piece = self._piece(times)
        row = np.arange(len(self.times))[:, None]
        xp = numpy_of(piece)
        at = lambda points: xp.asarray(points)[row, piece]
        into = times - at(self.times)
        return numpy_of(into).where(into < 0, 0.0, at(self.value) + at(self.slope) * into)

    def _piece(self, times: Rows) -> Int[Numbers, "_row _n"]:
        """The last point before each time; the first where there is none."""
        xp = numpy_of(self.times, times)
        if xp is np and len(self.times) == 1:
            return np.maximum(np.searchsorted(self.times[0], times, side="right") - 1, 0)
        n_rows = max(len(self.times), len(times))
        spread = [xp.broadcast_to(x, (n_rows, x.shape[-1])) for x in (self.times, times)]
        if xp is jnp:
            found = jax.vmap(lambda points, at: jnp.searchsorted(points, at, side="right"))(*spread)
        else:
            found = np.stack([np.searchsorted(*row, side="right") for row in zip(*spread, strict=True)])
        return xp.maximum(found - 1, 0)
