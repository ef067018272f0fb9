"""What a pulse does along the axis of its slice gradient."""

import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float

from mrjax import _checks, units
from mrjax.physics.maths import cayley_klein
from mrjax.physics.waveforms import rf_steps
from mrjax.physics.waveforms.winding import gradient_axes
from mrjax.sequence import (
    AbstractContainer,
    AbstractEvent,
    ContinuousWave,
    Delay,
    Gradient,
    Sequence,
    ShapedPulse,
    Together,
)
from mrjax.sequence.gradients import AXES
from mrjax.sequence.timeline import Timeline
from mrjax.sequence.walk import events_of

RF = (ContinuousWave, ShapedPulse)

N_POSITIONS = 101
"""Over twice the thickness of a slice, where none are given."""


class SliceProfile(eqx.Module):
    r"""The rotation of spins at each position along the slice, and what it does to magnetisation.

    $$M_{xy} \to (\alpha^*)^2 M_{xy} - \beta^2 M_{xy}^* + 2 \alpha^* \beta M_z, \qquad
    M_z \to (|\alpha|^2 - |\beta|^2) M_z - 2\,\mathrm{Re}(\alpha \beta M_{xy}^*)$$

    Made by `mrjax.slice_profile`.

    **Attributes:**

    - `position`: In m, rising, `(n,)`.
    - `alpha`, `beta`: Cayley-Klein parameters, `(n,)`: $\alpha = \cos\frac\theta2 - i n_z \sin\frac\theta2$ and
      $\beta = -i (n_x + i n_y) \sin\frac\theta2$ for a right-handed rotation by $\theta$ about $n$.
    - `wound`: By how much gradients turn each position before and after the middle of the pulse (of its power), in rad,
      `(2, n)`.
    - `nominal_flip_angle`: In rad, of the pulse on resonance without a gradient.
    - `weights`: Of each position in an integral over the slice relative to its thickness, `(n,)`; they sum to one where no
      thickness was given.
    """

    position: Float[Array, " n"]
    alpha: Complex[Array, " n"]
    beta: Complex[Array, " n"]
    wound: Float[Array, "2 n"]
    nominal_flip_angle: Float[Array, ""]
    weights: Float[Array, " n"]

    @property
    def flip_angle(self) -> Float[Array, " n"]:
        r"""$2 \arctan(|\beta| / |\alpha|)$ in rad, between 0 and $\pi$: the angle by which z is tipped."""
        return _tipped(self.alpha, self.beta)

    @property
    def phase(self) -> Float[Array, " n"]:
        r"""Of the axis of rotation in the transverse plane, in rad: the argument of $i \beta$.

        As of a pulse that takes no time, in the middle of the one that was played: what gradients wind before and after is
        left out, for the sequence around the pulse takes that back.
        """
        before, after = self.wound
        axis = 1j * self.beta * jnp.exp(0.5j * (before - after))
        # a position that is not tipped has no axis, and must not have an infinite derivative
        return jnp.angle(jnp.where(jnp.abs(axis) > 0, axis, 1.0))

    @property
    def excited(self) -> Complex[Array, " n"]:
        r"""Transverse magnetisation $2 \alpha^* \beta$ after the pulse, from equilibrium."""
        return 2 * jnp.conj(self.alpha) * self.beta

    @property
    def inverted(self) -> Float[Array, " n"]:
        r"""Longitudinal magnetisation $|\alpha|^2 - |\beta|^2$ after the pulse, from equilibrium."""
        return jnp.real(self.alpha * jnp.conj(self.alpha) - self.beta * jnp.conj(self.beta))

    @property
    def refocused(self) -> Complex[Array, " n"]:
        r"""$\beta^2$: a spin echo between crushers is $-\beta^2 M_{xy}^*$."""
        return self.beta**2


def slice_profile(
    pulse: AbstractEvent | AbstractContainer,
    position: Any = None,
    *,
    gradient: Any = None,
    thickness: Any = None,
    gyromagnetic_ratio: float = 2 * math.pi * units.GAMMA_BAR["1H"],
) -> SliceProfile:
    r"""What a pulse and its gradients do along the slice, without relaxation.

    $$\begin{pmatrix} \alpha & -\beta^* \\ \beta & \alpha^* \end{pmatrix} = \prod_k \exp\left(-\tfrac{i}{2} \tau_k
    (\gamma B_k \cdot \sigma_{xy} + \gamma G_k z\, \sigma_z)\right)$$

    **Arguments:**

    - `pulse`: A `ShapedPulse` or `ContinuousWave`, of which `gradient` is to be given; or a `Together` of one of them and
      gradients along one axis; or a `Sequence` of such, for instance with the gradient that rephases. One RF pulse in all.
    - `position`: Along the gradient in m, rising, at least two. By default 101 over twice the thickness, around zero.
    - `gradient`: In T/m, constant during a bare pulse.
    - `thickness`: Nominal thickness of the slice in m, relative to which signals are integrated by `EPG(slice_profile=)`: a
      perfect slice of that thickness then gives 1. By default signals are the mean over all positions.
    - `gyromagnetic_ratio`: In rad/s/T, protons by default.

    **Returns:** a `SliceProfile`: `alpha`, `beta`, `flip_angle`, `phase`, `excited`, `inverted`, `refocused` at every position.

    Exact for RF of constant samples under a constant gradient. Under gradients that change, samples are cut until the error of
    `alpha` and `beta` is at most 1e-5; where times or gradients are traced, the pulse is played in 128 steps or more.
    Differentiable in waveforms, amplitudes and durations, forward and reverse.

    **Raises:** `ValueError` where there is not one RF pulse, gradients point along several axes, positions or the gradient
    are missing, or other events are played.

    **Source:** J. Pauly, P. Le Roux, D. Nishimura, A. Macovski, IEEE Trans Med Imaging 10 (1991) 53-65, here right-handed.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import mrjax as mr
        >>> sinc = mr.ShapedPulse(5e-6 * jnp.sinc(jnp.linspace(-2, 2, 100)), dt=20e-6)
        >>> profile = mr.slice_profile(sinc, jnp.array([-0.02, 0.0, 0.02]), gradient=10e-3)
        >>> [f"{angle:.1f}" for angle in jnp.rad2deg(profile.flip_angle)]
        ['0.1', '34.3', '0.1']

        ```
    """
    sequence = _sequence(pulse, gradient)
    thickness = None if thickness is None else _length(thickness)
    position = _positions(position, thickness)
    (axis,) = gradient_axes(sequence) or ("z",)
    farthest = rf_steps.largest(position, rf_steps.PLAUSIBLE["position"])
    sequence = rf_steps.finely_cut(sequence, rf_steps.Bounds(gyromagnetic_ratio, (farthest, farthest, farthest)))
    return _profile(sequence.timeline(), AXES.index(axis), position, _weights(position, thickness), gyromagnetic_ratio)


@eqx.filter_jit
def _profile(timeline: Timeline, axis: int, position: Array, weights: Array, gyromagnetic_ratio: float) -> SliceProfile:
    # one spin more, without a gradient and in the frame of the pulse, tells the nominal angle
    places = jnp.concatenate([position, jnp.zeros_like(position[:1])])
    alone = jnp.zeros_like(places).at[-1].set(1.0)
    turns = [
        cayley_klein.by_gradient(timeline, axis, places, gyromagnetic_ratio),
        cayley_klein.by_resonance(timeline, alone),
    ]
    alpha, beta = cayley_klein.rotation_of(timeline, turns, gyromagnetic_ratio)
    nominal = _tipped(alpha[-1:], beta[-1:])[0]
    wound = _wound(timeline, axis, position, gyromagnetic_ratio)
    return SliceProfile(position, alpha[:-1], beta[:-1], wound, nominal, weights)


def _wound(timeline: Timeline, axis: int, position: Array, gyromagnetic_ratio: float) -> Float[Array, "2 n"]:
    total = timeline.area_until(timeline.edges[-1:])[0, axis]
    before = timeline.area_until(_middle(timeline)[None])[0, axis]
    return gyromagnetic_ratio * jnp.stack([before * position, (total - before) * position])


def _middle(timeline: Timeline) -> Float[Array, ""]:
    """Of the pulse in s, weighted by its power: unlike the time of the maximum, it never jumps."""
    power = jnp.real(timeline.b1 * jnp.conj(timeline.b1)) * timeline.duration
    # relative to the largest, for the square of a field in T is near the smallest of numbers in float32
    largest = jax.lax.stop_gradient(jnp.max(power))
    power = jnp.where(largest > 0, power / jnp.where(largest > 0, largest, 1.0), timeline.duration)
    return jnp.sum(power * (timeline.edges[:-1] + timeline.duration / 2)) / jnp.sum(power)


def _tipped(alpha: Complex[Array, " n"], beta: Complex[Array, " n"]) -> Float[Array, " n"]:
    return 2 * jnp.arctan2(_magnitude(beta), _magnitude(alpha))


def _magnitude(value: Complex[Array, " n"]) -> Float[Array, " n"]:
    """Absolute value, with derivative zero at zero."""
    square = value.real**2 + value.imag**2
    return jnp.where(square > 0, jnp.sqrt(jnp.where(square > 0, square, 1.0)), 0.0)


def _weights(position: Float[Array, " n"], thickness: Array | None) -> Float[Array, " n"]:
    """Trapezoidal rule, relative to the thickness or to all that is covered."""
    steps = jnp.diff(position)
    nothing = jnp.zeros_like(steps[:1])
    widths = (jnp.concatenate([nothing, steps]) + jnp.concatenate([steps, nothing])) / 2
    return widths / (jnp.sum(widths) if thickness is None else thickness)


def _positions(position: Any, thickness: Array | None) -> Float[Array, " n"]:
    if position is None:
        if thickness is None:
            raise ValueError("Give either `position` (m), or the `thickness` (m) around which positions are to lie.")
        return jnp.linspace(-1.0, 1.0, N_POSITIONS) * thickness
    position = _checks.finite(_checks.real_array(position, "position"), "position")
    if position.ndim != 1 or position.size < 2:
        raise ValueError(
            f"`position` must have one axis with at least two positions (m), but got shape {position.shape}."
        )
    return _checks.require(position, jnp.all(jnp.diff(position) > 0), "`position` must rise (m)")


def _length(value: Any) -> Float[Array, ""]:
    thickness = _checks.positive(_checks.real_array(value, "thickness"), "thickness", "m")
    if thickness.ndim:
        raise ValueError(f"`thickness` must be a scalar (m), but got shape {thickness.shape}.")
    return thickness


def _sequence(pulse: Any, gradient: Any) -> Sequence:
    """What is played, as a sequence; errors say what does not belong there."""
    if isinstance(pulse, RF):
        if gradient is None:
            raise ValueError("`gradient` (T/m) must be given for a bare pulse; or pass a `Together` with its gradient.")
        slope = _checks.finite(_checks.real_array(gradient, "gradient"), "gradient")
        if slope.ndim:
            raise ValueError(f"`gradient` must be a scalar (T/m), but got shape {slope.shape}.")
        ends = jnp.stack([jnp.zeros_like(jnp.asarray(pulse.duration)), pulse.duration])
        return Sequence(Together(pulse, Gradient(jnp.stack([slope, slope]), ends, "z")))
    if gradient is not None:
        raise ValueError("`gradient` is for a bare pulse; in a `Together` or `Sequence` the gradients are events.")
    if not isinstance(pulse, AbstractEvent | AbstractContainer):
        raise ValueError(f"`pulse` must be an RF pulse, a Together or a Sequence, but got {type(pulse).__name__}.")
    sequence = pulse if isinstance(pulse, Sequence) else Sequence(pulse)
    _require_one_pulse(sequence)
    return sequence


def _require_one_pulse(sequence: Sequence) -> None:
    n_pulses = 0
    for located in events_of(sequence.events):
        event = located.event
        inside = [one for track in event.tracks for one in track] if isinstance(event, Together) else [event]
        if not all(isinstance(one, (*RF, Gradient, Delay)) for one in inside):
            raise ValueError(
                f"`pulse` must hold one RF pulse, gradients and delays alone, but {located.name} is or holds something else."
            )
        n_pulses += int(np.prod(located.repeats, dtype=int)) * sum(isinstance(one, RF) for one in inside)
    if n_pulses != 1:
        raise ValueError(f"`pulse` must hold one RF pulse, but holds {n_pulses}.")
    axes = gradient_axes(sequence)
    if len(axes) > 1:
        raise ValueError(f"Gradients of a slice must point along one axis, but got {' and '.join(axes)}.")
