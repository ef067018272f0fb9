"""Magnetisation transfer in a train of shaped pulses, in closed form but for the waveform."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from mrjax import _checks
from mrjax._shapes import with_rank
from mrjax.pool import Pool
from mrjax.signals._arguments import Numbers
from mrjax.signals._saturation import Saturation, saturation, tuple_of_pools

LEAST_STEPS = 16


def sled_pike(
    offset: Numbers,
    saturation_angle: Numbers,
    t1: Numbers,
    t2: Numbers,
    pool: Pool,
    waveform: Any,
    pulse_duration: float,
    tr: float,
    excitation_angle: Numbers,
    b0: Numbers = 3.0,
    off_resonance: Numbers = 0.0,
    b1: Numbers = 1.0,
) -> Float[Array, "*voxels n_samples"]:
    r"""Spoiled gradient echoes, each after a saturation pulse: the rectangular-pulse model of pulsed qMT.

    A pulse does two things. To the pool it is a rectangle as long as its power is above half its peak, $\tau$, and of equal
    power: $W_b = \pi g \int \omega_1^2 dt / \tau$. Of the water it leaves at once the share $S$ that the Bloch equations of
    the water alone give for the waveform, and the excitation $\cos\alpha$ of that. Between them water and pool exchange and
    recover:

    $$\mathbf M^- = e^{A_W \tau/2} e^{A (T_R - \tau)} e^{A_W \tau/2} \, \mathrm{diag}(S \cos\alpha, 1) \, \mathbf M^-
      + \mathbf q, \qquad Z = S \, M_a^- \sin\alpha$$

    with $\mathbf q$ what recovers in the meantime.

    **Arguments:**

    - `offset`: RF frequency minus that of the scanner in Hz. A number or shape `(n_samples,)`.
    - `saturation_angle`: Of the pulses on resonance, nominal, in rad. As `offset`.
    - `t1`, `t2`: Relaxation times of the water in s. Shape `(*voxels)`. Positive.
    - `pool`: A `mrjax.Pool` with line shape. Leaves of shape `(*voxels)`.
    - `waveform`: Of the pulses, real, in any unit, sampled in the middle of at least 16 equal steps that cover the pulse. The
        water sees these steps: 256 are enough for smooth shapes and offsets up to 20 kHz. Known, not traced.
    - `pulse_duration`: In s, a number.
    - `tr`: Repetition time in s, a number, longer than the pulse.
    - `excitation_angle`: Nominal, in rad. A number or shape `(n_samples,)`.
    - `b0`: Field in T, a number.
    - `off_resonance`: Of the water in Hz. Shape `(*voxels)`.
    - `b1`: Transmit field relative to nominal, of both pulses. Shape `(*voxels)`. Zero or more.

    **Returns:** Transverse magnetisation right after the excitation over the equilibrium of the water, shape
    `(*voxels, n_samples)`.

    **Error:** Of the model: within 0.2 % of what `BlochMcConnell` gives for a train of Gaussian pulses of 10 ms and
    426 degrees every 30 ms, in white matter from 1 to 20 kHz (`tests/signals/test_pulsed_saturation.py`). It leaves the pool's
    saturation by the excitation out.

    **Derivatives:** everywhere in the ranges above, where the line shape has them.

    **Raises:** `ValueError` for shapes that do not broadcast, values out of range or a pool without line shape (inside
    `jax.jit`, a run-time error with the same sentence).

    **Source:** J. G. Sled, G. B. Pike, Magn Reson Med 46 (2001) 923-931.

    !!! example

        ```python
        >>> import numpy as np
        >>> import mrjax as mr
        >>> myelin = mr.Pool(0.14, 23.0, t1=1.0, t2=10e-6, lineshape=mr.lineshapes.SuperLorentzian())
        >>> gauss = np.exp(-0.5 * (np.linspace(-3, 3, 256)) ** 2)
        >>> train = {"waveform": gauss, "pulse_duration": 0.01, "tr": 0.03, "excitation_angle": np.radians(7)}
        >>> signal = mr.signals.magnetization_transfer.sled_pike(
        ...     np.array([1e3, 5e3, 50e3]), np.radians(500), 1.0, 0.05, myelin, **train
        ... )
        >>> bool(np.all(np.diff(signal) > 0))
        True

        ```
    """
    shape, duration, tr = pulse_and_repetition(waveform, pulse_duration, tr)
    samples: dict[str, Numbers] = {"offset": offset, "rf_amplitude": saturation_angle}
    voxels: dict[str, Numbers] = {"t1": t1, "t2": t2, "off_resonance": off_resonance, "b1": b1}
    settings = saturation(samples, voxels, tuple_of_pools(pool, semisolid=True), b0)
    scale = _checks.non_negative(_checks.real_array(b1, "b1"), "b1", "relative to nominal")
    excitation = _checks.finite(_checks.real_array(excitation_angle, "excitation_angle"), "excitation_angle")
    rank, dtype = settings.offset.ndim, settings.offset.dtype
    excitation = with_rank(excitation.reshape(-1).astype(dtype), rank) * with_rank(scale[..., None].astype(dtype), rank)
    angle = with_rank(_checks.real_array(saturation_angle, "saturation_angle").reshape(-1).astype(dtype), rank)
    nutation = angle * with_rank(scale[..., None].astype(dtype), rank)
    shape = shape / (shape.sum() * duration / shape.size)  # of the area 1
    lost = _lost_by_water(settings, nutation, shape, duration / shape.size)
    lost_in_all = lost * jnp.cos(excitation) + 2 * jnp.sin(excitation / 2) ** 2
    water = _before_pulse(settings, nutation, shape, duration, tr, lost_in_all)
    return (1 - lost) * jnp.sin(excitation) * water


def pulse_and_repetition(waveform: Any, duration: Any, tr: Any) -> tuple[Float[np.ndarray, " step"], float, float]:
    """The steps of a pulse, its duration and the repetition time, checked."""
    if not _checks.is_concrete(waveform):
        raise ValueError("`waveform` must be known, but is traced by a transformation of JAX; pass a NumPy array.")
    shape = np.asarray(waveform)
    if shape.ndim != 1 or shape.size < LEAST_STEPS or not np.isrealobj(shape):
        raise ValueError(
            f"`waveform` must be real and have one axis of at least {LEAST_STEPS} steps, but got {shape.dtype}{shape.shape}."
        )
    shape = shape.astype(float)
    if not np.isfinite(shape).all() or shape.sum() == 0:
        raise ValueError("`waveform` must be finite, and its sum not zero, or it has no flip angle.")
    for name, value in {"pulse_duration": duration, "tr": tr}.items():
        _checks.finite(_checks.positive(_checks.real_array(value, name), name, "s"), name)
    if not duration < tr:
        raise ValueError(f"`tr` must be longer than the pulse, {float(duration):g} s, but got {float(tr):g}.")
    return shape, float(duration), float(tr)


def _lost_by_water(
    settings: Saturation, angle: Float[Array, "..."], shape: Float[np.ndarray, " step"], step: float
) -> Float[Array, "..."]:
    """The longitudinal magnetisation that the pulse takes of 1, without T1 and exchange."""
    decay = jnp.exp(-settings.r2 * step / 2)

    def turn(state: tuple[Array, ...], value: Array) -> tuple[tuple[Array, ...], None]:
        x, y, lost = state[0] * decay, state[1] * decay, state[2]
        w1 = angle * value
        rate = jnp.sqrt(w1**2 + settings.offset**2 + 1e-12)  # rad/s; differentiable where both are zero
        u, w, z = w1 / rate, settings.offset / rate, 1 - lost
        c, s = jnp.cos(rate * step), jnp.sin(rate * step)
        along = (u * x + w * z) * (1 - c)
        turned = (x * c - w * y * s + u * along, y * c + (w * x - u * z) * s)
        lost = lost - u * (y * s + (w * x - u * z) * (1 - c))
        return (turned[0] * decay, turned[1] * decay, lost), None

    shapes = jnp.broadcast_shapes(angle.shape, settings.offset.shape, decay.shape)
    start = jnp.zeros(shapes, decay.dtype)
    (_, _, lost), _ = jax.lax.scan(turn, (start,) * 3, jnp.asarray(shape, decay.dtype))
    return lost


def _before_pulse(
    settings: Saturation,
    angle: Float[Array, "..."],
    shape: Float[np.ndarray, " step"],
    duration: float,
    tr: float,
    lost: Float[Array, "..."],
) -> Float[Array, "..."]:
    """Water before a pulse of the steady state, of which each takes the share `lost`."""
    (pool,) = settings.pools
    assert pool.lineshape is not None
    power = shape**2
    width = duration * float(np.mean(power > power.max() / 2))
    line = pool.lineshape(settings.offset_from(pool) / (2 * math.pi), pool.t2, settings.larmor)
    rate = math.pi * line * angle**2 * (float(power.mean()) * duration / width)
    here, there = _exchanged(settings, pool, rate, width / 2), _exchanged(settings, pool, 0.0 * rate, tr - width)
    cycle, gained = _after(_after(here, there), here)
    # (1 - (1 + cycle) diag(1 - lost, 1)) M = gained
    aa, ab, ba, bb = lost - cycle[0] * (1 - lost), -cycle[1], -cycle[2] * (1 - lost), -cycle[3]
    return (bb * gained[0] - ab * gained[1]) / (aa * bb - ab * ba)


Rows = tuple[Array, Array, Array, Array]
Affine = tuple[Rows, tuple[Array, Array]]
"""A matrix of two rows, row by row, less the unit matrix so that no digits are lost, and what is added."""


def _exchanged(settings: Saturation, pool: Pool, saturated: Float[Array, "..."], time: float) -> Affine:
    """What a time does to water and pool that exchange, recover, and are saturated at a rate."""
    k, f, r1, r1b = pool.exchange_rate, pool.fraction, settings.r1, 1 / pool.t1
    aa, ab, ba, bb = -r1 - k * f, k, k * f, -r1b - k - saturated
    mean, half = (aa + bb) / 2, (aa - bb) / 2
    root = jnp.sqrt(half**2 + ab * ba + 1e-12)
    even = (jnp.expm1((mean + root) * time) + jnp.expm1((mean - root) * time)) / 2
    odd = -jnp.exp((mean + root) * time) * jnp.expm1(-2 * root * time) / (2 * root)
    less_one = (even + odd * half, odd * ab, odd * ba, even - odd * half)
    determinant = aa * bb - ab * ba
    rest = ((ab * r1b * f - bb * r1) / determinant, (ba * r1 - aa * r1b * f) / determinant)
    gained = _times(less_one, rest)
    return less_one, (-gained[0], -gained[1])


def _times(matrix: Rows, vector: tuple[Array, Array]) -> tuple[Array, Array]:
    aa, ab, ba, bb = matrix
    return aa * vector[0] + ab * vector[1], ba * vector[0] + bb * vector[1]


def _after(first: Affine, second: Affine) -> Affine:
    """The first, then the second."""
    columns = (first[0][0], first[0][2]), (first[0][1], first[0][3])
    (aa, ba), (ab, bb) = (_times(second[0], column) for column in columns)
    gained = _times(second[0], first[1])
    matrix = tuple(x + y + z for x, y, z in zip((aa, ab, ba, bb), first[0], second[0], strict=True))
    added = (gained[0] + first[1][0] + second[1][0], gained[1] + first[1][1] + second[1][1])
    return (matrix[0], matrix[1], matrix[2], matrix[3]), added
