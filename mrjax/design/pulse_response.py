"""What a pulse does to spins at any place, frequency and transmit field."""

import math
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float

from mrjax import _checks, units
from mrjax.physics.maths import cayley_klein
from mrjax.sequence import AbstractContainer, AbstractEvent, Sequence
from mrjax.sequence.gradients import AXES, Axis
from mrjax.sequence.timeline import Timeline


class PulseResponse(eqx.Module):
    r"""The rotation of every spin, without relaxation; made by `pulse_response`.

    **Attributes:**

    - `alpha`, `beta`: Cayley-Klein parameters as of `mrjax.slice_profile`, `(*spins)`.
    """

    alpha: Complex[Array, "*spins"]
    beta: Complex[Array, "*spins"]

    @property
    def excited(self) -> Complex[Array, "*spins"]:
        r"""Transverse magnetisation $2 \alpha^* \beta$ from equilibrium."""
        return 2 * jnp.conj(self.alpha) * self.beta

    @property
    def inverted(self) -> Float[Array, "*spins"]:
        r"""Longitudinal magnetisation $|\alpha|^2 - |\beta|^2$ from equilibrium."""
        return jnp.real(self.alpha * jnp.conj(self.alpha) - self.beta * jnp.conj(self.beta))

    @property
    def flip_angle(self) -> Float[Array, "*spins"]:
        r"""$2 \arctan(|\beta| / |\alpha|)$: between z and the magnetisation that was along z, in rad, from 0 to $\pi$."""
        return 2 * jnp.arctan2(jnp.abs(self.beta), jnp.abs(self.alpha))

    @property
    def refocused(self) -> Complex[Array, "*spins"]:
        r"""$\beta^2$: a spin echo between crushers is $-\beta^2 M_{xy}^*$."""
        return self.beta**2


def pulse_response(
    pulse: AbstractEvent | AbstractContainer,
    *,
    position: Any = 0.0,
    off_resonance: Any = 0.0,
    b1: Any = 1.0,
    axis: Axis = "z",
    gyromagnetic_ratio: float = 2 * math.pi * units.GAMMA_BAR["1H"],
) -> PulseResponse:
    r"""The rotation by a pulse with its gradients, of spins at any places, frequencies and transmit fields at once.

    The product of the rotations of all steps, as of `mrjax.slice_profile`, by $\gamma b_1 B_k$ across and
    $\gamma G_k r + 2 \pi \Delta f$ along z.

    **Arguments:**

    - `pulse`: An RF pulse, a `Together`, or a `Sequence` of events that scanners play.
    - `position`: $r$ along `axis` in m; any shape. The shapes of all three broadcast to `(*spins)`.
    - `off_resonance`: $\Delta f$ in Hz.
    - `b1`: Transmit field relative to nominal, real.
    - `axis`: `"x"`, `"y"` or `"z"`; gradients along the others do nothing here.
    - `gyromagnetic_ratio`: In rad/s/T, protons by default.

    **Returns:** a `PulseResponse`.

    Exact for RF of constant samples under constant gradients. Where a gradient ramps, a step has its mean and the first
    correction; the error falls with the third power of the duration of a sample.

    **Derivatives:** in everything, forward and reverse; reverse mode stores about the square root of the number of steps.

    **Raises:** `ValueError` where shapes do not fit, or the axis is another.

    **Source:** J. Pauly, P. Le Roux, D. Nishimura, A. Macovski, IEEE Trans Med Imaging 10 (1991) 53-65, here right-handed.

    !!! example

        ```python
        >>> import mrjax as mr
        >>> from mrjax.units import deg, ms
        >>> hard = mr.ShapedPulse([5.872e-6] * 10, dt=0.1 * ms)  # 90 degrees
        >>> response = mr.design.pulse_response(hard, b1=[1.0, 2.0])
        >>> [f"{abs(value):.2f}" for value in response.excited]
        ['1.00', '0.00']

        ```
    """
    if axis not in AXES:
        raise ValueError(f'`axis` must be "x", "y" or "z", but got {axis!r}.')
    spins: dict[str, Any] = {
        name: _checks.finite(_checks.real_array(value, name), name)
        for name, value in (("position", position), ("off_resonance", off_resonance), ("b1", b1))
    }
    shape = _checks.broadcast_shape(spins)
    place, frequency, field = (jnp.broadcast_to(value, shape).reshape(-1) for value in spins.values())
    sequence = pulse if isinstance(pulse, Sequence) else Sequence(pulse)
    alpha, beta = _rotation(sequence.timeline(), AXES.index(axis), place, frequency, field, gyromagnetic_ratio)
    return PulseResponse(alpha.reshape(shape), beta.reshape(shape))


@eqx.filter_jit
def _rotation(
    timeline: Timeline, axis: int, position: Array, off_resonance: Array, b1: Array, gyromagnetic_ratio: float
) -> cayley_klein.Rotation:
    turns = [
        cayley_klein.by_gradient(timeline, axis, position, gyromagnetic_ratio),
        cayley_klein.by_off_resonance(timeline, off_resonance),
    ]
    return cayley_klein.rotation_of(timeline, turns, gyromagnetic_ratio, b1)
