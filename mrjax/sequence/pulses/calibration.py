"""What a pulse amounts to."""

import dataclasses
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float

from mrjax import _checks
from mrjax.sequence.pulses import _arguments
from mrjax.sequence.rf import ShapedPulse

_NEWTON_STEPS = 4  # from a grid that is within 3 % of the width


def flip_angle_of(pulse: ShapedPulse) -> Float[Array, ""]:
    r"""By how much a pulse turns what it is resonant with.

    $$\alpha = \gamma \left| \int B_1 \, dt \right|$$

    **Arguments:**

    - `pulse`: With a scalar `dt`. Its phase must be constant from sample to sample, up to changes of sign; of adiabatic pulses
      the integral says nothing.

    **Returns:** In rad.

    **Raises:** `ValueError` where this is no single shaped pulse.

    !!! example

        ```python
        >>> import mrjax as mr
        >>> from mrjax.units import deg, ms
        >>> pulse = mr.sequence.pulses.sinc(70 * deg, 3 * ms, 4, n_samples=100)
        >>> print(f"{float(mr.sequence.pulses.flip_angle_of(pulse)) / deg:.1f} degrees")
        70.0 degrees

        ```
    """
    waveform, dt = _arguments.one_pulse(pulse)
    return _arguments.GAMMA_PROTON * dt * jnp.abs(jnp.sum(waveform))


def with_flip_angle(pulse: ShapedPulse, flip_angle: Any) -> ShapedPulse:
    r"""The pulse with its amplitude scaled so that `flip_angle_of` it is another: $w \, \alpha / \alpha(w)$.

    **Arguments:**

    - `pulse`: As of `flip_angle_of`; its flip angle must not be zero.
    - `flip_angle`: In rad; a negative one reverses the pulse. Scalar.

    **Returns:** A `ShapedPulse`. At large angles its profile is not that of the given pulse, scaled.

    **Raises:** `ValueError` where the integral of the pulse is zero.

    !!! example

        ```python
        >>> import mrjax as mr
        >>> from mrjax.units import deg, ms
        >>> pulses = mr.sequence.pulses
        >>> pulse = pulses.with_flip_angle(pulses.gaussian(90 * deg, 8 * ms, 400, n_samples=100), 30 * deg)
        >>> print(f"{float(pulses.flip_angle_of(pulse)) / deg:.1f} degrees")
        30.0 degrees

        ```
    """
    before = flip_angle_of(pulse)
    before = _checks.require(before, before > 0, "the integral of `pulse` must not be zero: the flip angle (rad)")
    scale = _arguments.scalar(flip_angle, "flip_angle", "rad") / before
    return dataclasses.replace(pulse, waveform=pulse.waveform * scale)


def peak_b1(pulse: ShapedPulse) -> Float[Array, ""]:
    r"""The largest magnitude of the field, $\max_j |w_j|$, in T.

    **Arguments:**

    - `pulse`: With a scalar `dt`.

    **Returns:** In T.

    **Raises:** `ValueError` where this is no single shaped pulse.

    !!! example

        ```python
        >>> import mrjax as mr
        >>> from mrjax.units import uT
        >>> print(f"{float(mr.sequence.pulses.peak_b1(mr.ShapedPulse([1e-6, -3e-6j], 1e-3))) / uT:.1f} uT")
        3.0 uT

        ```
    """
    waveform, _ = _arguments.one_pulse(pulse)
    return jnp.max(jnp.abs(waveform))


def energy(pulse: ShapedPulse) -> Float[Array, ""]:
    r"""The integral of the squared field, $\int |B_1|^2 dt$, to which deposited power is proportional.

    **Arguments:**

    - `pulse`: With a scalar `dt`.

    **Returns:** In T² s.

    **Raises:** `ValueError` where this is no single shaped pulse.

    !!! example

        ```python
        >>> import mrjax as mr
        >>> from mrjax.units import ms, uT
        >>> energy = mr.sequence.pulses.energy(mr.ShapedPulse([1 * uT, -3j * uT], 0.5 * ms))
        >>> print(f"{float(energy) / (uT**2 * ms):.1f}")
        5.0

        ```
    """
    waveform, dt = _arguments.one_pulse(pulse)
    return dt * jnp.sum(waveform.real**2 + waveform.imag**2)


def b1_rms(pulse: ShapedPulse) -> Float[Array, ""]:
    r"""The constant field of the same energy and duration, $\sqrt{\frac{1}{T} \int |B_1|^2 dt}$.

    **Arguments:**

    - `pulse`: With a scalar `dt`.

    **Returns:** In T.

    **Raises:** `ValueError` where this is no single shaped pulse.

    !!! example

        ```python
        >>> import mrjax as mr
        >>> from mrjax.units import ms, uT
        >>> print(f"{float(mr.sequence.pulses.b1_rms(mr.ShapedPulse([1 * uT, -7j * uT], 0.5 * ms))) / uT:.1f}")
        5.0

        ```
    """
    return jnp.sqrt(energy(pulse) / pulse.duration)


def bandwidth_of(pulse: ShapedPulse) -> Float[Array, ""]:
    r"""Full width at half maximum of the profile that a pulse has at small flip angles, its Fourier transform.

    $$|\hat w(f)| = \left| \int B_1(t) \, e^{-2 \pi i f t} dt \right| = |\hat w(0)| / 2 \quad \text{at the edges}$$

    **Arguments:**

    - `pulse`: With a scalar `dt` and a transform that is largest near its offset. For adiabatic and multiband pulses, and for
      large flip angles, the width means little.

    **Returns:** In Hz, from the nearest edge on one side to that on the other. Differentiable in the samples and in `dt`.

    **Raises:** `ValueError` where the integral of the pulse is zero.

    !!! example

        ```python
        >>> import mrjax as mr
        >>> block = mr.ShapedPulse([1e-6] * 8, dt=0.125e-3)
        >>> print(f"{float(mr.sequence.pulses.bandwidth_of(block)):.0f} Hz")  # of 1 ms
        1207 Hz

        ```
    """
    waveform, dt = _arguments.one_pulse(pulse)
    total = jnp.abs(jnp.sum(waveform))
    total = _checks.require(total, total > 0, "the integral of `pulse` must not be zero: the sum of its samples (T)")
    relative = waveform / total
    return (_half_width(relative) + _half_width(relative[::-1])) / dt


def time_bandwidth_product(pulse: ShapedPulse) -> Float[Array, ""]:
    r"""`bandwidth_of` times the duration, a pure number.

    **Arguments:**

    - `pulse`: As of `bandwidth_of`.

    **Returns:** 1.207 for a block; near the nominal one of a long sinc.

    **Raises:** `ValueError` as `bandwidth_of`.

    !!! example

        ```python
        >>> import mrjax as mr
        >>> from mrjax.units import deg, ms
        >>> pulse = mr.sequence.pulses.slr(90 * deg, 4 * ms, 8, n_samples=128, kind="small_tip")
        >>> print(f"{float(mr.sequence.pulses.time_bandwidth_product(pulse)):.1f}")
        8.0

        ```
    """
    return bandwidth_of(pulse) * pulse.duration


@jax.jit
def _half_width(relative: Float[Array, " n"] | Complex[Array, " n"]) -> Float[Array, ""]:
    """Where the transform of samples with sum one first falls to a half, in cycles per sample, above zero."""
    size = 2 ** math.ceil(math.log2(16 * relative.size))
    grid = np.arange(size) / size
    below = jnp.abs(jnp.fft.fft(relative, size)) * jnp.sinc(jnp.asarray(grid)) < 0.5
    index = jnp.argmax(below)

    def excess(frequency: Float[Array, ""], relative: Array) -> Float[Array, ""]:
        turns = jnp.exp(-2j * math.pi * frequency * jnp.arange(relative.size))
        transform = jnp.sinc(frequency) * jnp.sum(relative * turns)
        return transform.real**2 + transform.imag**2 - 0.25

    newton = lambda frequency, relative: frequency - excess(frequency, relative) / jax.grad(excess)(frequency, relative)
    # a last step from where it has converged has the derivative of the root itself
    fixed = jax.lax.stop_gradient(relative)
    begin = ((index - 0.5) / size).astype(relative.real.dtype)
    frequency = jax.lax.fori_loop(0, _NEWTON_STEPS, lambda _, frequency: newton(frequency, fixed), begin)
    return newton(jax.lax.stop_gradient(frequency), relative)
