r"""Rotations by steps of RF and gradients, without relaxation, as Cayley-Klein parameters.

A right-handed rotation by the angle $\theta$ about the unit vector $n$ is the matrix

$$U = \begin{pmatrix} \alpha & -\beta^* \\ \beta & \alpha^* \end{pmatrix}, \qquad
\alpha = \cos\tfrac{\theta}{2} - i n_z \sin\tfrac{\theta}{2}, \qquad \beta = -i (n_x + i n_y) \sin\tfrac{\theta}{2},$$

and rotations one after the other are products of matrices, the later on the left.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float

from mrjax.physics.maths.transmit_field import TransmitField, transmitted
from mrjax.physics.maths.trigonometry import cosine_and_sinc
from mrjax.sequence import Timeline
from mrjax.sequence.precision import Numbers

Rotation = tuple[Complex[Array, " spin"], Complex[Array, " spin"]]
"""Alpha and beta of every spin."""


@dataclass(frozen=True)
class TurnsAboutZ:
    """What turns spins about z in each step, for a unit of some coordinate."""

    angle: Float[Numbers, " n_steps"]
    growth: Float[Numbers, " n_steps"]
    """By how much the angular frequency rises during a step, times its duration, in rad."""
    place: Float[Array, "#spin"]
    """The coordinate of every spin."""


def rotation_of(
    timeline: Timeline, turns: list[TurnsAboutZ], gyromagnetic_ratio: float, transmit: TransmitField = None
) -> Rotation:
    r"""What the RF of a timeline does to spins that something turns about z meanwhile.

    A step is one rotation by the integral of the field, with the first correction where its part along z changes:
    of the rotation vector, the part across is turned by a twelfth of that growth times the duration, which
    is the first commutator of Magnus, $-\int w \times \hat z\, t\, \omega_z\,dt$ from the middle of the step.
    """
    rf = gyromagnetic_ratio * timeline.duration * timeline.b1
    ahead = 2 * jnp.pi * timeline.rf_offset * timeline.duration
    by_place = [(turn.angle, turn.growth / 12) for turn in turns]
    steps, spins = (rf.real, rf.imag, ahead, by_place), ([turn.place for turn in turns], transmit)
    dtype = jnp.result_type(*jax.tree.leaves((steps, spins)))
    (steps, (places, transmit)) = jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype), (steps, spins))
    shape = jnp.broadcast_shapes((1,), *(leaf.shape for leaf in jax.tree.leaves((places, transmit))))

    def step(rotation: Rotation, now: tuple) -> tuple[Rotation, None]:
        about_x, about_y, ahead, by_place = now
        about_x, about_y = transmitted(about_x, about_y, transmit)
        # seen from the frame that turns with the RF, which is constant there
        at_places = list(zip(by_place, places, strict=True))
        about_z = -ahead + sum((angle * place for (angle, _), place in at_places), start=0.0)
        skew = sum((growth * place for (_, growth), place in at_places), start=0.0)
        turned = of_step(*(jnp.broadcast_to(angle, shape) for angle in (about_x, about_y, about_z, skew)))
        return about_z_after(after(rotation, turned), ahead), None

    begin = jnp.ones(shape, jnp.result_type(dtype, 1j))
    return in_segments(step, (begin, jnp.zeros_like(begin)), steps, timeline.n_steps)


def of_step(x: Array, y: Array, z: Array, skew: Array) -> Rotation:
    """By the integral of a field; `skew` is a twelfth of the growth of its part along z, times the duration."""
    return about(x - skew * y, y + skew * x, z)


def in_segments(step: Callable, rotation: Rotation, steps: Any, n_steps: int) -> Rotation:
    """All steps in turn, cut into segments of which reverse mode stores the starts alone."""
    size = max(1, math.isqrt(n_steps))
    n_segments = -(-n_steps // size)

    def cut(leaf: Array) -> Array:
        # steps that do nothing fill the last segment: cheaper to compile than a segment of another length
        filled = jnp.pad(leaf, ((0, n_segments * size - n_steps), *((0, 0),) * (leaf.ndim - 1)))
        return filled.reshape(n_segments, size, *leaf.shape[1:])

    segment = jax.checkpoint(lambda rotation, steps: jax.lax.scan(step, rotation, steps))
    return jax.lax.scan(segment, rotation, jax.tree.map(cut, steps))[0]


def by_gradient(
    timeline: Timeline, axis: int, position: Float[Array, "#spin"], gyromagnetic_ratio: float
) -> TurnsAboutZ:
    """By the gradient along an axis, numbered."""
    per_second = gyromagnetic_ratio * timeline.duration
    rise = timeline.gradient[:, 1, axis] - timeline.gradient[:, 0, axis]
    return TurnsAboutZ(per_second * timeline.mean_gradient[:, axis], per_second * rise, position)


def by_off_resonance(timeline: Timeline, frequency: Float[Array, "#spin"]) -> TurnsAboutZ:
    """By a frequency in Hz."""
    return TurnsAboutZ(2 * jnp.pi * timeline.duration, jnp.zeros_like(timeline.duration), frequency)


def by_resonance(timeline: Timeline, follows: Float[Array, "#spin"]) -> TurnsAboutZ:
    """As fast as the RF turns, for spins where `follows` is one."""
    angle = 2 * jnp.pi * timeline.rf_offset * timeline.duration
    return TurnsAboutZ(angle, jnp.zeros_like(angle), follows)


def about(x: Float[Array, "*spin"], y: Float[Array, "*spin"], z: Float[Array, "*spin"]) -> Rotation:
    """Right-handed rotation by a vector of angles in rad."""
    cosine, sinc = cosine_and_sinc((x**2 + y**2 + z**2) / 4)
    return cosine - 0.5j * sinc * z, sinc * (y - 1j * x) / 2


def after(earlier: Rotation, later: Rotation) -> Rotation:
    """One rotation, then another."""
    (a, b), (alpha, beta) = earlier, later
    return alpha * a - jnp.conj(beta) * b, beta * a + jnp.conj(alpha) * b


def about_z_after(earlier: Rotation, angle: Float[Array, "..."]) -> Rotation:
    """A rotation, then one about z."""
    half = jnp.exp(-0.5j * angle)
    return half * earlier[0], jnp.conj(half) * earlier[1]
