"""Decay of the transverse magnetisation."""

import math

import jax.numpy as jnp
from jaxtyping import Array, Complex, Float, Inexact

from mrjax import _checks
from mrjax._shapes import with_rank
from mrjax.signals._arguments import Numbers, align, checked, not_longer, sample_axis
from mrjax.signals.relaxation import _exponentials


def t2_decay(te: Numbers, t2: Numbers, m0: Numbers = 1.0, offset: Numbers = 0.0) -> Inexact[Array, "*voxels n_samples"]:
    r"""Mono-exponential decay: spin echoes after full recovery, or free decay with $T_2^*$ in place of $T_2$.

    $$S = M_0 \, e^{-T_E / T_2} + C$$

    **Arguments:**

    - `te`: Echo times in s. A number or shape `(n_samples,)`. Zero or more, finite.
    - `t2`: Transverse relaxation time in s. Shape `(*voxels)`. Positive; `inf` for no decay.
    - `m0`: Transverse magnetisation at time zero, any unit, real or complex. Shape `(*voxels)`.
    - `offset`: $C$, onto which the signal decays, in the unit of `m0`, real or complex. Shape `(*voxels)`. (The floor
        of noise in magnitudes is not one: it fades where there is signal. For that,
        `mrjax.inverse.least_squares` has a Rician likelihood.)

    **Returns:** The signal, shape `(*voxels, n_samples)`, in the unit of `m0`; complex if `m0` or `offset` is.

    **Derivatives:** everywhere in the ranges above.

    **Raises:** `ValueError` for shapes that do not broadcast or values out of range (inside `jax.jit`, a
    run-time error with the same sentence). Warns of echo times above 1 s: were milliseconds meant?

    **Source:** solution of the Bloch equations for the transverse magnetisation.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import numpy as np
        >>> from mrjax.signals.relaxation import t2_decay
        >>> from mrjax.units import ms
        >>> signal = t2_decay(te=jnp.array([0.0, 50.0, 100.0]) * ms, t2=jnp.array([50.0, 100.0]) * ms)
        >>> print(np.asarray(signal).round(4))
        [[1.     0.3679 0.1353]
         [1.     0.6065 0.3679]]

        ```
    """
    te, t2, m0, offset = align(samples={"te": te}, voxels={"t2": t2, "m0": m0, "offset": offset})
    return m0 * _exponentials.decay(te, t2) + offset


def t2star(t2: Numbers, t2_prime: Numbers) -> Float[Array, "*voxels"]:
    r"""Effective transverse relaxation time where off-resonances within the voxel are Lorentzian.

    $$\frac{1}{T_2^*} = \frac{1}{T_2} + \frac{1}{T_2'}$$

    **Arguments:**

    - `t2`: Transverse relaxation time in s. Shape `(*voxels)`. Positive; `inf` for none.
    - `t2_prime`: Reversible dephasing time in s: the density of off-resonances has the half width at half
        maximum $1 / (2 \pi T_2')$ in Hz. Shape `(*voxels)`. Positive; `inf` for none.

    **Returns:** $T_2^*$ in s. Shape `(*voxels)`: no sample axis.

    **Derivatives:** everywhere in the ranges above; zero where both times are infinite.

    **Raises:** `ValueError` for shapes that do not broadcast or values out of range.

    **Source:** the decay is the Fourier transform of the density of off-resonances, that of a Lorentzian an
    exponential.

    !!! example

        ```python
        >>> from mrjax.signals.relaxation import t2star
        >>> from mrjax.units import ms
        >>> print(f"{t2star(t2=60 * ms, t2_prime=120 * ms) / ms:.3f} ms")
        40.000 ms

        ```
    """
    arrays = checked({"t2": t2, "t2_prime": t2_prime})
    rank = len(_checks.broadcast_shape({**arrays}))
    rate = 1 / with_rank(arrays["t2"], rank) + 1 / with_rank(arrays["t2_prime"], rank)
    decays = rate > 0
    return jnp.where(decays, 1 / jnp.where(decays, rate, 1.0), jnp.inf)


def t2star_decay(
    te: Numbers,
    t2star: Numbers,
    m0: Numbers = 1.0,
    off_resonance: Numbers | None = None,
    offset: Numbers = 0.0,
) -> Inexact[Array, "*voxels n_samples"]:
    r"""Free decay after excitation, as sampled by a multi-echo gradient-echo readout.

    $$S = M_0 \, e^{-T_E / T_2^*} \, e^{2 \pi i \, \Delta f \, T_E} + C$$

    **Arguments:**

    - `te`: Echo times, counted from the excitation, in s. A number or shape `(n_samples,)`. Zero or more,
        finite.
    - `t2star`: Effective transverse relaxation time in s, see `t2star`. Shape `(*voxels)`. Positive; `inf`
        for no decay.
    - `m0`: Transverse magnetisation after the excitation, any unit, real or complex. Shape `(*voxels)`.
    - `off_resonance`: $\Delta f$ in Hz. Shape `(*voxels)`. Positive turns the magnetisation from x towards y.
        `None` for a signal without the phase factor.
    - `offset`: $C$, onto which the signal decays, as of `t2_decay`. Shape `(*voxels)`.

    **Returns:** The signal, shape `(*voxels, n_samples)`, in the unit of `m0`. Complex with an
    `off_resonance` (of any value) or a complex `m0` or `offset`, else real. Its phase is that of `m0` at the excitation.

    **Derivatives:** everywhere in the ranges above.

    **Raises:** as `t2_decay`.

    **Source:** solution of the Bloch equations for the transverse magnetisation.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import numpy as np
        >>> from mrjax.signals.relaxation import t2star_decay
        >>> from mrjax.units import ms
        >>> signal = t2star_decay(te=jnp.array([5.0, 10.0]) * ms, t2star=30 * ms, off_resonance=25.0)
        >>> print(np.abs(signal).round(4), np.angle(signal, deg=True).round(1))
        [0.8465 0.7165] [45. 90.]

        ```
    """
    voxels = {"t2star": t2star, "m0": m0, "offset": offset}
    if off_resonance is None:
        te, t2star, m0, offset = align(samples={"te": te}, voxels=voxels)
        return m0 * _exponentials.decay(te, t2star) + offset
    voxels |= {"off_resonance": off_resonance}
    te, t2star, m0, offset, off_resonance = align(samples={"te": te}, voxels=voxels)
    return m0 * _exponentials.decay(te, t2star) * precession(off_resonance, te) + offset


def multi_exponential(
    te: Numbers, t2: Numbers, fractions: Numbers, m0: Numbers = 1.0
) -> Inexact[Array, "*voxels n_samples"]:
    r"""Decay of several compartments without exchange, such as myelin, intra- and extracellular water.

    $$S = M_0 \sum_c f_c \, e^{-T_E / T_{2,c}}$$

    **Arguments:**

    - `te`: Echo times in s. A number or shape `(n_samples,)`. Zero or more, finite.
    - `t2`: Transverse relaxation times in s. Shape `(*voxels, n_components)`. Positive; `inf` for no decay: such a
        component is an offset.
    - `fractions`: Weights of the components, pure numbers. Shape `(*voxels, n_components)`. Finite; they are
        used as they are, not scaled to a sum of one.
    - `m0`: Transverse magnetisation at time zero, any unit, real or complex. Shape `(*voxels)`: no component
        axis.

    The shapes `(*voxels)` broadcast: one `t2` of shape `(n_components,)` serves all voxels.

    **Returns:** The signal, shape `(*voxels, n_samples)`, in the unit of `m0`; complex if `m0` is.

    **Derivatives:** everywhere in the ranges above.

    **Raises:** as `t2_decay`; also where `t2` or `fractions` has no component axis, or they differ in its
    length.

    **Source:** sum of solutions of the Bloch equations.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import numpy as np
        >>> from mrjax.signals.relaxation import multi_exponential
        >>> from mrjax.units import ms
        >>> te, t2 = jnp.array([0.0, 20.0]) * ms, jnp.array([20.0, 80.0]) * ms
        >>> signal = multi_exponential(te, t2, fractions=jnp.array([0.15, 0.85]))
        >>> print(np.asarray(signal).round(4))
        [1.     0.7172]

        ```
    """
    arrays = checked({"te": te, "t2": t2, "fractions": fractions, "m0": m0})
    te, t2, fractions, m0 = sample_axis(arrays["te"], "te"), arrays["t2"], arrays["fractions"], arrays["m0"]
    _require_components(t2, fractions)
    per_voxel = {"t2": t2[..., 0], "fractions": fractions[..., 0], "m0": m0}
    rank = len(_checks.broadcast_shape({**per_voxel})) + 2  # samples and components come after the voxels
    t2, fractions = with_rank(t2[..., None, :], rank), with_rank(fractions[..., None, :], rank)
    te, m0 = with_rank(te[:, None], rank), with_rank(m0[..., None], rank - 1)
    return m0 * jnp.sum(fractions * _exponentials.decay(te, t2), axis=-1)


def spin_echo(
    te: Numbers,
    t1: Numbers,
    t2: Numbers,
    tr: Numbers = math.inf,
    m0: Numbers = 1.0,
    excitation_angle: Numbers = math.pi / 2,
    refocusing_angle: Numbers = math.pi,
    b1: Numbers = 1.0,
) -> Inexact[Array, "*voxels n_samples"]:
    r"""Steady state of a single spin echo: excitation $\alpha$, refocusing $\beta$ at $T_E/2$, echo at $T_E$.

    $$S = M_0 \sin\alpha \, \sin^2\frac{\beta}{2} \; e^{-T_E/T_2} \;
          \frac{1 - (1 - \cos\beta) \, e^{-(T_R - T_E/2)/T_1} - \cos\beta \, e^{-T_R/T_1}}
               {1 - \cos\alpha \cos\beta \, e^{-T_R/T_1}}$$

    With 90° and 180° the fraction is $1 - 2 e^{-(T_R - T_E/2)/T_1} + e^{-T_R/T_1}$; after full recovery,
    `tr=inf`, it is 1. Dephasing by static off-resonance, $T_2'$, is refocused and does not enter.

    Crushers about the refocusing pulse are taken to remove everything but the echo, and spoiling to remove
    what is left of the transverse magnetisation at the end of $T_R$; nothing that was removed ever refocuses.
    (Where the same crushers are played in each $T_R$, magnetisation that an imperfect refocusing pulse stored
    along z does come back in later ones, and a simulation shows it.)

    **Arguments:**

    - `te`: Echo times in s. A number or shape `(n_samples,)`. Zero or more, finite, and not above `tr`.
    - `t1`, `t2`: Relaxation times in s. Shape `(*voxels)`. Positive; `inf` for none.
    - `tr`: Repetition times in s. As `te`. Positive; `inf` for full recovery.
    - `m0`: Equilibrium magnetisation, any unit, real or complex. Shape `(*voxels)`.
    - `excitation_angle`, `refocusing_angle`: Nominal flip angles in rad. As `te`.
    - `b1`: Transmit field relative to nominal; multiplies both angles. Shape `(*voxels)`. Zero or more.

    **Returns:** The signal, shape `(*voxels, n_samples)`, in the unit of `m0`; complex if `m0` is. It is
    negative where the magnetisation before the excitation is. For an excitation about +x `mrjax.simulate`
    gives $-i$ times this where the refocusing is about +y, and $+i$ times where it is about +x.

    **Derivatives:** everywhere in the ranges above, also for infinite relaxation times and `tr`.

    **Raises:** as `t2_decay`, and where `te` exceeds `tr`.

    **Source:** derived from the Bloch equations under the assumptions above.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import numpy as np
        >>> from mrjax.signals.relaxation import spin_echo
        >>> from mrjax.units import ms
        >>> signal = spin_echo(te=jnp.array([10.0, 100.0]) * ms, t1=900 * ms, t2=80 * ms, tr=500 * ms)
        >>> print(np.asarray(signal).round(4))
        [0.3705 0.1033]

        ```
    """
    te, tr, excitation, refocusing, t1, t2, m0, b1 = align(
        samples={
            "te": te,
            "tr": tr,
            "excitation_angle": excitation_angle,
            "refocusing_angle": refocusing_angle,
        },
        voxels={"t1": t1, "t2": t2, "m0": m0, "b1": b1},
    )
    te = not_longer(te, "te", tr, "tr")
    excitation, refocusing = b1 * excitation, b1 * refocusing
    longitudinal = _exponentials.before_second_pulse((refocusing, excitation), (tr - te / 2, te / 2), t1)
    transverse = jnp.sin(excitation) * jnp.sin(refocusing / 2) ** 2 * _exponentials.decay(te, t2)
    return m0 * longitudinal * transverse


def precession(off_resonance: Float[Array, "..."], time: Float[Array, "..."]) -> Complex[Array, "..."]:
    """`exp(2j * pi * off_resonance * time)`, in the precision of its arguments."""
    angle = 2 * math.pi * off_resonance * time
    return jnp.cos(angle) + 1j * jnp.sin(angle)


def _require_components(t2: Array, fractions: Array) -> None:
    for name, array in {"t2": t2, "fractions": fractions}.items():
        if array.ndim == 0:
            raise ValueError(f"`{name}` must have shape (*voxels, n_components), but got a number.")
    if t2.shape[-1] != fractions.shape[-1]:
        raise ValueError(
            "`t2` and `fractions` must have the same number of components on their last axis, "
            f"but got {t2.shape[-1]} and {fractions.shape[-1]}."
        )
