"""Between the concentration of a contrast agent and the signal of spoiled gradient echoes."""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from mrjax import _checks
from mrjax._shapes import of_one_rank
from mrjax.signals.relaxation import spgr


def spgr_of_concentration(
    concentration: Any, flip_angle: Any, tr: Any, t1: Any, relaxivity: Any, m0: Any = 1.0, b1: Any = 1.0
) -> Float[Array, "*voxels n"]:
    r"""The signal of spoiled gradient echoes while an agent shortens T1.

    $$\frac{1}{T_1} = \frac{1}{T_{10}} + r_1 C, \; S = M_0 \sin\alpha \frac{1 - e^{-T_R / T_1}}{1 - \cos\alpha e^{-T_R / T_1}}$$

    **Arguments:**

    - `concentration`: In mol/m^3, shape `(*voxels, n_samples)`.
    - `flip_angle`, `tr`: In rad and s; numbers.
    - `t1`: $T_{10}$, without agent, in s. Shape `(*voxels)`.
    - `relaxivity`: $r_1$ in m^3/(mol s), which is L/(mmol s): about 4.5 of gadolinium chelates at 3 T.
    - `m0`: Equilibrium magnetisation. Shape `(*voxels)`.
    - `b1`: Transmit field relative to nominal. Shape `(*voxels)`.

    **Returns:** Shape `(*voxels, n_samples)`, in the unit of `m0`. Decay with T2* is left out: echoes must be short against it.

    **Raises:** as `mrjax.signals.relaxation.spgr`.

    **Source:** R. R. Ernst and W. A. Anderson, Rev Sci Instrum 37 (1966) 93-102.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> from mrjax.signals.perfusion import concentration_from_spgr, spgr_of_concentration
        >>> from mrjax.units import deg, ms
        >>> signal = spgr_of_concentration(jnp.array([0.0, 1.0]), 15 * deg, 5 * ms, t1=1.4, relaxivity=4.5)
        >>> back = concentration_from_spgr(signal, signal[0], 15 * deg, 5 * ms, t1=1.4, relaxivity=4.5)
        >>> print(*(f"{abs(value):.3f}" for value in back))
        0.000 1.000

        ```
    """
    concentration = _checks.real_array(concentration, "concentration")
    r1, faster = of_one_rank(1 / _checks.real_array(t1, "t1")[..., None], concentration * jnp.asarray(relaxivity))
    per_sample = lambda value, name: _checks.real_array(value, name)[..., None]
    return spgr(flip_angle, tr, 1 / (r1 + faster), m0=per_sample(m0, "m0"), b1=per_sample(b1, "b1"))[..., 0]


def concentration_from_spgr(
    signal: Any, baseline: Any, flip_angle: Any, tr: Any, t1: Any, relaxivity: Any, b1: Any = 1.0
) -> Float[Array, "*voxels n"]:
    r"""The concentration that takes the signal of spoiled gradient echoes from its baseline to what it is.

    $$e^{-T_R / T_1} = \frac{1 - B}{1 - B \cos\alpha}, \qquad
    B = \frac{S}{S_0} \, \frac{1 - e^{-T_R / T_{10}}}{1 - \cos\alpha \, e^{-T_R / T_{10}}}, \qquad
    C = \frac{1}{r_1} \left( \frac{1}{T_1} - \frac{1}{T_{10}} \right)$$

    **Arguments:**

    - `signal`: Shape `(*voxels, n_samples)`.
    - `baseline`: $S_0$, the signal before the agent, in the unit of `signal`. Shape `(*voxels)`.
    - `flip_angle`, `tr`, `t1`, `relaxivity`, `b1`: As those of `spgr_of_concentration`.

    **Returns:** In mol/m^3, shape `(*voxels, n_samples)`; the exact inverse of `spgr_of_concentration`, negative where noise
    takes the signal below what the baseline has. It is nan where no T1 gives such a signal.

    **Raises:** `ValueError` where an argument is complex or no number.

    **Source:** the Ernst equation of `spgr_of_concentration`, solved for $T_1$.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> from mrjax.signals.perfusion import concentration_from_spgr
        >>> found = concentration_from_spgr(jnp.array([10.0, 20.0]), 10.0, 0.26, 5e-3, t1=1.4, relaxivity=4.5)
        >>> print(f"{found[1]:.3f}")
        0.196

        ```
    """
    signal = _checks.real_array(signal, "signal")
    per_voxel = {"baseline": baseline, "flip_angle": flip_angle, "tr": tr, "t1": t1, "b1": b1, "relaxivity": relaxivity}
    baseline, flip, tr, t1, b1, relaxivity = (
        of_one_rank(_checks.real_array(value, name)[..., None], signal)[0] for name, value in per_voxel.items()
    )
    cosine, unenhanced = jnp.cos(flip * b1), jnp.exp(-tr / t1)
    ratio = signal / baseline * -jnp.expm1(-tr / t1) / (1 - cosine * unenhanced)
    # of 1 - ratio over 1 - ratio cosine, as differences from one, of which little is left
    rate = (jnp.log1p(-ratio * cosine) - jnp.log1p(-ratio)) / tr
    return (rate - 1 / t1) / relaxivity
