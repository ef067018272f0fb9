"""What gradients, readouts and RF that lasts do to isochromats."""

import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float, Inexact

from mrjax.jax_rules import as_one_kernel, unless_linearized
from mrjax.physics.engine import AbstractOperator, State
from mrjax.physics.isochromats.kernel import Components, relaxed, step
from mrjax.physics.isochromats.operators import Diffusion, lorentzian, turned, weights
from mrjax.physics.isochromats.state import IsochromatState
from mrjax.physics.maths import precession
from mrjax.physics.maths.loops import checkpointed_scan
from mrjax.physics.maths.matrix_exponential import exponential_less_one, padded
from mrjax.physics.maths.sums import sum_of_given
from mrjax.physics.maths.transmit_field import TransmitField
from mrjax.physics.motion import AbstractMotion
from mrjax.sequence.double_length import angle
from mrjax.tissue import Tissue


class GradientMoments(eqx.Module):
    r"""What gradients do during a time or until several: $\gamma \int G\,dt$ and $\gamma \int G\,t\,dt$ for each axis used.

    Times count from the middle of the whole event, where positions and velocities are taken.
    """

    area: Float[Array, "axis *time"]
    """In rad/m."""
    moment: Float[Array, "axis *time"]
    """In rad s/m."""
    axes: tuple[int, ...] = eqx.field(static=True)

    def angle(self, position: tuple, velocity: tuple) -> Float[Array, "#spin #voxel"] | None:
        """By which each spin is turned; for one time."""
        terms = [self.area[i] * position[axis] for i, axis in enumerate(self.axes) if position[axis] is not None]
        terms += [self.moment[i] * velocity[axis] for i, axis in enumerate(self.axes) if velocity[axis] is not None]
        return sum_of_given(*terms)


class Surroundings(eqx.Module):
    """What acts on spins besides RF and gradients."""

    t1: Float[Array, "#voxel"]
    t2: Float[Array, "#voxel"]
    frequency: Float[Array, "#voxel"] | None
    """In Hz."""
    t2_prime: Float[Array, "#voxel"] | None

    @classmethod
    def of(cls, tissue: Tissue) -> "Surroundings":
        """Those of a tissue."""
        given = lambda name: getattr(tissue, name) if tissue.has(name) else None
        return cls(tissue.t1, tissue.t2, given("off_resonance"), given("t2_prime"))

    def angular_frequency(self, n: int) -> Float[Array, "#spin #voxel"] | None:
        """Of each of `n` spins in rad/s."""
        off_resonance = None if self.frequency is None else 2 * jnp.pi * self.frequency[None]
        return sum_of_given(off_resonance, self._spread(n))

    def angle(self, time: Float[Array, ""], n: int) -> Float[Array, "#spin #voxel"] | None:
        """By which each of `n` spins turns in some time in rad, whole turns of off-resonance left out."""
        time, spread = precession.finite(time), self._spread(n)
        turned_by = None if self.frequency is None else angle(self.frequency, time)[None]
        return sum_of_given(turned_by, None if spread is None else time * spread)

    def _spread(self, n: int) -> Float[Array, "spin #voxel"] | None:
        if self.t2_prime is None:
            return None
        return jnp.asarray(lorentzian(n)[0], self.t2_prime.dtype)[:, None] / self.t2_prime[None]


class FreePrecession(AbstractOperator):
    """Relaxation and precession while gradients are on, with the samples of a readout."""

    duration: Float[Array, ""]
    winding: GradientMoments | None
    surroundings: Surroundings
    motion: AbstractMotion | None
    diffusion: Diffusion | None
    sample_times: Float[Array, " n_samples"] | None
    sample_winding: GradientMoments | None
    sample_diffusion: Diffusion | None
    receiver: Complex[Array, " n_samples"] | None

    def __call__(self, state: IsochromatState) -> tuple[IsochromatState, Complex[Array, "n_samples voxel"] | None]:
        position, velocity = state.places.coordinates_after(self.duration / 2, self.motion)
        samples = None if self.sample_times is None else self._samples(state, position, velocity)
        if self.diffusion is not None:
            state, _ = self.diffusion(state)
        x, y = self._transverse(state, self.duration, self.winding, position, velocity)
        e1 = precession.decay(self.duration, self.surroundings.t1)[None]
        z = e1 * state.z + precession.recovery(self.duration, self.surroundings.t1)[None]
        return state.with_magnetisation(x, y, z).later(self.duration), samples

    def _transverse(
        self, state: IsochromatState, time: Array, winding: GradientMoments | None, position: Any, velocity: Any
    ):
        """Both transverse components after some time."""
        e2 = precession.decay(time, self.surroundings.t2)[None]
        turned_by = sum_of_given(
            self.surroundings.angle(time, state.x.shape[0]),
            None if winding is None else winding.angle(position, velocity),
        )
        x, y = e2 * state.x, e2 * state.y
        return (x, y) if turned_by is None else turned(x, y, turned_by)

    def _samples(self, state: IsochromatState, position: Any, velocity: Any) -> Complex[Array, "n_samples voxel"]:
        weight = weights(state, self.surroundings.t2_prime is not None)

        def sample(now: tuple) -> Array:
            time, winding, integrals, receiver = now
            attenuated = state if diffusion is None else Diffusion(diffusion.rate, *integrals)(state)[0]
            x, y = self._transverse(attenuated, time, winding, position, velocity)
            return receiver * (jnp.sum(weight * x, axis=0) + 1j * jnp.sum(weight * y, axis=0))

        # one sample at a time: all at once, the magnetisation of every spin at every time would fill the memory
        winding = self.sample_winding
        by_time = None if winding is None else GradientMoments(winding.area.T, winding.moment.T, winding.axes)
        diffusion = self.sample_diffusion
        integrals = None if diffusion is None else (diffusion.duration, diffusion.first, diffusion.second)
        return jax.lax.map(sample, (self.sample_times, by_time, integrals, self.receiver))


class Irradiation(AbstractOperator):
    """RF, constant over each of equal steps, with gradients and off-resonance at once.

    Seen from the frame that turns at the offset of the RF, whose phase is zero in front: so the field is as it is given.
    """

    about_x: Float[Array, " n"]
    """In rad for each step."""
    about_y: Float[Array, " n"]
    winding: GradientMoments | None
    """Of each step, `(axis, n)`."""
    skew: GradientMoments | None
    r"""$-\gamma \int G\,t\,dt$ from the middle of each step over its duration, likewise: by it the RF is turned."""
    offset: Float[Array, ""]
    """Of the RF in Hz."""
    dt: Float[Array, ""]
    transmit: TransmitField
    surroundings: Surroundings
    motion: AbstractMotion | None

    def __call__(self, state: IsochromatState) -> tuple[IsochromatState, None]:
        n = self.about_x.shape[0]
        duration = n * self.dt
        position, velocity = state.places.coordinates_after(duration / 2, self.motion)
        magnetisation = self._played((state.x, state.y, state.z), position, velocity)
        ahead = angle(self.offset, duration)[None, None]
        state = state.with_magnetisation(*turned(magnetisation[0], magnetisation[1], ahead), magnetisation[2])
        return state.later(duration), None

    def _played(self, magnetisation: Components, position: tuple, velocity: tuple) -> Components:
        shape = magnetisation[0].shape
        decays = lambda time: tuple(
            jnp.broadcast_to(precession.decay(time, t)[None], shape)
            for t in (self.surroundings.t1, self.surroundings.t2)
        )
        frequency = self.surroundings.angular_frequency(shape[0])
        detuning = -2 * jnp.pi * self.offset[None, None] + (0.0 if frequency is None else frequency)
        turning = jnp.broadcast_to(self.dt * detuning, shape)
        coordinates, coefficients, skews = self._coordinates(position, velocity, shape)
        transmit = jax.tree.map(lambda part: jnp.broadcast_to(part[None], shape), self.transmit)
        half, whole = decays(self.dt / 2), decays(self.dt)
        angles = (self.about_x, self.about_y, coefficients, skews)
        arguments = (transmit, coordinates, turning, whole)

        magnetisation = relaxed(magnetisation, *half)
        if len(self.about_x) > 1:
            before_last = jax.tree.map(lambda angle: angle[:-1], angles)
            played = unless_linearized(as_one_kernel(_straight), _in_segments)
            magnetisation = played(magnetisation, before_last, arguments)
        last = jax.tree.map(lambda angle: angle[-1], angles)
        return step(magnetisation, last, transmit, coordinates, turning, half)

    def _coordinates(self, position: tuple, velocity: tuple, shape: tuple[int, ...]) -> tuple[tuple, tuple, tuple]:
        """What differs from spin to spin, and by what it turns them and skews the RF in each step."""
        if self.winding is None or self.skew is None:
            return (), (), ()
        found = []
        for i, axis in enumerate(self.winding.axes):
            found.append((position[axis], self.winding.area[i], self.skew.area[i]))
            found.append((velocity[axis], self.winding.moment[i], self.skew.moment[i]))
        present = [(jnp.broadcast_to(where, shape), by, skew) for where, by, skew in found if where is not None]
        coordinates, coefficients, skews = zip(*present, strict=True) if present else ((), (), ())
        return coordinates, coefficients, skews


def _straight(magnetisation: Components, angles: Any, arguments: Any) -> Components:
    """All steps, one after the other."""
    return jax.lax.scan(lambda before, now: (step(before, now, *arguments), None), magnetisation, angles, unroll=2)[0]


def _in_segments(magnetisation: Components, angles: Any, arguments: Any) -> Components:
    """The same in a form whose reverse mode stores little."""
    play = jax.checkpoint(lambda before, now: (step(before, now, *arguments), None), prevent_cse=False)
    return checkpointed_scan(play, magnetisation, angles, len(angles[0]))[0]


class Solved(AbstractOperator):
    """RF that is constant, without gradients: the exact solution, in one step whatever its length."""

    propagator: Float[Array, "spin #voxel 4 4"]
    """Of x, y, z and 1, less the identity."""
    duration: Float[Array, ""]
    turn: Float[Array, ""]
    """Of the frame in which it is constant, in rad."""

    def __call__(self, state: IsochromatState) -> tuple[IsochromatState, None]:
        one = jnp.ones_like(state.x)
        column = (state.x, state.y, state.z, one)
        less_one = self.propagator
        x, y, z = (column[row] + sum(less_one[..., row, i] * column[i] for i in range(4)) for row in range(3))
        x, y = turned(x, y, self.turn[None, None])
        return state.with_magnetisation(x, y, z).later(self.duration), None


def under_constant_rf(
    field: Inexact[Array, "#spin #voxel"],
    offset: Float[Array, ""],
    duration: Float[Array, ""],
    surroundings: Surroundings,
    n: int,
) -> Float[Array, "spin #voxel 4 4"]:
    """What RF does to x, y, z and 1 of `n` spins, less the identity, seen from the frame that turns at its offset.

    **Arguments:**

    - `field`: In rad/s, about x and y as the real and the imaginary part.
    - `offset`: Of the RF in Hz.
    - `duration`: In s.
    """
    spread = surroundings.angular_frequency(n)
    about_z = -2 * math.pi * offset + (jnp.zeros((1, 1)) if spread is None else spread)
    r1, r2 = 1 / surroundings.t1[None], 1 / surroundings.t2[None]
    nothing = jnp.zeros_like(r1)
    rows = [
        [-r2, -about_z, field.imag, nothing],
        [about_z, -r2, -field.real, nothing],
        [-field.imag, field.real, -r1, r1],
        [nothing, nothing, nothing, nothing],
    ]
    flat = jnp.broadcast_arrays(*(entry for row in rows for entry in row))
    generator = jnp.stack(flat, axis=-1).reshape(*flat[0].shape, 4, 4)
    return exponential_less_one(padded(generator * duration))[..., :4, :4]


class InTurn(AbstractOperator):
    """Several operators, one after the other."""

    operators: tuple[AbstractOperator, ...]

    def __call__(self, state: State) -> tuple[State, Any]:
        samples = []
        for operator in self.operators:
            state, sample = operator(state)
            samples += [] if sample is None else [sample]
        return state, jnp.concatenate(samples) if samples else None
