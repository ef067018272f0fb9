"""Eddy currents as a sum of exponentials."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from mrjax import _checks
from mrjax.sequence.hardware.gradient_response import AbstractGradientResponse, AskedGradients, by_axis
from mrjax.sequence.hardware.played_points import Spacing

SHARE = 0.02
"""Of the time since a corner, after which there is a point again: an exponential is straight in between to 3e-5."""


class EddyCurrents(AbstractGradientResponse):
    r"""Eddy currents that oppose each change of a gradient and decay exponentially.

    $$G_\text{played}(t) = G(t) - \sum_i a_i \int_{-\infty}^t \frac{dG}{dt'} e^{-(t - t') / \tau_i}\,dt'$$

    **Arguments:**

    - `amplitudes`: $a_i$, relative to the change (0.01 for one per cent): `(n,)` for every axis by itself, `(3, n)` for each of
      x, y and z by itself, or `(3, 3, n)` with the axis of the field that arises first and that of the gradient second.
    - `time_constants`: $\tau_i$ in s, `(n,)`, positive.
    - `b0_amplitudes`: Of the uniform field that arises in T for a change of 1 T/m along x, y and z, in m, `(3, n)`; none by
      default.

    The integral is exact for gradients that are straight between points. Differentiable in all arrays.

    **Raises:** `ValueError` for other shapes, and time constants that are not positive.

    **Source:** M. A. Bernstein, K. F. King, X. J. Zhou, Handbook of MRI Pulse Sequences (2004), chapter 10.3.

    !!! example

        ```python
        >>> import mrjax as mr
        >>> from mrjax.units import mT, ms
        >>> lobe = mr.Gradient([0.0, 10 * mT, 10 * mT], [0.0, 0.1 * ms, 5 * ms], axis="x")
        >>> eddy = mr.hardware.EddyCurrents([0.02], [1 * ms])
        >>> played = mr.hardware.as_played(mr.Sequence(lobe), eddy).timeline()
        >>> print([f"{1e3 * played.at(t)[1][0]:.2f} mT/m" for t in (0.1 * ms, 1.1 * ms, 4.9 * ms)])
        ['9.81 mT/m', '9.93 mT/m', '10.00 mT/m']

        ```
    """

    amplitudes: Float[Array, "..."]
    time_constants: Float[Array, " n"]
    b0_amplitudes: Float[Array, "3 n"] | None

    def __init__(self, amplitudes: Any, time_constants: Any, b0_amplitudes: Any = None):
        self.amplitudes = _checks.finite(_checks.real_array(amplitudes, "amplitudes"), "amplitudes")
        constants = _checks.real_array(time_constants, "time_constants")
        self.time_constants = _checks.positive(constants, "time_constants", "s")
        n = self.time_constants.size
        if self.time_constants.ndim != 1 or not n:
            raise ValueError(f"`time_constants` must have shape (n,) in s, but got {self.time_constants.shape}.")
        if self.amplitudes.shape not in ((n,), (3, n), (3, 3, n)):
            raise ValueError(
                f"`amplitudes` must have shape ({n},), (3, {n}) or (3, 3, {n}), the last axis as `time_constants`, but got "
                f"{self.amplitudes.shape}."
            )
        of_b0 = None if b0_amplitudes is None else _checks.real_array(b0_amplitudes, "b0_amplitudes")
        self.b0_amplitudes = None if of_b0 is None else _checks.finite(of_b0, "b0_amplitudes")
        if of_b0 is not None and of_b0.shape != (3, n):
            raise ValueError(f"`b0_amplitudes` must have shape (3, {n}) in m, but got {of_b0.shape}.")

    def spacing(self, raster: float) -> Spacing:
        return Spacing(raster, SHARE)

    def added(self, asked: AskedGradients) -> tuple[Float[Array, "n 3"], Float[Array, " n"] | None]:
        currents = _decaying(jnp.asarray(asked.times), jnp.asarray(asked.values), self.time_constants)
        field = -jnp.einsum("oin,tin->to", by_axis(self.amplitudes, 3), currents)
        return field, None if self.b0_amplitudes is None else -jnp.einsum("in,tin->t", self.b0_amplitudes, currents)


@jax.jit
def _decaying(
    times: Float[Array, " time"], values: Float[Array, "time 3"], constants: Float[Array, " n"]
) -> Float[Array, "time 3 n"]:
    r"""$\int \dot G e^{-(t - t') / \tau} dt'$ at each point."""
    waited = jnp.diff(times, prepend=times[:1])[:, None] / constants[None]
    change = jnp.diff(values, axis=0, prepend=jnp.zeros_like(values[:1]))
    # what arises evenly during a time has decayed by its mean since
    mean = jnp.where(waited > 0, -jnp.expm1(-waited) / jnp.where(waited > 0, waited, 1.0), 1.0)

    def until_next(current: Array, now: tuple[Array, Array, Array]) -> tuple[Array, Array]:
        change, kept, mean = now
        current = current * kept[None] + change[:, None] * mean[None]
        return current, current

    start = jnp.zeros((3, constants.size), jnp.result_type(values, constants))
    return jax.lax.scan(until_next, start, (change, jnp.exp(-waited), mean))[1]
