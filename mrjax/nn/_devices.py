"""Batches spread over devices, weights on each of them."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, PyTree

from mrjax import _batch_axes


def spread(batch: PyTree, batch_axes: PyTree = 0) -> PyTree:
    """The samples of a batch over all devices, along the axes named; whole on each where their number does not divide."""
    mesh, axes = _mesh(), _batch_axes.of_every_array(batch, batch_axes)
    if mesh is None:
        return batch
    n_samples = _batch_axes.number_of_samples(batch, axes)
    divides = n_samples is not None and n_samples % mesh.size == 0

    def placed(leaf: Array, axis: int | None) -> Array:
        spec = PartitionSpec(*[None] * (axis % leaf.ndim), "batch") if divides and axis is not None else PartitionSpec()
        return jax.device_put(leaf, NamedSharding(mesh, spec))

    leaves, structure = jax.tree.flatten(batch)
    return jax.tree.unflatten(structure, [placed(leaf, axis) for leaf, axis in zip(leaves, axes, strict=True)])


def everywhere(state: PyTree) -> PyTree:
    """A copy of weights, or of an optimiser's memory, on every device."""
    mesh, copied = _mesh(), jax.tree.map(jnp.copy, state)
    return copied if mesh is None else jax.device_put(copied, NamedSharding(mesh, PartitionSpec()))


def _mesh() -> Mesh | None:
    return None if jax.device_count() == 1 else Mesh(np.array(jax.devices()), ("batch",))
