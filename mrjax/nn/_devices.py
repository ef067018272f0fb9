"""Batches spread over devices, weights on each of them."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, PyTree


def spread(batch: PyTree) -> PyTree:
    """The samples of a batch over all devices: arrays along their first axis, or whole on each where it does not divide."""
    mesh = _mesh()
    if mesh is None:
        return batch

    def placed(leaf: Array) -> Array:
        divides = leaf.ndim > 0 and leaf.shape[0] % mesh.size == 0
        return jax.device_put(leaf, NamedSharding(mesh, PartitionSpec("batch") if divides else PartitionSpec()))

    return jax.tree.map(placed, batch)


def everywhere(state: PyTree) -> PyTree:
    """A copy of weights, or of an optimiser's memory, on every device."""
    mesh, copied = _mesh(), jax.tree.map(jnp.copy, state)
    return copied if mesh is None else jax.device_put(copied, NamedSharding(mesh, PartitionSpec()))


def _mesh() -> Mesh | None:
    return None if jax.device_count() == 1 else Mesh(np.array(jax.devices()), ("batch",))
