"""The linear sweep."""

import math
from typing import Any

import jax.numpy as jnp

from mrjax import _checks
from mrjax.sequence.pulses import _arguments
from mrjax.sequence.rf import ShapedPulse


def chirp(
    flip_angle: Any,
    duration: Any,
    bandwidth: Any,
    n_samples: int,
    *,
    edge: Any = 0.1,
    offset: Any = 0.0,
    phase: Any = 0.0,
) -> ShapedPulse:
    r"""Excitation of a band by a frequency that sweeps through it, one part after the other.

    $$B_1(t) = \frac{2}{\gamma} \sqrt{-2 |R| \ln\cos(\alpha/2)} \; w(t) \, e^{i \pi R t^2}, \qquad R = \frac{\Delta f}{T}, \qquad
    -\frac T2 < t < \frac T2$$

    with a window $w$ of one that rises and falls as a squared sine within the share `edge` at either end. A spin at frequency $f$
    is turned at $t = f / R$; after the pulse its phase is $-\pi f^2 / R$ beside that of a pulse in
    the middle, up to a constant and, at angles of 90 degrees and more, some tenths of a radian.

    **Arguments:**

    - `flip_angle`: $\alpha$ in rad, from 0 to below $\pi$. Scalar.
    - `duration`: $T$ in s, positive. Scalar.
    - `bandwidth`: $\Delta f$ in Hz, swept from $-\Delta f/2$ to $\Delta f/2$; negative for a sweep from top to bottom. Scalar.
    - `n_samples`: A Python integer, more than `abs(bandwidth) * duration`.
    - `edge`: From 0 to 0.5; the band that is turned evenly is narrower by this share at either side. Scalar.
    - `offset`, `phase`: In Hz and rad, as of `ShapedPulse`; the field has this phase in the middle of the pulse.

    **Returns:** A complex `ShapedPulse`. Differentiable in every number. The flip angle is that of Landau and Zener, of a sweep
    without ends: within 1 % where the product of duration and bandwidth is 200.

    **Raises:** `ValueError` for values out of range.

    !!! example

        ```python
        >>> from math import inf
        >>> import mrjax as mr
        >>> from mrjax.units import deg, kHz, ms
        >>> pulse = mr.sequence.pulses.chirp(90 * deg, 10 * ms, 20 * kHz, n_samples=2000)
        >>> end = mr.bloch(pulse.waveform, pulse.dt, mr.Tissue(inf, inf, off_resonance=[-5e3, 0.0, 5e3]))
        >>> bool((abs(end.longitudinal) < 0.1).all())
        True

        ```
    """
    duration = _arguments.positive_scalar(duration, "duration", "s")
    angle = _arguments.scalar(flip_angle, "flip_angle", "rad")
    angle = _checks.require(angle, (angle >= 0) & (angle < math.pi), "`flip_angle` must be from 0 to below pi (rad)")
    u = _arguments.places(n_samples)
    bandwidth = _arguments.scalar(bandwidth, "bandwidth", "Hz")
    bandwidth = _checks.require(bandwidth, bandwidth != 0, "`bandwidth` must not be zero (Hz)")
    _arguments.below_sampling(jnp.abs(bandwidth), duration / u.size, "bandwidth", 1.0)
    edge = _arguments.scalar(edge, "edge")
    edge = _checks.require(edge, (edge >= 0) & (edge <= 0.5), "`edge` must be from 0 to 0.5")
    into = jnp.clip((0.5 - jnp.abs(u)) / jnp.where(edge > 0, edge, 1.0), 0.0, 1.0)
    window = jnp.where(edge > 0, jnp.sin(math.pi / 2 * into) ** 2, 1.0)
    rate = jnp.abs(bandwidth) / duration
    # Landau and Zener: cos(angle) = 2 exp(-(gamma B1)^2 / (4 |rate|)) - 1
    strength = jnp.sqrt(-8 * rate * jnp.log(jnp.cos(angle / 2))) / _arguments.GAMMA_PROTON
    swept = jnp.exp(1j * math.pi * bandwidth * duration * u**2)
    return ShapedPulse(strength * window * swept, duration / u.size, offset, phase)
