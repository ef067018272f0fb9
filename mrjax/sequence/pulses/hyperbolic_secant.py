"""The adiabatic full passage."""

import math
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from mrjax import _checks
from mrjax.sequence.pulses import _arguments
from mrjax.sequence.rf import ShapedPulse

_N_NODES = 64


def hyperbolic_secant(
    duration: Any,
    bandwidth: Any,
    max_b1: Any,
    n_samples: int,
    *,
    beta: Any = 5.3,
    order: Any = 1,
    offset: Any = 0.0,
    phase: Any = 0.0,
) -> ShapedPulse:
    r"""Adiabatic inversion of a band whatever the B1, once that is large enough: a hyperbolic secant or a stretched one.

    $$B_1(\tau) = B_1^\mathrm{max} \, \mathrm{sech}(\beta \tau^n), \qquad
    f(\tau) = -\frac{\Delta f}{2} \frac{\int_0^\tau \mathrm{sech}^2(\beta s^n) \, ds}{\int_0^1 \mathrm{sech}^2(\beta s^n) \, ds},
    \qquad -1 < \tau < 1$$

    For $n = 1$ this is $\mathrm{sech}(\beta' t)^{1 + i \mu}$ with $\beta' = 2 \beta / T$ in rad/s and
    $\Delta f = \mu \beta' / \pi$ (to 5e-5, for the default $\beta$). It inverts where $\gamma B_1$ is well above
    $\sqrt\mu \, \beta'$. Higher orders invert the middle of the band with a lower peak,
    and have softer edges at the same duration.

    **Arguments:**

    - `duration`: $T$ in s, positive. Scalar.
    - `bandwidth`: $\Delta f$ in Hz, the band inverted, swept from top to bottom; positive, below `n_samples / duration`. Scalar.
    - `max_b1`: $B_1^\mathrm{max}$ in T, any sign. Scalar.
    - `n_samples`: A Python integer, at least 1. The phase turns by up to `pi * bandwidth * duration / n_samples` from one
      sample to the next; that should be some tenths at most.
    - `beta`: $\beta$, positive; by default 1 % of the peak is left at the ends. Scalar.
    - `order`: $n$, a Python integer, at least 1.
    - `offset`, `phase`: In Hz and rad, as of `ShapedPulse`; the field has this phase in the middle of the pulse.

    **Returns:** A complex `ShapedPulse`. Differentiable in every number.

    **Raises:** `ValueError` for values out of range.

    **Source:** M. S. Silver, R. I. Joseph, D. I. Hoult, Phys Rev A 31 (1985) 2753-2755; A. Tannús, M. Garwood, J Magn Reson A
    120 (1996) 133-137 (higher orders).

    !!! example

        ```python
        >>> from math import inf
        >>> import mrjax as mr
        >>> from mrjax.units import kHz, ms, uT
        >>> pulse = mr.sequence.pulses.hyperbolic_secant(10 * ms, 1.5 * kHz, 30 * uT, n_samples=400)
        >>> end = mr.bloch(pulse.waveform, pulse.dt, mr.Tissue(inf, inf, b1=[0.5, 1.0, 1.5]))
        >>> print(bool((end.longitudinal < -0.99).all()))
        True

        ```
    """
    duration = _arguments.positive_scalar(duration, "duration", "s")
    tau = jnp.abs(2 * _arguments.places(n_samples))
    order = _checks.positive_integer(order, "order")
    bandwidth = _arguments.positive_scalar(bandwidth, "bandwidth", "Hz")
    bandwidth = _arguments.below_sampling(bandwidth, duration / tau.size, "bandwidth", 1.0)
    beta = _arguments.positive_scalar(beta, "beta")
    swept = _phase(tau, beta, order) * (-math.pi / 2 * bandwidth * duration)
    amplitude = _arguments.scalar(max_b1, "max_b1", "T") / jnp.cosh(beta * tau**order)
    return ShapedPulse(amplitude * jnp.exp(1j * swept), duration / tau.size, offset, phase)


def _phase(tau: Float[Array, " n"], beta: Float[Array, ""], order: int) -> Float[Array, " n"]:
    r"""The integral of a sweep that ends at 1, from the middle on: $\int_0^\tau (\tau - s) g(s) ds / \int_0^1 g(s) ds$."""
    nodes, weights = np.polynomial.legendre.leggauss(_N_NODES)
    x, weights = jnp.asarray((nodes + 1) / 2), jnp.asarray(weights / 2)
    speed = lambda s: 1 / jnp.cosh(beta * s**order) ** 2
    moments = speed(tau[:, None] * x[None, :]) @ (weights * (1 - x))
    return tau**2 * moments / (speed(x) @ weights)
