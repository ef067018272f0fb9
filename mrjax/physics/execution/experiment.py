"""Running a checked simulation: on devices, on cores, and in chunks of voxels that fit the cache."""

import dataclasses
import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.sharding import NamedSharding
from jaxtyping import Array

from mrjax import _checks
from mrjax.jax_rules import by_jacobian, unless_linearized
from mrjax.physics.engine import AbstractEngine, State
from mrjax.physics.epg.stages import Course
from mrjax.physics.execution import chunks, cores, interpreter, sharding
from mrjax.physics.gradient import AbstractGradient, Forward, ForwardJacobian
from mrjax.sequence import AbstractContainer
from mrjax.sequence.walk import events_of
from mrjax.tissue import Tissue

WORTH_A_THREAD = 2**24
"""Numbers of the state, times events, that take some ten milliseconds: less is not split over cores."""

PART_BYTES = 2**23
"""Signal of one part of a call that is split."""


class Experiment(eqx.Module):
    """Everything but the voxels: what is played, and how."""

    engine: AbstractEngine
    sequence: AbstractContainer
    gradient: AbstractGradient
    course: Course = eqx.field(static=True)
    batch_size: int | None = eqx.field(static=True)

    def bytes_per_voxel(self, tissue: Tissue) -> float:
        """Memory that one voxel needs in the inner loop."""
        return self.engine.bytes_per_voxel(self.sequence, tissue)

    def chunk_size(self, tissue: Tissue, one_kernel: bool = True) -> int:
        """How many voxels are played at once, in one kernel where the engine allows that and it is wanted."""
        if self.batch_size is not None:
            return self.batch_size
        n_voxels = math.prod(tissue.voxel_shape)
        one_kernel = one_kernel and self.engine.fits_one_kernel(self.sequence)
        return chunks.chunk_size(self.bytes_per_voxel(tissue), n_voxels, one_kernel)


def execute(experiment: Experiment, tissue: Tissue, state: State | None) -> tuple[State, Array]:
    """The final state, voxels last, and the signal, voxels first."""
    spread = sharding.voxel_sharding(tissue)
    if spread is not None:
        others, static = eqx.partition(experiment, eqx.is_array)
        return _on_devices(*sharding.placed(tissue, state, others, spread), static, spread)
    n_parts = _n_parts(experiment, tissue, state)
    return _play(experiment, tissue, state) if n_parts == 1 else _on_cores(experiment, tissue, state, n_parts)


def _n_parts(experiment: Experiment, tissue: Tissue, state: State | None) -> int:
    """Number of parts that a call is worth; 1 where numbers are traced."""
    if not all(_checks.is_concrete(leaf) for leaf in jax.tree.leaves((experiment, tissue, state))):
        return 1
    n_voxels = math.prod(tissue.voxel_shape)
    events = list(events_of(experiment.sequence.events))
    n_events = sum(math.prod(at.repeats) for at in events)
    work = n_voxels * experiment.bytes_per_voxel(tissue) / 4 * n_events
    # parts of a few megabytes: memory freed by one is taken by the next, while fresh memory has to be cleared first
    n_samples = sum(math.prod(at.repeats) * at.event.n_samples for at in events)
    n_cores = cores.available_cores()
    each = max(1, round(n_voxels * n_samples * 8 / PART_BYTES / n_cores))
    return max(1, min(n_cores * each, n_voxels // chunks.VECTOR, int(work / WORTH_A_THREAD)))


def _on_cores(experiment: Experiment, tissue: Tissue, state: State | None, n_parts: int) -> tuple[State, Array]:
    shape, n_voxels = tissue.voxel_shape, math.prod(tissue.voxel_shape)
    flat = (tissue.flattened(), None if state is None else _flat_state(experiment, tissue, state))
    maps, same = eqx.partition(flat, lambda leaf: eqx.is_array(leaf) and leaf.shape[-1] == n_voxels)
    run = lambda maps: _play(experiment, *eqx.combine(maps, same))
    final_state, signal = cores.on_cores(run, maps, _voxel_axes, n_voxels, n_parts, experiment.chunk_size(tissue))
    final_state = jax.tree.map(lambda leaf: leaf.reshape(*leaf.shape[:-1], *shape), final_state)
    return jax.tree.map(jax.device_put, (final_state, signal.reshape(*shape, signal.shape[-1])))


@eqx.filter_jit
def _on_devices(
    tissue: Tissue, state: State | None, others: Experiment, static: Experiment, spread: NamedSharding
) -> tuple[State, Array]:
    run = lambda tissue, state, others: _play(eqx.combine(others, static), tissue, state)
    return sharding.on_devices(run, tissue, state, others, spread)


@eqx.filter_jit
def _play(experiment: Experiment, tissue: Tissue, state: State | None) -> tuple[State, Array]:
    shape = tissue.voxel_shape
    state = None if state is None else _flat_state(experiment, tissue, state)
    final_state, signal = _differentiable(experiment, tissue.flattened(), state)
    final_state = jax.tree.map(lambda leaf: leaf.reshape(*leaf.shape[:-1], *shape), final_state)
    return final_state, signal.reshape(*shape, signal.shape[-1])


def _differentiable(experiment: Experiment, tissue: Tissue, state: State | None) -> tuple[State, Array]:
    """Loops straight through where they serve, cut for reverse mode where that is needed."""
    parameters, rest = eqx.partition(tissue, eqx.is_array)
    others, static = eqx.partition((experiment, state), eqx.is_array)
    sizes = {one_kernel: experiment.chunk_size(tissue, one_kernel) for one_kernel in (True, False)}

    def fast(parameters: Tissue, others: tuple) -> tuple[State, Array]:
        experiment, state = eqx.combine(others, static)
        straight = dataclasses.replace(experiment, gradient=Forward())
        return _in_chunks(straight, eqx.combine(parameters, rest), state, sizes[True])

    def plain(parameters: Tissue, others: tuple) -> tuple[State, Array]:
        experiment, state = eqx.combine(others, static)
        return _in_chunks(experiment, eqx.combine(parameters, rest), state, sizes[False])

    function = unless_linearized(fast, plain)
    if isinstance(experiment.gradient, ForwardJacobian):
        function = by_jacobian(function, _voxel_axes)
    return function(parameters, others)


def _played(experiment: Experiment, tissue: Tissue, state: State | None) -> tuple[State, Array]:
    engine, sequence = experiment.engine, experiment.sequence
    begin = engine.init(sequence, tissue) if state is None else state
    state, samples = interpreter.run(engine, sequence, tissue, begin, experiment.gradient, experiment.course)
    if samples is None:
        samples = jnp.zeros((0, *tissue.voxel_shape), jnp.result_type(tissue.t1, 1j))
    return state, (samples * tissue.m0[None] if isinstance(tissue.m0, Array) else samples).T


def _in_chunks(experiment: Experiment, tissue: Tissue, state: State | None, size: int) -> tuple[State, Array]:
    """Play `size` voxels after the other."""
    n_voxels = math.prod(tissue.voxel_shape)
    maps, same = eqx.partition((tissue, state), lambda leaf: eqx.is_array(leaf) and leaf.shape[-1] == n_voxels)
    play = lambda maps: _played(experiment, *eqx.combine(maps, same))
    return chunks.in_chunks(play, maps, _voxel_axes, n_voxels, size)


def _voxel_axes(outputs: tuple[State, Any]) -> tuple[State, int]:
    """Where the voxels lie: last in the state, first in the signal."""
    return jax.tree.map(lambda leaf: leaf.ndim - 1, outputs[0]), 0


def _flat_state(experiment: Experiment, tissue: Tissue, state: State) -> State:
    """A given state as the engine needs it, with one voxel axis."""
    shape = tissue.voxel_shape
    adopted = experiment.engine.adopted(state, experiment.sequence, tissue)
    return jax.tree.map(lambda leaf: _one_voxel_axis(leaf, shape), adopted)


def _one_voxel_axis(leaf: Array, shape: tuple[int, ...]) -> Array:
    leading = leaf.shape[: leaf.ndim - len(shape)]
    if leaf.shape != (*leading, *shape):
        raise ValueError(f"`state` must have the voxel shape {shape} on its last axes, but got {leaf.shape}.")
    return leaf.reshape(*leading, -1)
