"""Convolution of an arterial input with exponentials, exact between its samples."""

import math
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from mrjax import _checks
from mrjax._shapes import with_rank
from mrjax.signals.perfusion.arterial_input import ArterialInput

_SERIES_BELOW, _TERMS = 0.5, 14


def exponential_convolution(arterial: ArterialInput, rate: Any, time: Any) -> Float[Array, "*voxels n"]:
    r"""What an arterial input leaves in a compartment that empties at a rate.

    $$y(t) = \int_{-\infty}^{t} c(\tau) \, e^{-k (t - \tau)} \, d\tau$$

    From one sample of the input to the next, $\Delta$ later, the integral is known: $y \to y \, e^{-k \Delta} +
    \Delta \, (c_0 (E_0 - E_1) + c_1 E_1)$ with $E_0 = (1 - e^{-k \Delta}) / (k \Delta)$ and $E_1 = (1 - E_0) / (k \Delta)$.
    There are no steps of a common length, and no Fourier transforms.

    **Arguments:**

    - `arterial`: An `ArterialInput`.
    - `rate`: $k$ in 1/s. Shape `(*voxels)`. Zero or more; zero gives the integral of the input.
    - `time`: Where to return it, in s. Shape `(n_samples,)`, in any order, not beyond the last of the input.

    **Returns:** Shape `(*voxels, n_samples)`, in the unit of the input times s. Exact for an input that is linear between its
    samples. Differentiable everywhere.

    **Raises:** `ValueError` where a rate is negative or times are beyond the input.

    **Source:** elementary integration.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> from mrjax.signals.perfusion import ArterialInput, exponential_convolution
        >>> constant = ArterialInput(time=[0.0, 30.0], concentration=[1.0, 1.0])
        >>> print(f"{exponential_convolution(constant, 0.1, jnp.array([10.0]))[0]:.4f}")  # (1 - 1 / e) / 0.1
        6.3212

        ```
    """
    time, rate = arterial.checked_times(time), _checks.real_array(rate, "rate")
    dtype = jnp.result_type(arterial.time, rate, time)
    rate, time = _checks.non_negative(rate, "rate", "1/s").astype(dtype), time.astype(dtype)
    knots, values = arterial.time.astype(dtype), arterial.concentration.astype(dtype)

    def passed(filled: Array, segment: tuple[Array, Array, Array]) -> tuple[Array, Array]:
        length, left, right = segment
        return filled * jnp.exp(-rate * length) + _added(length, rate, left, right), filled

    segments = (jnp.diff(knots), values[:-1], values[1:])
    begins = jnp.moveaxis(jax.lax.scan(passed, jnp.zeros_like(rate), segments)[1], 0, -1)
    index = jnp.clip(jnp.searchsorted(knots, time, side="right") - 1, 0, knots.size - 2)
    rank = rate.ndim + 1
    since, left, right = (
        with_rank(each, rank)
        for each in (jnp.where(time < knots[0], 0.0, time - knots[index]), values[index], arterial(time))
    )
    return begins[..., index] * jnp.exp(-rate[..., None] * since) + _added(since, rate[..., None], left, right)


def _added(length: Array, rate: Array, left: Array, right: Array) -> Array:
    """What enters during a segment over which the input goes from `left` to `right`, at its end."""
    x = rate * length
    small = x < _SERIES_BELOW
    series = sum((-x) ** n * (1 / math.factorial(n + 2)) for n in range(_TERMS))
    # both arguments are replaced where they are not used, or their derivatives would be nan
    large = jnp.where(small, 1.0, x)
    lagging = jnp.where(small, series, (large + jnp.expm1(-large)) / large**2)
    whole = jnp.where(small, 1 - x * series, -jnp.expm1(-large) / large)
    return length * (left * (whole - lagging) + right * lagging)
