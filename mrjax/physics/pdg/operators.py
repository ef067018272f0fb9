"""A graph played: from row to row, with the samples of each."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float, Int

from mrjax.physics.engine import AbstractOperator
from mrjax.physics.imaging.encoding import unit_phasor
from mrjax.physics.maths import precession
from mrjax.physics.maths.loops import checkpointed_scan
from mrjax.physics.maths.sums import sum_of_given
from mrjax.physics.pdg.changes import StateChanges
from mrjax.physics.pdg.component_map import Components
from mrjax.physics.pdg.shapes import VoxelShape, share_seen
from mrjax.physics.pdg.state import PDGState
from mrjax.physics.pdg.table import Integrals, PhaseGraphTable, TableSamples, Wound
from mrjax.sequence.double_length import angle
from mrjax.sequence.gradients import AXES
from mrjax.tissue import Tissue


class PrecessingVoxels(eqx.Module):
    """What states of some voxels answer to."""

    tissue: Tissue
    voxel_size: Float[Array, "3"] | None
    shape: VoxelShape = eqx.field(static=True)

    @property
    def real(self) -> Any:
        """The dtype of real numbers."""
        return self.tissue.t1.dtype

    def relaxed(self, components: Components, states: Wound, during: Integrals) -> Components:
        """After free precession, but for what is wound."""
        e1, e2 = (precession.decay(during.time, t)[None] for t in (self.tissue.t1, self.tissue.t2))
        plus, minus, z = components
        factors = [e2, e2, e1]
        if self.tissue.has("diffusion"):
            q, at_rest = states.cycles, Integrals(during.time, 0 * during.first, 0 * during.second)
            each = ((q, during), (-q, during), (q, at_rest))
            factors = [factor * self.diffused(*one) for factor, one in zip(factors, each, strict=True)]
        recovered = precession.recovery(during.time, self.tissue.t1)
        return factors[0] * plus, factors[1] * minus, (factors[2] * z).at[0].add(recovered)

    def diffused(self, q: Float[Array, "state 4"], during: Integrals) -> Float[Array, "state #voxel"]:
        r"""$\exp(-4 \pi^2 D \int |q|^2 dt)$ of states that are wound by so much at the start."""
        size = 1.0 if self.voxel_size is None else self.voxel_size[2]
        squares = q**2 * during.time + 2 * q * during.first[None, :]
        by_gradients = jnp.sum(squares[:, :3], axis=1) + during.second[0]
        across = squares[:, 3] + during.second[1]
        total = 4 * jnp.pi**2 * (by_gradients + across / size**2)
        return jnp.exp(-total[:, None] * jnp.atleast_1d(jnp.asarray(self.tissue.diffusion))[None])

    def turned(self, wound: Wound) -> Complex[Array, "*n #voxel"] | None:
        """The phase at the middle of each voxel; None where there is none."""
        of_voxels = lambda name: jnp.reshape(getattr(self.tissue, name), (1,) * wound.time.ndim + (-1,))
        terms = [
            wound.turns[..., i, None].angle(of_voxels(axis)) for i, axis in enumerate(AXES) if self.tissue.has(axis)
        ]
        if self.tissue.has("off_resonance"):
            terms.append(angle(of_voxels("off_resonance"), wound.time[..., None]))
        total = sum_of_given(*terms)
        return None if total is None else unit_phasor(total)

    def dephased(self, time: Float[Array, " state"]) -> Float[Array, "#state #voxel"]:
        r"""$\exp(-|\tau| / T_2')$."""
        if not self.tissue.has("t2_prime"):
            return jnp.ones((1, 1), self.real)
        return jnp.exp(-jnp.abs(time)[:, None] / jnp.atleast_1d(jnp.asarray(self.tissue.t2_prime))[None])

    def seen(self, q: Float[Array, "*n 4"]) -> Float[Array, "*n"]:
        """The mean over the voxel."""
        return jnp.asarray(share_seen(q, self.voxel_size, self.shape))


class Played(AbstractOperator):
    """All of a sequence: a loop over steps, each of some samples of a row and of what ends it."""

    table: PhaseGraphTable
    changes: StateChanges
    voxels: PrecessingVoxels

    @classmethod
    def of(
        cls, table: PhaseGraphTable, tissue: Tissue, voxel_size: Any, shape: VoxelShape, gyromagnetic_ratio: float
    ) -> "Played":
        """For the voxels of a tissue."""
        changes = StateChanges.of(table.changes, tissue, gyromagnetic_ratio)
        return cls(table, changes, PrecessingVoxels(tissue, voxel_size, shape))

    def __call__(self, state: PDGState) -> tuple[PDGState, Complex[Array, "n_samples voxel"] | None]:
        steps = self.table.playing

        def step(components: Components, now: Int[Array, ""]) -> tuple[Components, Array | None]:
            taken = jax.tree.map(lambda column: column[now], steps)
            samples = self._sampled(components, taken) if self.table.samples is not None else None
            ends = lambda components: self.after_row(components, taken.row)
            return jax.lax.cond(taken.ends_row, ends, lambda same: same, components), samples

        n = steps.row.shape[0]
        components, samples = checkpointed_scan(step, state.magnetisation, jnp.arange(n), n, unroll=1)
        if samples is not None:
            samples = samples.reshape(-1, samples.shape[-1])[self.table.place]
        return self._final(components), samples

    def after_row(self, components: Components, row: Int[Array, ""]) -> Components:
        """The states after a row, of those at its start."""
        rows = self.table.rows
        states, during = jax.tree.map(lambda column: column[row], (rows.states, rows.during))
        plus, minus, z = self.voxels.relaxed(components, states, during)
        if rows.same_for_all is not None:
            turn = self.voxels.turned(jax.tree.map(lambda column: column[row, None], rows.same_for_all))
            plus, minus = (plus, minus) if turn is None else (turn * plus, jnp.conj(turn) * minus)
        gathered = moved((plus, minus, z), rows.source[row])
        return self.changes.numbered(rows.change[row], rows.phase[row])(gathered)

    def _sampled(self, components: Components, taken: Any) -> Complex[Array, "together voxel"]:
        samples = self.table.samples
        assert samples is not None, "there are samples"
        states = jax.tree.map(lambda column: column[taken.row], self.table.rows.states)
        one = jax.checkpoint(lambda sample: self._one(components, states, jax.tree.map(lambda x: x[sample], samples)))
        taking = lambda: jax.lax.map(one, taken.sample)
        shape = jax.eval_shape(taking)
        return jax.lax.cond(taken.has_samples, taking, lambda: jnp.zeros(shape.shape, shape.dtype))

    def _one(self, components: Components, states: Wound, sample: TableSamples) -> Complex[Array, " voxel"]:
        voxels, wound = self.voxels, sample.wound
        phase = voxels.turned(states)
        plus, minus, z = components if phase is None else (phase * component for component in components)
        both = jnp.concatenate([plus, jnp.conj(minus).at[0].set(0.0)])
        q = jnp.concatenate([states.cycles, -states.cycles])
        time = jnp.concatenate([states.time, -states.time])
        factor = voxels.seen(q + wound.cycles[None])[:, None] * voxels.dephased(time + wound.time)
        if voxels.tissue.has("diffusion"):
            factor = factor * voxels.diffused(q, sample.during)
        transverse = precession.decay(wound.time, voxels.tissue.t2) * jnp.sum(factor * both, axis=0)
        turned = voxels.turned(wound)
        transverse = sample.receiver * (transverse if turned is None else turned * transverse)
        if sample.longitudinal is None:
            return transverse
        return jnp.where(sample.longitudinal, self._longitudinal(z, states, sample), transverse)

    def _longitudinal(self, z: Array, states: Wound, sample: TableSamples) -> Complex[Array, " voxel"]:
        """The mean of Mz over the voxel; states other than the first stand for two."""
        voxels, during = self.voxels, sample.during
        time = during.time
        factor = voxels.seen(states.cycles)[:, None] * voxels.dephased(states.time)
        if voxels.tissue.has("diffusion"):
            at_rest = Integrals(time, 0 * during.first, 0 * during.second)
            factor = factor * voxels.diffused(states.cycles, at_rest)
        counted = jnp.sum(factor * jnp.real(z), axis=0) * 2 - jnp.real(z[0])
        mean = precession.decay(time, voxels.tissue.t1) * counted + precession.recovery(time, voxels.tissue.t1)
        return mean + 0j

    def _final(self, components: Components) -> PDGState:
        """Nothing where it is not wanted."""
        if not self.table.keeps_state:
            plus, minus, z = (component[:0] for component in components)
            return PDGState(plus, minus, z, jnp.zeros((5, 0, components[0].shape[-1]), self.voxels.real))
        cycles, time = self.table.ends.cycles, self.table.ends.time
        dephasing = jnp.concatenate([cycles.T, time[None]])
        spread = jnp.broadcast_to(dephasing[..., None], (*dephasing.shape, components[0].shape[-1]))
        return PDGState(*components, spread)


def moved(components: Components, source: Int[Array, "3 state"]) -> Components:
    """Components where they are after a row, before what ends it."""
    plus, minus, z = components
    nothing = jnp.zeros_like(plus[:1])
    transverse = jnp.concatenate([plus, jnp.conj(minus), nothing])
    # -1 is the last, which is nothing
    return transverse[source[0]], jnp.conj(transverse[source[1]]), jnp.concatenate([z, nothing])[source[2]]
