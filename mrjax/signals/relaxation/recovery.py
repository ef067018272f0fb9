"""Recovery of the longitudinal magnetisation."""

import math

import jax.numpy as jnp
from jaxtyping import Array, Inexact

from mrjax.signals._arguments import Numbers, align, not_longer
from mrjax.signals.relaxation import _exponentials


def inversion_recovery(
    inversion_time: Numbers,
    t1: Numbers,
    tr: Numbers = math.inf,
    inversion_angle: Numbers = math.pi,
    excitation_angle: Numbers = math.pi / 2,
    m0: Numbers = 1.0,
    b1: Numbers = 1.0,
) -> Inexact[Array, "*voxels n_samples"]:
    r"""Steady state of inversion $\theta$, wait $T_I$, excitation $\alpha$, wait $T_R - T_I$.

    $$S = M_0 \sin\alpha \;
          \frac{1 - (1 - \cos\theta) \, e^{-T_I/T_1} - \cos\theta \, e^{-T_R/T_1}}
               {1 - \cos\theta \cos\alpha \, e^{-T_R/T_1}}$$

    With 180° and 90° the fraction is $1 - 2 e^{-T_I/T_1} + e^{-T_R/T_1}$. Transverse magnetisation is taken
    to be spoiled after the inversion and at the end of $T_R$, and the signal to be read right after the
    excitation.

    **Arguments:**

    - `inversion_time`: From the inversion to the excitation, in s. A number or shape `(n_samples,)`. Zero or
        more, finite, and not above `tr`.
    - `t1`: Longitudinal relaxation time in s. Shape `(*voxels)`. Positive; `inf` for none.
    - `tr`: From inversion to inversion, in s. As `inversion_time`. Positive; `inf` for full recovery.
    - `inversion_angle`, `excitation_angle`: Nominal flip angles in rad. As `inversion_time`. An inversion of
        efficiency `e` has the angle `arccos(1 - 2 * e)`.
    - `m0`: Equilibrium magnetisation, any unit, real or complex. Shape `(*voxels)`.
    - `b1`: Transmit field relative to nominal; multiplies both angles. Shape `(*voxels)`. Zero or more. Leave
        it out for adiabatic pulses.

    **Returns:** The signal with its sign, negative before the magnetisation passes zero. Shape `(*voxels,
    n_samples)`, in the unit of `m0`; complex if `m0` is. For an excitation about +x `mrjax.simulate` gives
    $-i$ times this.

    **Derivatives:** everywhere in the ranges above, also for infinite times.

    **Raises:** `ValueError` for shapes that do not broadcast, values out of range or an `inversion_time`
    above `tr` (inside `jax.jit`, a run-time error with the same sentence). Warns of times above 30 s: were
    milliseconds meant?

    **Source:** qMRLab T1 mapping book, chapter "Inversion recovery", "Signal modelling", Eq. (1), times
    $\sin\alpha$.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import numpy as np
        >>> from mrjax.signals.relaxation import inversion_recovery
        >>> from mrjax.units import ms
        >>> signal = inversion_recovery(jnp.array([50.0, 400.0, 2000.0]) * ms, t1=900 * ms, tr=3.0)
        >>> print(np.asarray(signal).round(4))
        [-0.8562 -0.2467  0.8189]

        ```
    """
    time, tr, inversion, excitation, t1, m0, b1 = align(
        samples={
            "inversion_time": inversion_time,
            "tr": tr,
            "inversion_angle": inversion_angle,
            "excitation_angle": excitation_angle,
        },
        voxels={"t1": t1, "m0": m0, "b1": b1},
    )
    time = not_longer(time, "inversion_time", tr, "tr")
    inversion, excitation = b1 * inversion, b1 * excitation
    longitudinal = _exponentials.before_second_pulse((inversion, excitation), (time, tr - time), t1)
    return m0 * jnp.sin(excitation) * longitudinal


def saturation_recovery(
    recovery_time: Numbers,
    t1: Numbers,
    saturation_angle: Numbers = math.pi / 2,
    m0: Numbers = 1.0,
    b1: Numbers = 1.0,
) -> Inexact[Array, "*voxels n_samples"]:
    r"""Longitudinal recovery after a saturation pulse $\beta$ on the equilibrium, read by 90°.

    $$S = M_0 \left[ 1 - (1 - \cos\beta) \, e^{-t/T_1} \right]$$

    Transverse magnetisation is taken to be spoiled after the saturation. Where the next saturation follows
    each 90° readout at once, it finds no longitudinal magnetisation to leave over: the default of 90° is
    then exact, whatever angle is played.

    **Arguments:**

    - `recovery_time`: From the saturation to the readout, in s. A number or shape `(n_samples,)`. Zero or
        more; `inf` for full recovery.
    - `t1`: Longitudinal relaxation time in s. Shape `(*voxels)`. Positive; `inf` for none.
    - `saturation_angle`: Nominal flip angle in rad. As `recovery_time`.
    - `m0`: Equilibrium magnetisation, any unit, real or complex. Shape `(*voxels)`.
    - `b1`: Transmit field relative to nominal; multiplies the saturation angle. Shape `(*voxels)`. Zero or
        more.

    **Returns:** The signal with its sign. Shape `(*voxels, n_samples)`, in the unit of `m0`; complex if `m0`
    is.

    **Derivatives:** everywhere in the ranges above, also for infinite times.

    **Raises:** as `inversion_recovery`.

    **Source:** solution of the Bloch equations for the longitudinal magnetisation.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import numpy as np
        >>> from mrjax.signals.relaxation import saturation_recovery
        >>> from mrjax.units import ms
        >>> time, b1 = jnp.array([100.0, 1000.0]) * ms, jnp.array([1.0, 0.9])
        >>> signal = saturation_recovery(time, t1=900 * ms, b1=b1)
        >>> print(np.asarray(signal).round(4))
        [[0.1052 0.6708]
         [0.2451 0.7223]]

        ```
    """
    time, saturation, t1, m0, b1 = align(
        samples={"recovery_time": recovery_time, "saturation_angle": saturation_angle},
        voxels={"t1": t1, "m0": m0, "b1": b1},
    )
    left = jnp.cos(b1 * saturation) * _exponentials.decay(time, t1)
    return m0 * (_exponentials.recovery(time, t1) + left)
