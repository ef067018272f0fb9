"""Trains of small-angle readouts after an inversion: Look-Locker, and MP2RAGE in its steady state."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Inexact

from mrjax import _checks
from mrjax.signals._arguments import Numbers, align
from mrjax.signals.relaxation import _exponentials

Step = tuple[Array, Array]
"""What turns the longitudinal magnetisation M, relative to equilibrium, into a M + b."""


def look_locker(
    n_readouts: int,
    inversion_time: Numbers,
    tr: Numbers,
    flip_angle: Numbers,
    t1: Numbers,
    m0: Numbers = 1.0,
    inversion_efficiency: Numbers = 1.0,
    b1: Numbers = 1.0,
) -> Inexact[Array, "*voxels n_samples"]:
    r"""Spoiled readouts of one angle at equal distances, after one inversion of the equilibrium.

    $$S_n = M_0 \sin\alpha \left[ M_\infty + \left( 1 - (1 + \epsilon) e^{-T_I/T_1} - M_\infty \right)
            (\cos\alpha \, e^{-T_R/T_1})^n \right], \qquad
      M_\infty = \frac{1 - e^{-T_R/T_1}}{1 - \cos\alpha \, e^{-T_R/T_1}}$$

    The recovery is exponential, with the apparent rate $1/T_1^* = 1/T_1 - \ln(\cos\alpha) / T_R$.

    **Arguments:**

    - `n_readouts`: How many. At least 1.
    - `inversion_time`: From the inversion to the first excitation in s. A number. Zero or more.
    - `tr`: $T_R$, from one excitation to the next in s. A number, positive.
    - `flip_angle`: Nominal flip angle in rad. A number.
    - `t1`: Longitudinal relaxation time in s. Shape `(*voxels)`. Positive.
    - `m0`: Equilibrium magnetisation, any unit, real or complex. Shape `(*voxels)`.
    - `inversion_efficiency`: $\epsilon$, 1 for a perfect inversion. Shape `(*voxels)`. At most 1.
    - `b1`: Transmit field relative to nominal; multiplies the flip angle, not the inversion. Shape `(*voxels)`. Zero or more.

    **Returns:** The signals with their sign, shape `(*voxels, n_readouts)`, in the unit of `m0`; complex if `m0` is. Exact
    where nothing of the transverse magnetisation is left before each pulse.

    **Derivatives:** everywhere in the ranges above.

    **Raises:** `ValueError` for shapes that do not broadcast, values out of range, or a setting that is not a number.

    **Source:** solution of the Bloch equations for the longitudinal magnetisation; D. C. Look, D. R. Locker, Rev Sci Instrum
    41 (1970) 250-251 (the experiment).

    !!! example

        ```python
        >>> import numpy as np
        >>> from mrjax.signals.relaxation import look_locker
        >>> signal = look_locker(4, inversion_time=0.01, tr=0.5, flip_angle=0.1, t1=1.0)
        >>> print(np.asarray(signal).round(4))
        [-0.0978 -0.0198  0.0274  0.0558]

        ```
    """
    n_readouts = _checks.positive_integer(n_readouts, "n_readouts")
    settings = {"inversion_time": inversion_time, "tr": tr, "flip_angle": flip_angle}
    _require_lengths(settings, 1)
    time, tr, flip, t1, m0, efficiency, b1 = align(
        samples=settings, voxels={"t1": t1, "m0": m0, "inversion_efficiency": inversion_efficiency, "b1": b1}
    )
    flip = b1 * flip
    first = _exponentials.recovery(time, t1) - efficiency * _exponentials.decay(time, t1)
    number = jnp.arange(n_readouts).reshape((1,) * (first.ndim - 1) + (-1,))
    kept, gained = _after_readouts(number, flip, tr, t1)
    return m0 * jnp.sin(flip) * (kept * first + gained)


def mp2rage(
    inversion_time: Numbers,
    flip_angle: Numbers,
    n_readouts: Any,
    echo_spacing: Numbers,
    tr: Numbers,
    t1: Numbers,
    m0: Numbers = 1.0,
    inversion_efficiency: Numbers = 1.0,
    b1: Numbers = 1.0,
) -> Inexact[Array, "*voxels 2"]:
    r"""Both images of MP2RAGE in the steady state: two trains of spoiled readouts after each inversion.

    An inversion turns the longitudinal magnetisation $M$ into $-\epsilon M$, a wait into
    $1 - (1 - M) e^{-t/T_1}$, and a train of $n$ readouts into

    $$M_\infty + (M - M_\infty) (\cos\alpha \, e^{-\tau/T_1})^n, \qquad
      M_\infty = \frac{1 - e^{-\tau/T_1}}{1 - \cos\alpha \, e^{-\tau/T_1}}$$

    $M$ is that which a cycle leaves as it is, and the signals are $M_0 M \sin\alpha$ at the centre of k-space.

    **Arguments:**

    - `inversion_time`: From the inversion to the excitation that reads the centre of k-space, in s. Shape `(2,)`.
    - `flip_angle`: Nominal flip angles of the two trains in rad. Shape `(2,)`.
    - `n_readouts`: A pair: how many readouts of a train come before that of the centre, and how many from it on: `(80, 80)`, or
        fewer before with partial Fourier.
    - `echo_spacing`: $\tau$, from one excitation of a train to the next in s. A number, positive.
    - `tr`: From one inversion to the next in s. A number, positive.
    - `t1`: Longitudinal relaxation time in s. Shape `(*voxels)`. Positive.
    - `m0`: Equilibrium magnetisation with what the receiver and the decay until the echo make of it, any unit, real or
        complex. Shape `(*voxels)`.
    - `inversion_efficiency`: $\epsilon$, 1 for a perfect inversion. Shape `(*voxels)`. At most 1.
    - `b1`: Transmit field relative to nominal; multiplies the flip angles, not the inversion, which is adiabatic. Shape
        `(*voxels)`. Zero or more.

    **Returns:** The signals with their sign, shape `(*voxels, 2)`, in the unit of `m0`; complex if `m0` is. Exact where
    nothing of the transverse magnetisation is left before each pulse.

    **Derivatives:** everywhere in the ranges above.

    **Raises:** `ValueError` for shapes that do not broadcast, values out of range, or trains that overlap or exceed `tr`.

    **Source:** J. P. Marques et al., NeuroImage 49 (2010) 1271-1281 (the sequence); the magnetisation is composed of
    solutions of the Bloch equations.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import numpy as np
        >>> from mrjax.signals.relaxation import mp2rage, uniform_image
        >>> from mrjax.units import deg, ms
        >>> times, angles = jnp.array([0.7, 2.5]), jnp.array([4.0, 5.0]) * deg
        >>> signals = mp2rage(times, angles, (80, 80), 7 * ms, tr=5.0, t1=jnp.array([0.8, 1.2, 2.0]))
        >>> print(np.asarray(uniform_image(signals)).round(3))
        [ 0.202 -0.032 -0.326]

        ```
    """
    before, after = _readouts(n_readouts)
    settings = {"inversion_time": inversion_time, "flip_angle": flip_angle, "echo_spacing": echo_spacing, "tr": tr}
    _require_lengths({"inversion_time": inversion_time, "flip_angle": flip_angle}, 2)
    _require_lengths({"echo_spacing": echo_spacing, "tr": tr}, 1)
    time, flip, spacing, tr, t1, m0, efficiency, b1 = align(
        samples=settings, voxels={"t1": t1, "m0": m0, "inversion_efficiency": inversion_efficiency, "b1": b1}
    )
    flip, waits = b1 * flip, _waits(time, (before, after), spacing, tr)
    to_centre, from_centre = (_after_readouts(jnp.asarray(n), flip, spacing, t1) for n in (before, after))
    inverted = (-efficiency, jnp.zeros_like(efficiency))
    first = _then(inverted, _waited(waits[0], t1), _of_train(to_centre, 0))
    second = _then(first, _of_train(from_centre, 0), _waited(waits[1], t1), _of_train(to_centre, 1))
    kept, gained = _then(second, _of_train(from_centre, 1), _waited(waits[2], t1))
    before_inversion = gained / (1 - kept)
    longitudinal = [kept * before_inversion + gained for kept, gained in (first, second)]
    return m0 * jnp.sin(flip) * jnp.concatenate(jnp.broadcast_arrays(*longitudinal), axis=-1)


def uniform_image(signals: Inexact[Array, "*voxels time"]) -> Float[Array, "*voxels"]:
    r"""The image of MP2RAGE without receive field, proton density and $T_2^*$.

    $$\mathrm{UNI} = \frac{\mathrm{Re}(S_1^* S_2)}{|S_1|^2 + |S_2|^2}$$

    **Arguments:**

    - `signals`: Those at the two inversion times, real with their sign or complex. Shape `(*voxels, 2)`.

    **Returns:** Numbers between -0.5 and 0.5, 0 where there is no signal. Shape `(*voxels)`. (Scanners store them scaled, often
    as 0 to 4095: `stored / 4095 - 0.5`.)

    **Derivatives:** everywhere but where both signals vanish, where they are zero.

    **Raises:** `ValueError` where the last axis has another length than 2.

    **Source:** J. P. Marques et al., NeuroImage 49 (2010) 1271-1281.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> from mrjax.signals.relaxation import uniform_image
        >>> print(uniform_image(jnp.array([[-1.0, 1.0], [3.0, 1.0]])))
        [-0.5  0.3]

        ```
    """
    signals = _checks.number_array(signals, "signals")
    if signals.ndim == 0 or signals.shape[-1] != 2:
        raise ValueError(f"`signals` must have the two inversion times on its last axis, but got {signals.shape}.")
    first, second = signals[..., 0], signals[..., 1]
    power = first.real**2 + first.imag**2 + second.real**2 + second.imag**2
    return _exponentials.divide((first.conj() * second).real, power)


def _after_readouts(n: Array, flip: Array, spacing: Array, t1: Array) -> Step:
    """`n` readouts, each followed by its share of recovery."""
    left = _exponentials.decay(spacing, t1)
    recovered = _exponentials.recovery(spacing, t1)
    kept = (jnp.cos(flip) * left) ** n
    # 1 - cos(flip) E1 as a sum of positive terms, as in `spgr`
    return kept, _exponentials.divide(recovered * (1 - kept), recovered + 2 * left * jnp.sin(flip / 2) ** 2)


def _of_train(step: Step, train: int) -> Step:
    kept, gained = step
    return kept[..., train : train + 1], gained[..., train : train + 1]


def _waited(time: Array, t1: Array) -> Step:
    return _exponentials.decay(time, t1), _exponentials.recovery(time, t1)


def _then(*steps: Step) -> Step:
    kept, gained = steps[0]
    for a, b in steps[1:]:
        kept, gained = a * kept, a * gained + b
    return kept, gained


def _waits(time: Array, n_readouts: tuple[int, int], spacing: Array, tr: Array) -> tuple[Array, Array, Array]:
    """Before, between and after the trains."""
    (before, after), first, second = n_readouts, time[..., :1], time[..., 1:]
    waits = (first - before * spacing, second - first - (before + after) * spacing, tr - second - after * spacing)
    places = ("the first train begins before the inversion", "the trains overlap", "the second train exceeds `tr`")
    rounding = 1e-6 * tr
    begin, between, end = (
        jnp.maximum(_checks.require(wait, wait >= -rounding, f"Waits must not be negative (s), but {place}"), 0.0)
        for wait, place in zip(waits, places, strict=True)
    )
    return begin, between, end


def _readouts(n_readouts: Any) -> tuple[int, int]:
    if not (isinstance(n_readouts, tuple | list) and len(n_readouts) == 2):
        raise ValueError(f"`n_readouts` must be a pair (before the centre, from it on), but got {n_readouts!r}.")
    before, after = n_readouts
    none_before = isinstance(before, int) and before == 0
    return 0 if none_before else _checks.positive_integer(before, "n_readouts[0]"), _checks.positive_integer(
        after, "n_readouts[1]"
    )


def _require_lengths(values: dict[str, Numbers], length: int) -> None:
    for name, value in values.items():
        shape = np.shape(value)
        if shape not in (((), (1,)) if length == 1 else ((length,),)):
            wanted = "be a number" if length == 1 else f"have one value for each train, shape ({length},)"
            raise ValueError(f"`{name}` must {wanted}, but got shape {shape}.")
