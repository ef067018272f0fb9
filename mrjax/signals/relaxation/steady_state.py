"""Steady states of rapid gradient-echo sequences."""

import math

import jax.numpy as jnp
from jaxtyping import Array, Complex, Float, Inexact

from mrjax import _checks
from mrjax.signals._arguments import Numbers, align, not_longer
from mrjax.signals.relaxation import _exponentials
from mrjax.signals.relaxation.decay import precession


def spgr(
    flip_angle: Numbers,
    tr: Numbers,
    t1: Numbers,
    te: Numbers = 0.0,
    t2star: Numbers = math.inf,
    m0: Numbers = 1.0,
    b1: Numbers = 1.0,
) -> Inexact[Array, "*voxels n_samples"]:
    r"""Steady state of the ideally spoiled gradient echo (SPGR, FLASH, T1-FFE): the Ernst equation.

    $$S = M_0 \sin\alpha \; \frac{1 - e^{-T_R/T_1}}{1 - \cos\alpha \, e^{-T_R/T_1}} \; e^{-T_E/T_2^*}$$

    Transverse magnetisation is taken to be gone before each pulse. RF spoiling comes close to that, with
    errors of some percent that depend on the phase increment, the flip angle and $T_2$.

    **Arguments:**

    - `flip_angle`: Nominal flip angles in rad. A number or shape `(n_samples,)`.
    - `tr`: Repetition times in s. As `flip_angle`. Positive; `inf` for full recovery.
    - `t1`: Longitudinal relaxation time in s. Shape `(*voxels)`. Positive; `inf` for none, and then there is
        no signal.
    - `te`: Echo times in s. As `flip_angle`. Zero or more, finite, and not above `tr`.
    - `t2star`: Effective transverse relaxation time in s. Shape `(*voxels)`. Positive; `inf` for no decay.
    - `m0`: Equilibrium magnetisation, any unit, real or complex. Shape `(*voxels)`.
    - `b1`: Transmit field relative to nominal; multiplies the flip angle. Shape `(*voxels)`. Zero or more.

    **Returns:** The signal, shape `(*voxels, n_samples)`, in the unit of `m0`; complex if `m0` is. Positive
    for flip angles between 0 and $\pi$. For pulses about +x `mrjax.simulate` gives $-i$ times this.

    **Derivatives:** everywhere in the ranges above. Where `t1` is infinite and the flip angle zero, the limit
    depends on the path: value and derivatives are set to zero there.

    **Raises:** `ValueError` for shapes that do not broadcast, values out of range or a `te` above `tr`
    (inside `jax.jit`, a run-time error with the same sentence). Warns of echo times above 1 s: were
    milliseconds meant?

    **Source:** R. R. Ernst and W. A. Anderson, Rev Sci Instrum 37 (1966) 93-102.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import numpy as np
        >>> from mrjax.signals.relaxation import spgr
        >>> from mrjax.units import deg, ms
        >>> flip_angle = jnp.array([2.0, 5.0, 15.0]) * deg
        >>> signal = spgr(flip_angle, tr=5 * ms, t1=jnp.array([800.0, 1400.0]) * ms)
        >>> print(np.asarray(signal).round(4))
        [[0.0318 0.0542 0.0402]
         [0.0298 0.0422 0.0246]]

        ```
    """
    flip, tr, te, t1, t2star, m0, b1 = align(
        samples={"flip_angle": flip_angle, "tr": tr, "te": te},
        voxels={"t1": t1, "t2star": t2star, "m0": m0, "b1": b1},
    )
    te = not_longer(te, "te", tr, "tr")
    flip = b1 * flip
    recovered = _exponentials.recovery(tr, t1)
    # 1 - cos(flip) E1 as a sum of positive terms: no digits lost for short TR and small angles
    lost = recovered + 2 * _exponentials.decay(tr, t1) * jnp.sin(flip / 2) ** 2
    longitudinal = _exponentials.divide(recovered, lost)
    return m0 * jnp.sin(flip) * longitudinal * _exponentials.decay(te, t2star)


def ernst_angle(tr: Numbers, t1: Numbers) -> Float[Array, "*voxels n_samples"]:
    r"""Flip angle at which `spgr` gives most signal.

    $$\cos\alpha_E = e^{-T_R/T_1} \quad\Leftrightarrow\quad
      \tan^2\frac{\alpha_E}{2} = \tanh\frac{T_R}{2 T_1}$$

    **Arguments:**

    - `tr`: Repetition times in s. A number or shape `(n_samples,)`. Positive; `inf` gives 90°.
    - `t1`: Longitudinal relaxation time in s. Shape `(*voxels)`. Positive; `inf` gives 0°.

    **Returns:** The angle in rad, between 0 and $\pi/2$. Shape `(*voxels, n_samples)`.

    **Derivatives:** everywhere in the ranges above.

    **Raises:** `ValueError` for shapes that do not broadcast or values out of range.

    **Source:** R. R. Ernst and W. A. Anderson, Rev Sci Instrum 37 (1966) 93-102. The second form keeps its
    digits for short $T_R$.

    !!! example

        ```python
        >>> import numpy as np
        >>> from mrjax.signals.relaxation import ernst_angle
        >>> from mrjax.units import deg, ms
        >>> print(np.asarray(ernst_angle(tr=5 * ms, t1=800 * ms) / deg).round(2))
        [6.4]

        ```
    """
    tr, t1 = align(samples={"tr": tr}, voxels={"t1": t1})
    tan_squared = _exponentials.recovery(tr, t1) / (1 + _exponentials.decay(tr, t1))
    excites = tan_squared > 0
    return 2 * jnp.where(excites, jnp.arctan(jnp.sqrt(jnp.where(excites, tan_squared, 1.0))), 0.0)


def bssfp(
    flip_angle: Numbers,
    tr: Numbers,
    t1: Numbers,
    t2: Numbers,
    te: Numbers | None = None,
    off_resonance: Numbers = 0.0,
    phase_increment: Numbers = math.pi,
    m0: Numbers = 1.0,
    b1: Numbers = 1.0,
) -> Complex[Array, "*voxels n_samples"]:
    r"""Steady state of balanced SSFP (TrueFISP, FIESTA, bFFE) with off-resonance and any phase cycling.

    Pulse $n$ turns the magnetisation by $\alpha$ about $(\cos n\varphi, \sin n\varphi, 0)$; the signal is
    sampled $T_E$ after it and demodulated by its phase, that is, multiplied by $e^{-i n \varphi}$. With
    $E_{1,2} = e^{-T_R/T_{1,2}}$ and the precession per $T_R$ in the frame of the pulses,
    $\beta = 2\pi \, \Delta f \, T_R - \varphi$,

    $$S = -i \, M_0 \sin\alpha \; \frac{(1 - E_1) \, (1 - E_2 e^{-i\beta})}
          {(1 - E_1 \cos\alpha)(1 - E_2 \cos\beta) - E_2 (E_1 - \cos\alpha)(E_2 - \cos\beta)} \;
          e^{-T_E/T_2} \, e^{2\pi i \, \Delta f \, T_E}$$

    On resonance with alternating pulses and $T_E = T_R/2$, that is
    $-i M_0 \sin\alpha \, (1 - E_1) \sqrt{E_2} \, / \, [1 - (E_1 - E_2) \cos\alpha - E_1 E_2]$.

    **Arguments:**

    - `flip_angle`: Nominal flip angles in rad. A number or shape `(n_samples,)`.
    - `tr`: Repetition times in s. As `flip_angle`. Positive and finite.
    - `t1`, `t2`: Relaxation times in s. Shape `(*voxels)`. Positive; one of them may be `inf`.
    - `te`: Echo times in s. As `flip_angle`. Zero or more, finite, and not above `tr`. `None` for
        half of `tr`.
    - `off_resonance`: $\Delta f$ in Hz. Shape `(*voxels)`. Positive turns the magnetisation from x towards y.
    - `phase_increment`: $\varphi$ in rad. As `flip_angle`. The default puts the pass band on resonance; with
        0 the band lies at $\pm 1 / (2 T_R)$ and the dark line on resonance.
    - `m0`: Equilibrium magnetisation, any unit, real or complex. Shape `(*voxels)`.
    - `b1`: Transmit field relative to nominal; multiplies the flip angle. Shape `(*voxels)`. Zero or more.

    **Returns:** The complex signal, shape `(*voxels, n_samples)`, in the unit of `m0`: what `mrjax.simulate`
    tends to, sampled with the phase of the pulses. $-i$ times a positive number on resonance with the
    defaults.

    **Derivatives:** everywhere in the ranges above.

    **Raises:** `ValueError` for shapes that do not broadcast, values out of range, a `te` above `tr`, or
    where there is no steady state because nothing relaxes (inside `jax.jit`, a run-time error with the same
    sentence). That is so where both relaxation times are infinite, and also for an infinite `t2` with $\beta$
    a multiple of $2\pi$.

    **Source:** R. Freeman and H. D. W. Hill, J Magn Reson 4 (1971) 366-383, solved anew for the rotations and
    phases stated here.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import numpy as np
        >>> from mrjax.signals.relaxation import bssfp
        >>> from mrjax.units import deg, ms
        >>> off_resonance = jnp.array([0.0, 50.0, 100.0])
        >>> signal = bssfp(40 * deg, tr=5 * ms, t1=900 * ms, t2=80 * ms, off_resonance=off_resonance)
        >>> print(np.abs(signal[:, 0]).round(4))
        [0.1461 0.1293 0.0076]

        ```
    """
    flip, tr, phase_increment, delay, t1, t2, off_resonance, m0, b1 = align(
        samples={
            "flip_angle": flip_angle,
            "tr": tr,
            "phase_increment": _checks.less_whole_turns(phase_increment),
            "te": 0.0 if te is None else te,
        },
        voxels={"t1": t1, "t2": t2, "off_resonance": off_resonance, "m0": m0, "b1": b1},
    )
    tr = _checks.finite(tr, "tr")
    delay = tr / 2 if te is None else not_longer(delay, "te", tr, "tr")
    turn = 2 * math.pi * off_resonance * tr - phase_increment
    after_pulse = _after_balanced_pulse(b1 * flip, turn, tr, t1, t2)
    return m0 * after_pulse * _exponentials.decay(delay, t2) * precession(off_resonance, delay)


def _after_balanced_pulse(flip: Array, turn: Array, tr: Array, t1: Array, t2: Array) -> Array:
    """Steady-state transverse magnetisation after a pulse about +x, given the turn about z per repetition."""
    grown, e2 = _exponentials.recovery(tr, t1), _exponentials.decay(tr, t2)
    decayed = _exponentials.recovery(tr, t2)
    sin2_flip, cos2_flip = jnp.sin(flip / 2) ** 2, jnp.cos(flip / 2) ** 2
    sin2_turn = jnp.sin(turn / 2) ** 2
    # The denominator of the docstring, rearranged into a sum of terms that are never negative: the products
    # there cancel to (TR / T1) (TR / T2)^2, which leaves no digit in float32.
    lost = (
        grown * decayed**2
        + 2 * sin2_flip * decayed * (_exponentials.decay(tr, t1) + e2)
        + 4 * e2 * grown * sin2_turn * cos2_flip
    )
    lost = _checks.require(
        lost, (lost > 0) | (flip == 0), "`t1` and `t2` must let a steady state form: not both infinite"
    )
    # -i (1 - E2 exp(-i turn)) = E2 sin(turn) - i (1 - E2 cos(turn))
    x, minus_y = e2 * jnp.sin(turn), decayed + 2 * e2 * sin2_turn
    return _exponentials.divide(jnp.sin(flip) * grown, lost) * (x - 1j * minus_y)
