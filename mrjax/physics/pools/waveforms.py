"""Gradients, readouts and RF that lasts, played together, for water and pools in exchange."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float

from mrjax.conventions import Conventions
from mrjax.physics.engine import AbstractOperator
from mrjax.physics.isochromats.waveforms import InTurn
from mrjax.physics.maths.matrix_exponential import exponential_less_one, padded
from mrjax.physics.maths.sums import sum_of_given
from mrjax.physics.pools.dynamics import Irradiated, Pools
from mrjax.physics.pools.operators import BlochMcConnellState, FreeEvolution, Propagation, TransverseReading, applied
from mrjax.physics.pools.propagation import AbstractPropagation
from mrjax.physics.waveforms.step_moments import moments_of_steps
from mrjax.sequence import AbstractEvent, ContinuousWave, Gradient, Readout, ShapedPulse, Together
from mrjax.tissue import Tissue


class Precession(AbstractOperator):
    """Evolution without RF, then the angle by which gradients have turned all pools of a voxel, with samples meanwhile."""

    evolution: FreeEvolution
    angle: Float[Array, "#voxel"] | None
    readouts: tuple["Sampling", ...]

    def __call__(self, state: BlochMcConnellState) -> tuple[BlochMcConnellState, Complex[Array, "n voxel"] | None]:
        samples = [readout.read(state) for readout in self.readouts]
        state, _ = self.evolution(state)
        if self.angle is not None:
            cosine, sine = jnp.cos(self.angle)[None, None], jnp.sin(self.angle)[None, None]
            x, y = cosine * state.x - sine * state.y, sine * state.x + cosine * state.y
            state = BlochMcConnellState(x, y, state.z)
        return state, jnp.concatenate(samples) if samples else None


class Sampling(eqx.Module):
    """The samples of one readout, from the state at the start of the interval it lies in."""

    before: Float[Array, "#voxel n n"]
    """Of the transverse magnetisation until the first sample, less the identity."""
    between: Float[Array, "#voxel n n"]
    """From each sample to the next."""
    turn: Complex[Array, "n_samples #voxel"]
    """By gradients, and by the receiver."""
    reading: TransverseReading

    def read(self, state: BlochMcConnellState) -> Complex[Array, "n_samples voxel"]:
        """The samples; the state stays as it is."""
        transverse = jnp.concatenate([state.x[:, :1], state.y[:, :1]])
        n = len(state.x)

        def sample(transverse: Array, turn: Array) -> tuple[Array, Array]:
            _, taken = self.reading(BlochMcConnellState(transverse[:n], transverse[n:], state.z[:, :1]))
            return transverse + applied(self.between, transverse), taken * turn

        return jax.lax.scan(sample, transverse + applied(self.before, transverse), self.turn)[1]


@dataclass(frozen=True)
class PoolWaveforms:
    """Prepares the events of one `Together` for one tissue."""

    event: Together
    tissue: Tissue
    pools: Pools
    conventions: Conventions
    method: AbstractPropagation
    reading: TransverseReading
    """Of a sample without receiver phase."""
    alone: Callable[[AbstractEvent], AbstractOperator]
    """The operator of an event that is played alone."""
    parts_of: Callable[[AbstractEvent], tuple[AbstractEvent, ...]]
    """A pulse between the turns of its phase and its offset."""

    def operator(self) -> AbstractOperator:
        """All that happens, in turn."""
        operators, now, waiting = [], jnp.zeros(()), []
        # RF and readouts share one track, and so come in the order in which they are played
        for start, entry in self.event.started(ContinuousWave, ShapedPulse, Readout):
            if isinstance(entry, Readout):
                waiting.append((start, entry))
                continue
            operators.append(self._precession(now, start, waiting))
            for part in self.parts_of(entry):
                is_rf = isinstance(part, ContinuousWave | ShapedPulse) and bool(self._positions)
                operators.append(self._propagation(start, part) if is_rf else self.alone(part))
            now, waiting = start + entry.duration, []
        operators.append(self._precession(now, self.event.duration, waiting))
        return operators[0] if len(operators) == 1 else InTurn(tuple(operators))

    @property
    def _positions(self) -> dict[str, Array]:
        """Of voxels along the axes of gradients; elsewhere they are in the middle."""
        axes = sorted({gradient.axis for _, gradient in self.event.started(Gradient)})
        return {axis: jnp.asarray(getattr(self.tissue, axis)) for axis in axes if self.tissue.has(axis)}

    def _angle(self, start: Array, end: Float[Array, "*time"]) -> Float[Array, "*time #voxel"] | None:
        """By which gradients turn each voxel from one time to another, or to several."""
        terms = []
        for begin, gradient in self.event.started(Gradient):
            if gradient.axis in self._positions:
                until = gradient.area_until(jnp.concatenate([start[None], jnp.ravel(end)]) - begin)
                areas = (until[1:] - until[:1]).reshape(*end.shape, 1)
                position = self._positions[gradient.axis]
                terms.append(areas * position.reshape((1,) * end.ndim + position.shape))
        per_unit = sum_of_given(*terms)
        return None if per_unit is None else self.conventions.gyromagnetic_ratio * per_unit

    def _precession(self, start: Array, end: Array, readouts: list[tuple[Array, Readout]]) -> Precession:
        # rounding must not make a time negative where pulses adjoin
        evolution = FreeEvolution.of(self.pools, jnp.maximum(end - start, 0.0))
        sampled = tuple(self._sampling(start, begin, readout) for begin, readout in readouts)
        return Precession(evolution, self._angle(start, end), sampled)

    def _sampling(self, start: Array, begin: Array, readout: Readout) -> Sampling:
        times = begin + readout.sample_offsets()
        dwell = jnp.asarray(readout.dwell)
        turn, angle = jnp.exp(-1j * readout.receiver_phase())[:, None], self._angle(start, times)
        turn = turn if angle is None else turn * jnp.exp(1j * angle)
        return Sampling(self._transverse(times[0] - start), self._transverse(dwell), turn, self.reading)

    def _transverse(self, time: Float[Array, ""]) -> Float[Array, "#voxel n n"]:
        n = 2 * self.pools.n_mobile
        return exponential_less_one(padded(self.pools.transverse() * time))[:, :n, :n]

    def _propagation(self, start: Array, pulse: Any) -> Propagation:
        """RF while gradients are on, seen from the frame that turns at its offset; its phase is zero."""
        samples = (pulse.b1[None] if isinstance(pulse, ContinuousWave) else pulse.waveform) + 0j
        n = samples.shape[-1]
        dt = jnp.asarray(pulse.duration) / n
        edges = start + dt * jnp.arange(n + 1)
        rate = skew = jnp.zeros((n, 1))
        for begin, gradient in self.event.started(Gradient):
            if gradient.axis in self._positions:
                position = (self.conventions.gyromagnetic_ratio * self._positions[gradient.axis])[None]
                mean = jnp.diff(gradient.area_until(edges - begin)) / jnp.where(dt > 0, dt, 1.0)
                moment, _ = moments_of_steps(gradient, edges - begin, dt, edges[0])
                rate, skew = rate + mean[:, None] * position, skew + moment[:, None] * position
        transmit = jnp.asarray(self.tissue.b1) if self.tissue.has("b1") else jnp.ones(1, self.tissue.t1.dtype)
        real, imaginary = samples.real, self.conventions.shape_phase_sign * samples.imag
        strength = (self.conventions.gyromagnetic_ratio * transmit)[None]
        x, y = real[:, None] * strength, imaginary[:, None] * strength
        # the first commutator of Magnus, with the sign of `cayley_klein.rotation_of`
        field = jnp.broadcast_arrays(x - skew * y, y + skew * x, rate)
        irradiated = Irradiated(self.pools, pulse.offset if isinstance(pulse.offset, Array) else 0.0)
        size = irradiated.size
        field = tuple(part.astype(self.tissue.t1.dtype) for part in field)
        return Propagation(self.method.propagator(irradiated, field, dt)[:, :size, :size])
