"""The axis of `vmap` as more voxels: each of its entries has voxels of its own, and every array an entry for each of them."""

import jax.numpy as jnp
from jaxtyping import Array

from mrjax.jax_rules.native.loops import LoopForm
from mrjax.jax_rules.native.memory import Leaf


def spread_form(form: LoopForm, n_voxels: int) -> LoopForm:
    """The form of a loop whose arrays differ from voxel to voxel, all of them."""
    spread = lambda leaves: [leaf._replace(shape=(*leaf.rows, n_voxels), of_voxels=True) for leaf in leaves]
    fixed, carry, varying, outputs = map(spread, (form.fixed, form.carry, form.varying, form.outputs))
    return form._replace(fixed=fixed, carry=carry, varying=varying, outputs=outputs)


def spread_array(array: Array, leaf: Leaf, n_voxels: int) -> Array:
    """An array with the axis of `vmap` in front, as an array of more voxels."""
    array = array if leaf.shape else array[..., None]
    array = jnp.moveaxis(jnp.broadcast_to(array, (*array.shape[:-1], n_voxels)), 0, -2)
    return array.reshape(*array.shape[:-2], -1)


def gathered_array(array: Array, leaf: Leaf, n_voxels: int) -> Array:
    """The inverse; where there was one entry for all voxels, the sum over them."""
    array = jnp.moveaxis(array.reshape(*array.shape[:-1], -1, n_voxels), -2, 0)
    if leaf.of_voxels:
        return array
    return array.sum(axis=-1, keepdims=bool(leaf.shape))
