"""Running a checked simulation: on devices, on cores, and in chunks of voxels that fit the cache."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.sharding import NamedSharding
from jaxtyping import Array

from mrjax import _checks
from mrjax.physics import cores, interpreter, sharding
from mrjax.physics.engine import AbstractEngine, State
from mrjax.physics.forward_jacobian import by_forward_jacobian
from mrjax.physics.gradient import AbstractGradient, ForwardJacobian
from mrjax.physics.one_kernel import on_one_cpu_device
from mrjax.sequence import AbstractContainer
from mrjax.sequence.walk import events_of
from mrjax.tissue import Tissue

CACHE_BYTES = 2**14
"""Size of the state of one chunk of voxels on a CPU: twice, before and after a step, it fits the first-level cache."""

VECTOR = 16
"""Chunks are multiples of it, so that every order begins at a cache line."""

WORTH_A_THREAD = 2**24
"""Numbers of the state, times events, that take some ten milliseconds: less is not split over cores."""


class Experiment(eqx.Module):
    """Everything but the voxels: what is played, and how."""

    engine: AbstractEngine
    sequence: AbstractContainer
    gradient: AbstractGradient
    batch_size: int | None = eqx.field(static=True)

    def bytes_per_voxel(self, tissue: Tissue) -> float:
        """Size of the state of one voxel."""
        leaves = jax.tree.leaves(jax.eval_shape(self.engine.init, self.sequence, tissue))
        return sum(leaf.size * leaf.dtype.itemsize for leaf in leaves) / max(1, math.prod(tissue.voxel_shape))

    def chunk_size(self, tissue: Tissue) -> int:
        """How many voxels are played at once."""
        if self.batch_size is not None:
            return self.batch_size
        if not on_one_cpu_device():
            return max(1, math.prod(tissue.voxel_shape))
        return max(VECTOR, int(CACHE_BYTES / max(1.0, self.bytes_per_voxel(tissue))) // VECTOR * VECTOR)


def execute(experiment: Experiment, tissue: Tissue, state: State | None) -> tuple[State, Array]:
    """The final state, voxels last, and the signal, voxels first."""
    spread = sharding.voxel_sharding(tissue)
    if spread is not None:
        others, static = eqx.partition(experiment, eqx.is_array)
        return _on_devices(*sharding.placed(tissue, state, others, spread), static, spread)
    n_parts = _n_parts(experiment, tissue, state)
    return _play(experiment, tissue, state) if n_parts == 1 else _on_cores(experiment, tissue, state, n_parts)


def _n_parts(experiment: Experiment, tissue: Tissue, state: State | None) -> int:
    """Number of threads that a call is worth; 1 where numbers are traced."""
    if not all(_checks.is_concrete(leaf) for leaf in jax.tree.leaves((experiment, tissue, state))):
        return 1
    n_voxels = math.prod(tissue.voxel_shape)
    n_events = sum(math.prod(located.repeats) for located in events_of(experiment.sequence.events))
    work = n_voxels * experiment.bytes_per_voxel(tissue) / 4 * n_events
    parts = min(cores.available_cores(), n_voxels // VECTOR)
    return max(1, min(parts, int(work / WORTH_A_THREAD)))


def _on_cores(experiment: Experiment, tissue: Tissue, state: State | None, n_parts: int) -> tuple[State, Array]:
    shape, n_voxels = tissue.voxel_shape, math.prod(tissue.voxel_shape)
    flat = (tissue.flattened(), None if state is None else _flat_state(experiment, tissue, state))
    maps, same = eqx.partition(flat, lambda leaf: eqx.is_array(leaf) and leaf.shape[-1] == n_voxels)
    run = lambda maps: _play(experiment, *eqx.combine(maps, same))
    axes = lambda outputs: (jax.tree.map(lambda leaf: leaf.ndim - 1, outputs[0]), 0)
    final_state, signal = cores.on_cores(run, maps, axes, n_voxels, n_parts)
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
    shape, n_voxels = tissue.voxel_shape, math.prod(tissue.voxel_shape)
    state = None if state is None else _flat_state(experiment, tissue, state)
    size = experiment.chunk_size(tissue)
    flat = tissue.flattened()
    final_state, signal = (
        _play_together(experiment, flat, state) if n_voxels <= size else _in_chunks(experiment, flat, state, size)
    )
    final_state = jax.tree.map(lambda leaf: leaf.reshape(*leaf.shape[:-1], *shape), final_state)
    return final_state, signal.reshape(*shape, signal.shape[-1])


def _play_together(experiment: Experiment, tissue: Tissue, state: State | None) -> tuple[State, Array]:
    """One chunk: tissue and state have one voxel axis."""
    if not isinstance(experiment.gradient, ForwardJacobian):
        return _played(experiment, tissue, state)
    others, static = eqx.partition((experiment, state), eqx.is_array)
    parameters, rest = eqx.partition(tissue, eqx.is_array)

    def played(parameters, others):
        experiment, state = eqx.combine(others, static)
        return _played(experiment, eqx.combine(parameters, rest), state)

    voxel_axes = lambda outputs: (jax.tree.map(lambda leaf: leaf.ndim - 1, outputs[0]), 0)
    return by_forward_jacobian(played, voxel_axes)(parameters, others)


def _played(experiment: Experiment, tissue: Tissue, state: State | None) -> tuple[State, Array]:
    engine, sequence = experiment.engine, experiment.sequence
    begin = engine.init(sequence, tissue) if state is None else state
    state, samples = interpreter.run(engine, sequence, tissue, begin, experiment.gradient)
    if samples is None:
        samples = jnp.zeros((0, *tissue.voxel_shape), jnp.result_type(tissue.t1, 1j))
    return state, (samples * tissue.m0[None] if tissue.has("m0") else samples).T


def _in_chunks(experiment: Experiment, tissue: Tissue, state: State | None, size: int) -> tuple[State, Array]:
    """Play chunk after chunk of voxels; reverse mode recomputes a chunk instead of storing its states.

    The last chunk begins early enough to be as long as the others; what it computes again is written over.
    """
    n_voxels = math.prod(tissue.voxel_shape)
    maps, same = eqx.partition((tissue, state), lambda x: eqx.is_array(x) and x.shape[-1] == n_voxels)

    def chunk(start):
        part = jax.tree.map(lambda leaf: jax.lax.dynamic_slice_in_dim(leaf, start, size, axis=-1), maps)
        return _play_together(experiment, *eqx.combine(part, same))

    # a Jacobian is stored, not computed again
    chunk = chunk if isinstance(experiment.gradient, ForwardJacobian) else jax.checkpoint(chunk)

    def write(whole, start):
        (state, signal), (part, rows) = whole, chunk(start)
        at = lambda axis: lambda whole, part: jax.lax.dynamic_update_slice_in_dim(whole, part, start, axis)
        return (jax.tree.map(at(-1), state, part), at(0)(signal, rows)), None

    final_state, signal = jax.eval_shape(chunk, 0)
    whole = (
        jax.tree.map(lambda leaf: jnp.zeros((*leaf.shape[:-1], n_voxels), leaf.dtype), final_state),
        jnp.zeros((n_voxels, *signal.shape[1:]), signal.dtype),
    )
    starts = jnp.minimum(jnp.arange(0, n_voxels, size), n_voxels - size)
    return jax.lax.scan(write, whole, starts)[0]


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
