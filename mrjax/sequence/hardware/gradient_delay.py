"""Gradients that come late."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from mrjax import _checks
from mrjax.sequence.hardware.gradient_response import AbstractGradientResponse, AskedGradients
from mrjax.sequence.hardware.played_points import Spacing


class GradientDelay(AbstractGradientResponse):
    r"""Gradients that are played later than RF and readouts: $G_\text{played}(t) = G(t - d)$ on each axis.

    **Arguments:**

    - `delay`: $d$ in s along x, y and z, `(3,)`, or one for all; negative where gradients come early.

    Exact where the delay is known. Where it is traced, gradients are straight between points of the raster.

    **Raises:** `ValueError` for other shapes.

    !!! example

        ```python
        >>> import mrjax as mr
        >>> from mrjax.units import mT, ms, us
        >>> lobe = mr.Gradient.trapezoid(10 * mT, rise=0.1 * ms, flat=1 * ms, axis="x")
        >>> late = mr.hardware.as_played(mr.Sequence(lobe, mr.Delay(1 * ms)), mr.hardware.GradientDelay([5 * us, 0, 0]))
        >>> print(f"{1e3 * late.timeline().at(0.1 * ms)[1][0]:.2f} mT/m")
        9.50 mT/m

        ```
    """

    delay: Float[Array, " 3"]

    def __init__(self, delay: Any):
        given = _checks.finite(_checks.real_array(delay, "delay"), "delay")
        if given.shape not in ((), (3,)):
            raise ValueError(f"`delay` must be one number (s) or three, along x, y and z, but got shape {given.shape}.")
        self.delay = jnp.broadcast_to(given, (3,))

    @property
    def delays(self) -> np.ndarray:
        return np.unique(np.asarray(self.delay, float)) if _checks.is_concrete(self.delay) else np.zeros(0)

    def spacing(self, raster: float) -> Spacing:
        return Spacing(raster, until=0.0 if self.delays.size else np.inf)

    def added(self, asked: AskedGradients) -> tuple[Float[Array, "n 3"], None]:
        times, values = jnp.asarray(asked.times), jnp.asarray(asked.values)
        # of points at one time the last is after the jump: so is what is heard of it, but where the next point is there too
        follows = jnp.concatenate([times[1:] > times[:-1], jnp.ones(1, bool)])
        late = jax.vmap(_at, in_axes=(0, None, 1, None), out_axes=1)
        return jax.jit(late)(times[None] - self.delay[:, None], times, values, follows) - values, None


def _at(heard: Array, times: Array, values: Array, follows: Array) -> Float[Array, " n"]:
    """Values at other times; those just before where a point of the same time follows."""
    before = jnp.searchsorted(times, heard, side="left") - 1
    after = jnp.searchsorted(times, heard, side="right") - 1
    piece = jnp.where(follows, after, before)
    inside = (piece >= 0) & (piece < len(times) - 1)
    piece = jnp.clip(piece, 0, len(times) - 2)
    lasts = times[piece + 1] - times[piece]
    share = (heard - times[piece]) / jnp.where(lasts > 0, lasts, 1.0)
    return jnp.where(inside, values[piece] + (values[piece + 1] - values[piece]) * share, 0.0)
