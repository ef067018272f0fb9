"""Voxels spread over devices: each device plays its own, and nothing travels."""

from collections.abc import Callable

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, PyTree

from mrjax import _checks
from mrjax.tissue import Tissue


def voxel_sharding(tissue: Tissue) -> NamedSharding | None:
    """How the voxel axes lie on devices; None where that cannot be seen, as for most arrays inside `jax.jit`.

    A tissue with known values on one of several devices counts as spread over that one.
    """
    leaves = jax.tree.leaves(tissue)
    shardings = [_named_sharding(leaf) for leaf in leaves]
    spread = [(leaf, s) for leaf, s in zip(leaves, shardings, strict=True) if s is not None and any(s.spec)]
    if not spread:
        alone = jax.device_count() > 1 and all(_checks.is_concrete(leaf) for leaf in leaves)
        return NamedSharding(_mesh_of_one(leaves), PartitionSpec()) if alone else None
    axes = [None] * len(tissue.voxel_shape)
    for leaf, sharding in spread:
        for axis, name in enumerate(reversed((*sharding.spec, *[None] * (leaf.ndim - len(sharding.spec))))):
            axes[-1 - axis] = axes[-1 - axis] or (name if leaf.shape[-1 - axis] > 1 else None)
    return NamedSharding(spread[0][1].mesh, PartitionSpec(*axes))


def on_devices(
    run: Callable, tissue: Tissue, state: PyTree, others: PyTree, sharding: NamedSharding
) -> tuple[PyTree, Array]:
    """`run(tissue, state, others)` on every device with its own voxels; returns state and signal, spread alike.

    Voxel axes are the last of the state and the first of the signal; `others` are the same everywhere.
    """
    mesh, n_axes = sharding.mesh, len(sharding.spec)
    along_voxels = lambda leaf: _spec(leaf, sharding.spec)
    everywhere = lambda leaf: PartitionSpec()
    arguments = (tissue, state, others)
    specs = (jax.tree.map(along_voxels, tissue), jax.tree.map(along_voxels, state), jax.tree.map(everywhere, others))
    if all(_checks.is_concrete(leaf) for leaf in jax.tree.leaves(arguments)):
        arguments = jax.tree.map(lambda leaf, spec: _placed(leaf, NamedSharding(mesh, spec)), arguments, specs)
    shape = tissue.voxel_shape
    final_state, signal = jax.eval_shape(run, *arguments)
    voxels_last = lambda leaf: PartitionSpec(*[None] * (leaf.ndim - len(shape)), *sharding.spec)
    out_specs = (
        jax.tree.map(voxels_last, final_state),
        PartitionSpec(*sharding.spec, *[None] * (signal.ndim - n_axes)),
    )
    return jax.shard_map(run, mesh=mesh, in_specs=specs, out_specs=out_specs, check_vma=False)(*arguments)


def _named_sharding(leaf: Array) -> NamedSharding | None:
    sharding = leaf.sharding if _checks.is_concrete(leaf) else getattr(jax.typeof(leaf), "sharding", None)
    return sharding if isinstance(sharding, NamedSharding) and not sharding.mesh.empty else None


def _mesh_of_one(leaves: list[Array]) -> Mesh:
    committed = [leaf.devices() for leaf in leaves if leaf.committed]
    device = next(iter(committed[0])) if committed else jax.local_devices()[0]
    return Mesh(np.array([device]), ("voxels",))


def _spec(leaf: Array, axes: PartitionSpec) -> PartitionSpec:
    """The part of `axes` that falls on the last axes of `leaf`, without those of length one."""
    voxel_axes = axes[max(0, len(axes) - leaf.ndim) :]
    lead = leaf.ndim - len(voxel_axes)
    sizes = leaf.shape[lead:]
    return PartitionSpec(*[None] * lead, *(name if n > 1 else None for name, n in zip(voxel_axes, sizes, strict=True)))


def _placed(leaf: Array, sharding: NamedSharding) -> Array:
    if leaf.sharding.is_equivalent_to(sharding, leaf.ndim):
        return leaf
    return jax.device_put(leaf if leaf.is_fully_addressable is False else np.asarray(leaf), sharding)
