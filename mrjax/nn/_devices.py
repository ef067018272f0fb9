"""Batches spread over devices, weights on each of them."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import PyTree


def spread(batch: PyTree) -> PyTree:
    """The samples of a batch over all devices, along the first axis that all arrays share and that divides."""
    mesh = _mesh()
    if mesh is None:
        return batch
    shapes = [leaf.shape for leaf in jax.tree.leaves(batch)]
    divides = lambda axis: all(shape[axis] % mesh.size == 0 for shape in shapes)
    axis = next((axis for axis in range(min(map(len, shapes))) if divides(axis)), None)
    spec = PartitionSpec() if axis is None else PartitionSpec(*[None] * axis, "batch")
    return jax.device_put(batch, NamedSharding(mesh, spec))


def everywhere(state: PyTree) -> PyTree:
    """A copy of weights, or of an optimiser's memory, on every device."""
    mesh, copied = _mesh(), jax.tree.map(jnp.copy, state)
    return copied if mesh is None else jax.device_put(copied, NamedSharding(mesh, PartitionSpec()))


def _mesh() -> Mesh | None:
    return None if jax.device_count() == 1 else Mesh(np.array(jax.devices()), ("batch",))
