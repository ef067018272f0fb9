"""Concentrations of a contrast agent in tissue."""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from mrjax import _checks
from mrjax._shapes import with_rank
from mrjax.signals.perfusion.arterial_input import ArterialInput
from mrjax.signals.perfusion.convolution import exponential_convolution


def tofts(time: Any, arterial: ArterialInput, ktrans: Any, ve: Any) -> Float[Array, "*voxels n"]:
    r"""The Tofts model: the agent leaks out of the plasma, and comes back.

    $$C(t) = K^\mathrm{trans} \int c_p(\tau) \, e^{-(K^\mathrm{trans} / v_e) (t - \tau)} \, d\tau$$

    **Arguments:**

    - `time`: In s, shape `(n_samples,)`.
    - `arterial`: An `ArterialInput` in plasma.
    - `ktrans`: Transfer constant in 1/s. Shape `(*voxels)`. Zero or more.
    - `ve`: Volume fraction of the extravascular extracellular space. Shape `(*voxels)`. Positive.

    **Returns:** Concentration in the tissue in mol/m^3, shape `(*voxels, n_samples)`. Exact for the input, as
    `exponential_convolution` is, and differentiable.

    **Raises:** `ValueError` where values are out of range, or times beyond the input.

    **Source:** P. S. Tofts et al., J Magn Reson Imaging 10 (1999) 223-232.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import numpy as np
        >>> from mrjax.signals.perfusion import ArterialInput, parker_input, tofts
        >>> from mrjax.units import minute
        >>> knots = np.arange(0.0, 301.0)
        >>> plasma = ArterialInput(knots, parker_input(knots) / (1 - 0.42))
        >>> print(np.asarray(tofts(jnp.array([60.0, 300.0]), plasma, ktrans=0.25 / minute, ve=0.3)).round(3))
        [0.426 0.288]

        ```
    """
    return extended_tofts(time, arterial, ktrans, ve, 0.0)


def extended_tofts(time: Any, arterial: ArterialInput, ktrans: Any, ve: Any, vp: Any) -> Float[Array, "*voxels n"]:
    r"""The Tofts model with the plasma of the tissue itself.

    $$C(t) = v_p \, c_p(t) + K^\mathrm{trans} \int c_p(\tau) \, e^{-(K^\mathrm{trans} / v_e) (t - \tau)} \, d\tau$$

    **Arguments:**

    - `time`, `arterial`, `ktrans`, `ve`: As those of `tofts`.
    - `vp`: Volume fraction of the plasma. Shape `(*voxels)`.

    **Returns:** as `tofts`.

    **Raises:** as `tofts`.

    **Source:** P. S. Tofts et al., J Magn Reson Imaging 10 (1999) 223-232.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import numpy as np
        >>> from mrjax.signals.perfusion import ArterialInput, extended_tofts
        >>> plasma = ArterialInput([0.0, 100.0], [1.0, 1.0])
        >>> print(np.asarray(extended_tofts(jnp.array([0.0, 100.0]), plasma, ktrans=1.0, ve=0.2, vp=0.05)).round(3))
        [0.05 0.25]

        ```
    """
    ktrans, ve, vp = _voxels(ktrans=ktrans, ve=ve, vp=vp)
    _checks.positive(ve, "ve", "fraction")
    leaked = ktrans[..., None] * exponential_convolution(arterial, ktrans / ve, time)
    return vp[..., None] * with_rank(arterial(time), leaked.ndim) + leaked


def patlak(time: Any, arterial: ArterialInput, ktrans: Any, vp: Any) -> Float[Array, "*voxels n"]:
    r"""Nothing comes back: the extended Tofts model for a large space, or before the agent has filled it.

    $$C(t) = v_p \, c_p(t) + K^\mathrm{trans} \int c_p(\tau) \, d\tau$$

    **Arguments:**

    - `time`, `arterial`, `ktrans`, `vp`: As those of `extended_tofts`.

    **Returns:** as `tofts`.

    **Raises:** as `tofts`.

    **Source:** C. S. Patlak, R. G. Blasberg, J. D. Fenstermacher, J Cereb Blood Flow Metab 3 (1983) 1-7.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import numpy as np
        >>> from mrjax.signals.perfusion import ArterialInput, patlak
        >>> plasma = ArterialInput([0.0, 100.0], [1.0, 1.0])
        >>> print(np.asarray(patlak(jnp.array([0.0, 100.0]), plasma, ktrans=0.001, vp=0.05)).round(3))
        [0.05 0.15]

        ```
    """
    ktrans, vp = _voxels(ktrans=ktrans, vp=vp)
    leaked = ktrans[..., None] * exponential_convolution(arterial, jnp.zeros_like(ktrans), time)
    return vp[..., None] * with_rank(arterial(time), leaked.ndim) + leaked


def two_compartment_exchange(
    time: Any, arterial: ArterialInput, plasma_flow: Any, permeability_surface: Any, ve: Any, vp: Any
) -> Float[Array, "*voxels n"]:
    r"""Two compartments that exchange (2CXM): plasma, through which blood flows, and interstitium.

    $$v_p \dot c_1 = F_p (c_p - c_1) + PS (c_2 - c_1), \qquad v_e \dot c_2 = PS (c_1 - c_2), \qquad C = v_p c_1 + v_e c_2$$

    whose solution is the convolution of the input with $F_p ((1 - E) e^{-K_+ t} + E e^{-K_- t})$.

    **Arguments:**

    - `time`, `arterial`: As those of `tofts`.
    - `plasma_flow`: $F_p$ in 1/s (volume of plasma per volume of tissue and time). Shape `(*voxels)`. Positive.
    - `permeability_surface`: $PS$ in 1/s. Shape `(*voxels)`. Zero or more.
    - `ve`, `vp`: Volume fractions of interstitium and plasma. Shape `(*voxels)`. Positive.

    **Returns:** as `tofts`.

    **Raises:** as `tofts`.

    **Source:** S. P. Sourbron, D. L. Buckley, Phys Med Biol 57 (2012) R1-R33.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import numpy as np
        >>> from mrjax.signals.perfusion import ArterialInput, two_compartment_exchange
        >>> plasma = ArterialInput([0.0, 1000.0], [1.0, 1.0])
        >>> tissue = two_compartment_exchange(jnp.array([1.0, 1000.0]), plasma, 0.01, 0.005, ve=0.2, vp=0.05)
        >>> print(np.asarray(tissue).round(3))
        [0.009 0.25 ]

        ```
    """
    flow, surface, ve, vp = _voxels(plasma_flow=plasma_flow, permeability_surface=permeability_surface, ve=ve, vp=vp)
    for value, name in ((flow, "plasma_flow"), (ve, "ve"), (vp, "vp")):
        _checks.positive(value, name, "1/s" if name == "plasma_flow" else "fraction")
    _checks.non_negative(surface, "permeability_surface", "1/s")
    out_of_plasma, out_of_interstitium, through = (flow + surface) / vp, surface / ve, flow / vp
    total, product = out_of_plasma + out_of_interstitium, out_of_interstitium * through
    root = jnp.sqrt((out_of_plasma - out_of_interstitium) ** 2 + 4 * out_of_interstitium * surface / vp)
    fast = (total + root) / 2
    slow = product / fast  # not as a difference of what may be almost equal
    share = (fast - through) / root
    slowly, quickly = (exponential_convolution(arterial, rate, time) for rate in (slow, fast))
    return flow[..., None] * (share[..., None] * slowly + (1 - share)[..., None] * quickly)


def _voxels(**values: Any) -> tuple[Array, ...]:
    """Named parameters as arrays of the shape of the voxels, not negative."""
    arrays: dict[str, Any] = {name: _checks.real_array(value, name) for name, value in values.items()}
    shape = _checks.broadcast_shape(arrays)
    unit = lambda name: "fraction" if name in ("ve", "vp") else "1/s"
    return tuple(
        jnp.broadcast_to(_checks.non_negative(array, name, unit(name)), shape) for name, array in arrays.items()
    )
