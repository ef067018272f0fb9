"""Grids of phantoms: their shape, where their voxels lie, and the way from one grid to another."""

import operator
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

Affine = Float[np.ndarray, "4 4"]


def checked_shape(shape: Sequence[int], ranks: tuple[int, ...]) -> tuple[int, ...]:
    """`shape` as a tuple of positive integers, as many as one of `ranks`."""
    entries = " or ".join(map(str, ranks))
    message = f"`shape` must have {entries} positive integers, but got {shape!r}."
    try:
        checked = tuple(operator.index(size) for size in shape)
    except TypeError:
        raise ValueError(message) from None
    if len(checked) not in ranks or min(checked) < 1:
        raise ValueError(message)
    return checked


def centred_affine(shape: tuple[int, ...], voxel_size: tuple[float, ...]) -> Affine:
    """The affine (mm) of a grid centred at the origin; a missing third axis is one slice, thick as wide."""
    sizes = np.array([*voxel_size, voxel_size[0]][:3]) * 1e3
    affine = np.diag([*sizes, 1.0])
    affine[:3, 3] = -sizes * (np.array([*shape, 1][:3]) - 1) / 2
    return affine


def resample(
    fractions: Float[Array | np.ndarray, "n_compartments *shape"], affine: Affine, shape: tuple[int, ...]
) -> tuple[Float[Array, "n_compartments *new_shape"], Affine]:
    """`fractions` on a grid of another `shape` and the same field of view, with the affine of that grid.

    Linear where the grid gets finer; where it gets coarser the triangle kernel is as wide as the new voxels,
    so that nothing is skipped.
    """
    old_shape = np.array(fractions.shape[1:])
    if tuple(old_shape) == shape:
        return jnp.asarray(fractions, jnp.result_type(float)), affine
    new_fractions = jax.image.resize(
        jnp.asarray(fractions, jnp.result_type(float)), (len(fractions), *shape), "linear", antialias=True
    )
    scale = np.ones(3)
    scale[: len(shape)] = old_shape / np.array(shape)
    step = np.diag([*scale, 1.0])
    step[:3, 3] = (scale - 1) / 2  # the corners stay, the centres of the voxels move
    return jnp.clip(new_fractions, 0, 1), affine @ step
