"""Gradients that cannot exceed the limits of a scanner, from numbers that can be anything."""

import math
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from mrjax import _checks


def limited_gradient(slew: Any, dt: float, max_gradient: float, max_slew: float) -> Float[Array, "n_edges *axes"]:
    r"""A gradient from zero to zero within limits of strength and slew rate, whatever numbers it is made of.

    $$G_j = \mathrm{clip}\!\left(\Delta t\, S \sum_{i \le j} \tanh u_i,\ \pm \min(G_\mathrm{max}, S t_j, S (T - t_j))\right)$$

    As neither what is cut nor where it is cut is steeper than $S$, what is left is not either.

    **Arguments:**

    - `slew`: $u$, any numbers; the slew rate of each sample is $S \tanh u$ where nothing is cut. `(n_samples, *axes)`.
    - `dt`: $\Delta t$ of a sample in s.
    - `max_gradient`: $G_\mathrm{max}$ along each axis in T/m.
    - `max_slew`: $S$ along each axis in T/m/s.

    **Returns:** $G$ in T/m where samples meet and at both ends, `(n_samples + 1, *axes)`: the `gradient` of a `ParallelPulse`.

    **Derivatives:** everywhere; zero in samples that change nothing but what is cut.

    **Raises:** `ValueError` for numbers that are not positive, or `slew` without samples.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import mrjax as mr
        >>> gradient = mr.design.limited_gradient(jnp.full(6, 10.0), dt=1e-4, max_gradient=0.03, max_slew=200.0)
        >>> [f"{value:.2f}" for value in gradient]
        ['0.00', '0.02', '0.03', '0.03', '0.03', '0.02', '0.00']

        ```
    """
    slew = _checks.real_array(slew, "slew")
    if slew.ndim < 1 or not slew.shape[0]:
        raise ValueError(f"`slew` must have shape (n_samples, *axes), but has {slew.shape}.")
    for name, value in (("dt", dt), ("max_gradient", max_gradient), ("max_slew", max_slew)):
        if not (math.isfinite(value) and value > 0):
            raise ValueError(f"`{name}` must be a positive number, but got {value!r}.")
    n = slew.shape[0]
    start = jnp.zeros((1, *slew.shape[1:]), slew.dtype)
    gradient = jnp.concatenate([start, jnp.cumsum(jnp.tanh(slew), axis=0)]) * (max_slew * dt)
    edges = np.arange(n + 1)
    most = np.minimum(max_gradient, max_slew * dt * np.minimum(edges, n - edges))
    most = jnp.asarray(most, slew.dtype).reshape(-1, *(1 for _ in slew.shape[1:]))
    return jnp.clip(gradient, -most, most)
