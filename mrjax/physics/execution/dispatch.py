"""Running a simulation: on devices, on cores, and in chunks of voxels that fit the cache."""

import dataclasses
import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.sharding import NamedSharding
from jaxtyping import Array

from mrjax.jax_rules import by_jacobian, unless_linearized
from mrjax.physics.engine import State
from mrjax.physics.execution import chunks, sharding
from mrjax.physics.execution.interpreter import Simulation
from mrjax.physics.gradient import Forward, ForwardJacobian
from mrjax.tissue import Tissue


def execute(simulation: Simulation, tissue: Tissue, state: State | None) -> tuple[State, Array]:
    """The final state, voxels last, and the signal, voxels first, where numbers are traced or spread over devices."""
    spread = sharding.voxel_sharding(tissue)
    if spread is None:
        return _play(simulation, tissue, state)
    others, static = eqx.partition(simulation, eqx.is_array)
    return _on_devices(*sharding.placed(tissue, state, others, spread), static, spread)


def chunk_size_of(simulation: Simulation, tissue: Tissue, one_kernel: bool = True) -> int:
    """How many voxels are played at once, in one kernel where the engine allows that and it is wanted."""
    if simulation.batch_size is not None:
        return simulation.batch_size
    bytes_per_voxel = simulation.engine.bytes_per_voxel(simulation.sequence, tissue)
    return chunks.chunk_size(bytes_per_voxel, math.prod(tissue.voxel_shape), one_kernel and simulation.one_kernel)


@eqx.filter_jit
def _on_devices(
    tissue: Tissue, state: State | None, others: Simulation, static: Simulation, spread: NamedSharding
) -> tuple[State, Array]:
    run = lambda tissue, state, others: _play(eqx.combine(others, static), tissue, state)
    return sharding.on_devices(run, tissue, state, others, spread)


@eqx.filter_jit
def _play(simulation: Simulation, tissue: Tissue, state: State | None) -> tuple[State, Array]:
    shape = tissue.voxel_shape
    state = None if state is None else _flat_state(simulation, tissue, state)
    final_state, signal = _differentiable(simulation, tissue.flattened(), state)
    final_state = jax.tree.map(lambda leaf: leaf.reshape(*leaf.shape[:-1], *shape), final_state)
    return final_state, signal.reshape(*shape, signal.shape[-1])


def _differentiable(simulation: Simulation, tissue: Tissue, state: State | None) -> tuple[State, Array]:
    """Loops straight through where they serve, cut for reverse mode where that is needed."""
    parameters, rest = eqx.partition(tissue, eqx.is_array)
    others, static = eqx.partition((simulation, state), eqx.is_array)
    sizes = {one_kernel: chunk_size_of(simulation, tissue, one_kernel) for one_kernel in (True, False)}

    def fast(parameters: Tissue, others: tuple) -> tuple[State, Array]:
        simulation, state = eqx.combine(others, static)
        straight = dataclasses.replace(simulation, gradient=Forward())
        return played_in_chunks(straight, eqx.combine(parameters, rest), state, sizes[True])

    def plain(parameters: Tissue, others: tuple) -> tuple[State, Array]:
        simulation, state = eqx.combine(others, static)
        return played_in_chunks(simulation, eqx.combine(parameters, rest), state, sizes[False])

    function = unless_linearized(fast, plain)
    if not isinstance(simulation.gradient, ForwardJacobian):
        return function(parameters, others)
    of_parts = lambda parameters, others: function(_with_complex_field(parameters), others)
    return by_jacobian(of_parts, voxel_axes)(_with_real_field(parameters), others)


def _with_real_field(tissue: Tissue) -> Tissue:
    """The transmit field in real and imaginary part: signals are no analytic function of it, so that each has a derivative."""
    if not jnp.iscomplexobj(tissue.b1):
        return tissue
    return eqx.tree_at(lambda tissue: tissue.b1, tissue, (tissue.b1.real, tissue.b1.imag))


def _with_complex_field(tissue: Tissue) -> Tissue:
    """The inverse of `_with_real_field`."""
    if not isinstance(tissue.b1, tuple):
        return tissue
    real, imaginary = tissue.b1
    return eqx.tree_at(lambda tissue: tissue.b1, tissue, real + 1j * imaginary, is_leaf=lambda leaf: leaf is tissue.b1)


def _played(simulation: Simulation, tissue: Tissue, state: State | None) -> tuple[State, Array]:
    state, samples = simulation.run(tissue, state)
    if samples is None:
        samples = jnp.zeros((0, *tissue.voxel_shape), jnp.result_type(tissue.t1, 1j))
    return state, (samples * tissue.m0[None] if isinstance(tissue.m0, Array) else samples).T


def played_in_chunks(simulation: Simulation, tissue: Tissue, state: State | None, size: int) -> tuple[State, Array]:
    """Play `size` voxels after the other."""
    n_voxels = math.prod(tissue.voxel_shape)
    maps, same = eqx.partition((tissue, state), lambda leaf: eqx.is_array(leaf) and leaf.shape[-1] == n_voxels)
    play = lambda maps: _played(simulation, *eqx.combine(maps, same))
    return chunks.in_chunks(play, maps, voxel_axes, n_voxels, size)


def voxel_axes(outputs: tuple[State, Any]) -> tuple[State, int]:
    """Where the voxels lie: last in the state, first in the signal."""
    return jax.tree.map(lambda leaf: leaf.ndim - 1, outputs[0]), 0


def _flat_state(simulation: Simulation, tissue: Tissue, state: State) -> State:
    """A given state as the engine needs it, with one voxel axis."""
    shape = tissue.voxel_shape
    resumed = simulation.engine.resumed(state, simulation.sequence, tissue)
    return jax.tree.map(lambda leaf: one_voxel_axis(leaf, shape), resumed)


def one_voxel_axis(leaf: Any, shape: tuple[int, ...]) -> Any:
    """An array of a given state with the voxels on one axis, the last."""
    leading = leaf.shape[: leaf.ndim - len(shape)]
    if leaf.shape != (*leading, *shape):
        raise ValueError(f"`state` must have the voxel shape {shape} on its last axes, but got {leaf.shape}.")
    return leaf.reshape(*leading, -1)
