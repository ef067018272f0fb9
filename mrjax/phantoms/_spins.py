"""From the voxels of a grid to the spins within them: where these are, and the maps there."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Inexact

from mrjax import _checks

from ._grid import Affine

LEAST = 1e-6
"""Relative to the largest entry of a matrix of directions; smaller ones are rounding."""


def per_axis(sub_spins: Any, n_axes: int) -> tuple[int, ...]:
    """`sub_spins` as one positive integer for each axis of the grid."""
    entries = (sub_spins,) * n_axes if np.ndim(sub_spins) == 0 else tuple(sub_spins)
    whole = all(isinstance(n, int | np.integer) and not isinstance(n, bool) and n > 0 for n in entries)
    if len(entries) != n_axes or not whole:
        raise ValueError(
            f"`sub_spins` must be a positive integer, or one for each of the {n_axes} axes of the grid, but got {sub_spins!r}."
        )
    return tuple(int(n) for n in entries)


def indices(n_voxels: int, n_spins: int) -> Float[np.ndarray, " n"]:
    """Where the spins along an axis are, in voxels: `n_spins` at equal distances in each, symmetric about its centre."""
    return (np.arange(n_voxels * n_spins) + 0.5) / n_spins - 0.5


def positions(affine: Affine, shape: tuple[int, ...], sub_spins: tuple[int, ...]) -> list[Float[np.ndarray, "..."]]:
    """x, y and z in m of the spins of a grid, each of length one along the axes of the grid that it does not change along."""
    directions, origin = affine[:3, : len(shape)] * 1e-3, affine[:3, 3] * 1e-3
    directions = np.where(np.abs(directions) > LEAST * np.abs(directions).max(), directions, 0.0)
    rank = len(shape)
    along = [
        indices(n, s).reshape([-1 if a == axis else 1 for a in range(rank)])
        for axis, (n, s) in enumerate(zip(shape, sub_spins, strict=True))
    ]
    start = [np.full((1,) * rank, value) for value in origin]
    return [
        sum((step * index for step, index in zip(row, along, strict=True) if step), first)
        for row, first in zip(directions, start, strict=True)
    ]


def repeated(
    values: Inexact[Array, "..."], shape: tuple[int, ...], sub_spins: tuple[int, ...]
) -> Inexact[Array, "..."]:
    """Values of voxels at each of their spins; the axes of the grid are the last, and may be broadcast ones."""
    for axis, n_voxels, n in zip(range(values.ndim - len(shape), values.ndim), shape, sub_spins, strict=True):
        if values.shape[axis] == n_voxels:
            values = jnp.repeat(values, n, axis)
    return values


def interpolated(values: Inexact[Array, "..."], sub_spins: tuple[int, ...], *, beyond: bool) -> Inexact[Array, "..."]:
    """Values of voxels at each of their spins, linear between voxels; `beyond` the outermost ones straight on, or constant."""
    for axis, n in zip(range(values.ndim - len(sub_spins), values.ndim), sub_spins, strict=True):
        n_voxels = values.shape[axis]
        if n_voxels == 1 or n == 1:
            continue
        index = indices(n_voxels, n)
        lower = np.clip(np.floor(index).astype(int), 0, n_voxels - 2)
        share = index - lower if beyond else np.clip(index - lower, 0, 1)
        weight = jnp.asarray(share, values.real.dtype).reshape([-1 if a == axis else 1 for a in range(values.ndim)])
        below, above = (jnp.take(values, i, axis) for i in (lower, lower + 1))
        values = below + (above - below) * weight
    return values


def checked_map(value: Any, name: str, shape: tuple[int, ...], n_compartments: int) -> Any:
    """A number as it is; a map of the grid, or one for each compartment, with an axis of compartments in front."""
    if isinstance(value, int | float) or np.ndim(value) == 0:
        return value
    full = (n_compartments, *shape)
    array = _checks.number_array(value, name) if np.iscomplexobj(value) else _checks.real_array(value, name)
    if array.shape == shape:
        return array[None]
    fits = array.ndim == len(full) and all(n in (1, due) for n, due in zip(array.shape, full, strict=True))
    if fits:
        return array
    raise ValueError(f"`{name}` must be a number or have shape {shape} or {full}, but got shape {array.shape}.")
