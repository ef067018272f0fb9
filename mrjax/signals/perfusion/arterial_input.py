"""What arrives in an artery: measured, or that of a population."""

import math
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from mrjax import _checks
from mrjax._module import Module
from mrjax.units import minute


class ArterialInput(Module):
    """A concentration over time that is linear between samples, and zero before the first.

    **Arguments:**

    - `time`: Times in s, increasing, with any distances. Shape `(n_knots,)`.
    - `concentration`: In the plasma, in mol/m^3: that of the blood over one minus the haematocrit. Shape `(n_knots,)`.

    Called with times, it returns the concentration at them.

    **Raises:** `ValueError` where shapes do not fit or times do not increase; when called, where times lie beyond the last.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import mrjax as mr
        >>> arterial = mr.signals.perfusion.ArterialInput(time=[0.0, 10.0, 40.0], concentration=[0.0, 5.0, 2.0])
        >>> print(arterial(jnp.array([5.0, 20.0])))
        [2.5 4. ]

        ```
    """

    time: Float[Array, " knot"]
    concentration: Float[Array, " knot"]

    def __init__(self, time: Any, concentration: Any):
        time, concentration = _checks.real_array(time, "time"), _checks.real_array(concentration, "concentration")
        if time.ndim != 1 or time.size < 2 or time.shape != concentration.shape:
            raise ValueError(
                "`time` and `concentration` must have one shape, (n_knots,), with two entries at least, "
                f"but got {time.shape} and {concentration.shape}."
            )
        _checks.require(
            jnp.diff(time), jnp.diff(time) > 0, "`time` must increase; its differences must be positive (s)"
        )
        dtype = jnp.result_type(time, concentration)
        self.time = time.astype(dtype)
        self.concentration = _checks.finite(concentration, "concentration").astype(dtype)

    def __call__(self, time: Any) -> Float[Array, " n"]:
        return jnp.interp(self.checked_times(time), self.time, self.concentration, left=0.0)

    def checked_times(self, time: Any) -> Float[Array, " n"]:
        """Times as an array, after a check that they are not beyond the last of the input."""
        time = _checks.real_array(time, "time")
        if time.ndim != 1:
            raise ValueError(f"`time` must have one axis, (n_samples,), but got shape {time.shape}.")
        return _checks.require(time, time <= self.time[-1], "`time` must not exceed the last of the arterial input (s)")


def parker_input(time: Any) -> Float[Array, " n"]:
    r"""The arterial input of a population, in blood, after an injection at time zero.

    $$C_b(t) = \sum_{n=1}^{2} \frac{A_n}{\sigma_n \sqrt{2 \pi}} e^{-(t - T_n)^2 / (2 \sigma_n^2)}
    + \frac{\alpha \, e^{-\beta t}}{1 + e^{-s (t - \tau)}}$$

    **Arguments:**

    - `time`: After the bolus begins to arrive, in s. Shape `(n,)`. Any; before zero the concentration is zero.

    **Returns:** The concentration in blood in mol/m^3, shape `(n,)`. Divide by one minus the haematocrit for that in plasma.
    Differentiable everywhere but at zero, where it steps by 0.02 % of its peak.

    **Source:** G. J. M. Parker et al., Magn Reson Med 56 (2006) 993-1000.

    !!! example

        ```python
        >>> import numpy as np
        >>> from mrjax.signals.perfusion import parker_input
        >>> print(np.asarray(parker_input(np.array([-1.0, 10.2, 60.0]))).round(2))
        [0.   6.07 0.89]

        ```
    """
    time = _checks.real_array(time, "time") / minute
    bolus = lambda area, centre, width: (
        area / (width * math.sqrt(2 * math.pi)) * jnp.exp(-((time - centre) ** 2) / (2 * width**2))
    )
    after = jnp.maximum(time, 0.0)
    washout = 1.050 * jnp.exp(-0.1685 * after) / (1 + jnp.exp(-38.078 * (after - 0.483)))
    return jnp.where(time < 0, 0.0, bolus(0.809, 0.17046, 0.0563) + bolus(0.330, 0.365, 0.132) + washout)
