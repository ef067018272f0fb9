"""Pulses of several transmit channels at once, each with a waveform of its own, under shared gradients."""

import math
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float

from mrjax import _checks, units
from mrjax.design.pulse_response import PulseResponse
from mrjax.physics.maths import cayley_klein
from mrjax.sequence import Gradient, ShapedPulse, Together


class ParallelPulse(eqx.Module):
    r"""What several transmit channels and the gradients play at once.

    A spin whose channels have the fields $B_c$ relative to nominal sees $\sum_c B_c\, b_c(t)$.

    **Arguments:**

    - `waveforms`: $b_c$ in T, real or complex, constant in each sample, `(n_channels, n_samples)`.
    - `gradient`: Along x, y and z in T/m where samples meet and at both ends, straight between, `(n_samples + 1, 3)`.
    - `dt`: Duration of a sample in s, a positive number.

    **Raises:** `ValueError` where shapes do not fit, numbers are not finite, or `dt` is not positive.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import mrjax as mr
        >>> from mrjax.units import ms
        >>> pulse = mr.design.ParallelPulse(jnp.full((2, 10), 2.936e-6), jnp.zeros((11, 3)), dt=0.1 * ms)
        >>> response = mr.design.parallel_response(pulse, b1_maps=jnp.array([[1.0, 1.0], [1.0, -1.0]]))  # two spins
        >>> [f"{abs(value):.2f}" for value in response.excited]
        ['1.00', '0.00']

        ```
    """

    waveforms: Complex[Array, "n_channels n_samples"]
    gradient: Float[Array, "n_edges 3"]
    dt: float = eqx.field(static=True)

    def __init__(self, waveforms: Any, gradient: Any, dt: float | int):
        waveforms = _checks.finite(_checks.number_array(waveforms, "waveforms"), "waveforms")
        self.waveforms = waveforms.astype(jnp.result_type(waveforms, jnp.complex64))
        self.gradient = _checks.finite(_checks.real_array(gradient, "gradient"), "gradient")
        if waveforms.ndim != 2 or not waveforms.size:
            raise ValueError(f"`waveforms` must have shape (n_channels, n_samples), but has {waveforms.shape}.")
        if self.gradient.shape != (waveforms.shape[1] + 1, 3):
            raise ValueError(
                f"`gradient` must have shape (n_samples + 1, 3), {(waveforms.shape[1] + 1, 3)}, but has {self.gradient.shape}."
            )
        if not (math.isfinite(dt) and dt > 0):
            raise ValueError(f"`dt` must be a positive number (s), but got {dt!r}.")
        self.dt = float(dt)

    @property
    def duration(self) -> float:
        """In s."""
        return self.waveforms.shape[1] * self.dt

    def seen(self, b1: Any) -> Together:
        """What one spin sees, whose fields relative to nominal are `b1`, `(n_channels,)`: an event that any engine plays."""
        weights = jnp.asarray(b1)
        if weights.shape != self.waveforms.shape[:1]:
            raise ValueError(
                f"`b1` must have shape {self.waveforms.shape[:1]}, one for each channel, but has {weights.shape}."
            )
        times = np.arange(self.gradient.shape[0]) * self.dt
        lobes = [Gradient(self.gradient[:, i], times, axis) for i, axis in enumerate(("x", "y", "z"))]
        return Together(ShapedPulse(weights @ self.waveforms, self.dt), *lobes)


def parallel_response(
    pulse: ParallelPulse,
    *,
    b1_maps: Any,
    position: Any = (0.0, 0.0, 0.0),
    off_resonance: Any = 0.0,
    gyromagnetic_ratio: float = 2 * math.pi * units.GAMMA_BAR["1H"],
) -> PulseResponse:
    r"""The rotation of spins by several transmit channels at once, each with its own field at every spin.

    The product of the rotations of all steps by $\gamma \sum_c B_c(r)\, b_c(t)$ across and $\gamma\, G(t) \cdot r + 2 \pi
    \Delta f$ along z. Where flip angles are small this is the spatial domain method,
    $m(r) \approx i \gamma\, \overline{M_0} \sum_c B_c(r) \int b_c(t)\, e^{i k(r, t)} dt$, here with right-handed signs.

    **Arguments:**

    - `pulse`: A `ParallelPulse`.
    - `b1_maps`: $B_c(r)$ relative to nominal, real or complex, `(n_channels, *spins)`.
    - `position`: $r$ along x, y and z in m, `(*spins, 3)`.
    - `off_resonance`: $\Delta f$ in Hz, `(*spins)`. The shapes of all three broadcast.
    - `gyromagnetic_ratio`: In rad/s/T, protons by default.

    **Returns:** a `PulseResponse`, `(*spins)`.

    Exact where gradients are constant in a sample; where they ramp, a sample has their mean and the first correction.

    **Derivatives:** in waveforms, gradients, maps, positions and frequencies, forward and reverse. Reverse mode stores two
    complex numbers of every spin about $2 \sqrt{n}$ times for $n$ samples, and what a step computes $\sqrt{n}$ times.

    **Raises:** `ValueError` where shapes do not fit or numbers are not finite.

    **Source:** W. Grissom, C.-Y. Yip, Z. Zhang, V. A. Stenger, J. A. Fessler, D. C. Noll, Magn Reson Med 56 (2006) 620-629, for
    small flip angles; U. Katscher, P. Börnert, C. Leussler, J. S. van den Brink, Magn Reson Med 49 (2003) 144-150.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import mrjax as mr
        >>> pulse = mr.design.ParallelPulse(jnp.full((2, 5), 1e-6), jnp.zeros((6, 3)), dt=1e-4)
        >>> mr.design.parallel_response(pulse, b1_maps=jnp.ones((2, 4, 4)), position=jnp.zeros((4, 4, 3))).flip_angle.shape
        (4, 4)

        ```
    """
    maps = _checks.finite(_checks.number_array(b1_maps, "b1_maps"), "b1_maps")
    place = _checks.finite(_checks.real_array(position, "position"), "position")
    frequency = _checks.finite(_checks.real_array(off_resonance, "off_resonance"), "off_resonance")
    n_channels = pulse.waveforms.shape[0]
    if maps.ndim < 1 or maps.shape[0] != n_channels:
        raise ValueError(
            f"`b1_maps` must have shape ({n_channels}, *spins), a map for each channel, but has {maps.shape}."
        )
    if place.shape[-1:] != (3,):
        raise ValueError(f"`position` must have shape (*spins, 3), along x, y and z, but has {place.shape}.")
    shape = _checks.broadcast_shape({"b1_maps": maps[0], "position": place[..., 0], "off_resonance": frequency})
    maps = jnp.broadcast_to(maps, (n_channels, *shape)).reshape(n_channels, -1)
    place = jnp.broadcast_to(place, (*shape, 3)).reshape(-1, 3)
    frequency = jnp.broadcast_to(frequency, shape).reshape(-1)
    alpha, beta = _rotation(pulse, maps, place, frequency, gyromagnetic_ratio)
    return PulseResponse(alpha.reshape(shape), beta.reshape(shape))


@eqx.filter_jit
def _rotation(
    pulse: ParallelPulse,
    maps: Array,
    position: Float[Array, "n_spins 3"],
    off_resonance: Float[Array, " n_spins"],
    gyromagnetic_ratio: float,
) -> cayley_klein.Rotation:
    turn = gyromagnetic_ratio * pulse.dt
    dtype = jnp.result_type(pulse.waveforms, pulse.gradient, maps, position, off_resonance)
    maps, rf = maps.astype(dtype), (turn * pulse.waveforms.T).astype(dtype)
    edges = turn * pulse.gradient
    mean, growth = (edges[1:] + edges[:-1]) / 2, (edges[1:] - edges[:-1]) / 12
    # one for each, as steps may be filled up by zeros
    per_hertz = jnp.full(mean.shape[0], 2 * math.pi * pulse.dt, mean.dtype)
    along = lambda gradient: jnp.matmul(position, gradient, precision="highest")

    def step(rotation: cayley_klein.Rotation, now: tuple) -> tuple[cayley_klein.Rotation, None]:
        of_channels, mean, growth, per_hertz = now
        across = jnp.matmul(of_channels, maps, precision="highest")
        turned = cayley_klein.of_step(across.real, across.imag, per_hertz * off_resonance + along(mean), along(growth))
        return cayley_klein.after(rotation, turned), None

    begin = jnp.ones(maps.shape[1:], dtype)
    steps = (rf, mean, growth, per_hertz)
    return cayley_klein.in_segments(step, (begin, jnp.zeros_like(begin)), steps, mean.shape[0])
