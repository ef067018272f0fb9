"""Checks of parameters and data that the inverse problems share."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PyTree


def checked(params: PyTree, name: str = "params") -> PyTree:
    """`params` as arrays of one shape, checked to be real floating-point numbers."""
    named = jax.tree_util.tree_leaves_with_path(params)
    if not named:
        raise ValueError(f"`{name}` must hold at least one array, but got {params!r}.")
    for path, leaf in named:
        try:
            dtype = jnp.result_type(leaf)
        except TypeError:
            raise ValueError(
                f"`{name}{jax.tree_util.keystr(path)}` must be an array of numbers, but got {leaf!r}."
            ) from None
        if not jnp.issubdtype(dtype, jnp.floating):
            raise ValueError(
                f"`{name}{jax.tree_util.keystr(path)}` must be floating-point to be differentiated, but got {dtype}; "
                "convert integers with `.astype(float)` and fit real and imaginary parts of complex parameters."
            )
    shapes = {jax.tree_util.keystr(path): np.shape(leaf) for path, leaf in named}
    if len(set(shapes.values())) > 1:
        listed = ", ".join(f"{path} {shape}" for path, shape in shapes.items())
        raise ValueError(f"All leaves of `{name}` must have the same voxel shape, but got {listed}.")
    return jax.tree.map(jnp.asarray, params)


def voxel_shape(params: PyTree) -> tuple[int, ...]:
    """The common shape of the leaves."""
    return np.shape(jax.tree.leaves(params)[0])


def check_signal(signal: Any, params: PyTree) -> None:
    """Refuse a model whose signal is not `(*voxels, n)`."""
    shape = voxel_shape(params)
    if np.ndim(signal) != len(shape) + 1 or np.shape(signal)[:-1] != shape:
        raise ValueError(
            f"`model` must return signals of shape (*voxels, n) with voxels {shape}, but got {np.shape(signal)}."
        )


def broadcast_like(value: Any, params: PyTree, name: str) -> PyTree:
    """`value`, a PyTree like `params` or one number for all leaves, as a PyTree of arrays of the shape of `params`."""
    if jax.tree.structure(value) == jax.tree.structure(0.0):
        value = jax.tree.map(lambda _: value, params)
    if jax.tree.structure(value) != jax.tree.structure(params):
        raise ValueError(
            f"`{name}` must be a number or have the structure of the parameters, {jax.tree.structure(params)}, "
            f"but got {jax.tree.structure(value)}."
        )

    def broadcast(path: Any, like: Array, leaf: Any) -> Array:
        try:
            return jnp.asarray(
                np.broadcast_to(leaf, like.shape)
                if not isinstance(leaf, jax.Array)
                else jnp.broadcast_to(leaf, like.shape),
                like.dtype,
            )
        except ValueError:
            raise ValueError(
                f"`{name}{jax.tree_util.keystr(path)}` must broadcast to the voxel shape {like.shape}, but got {np.shape(leaf)}."
            ) from None

    return jax.tree_util.tree_map_with_path(broadcast, params, value)
