"""Closed forms of chemical exchange saturation transfer: relaxation in the rotating frame.

Conventions as in `mrjax.signals.relaxation`: SI units, arguments of the sequence along the last axis, tissue and pools of
shape `(*voxels)`. The water resonates at `off_resonance` from the scanner's frequency, pools at their `shift_ppm` from it.
"""

from jaxtyping import Array, Float

from mrjax.pool import Pool
from mrjax.signals._arguments import Numbers
from mrjax.signals._saturation import Saturation, saturation, tuple_of_pools
from mrjax.signals.relaxation import _exponentials


def r1rho(
    offset: Numbers,
    rf_amplitude: Numbers,
    t1: Numbers,
    t2: Numbers,
    pools: Pool | tuple[Pool, ...] = (),
    b0: Numbers = 3.0,
    off_resonance: Numbers = 0.0,
    b1: Numbers = 1.0,
) -> Float[Array, "*voxels n_samples"]:
    r"""Longitudinal relaxation rate in the rotating frame, with exchange.

    $$R_{1\rho} = R_1 \cos^2\theta + R_2 \sin^2\theta + \sum_i R_{\mathrm{ex},i}, \qquad
      \tan\theta = \frac{\omega_1}{\Delta\omega}$$

    $$R_\mathrm{ex} = f k \sin^2\theta \;
      \frac{\delta^2 + \frac{R_{2b}}{k} (\omega_1^2 + \Delta\omega^2) + R_{2b} (k + R_{2b})}
           {\Gamma^2 / 4 + \Delta\omega_b^2}, \qquad
      \Gamma = 2 \sqrt{\tfrac{k + R_{2b}}{k} \omega_1^2 + (k + R_{2b})^2}$$

    a Lorentzian of full width $\Gamma$ in the offset $\Delta\omega_b = \Delta\omega - \delta$ from the pool, which lies at
    $\delta$ from the water. It is proportional to the fraction $f$, so pools add up.

    First order in the fractions, for $R_1, R_2$ small against the effective field, $R_{1b}$ small against $k$. With a
    solute at 3.5 ppm, 3 T, 0.5 to 2 uT and $k$ from 30 to 5000 /s, $R_\mathrm{ex}$ agrees with the eigenvalue of the
    Bloch-McConnell equations within 1 % of its peak for offsets within 1 ppm of the solute; the error grows towards the
    water, to 17 % of the peak at 0.5 ppm, where direct saturation dominates.

    **Arguments:**

    - `offset`: RF frequency minus that of the scanner in Hz. A number or shape `(n_samples,)`.
    - `rf_amplitude`: Nominal RF field in T. As `offset`.
    - `t1`, `t2`: Relaxation times of the water in s. Shape `(*voxels)`. Positive.
    - `pools`: One or several `mrjax.Pool` without line shape. Leaves of shape `(*voxels)`.
    - `b0`: Field in T, a number.
    - `off_resonance`: Of the water in Hz. Shape `(*voxels)`.
    - `b1`: Transmit field relative to nominal; multiplies `rf_amplitude`. Shape `(*voxels)`. Zero or more.

    **Returns:** The rate in 1/s, shape `(*voxels, n_samples)`.

    **Derivatives:** everywhere in the ranges above.

    **Raises:** `ValueError` for shapes that do not broadcast, values out of range or semisolid pools (inside `jax.jit`, a
    run-time error with the same sentence).

    **Source:** M. Zaiss and P. Bachert, NMR Biomed 26 (2013) 507-518; arXiv:1203.2067.

    !!! example

        ```python
        >>> import numpy as np
        >>> import mrjax as mr
        >>> amide = mr.Pool(fraction=1e-3, exchange_rate=30.0, t1=1.0, t2=0.1, shift_ppm=3.5)
        >>> offset = np.array([3.0, 3.5, 4.0]) * 127.7
        >>> rate = mr.signals.cest.r1rho(offset, 1e-6, t1=1.3, t2=0.08, pools=amide)
        >>> print(np.asarray(rate).round(3))
        [0.926 0.904 0.859]

        ```
    """
    pools = tuple_of_pools(pools, semisolid=False)
    samples: dict[str, Numbers] = {"offset": offset, "rf_amplitude": rf_amplitude}
    voxels: dict[str, Numbers] = {"t1": t1, "t2": t2, "off_resonance": off_resonance, "b1": b1}
    return _rate(saturation(samples, voxels, pools, b0))


def spin_lock(
    offset: Numbers,
    rf_amplitude: Numbers,
    duration: Numbers,
    t1: Numbers,
    t2: Numbers,
    pools: Pool | tuple[Pool, ...] = (),
    b0: Numbers = 3.0,
    off_resonance: Numbers = 0.0,
    b1: Numbers = 1.0,
) -> Float[Array, "*voxels n_samples"]:
    r"""Z-spectrum after continuous saturation of the equilibrium.

    $$Z(t) = (\cos^2\theta - Z_\mathrm{ss}) \, e^{-R_{1\rho} t} + Z_\mathrm{ss}, \qquad
      Z_\mathrm{ss} = \frac{R_1 \cos^2\theta}{R_{1\rho}}$$

    with $R_{1\rho}$ and its limits as in `r1rho`. What nutates about the effective field, $\sin^2\theta$ at most, is taken
    to be gone: for durations of several T2, or beyond offsets of about ten times $\gamma B_1 / 2\pi$. For 2 s, 0.5 to 4 uT
    at 3 T, offsets from 0.5 ppm on and a fraction of 1e-3, errors are below 1e-3 for $k$ up to 1000 /s and below 4e-3 at
    5000 /s.

    **Arguments:** as `r1rho`, and

    - `duration`: Of the saturation in s. As `offset`. Zero or more; `inf` for the steady state.

    **Returns:** Longitudinal magnetisation over its equilibrium, between 0 and 1, shape `(*voxels, n_samples)`.

    **Derivatives:** everywhere in the ranges above.

    **Raises:** as `r1rho`.

    **Source:** M. Zaiss and P. Bachert, NMR Biomed 26 (2013) 507-518; arXiv:1203.2067.

    !!! example

        ```python
        >>> import numpy as np
        >>> import mrjax as mr
        >>> amide = mr.Pool(fraction=1e-3, exchange_rate=30.0, t1=1.0, t2=0.1, shift_ppm=3.5)
        >>> offset = np.array([-3.5, 3.5]) * 127.7
        >>> z = mr.signals.cest.spin_lock(offset, 1e-6, duration=2.0, t1=1.3, t2=0.08, pools=amide)
        >>> print(np.asarray(z).round(3))
        [0.892 0.867]

        ```
    """
    pools = tuple_of_pools(pools, semisolid=False)
    samples: dict[str, Numbers] = {"offset": offset, "rf_amplitude": rf_amplitude, "duration": duration}
    voxels: dict[str, Numbers] = {"t1": t1, "t2": t2, "off_resonance": off_resonance, "b1": b1}
    settings = saturation(samples, voxels, pools, b0)
    along_z = 1 - _transverse_part(settings)
    rate = _rate(settings)
    steady = _exponentials.divide(settings.r1 * along_z, rate)
    return steady + (along_z - steady) * _exponentials.decay(settings.duration, 1 / rate)


def _transverse_part(settings: Saturation) -> Float[Array, "..."]:
    """sin^2 of the angle between effective field and z; 0 where there is no field at all."""
    return _exponentials.divide(settings.nutation**2, settings.nutation**2 + settings.offset**2)


def _rate(settings: Saturation) -> Float[Array, "..."]:
    transverse = _transverse_part(settings)
    rate = settings.r1 * (1 - transverse) + settings.r2 * transverse
    for pool in settings.pools:
        rate = rate + transverse * _lorentzian_exchange(settings, pool)
    return rate


def _lorentzian_exchange(settings: Saturation, pool: Pool) -> Float[Array, "..."]:
    """R_ex over sin^2 of the angle, with numerator and denominator times k, so that k may be zero."""
    k, r2 = pool.exchange_rate, 1 / pool.t2
    effective = settings.nutation**2 + settings.offset**2
    numerator = k * settings.shift(pool) ** 2 + r2 * effective + k * r2 * (k + r2)
    width = (k + r2) * settings.nutation**2 + k * (k + r2) ** 2
    return pool.fraction * k * _exponentials.divide(numerator, width + k * settings.offset_from(pool) ** 2)
