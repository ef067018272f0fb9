"""Running a checked simulation: on devices, on cores, and in chunks of voxels that fit the cache."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.sharding import NamedSharding
from jaxtyping import Array

from mrjax import _checks
from mrjax.physics import cores, interpreter, sharding
from mrjax.physics.derivatives import by_jacobian, pushed_forward_by, valued_by
from mrjax.physics.engine import AbstractEngine, State
from mrjax.physics.gradient import AbstractGradient, Forward, ForwardJacobian
from mrjax.physics.one_kernel import marks_are_used, on_one_cpu_device, unmarked
from mrjax.sequence import AbstractContainer
from mrjax.sequence.walk import events_of
from mrjax.tissue import Tissue

FIRST_LEVEL = 2**14
"""Bytes of the state of one chunk of voxels on a CPU: twice, before and after a step, it fits the first-level cache."""

SECOND_LEVEL = 2**15
"""The same where the steps are kernels of their own, which a larger chunk makes worth starting."""

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
        cache = FIRST_LEVEL if marks_are_used() and self.engine.fits_one_kernel else SECOND_LEVEL
        largest = max(VECTOR, int(cache / max(1.0, self.bytes_per_voxel(tissue))) // VECTOR * VECTOR)
        return _divisor_near(largest, math.prod(tissue.voxel_shape))


def _divisor_near(size: int, n: int) -> int:
    """A multiple of half a vector near `size` that divides `n`, which saves a copy of the signal; `size` if there is none."""
    near = [m for m in range(size // 2, 3 * size // 2 + 1, VECTOR // 2) if m and n % m == 0]
    return min(near, key=lambda m: abs(m - size), default=size)


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
    shape = tissue.voxel_shape
    state = None if state is None else _flat_state(experiment, tissue, state)
    final_state, signal = _differentiable(experiment, tissue.flattened(), state)
    final_state = jax.tree.map(lambda leaf: leaf.reshape(*leaf.shape[:-1], *shape), final_state)
    return final_state, signal.reshape(*shape, signal.shape[-1])


def _differentiable(experiment: Experiment, tissue: Tissue, state: State | None) -> tuple[State, Array]:
    """Fast programs where they serve, and programs that can be transposed where they are needed."""
    parameters, rest = eqx.partition(tissue, eqx.is_array)
    others, static = eqx.partition((experiment, state), eqx.is_array)

    def fast(parameters: Tissue, others: tuple) -> tuple[State, Array]:
        experiment, state = eqx.combine(others, static)
        return _in_chunks(experiment, eqx.combine(parameters, rest), state)

    def plain(parameters: Tissue, others: tuple) -> tuple[State, Array]:
        with unmarked():
            return fast(parameters, others)

    match experiment.gradient:
        case ForwardJacobian():
            voxel_axes = lambda outputs: (jax.tree.map(lambda leaf: leaf.ndim - 1, outputs[0]), 0)
            function = by_jacobian(fast, pushed_forward_by(fast, plain), voxel_axes)
        case Forward():
            function = pushed_forward_by(fast, plain)
        case _:
            function = valued_by(fast, plain)
    return function(parameters, others)


def _played(experiment: Experiment, tissue: Tissue, state: State | None) -> tuple[State, Array]:
    engine, sequence = experiment.engine, experiment.sequence
    begin = engine.init(sequence, tissue) if state is None else state
    state, samples = interpreter.run(engine, sequence, tissue, begin, experiment.gradient)
    if samples is None:
        samples = jnp.zeros((0, *tissue.voxel_shape), jnp.result_type(tissue.t1, 1j))
    return state, (samples * tissue.m0[None] if tissue.has("m0") else samples).T


def _in_chunks(experiment: Experiment, tissue: Tissue, state: State | None) -> tuple[State, Array]:
    """Play chunk after chunk of voxels; reverse mode recomputes a chunk instead of storing its states."""
    n_voxels = math.prod(tissue.voxel_shape)
    size = experiment.chunk_size(tissue)
    if n_voxels <= size:
        return _played(experiment, tissue, state)
    n_chunks = -(-n_voxels // size)
    maps, same = eqx.partition((tissue, state), lambda leaf: eqx.is_array(leaf) and leaf.shape[-1] == n_voxels)

    def split(leaf: Array) -> Array:
        padding = [(0, 0)] * (leaf.ndim - 1) + [(0, n_chunks * size - n_voxels)]
        chunks = jnp.pad(leaf, padding, mode="edge").reshape(*leaf.shape[:-1], n_chunks, size)
        return jnp.moveaxis(chunks, -2, 0)

    def join(chunks: Array) -> Array:
        leaf = jnp.moveaxis(chunks, 0, -2)
        return leaf.reshape(*leaf.shape[:-2], n_chunks * size)[..., :n_voxels]

    play = jax.checkpoint(lambda chunk: _played(experiment, *eqx.combine(chunk, same)))
    final_state, signal = jax.lax.map(play, jax.tree.map(split, maps))
    return jax.tree.map(join, final_state), signal.reshape(n_chunks * size, signal.shape[-1])[:n_voxels]


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
