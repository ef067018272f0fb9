"""Closed forms of magnetisation transfer between water and a semisolid pool.

Conventions as in `mrjax.signals.relaxation`: SI units, arguments of the sequence along the last axis, tissue and pool of
shape `(*voxels)`. The water resonates at `off_resonance` from the scanner's frequency.
"""

import math

from jaxtyping import Array, Float

from mrjax import _checks
from mrjax.pool import Pool
from mrjax.signals._arguments import Numbers
from mrjax.signals._pulsed_saturation import sled_pike as sled_pike
from mrjax.signals._saturation import Saturation, saturation, tuple_of_pools


def steady_state(
    offset: Numbers,
    rf_amplitude: Numbers,
    t1: Numbers,
    t2: Numbers,
    pool: Pool,
    b0: Numbers = 3.0,
    off_resonance: Numbers = 0.0,
    b1: Numbers = 1.0,
) -> Float[Array, "*voxels n_samples"]:
    r"""Water under endless continuous saturation, exchanging with a semisolid pool.

    $$Z = \frac{R_1 + k f R_b / s}{R_1 + W_a + k f (R_b + W_b) / s}, \qquad s = R_b + W_b + k$$

    $$W_a = \frac{\omega_1^2 T_2}{1 + (\Delta\omega \, T_2)^2}, \qquad W_b = \pi \omega_1^2 g(\Delta f)$$

    Exact for water with all three components of magnetisation and a pool of which z alone exists, that is, for what
    `mrjax.Pool` with a line shape stands for. $k$ is the rate from the pool to the water, $f$ the pool's size relative to the
    water.

    **Arguments:**

    - `offset`: RF frequency minus that of the scanner in Hz. A number or shape `(n_samples,)`.
    - `rf_amplitude`: Nominal RF field in T. As `offset`.
    - `t1`, `t2`: Relaxation times of the water in s. Shape `(*voxels)`. Positive. `intrinsic_t1` gives T1 from the
        measured one.
    - `pool`: A `mrjax.Pool` with line shape, and finite T1. Leaves of shape `(*voxels)`.
    - `b0`: Field in T, a number.
    - `off_resonance`: Of the water in Hz. Shape `(*voxels)`.
    - `b1`: Transmit field relative to nominal; multiplies `rf_amplitude`. Shape `(*voxels)`. Zero or more.

    **Returns:** Longitudinal magnetisation of the water over its equilibrium, between 0 and 1, shape `(*voxels, n_samples)`.

    **Derivatives:** everywhere in the ranges above, where the line shape has them.

    **Raises:** `ValueError` for shapes that do not broadcast, values out of range or a pool without line shape (inside
    `jax.jit`, a run-time error with the same sentence).

    **Source:** R. M. Henkelman et al., Magn Reson Med 29 (1993) 759-766.

    !!! example

        ```python
        >>> import numpy as np
        >>> import mrjax as mr
        >>> myelin = mr.Pool(0.14, 23.0, t1=1.0, t2=10e-6, lineshape=mr.lineshapes.SuperLorentzian())
        >>> offset = np.array([2e3, 10e3, 50e3])
        >>> z = mr.signals.magnetization_transfer.steady_state(offset, 5e-6, t1=1.0, t2=0.05, pool=myelin)
        >>> print(np.asarray(z).round(3))
        [0.296 0.501 0.999]

        ```
    """
    settings = _settings(offset, rf_amplitude, t1, t2, pool, b0, off_resonance, b1)
    direct = settings.nutation**2 / settings.r2 / (1 + (settings.offset / settings.r2) ** 2)
    gained, lost = _transfer(settings)
    return (settings.r1 + gained) / (settings.r1 + direct + lost)


def ramani(
    offset: Numbers,
    rf_amplitude: Numbers,
    t1: Numbers,
    t2: Numbers,
    pool: Pool,
    b0: Numbers = 3.0,
    off_resonance: Numbers = 0.0,
    b1: Numbers = 1.0,
) -> Float[Array, "*voxels n_samples"]:
    r"""`steady_state` for offsets far from the water, as it is fitted to pulsed saturation.

    $$Z = \frac{R_b \frac{k f}{R_1} + W_b + R_b + k}
               {\frac{k f}{R_1} (R_b + W_b)
                + \left(1 + \left(\frac{\omega_1}{\Delta\omega}\right)^2 \frac{T_1}{T_2}\right) (W_b + R_b + k)}$$

    In the letters of the paper $k = R M_0^A$, $f = M_0^B / M_0^A$. For a pulsed sequence `rf_amplitude` is that of the
    continuous wave of equal power, $\sqrt{\int B_1^2 dt / T_R}$ over one repetition: an approximation that the paper
    makes, too.

    Differs from `steady_state` in $W_a$, by $1 / (1 + (\Delta\omega T_2)^{-2})$ only: below 1e-4 of it from 500 Hz on for
    a T2 of 50 ms.

    **Arguments:**, **Returns:**, **Raises:** as `steady_state`. Zero at zero offset from the water.

    **Source:** A. Ramani et al., Magn Reson Imaging 20 (2002) 721-731.

    !!! example

        ```python
        >>> import numpy as np
        >>> import mrjax as mr
        >>> myelin = mr.Pool(0.14, 23.0, t1=1.0, t2=10e-6, lineshape=mr.lineshapes.SuperLorentzian())
        >>> offset = np.array([2e3, 10e3, 50e3])
        >>> z = mr.signals.magnetization_transfer.ramani(offset, 5e-6, t1=1.0, t2=0.05, pool=myelin)
        >>> print(np.asarray(z).round(3))
        [0.296 0.501 0.999]

        ```
    """
    settings = _settings(offset, rf_amplitude, t1, t2, pool, b0, off_resonance, b1)
    gained, lost = _transfer(settings)
    # times the offset squared, so that the limit at zero is a number
    far = settings.offset**2
    return far * (settings.r1 + gained) / (far * (settings.r1 + lost) + settings.nutation**2 * settings.r2)


def intrinsic_t1(observed_t1: Numbers, pool: Pool) -> Float[Array, "*voxels"]:
    r"""T1 that the water would have without exchange, from that of the slow recovery that is measured.

    $$R_1 = R_\mathrm{obs} - k f \, \frac{R_b - R_\mathrm{obs}}{R_b - R_\mathrm{obs} + k}$$

    Exact: $R_\mathrm{obs}$ is then the slow eigenvalue of water and pool without RF.

    **Arguments:**

    - `observed_t1`: In s. Shape `(*voxels)`. Positive.
    - `pool`: A `mrjax.Pool`; its fraction, exchange rate and T1 are used.

    **Returns:** In s, shape `(*voxels)`. Negative where no water could recover as slowly with such a pool.

    **Raises:** `ValueError` for shapes that do not broadcast or values out of range.

    **Source:** R. M. Henkelman et al., Magn Reson Med 29 (1993) 759-766.

    !!! example

        ```python
        >>> import mrjax as mr
        >>> myelin = mr.Pool(0.14, 23.0, t1=0.5, t2=10e-6, lineshape=mr.lineshapes.SuperLorentzian())
        >>> print(f"{mr.signals.magnetization_transfer.intrinsic_t1(1.0, myelin):.3f} s")
        1.155 s

        ```
    """
    observed = 1 / _checks.positive(_checks.real_array(observed_t1, "observed_t1"), "observed_t1", "s")
    pool = pool.checked("pool")
    _checks.broadcast_shape({"observed_t1": observed, **pool.leaves()})
    k, difference = pool.exchange_rate, 1 / pool.t1 - observed
    return 1 / (observed - k * pool.fraction * difference / (difference + k))


def _settings(offset, rf_amplitude, t1, t2, pool, b0, off_resonance, b1) -> Saturation:
    samples: dict[str, Numbers] = {"offset": offset, "rf_amplitude": rf_amplitude}
    voxels: dict[str, Numbers] = {"t1": t1, "t2": t2, "off_resonance": off_resonance, "b1": b1}
    return saturation(samples, voxels, tuple_of_pools(pool, semisolid=True), b0)


def _transfer(settings: Saturation) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
    """What water gains from the pool's own recovery, and the rate at which it loses to the pool, both in 1/s."""
    (pool,) = settings.pools
    r1, k = 1 / pool.t1, pool.exchange_rate
    assert pool.lineshape is not None
    line = pool.lineshape(settings.offset_from(pool) / (2 * math.pi), pool.t2, settings.larmor)
    saturated = math.pi * settings.nutation**2 * line
    share = k * pool.fraction / (r1 + saturated + k)
    return share * r1, share * (r1 + saturated)
