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


def placed(tissue: Tissue, state: PyTree, others: PyTree, sharding: NamedSharding) -> tuple[Tissue, PyTree, PyTree]:
    """The arrays with known values where `on_devices` wants them; those that lie there already are not touched."""
    if not isinstance(sharding.mesh, Mesh):  # seen in traced arrays, which lie where they lie
        return tissue, state, others

    def place(leaf: Array, spec: PartitionSpec) -> Array:
        target = NamedSharding(sharding.mesh, spec)
        if not _checks.is_concrete(leaf) or leaf.sharding.is_equivalent_to(target, leaf.ndim):
            return leaf
        # by way of the host, unless other processes hold a part: a process may only place what it knows whole
        return jax.device_put(np.asarray(leaf) if leaf.is_fully_addressable else leaf, target)

    return jax.tree.map(place, (tissue, state, others), _specs(tissue, state, others, sharding))


def on_devices(
    run: Callable, tissue: Tissue, state: PyTree, others: PyTree, sharding: NamedSharding
) -> tuple[PyTree, Array]:
    """`run(tissue, state, others)` on every device with its own voxels; returns state and signal, spread alike.

    Voxel axes are the last of the state and the first of the signal; `others` are the same everywhere.
    """
    n_axes = len(tissue.voxel_shape)
    final_state, signal = jax.eval_shape(run, tissue, state, others)
    axes = (*sharding.spec, *[None] * (n_axes - len(sharding.spec)))
    voxels_last = lambda leaf: PartitionSpec(*[None] * (leaf.ndim - n_axes), *axes)
    out_specs = (jax.tree.map(voxels_last, final_state), PartitionSpec(*axes, *[None] * (signal.ndim - n_axes)))
    in_specs = _specs(tissue, state, others, sharding)
    spread = jax.shard_map(run, mesh=sharding.mesh, in_specs=in_specs, out_specs=out_specs, check_vma=False)
    return spread(tissue, state, others)


def _specs(tissue: Tissue, state: PyTree, others: PyTree, sharding: NamedSharding) -> tuple:
    along_voxels = lambda leaf: _spec(leaf, sharding.spec)
    everywhere = lambda leaf: PartitionSpec()
    return jax.tree.map(along_voxels, tissue), jax.tree.map(along_voxels, state), jax.tree.map(everywhere, others)


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
