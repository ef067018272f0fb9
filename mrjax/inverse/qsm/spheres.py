"""Means over spheres, which leave a harmonic field as it is."""

import itertools
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from mrjax import _checks
from mrjax._shapes import quick_length

NEARLY_ALL = 0.999
"""Of a sphere that must lie in the mask; the rest is rounding."""


def voxel_sides(voxel_size: Any) -> tuple[float, float, float]:
    """Sides of a voxel in m, known before compiling."""
    entries = voxel_size if isinstance(voxel_size, list | tuple) else (voxel_size,)
    if not all(map(_checks.is_concrete, entries)):
        raise ValueError("`voxel_size` must be known before compiling, but is traced; pass it as a static argument.")
    sizes = np.asarray(voxel_size, float)
    if sizes.shape not in ((), (1,), (3,)) or not np.all((sizes > 0) & np.isfinite(sizes)):
        raise ValueError(f"`voxel_size` must be a positive number or three (m), but got {voxel_size!r}.")
    return tuple(np.broadcast_to(sizes, 3).tolist())


def grid_around(shape: tuple[int, ...], voxel_size: tuple[float, ...], radius: float) -> tuple[int, ...]:
    """Lengths of axes on which spheres about voxels of a volume do not come in at the other side."""
    return tuple(quick_length(n + int(np.ceil(radius / side))) for n, side in zip(shape, voxel_size, strict=True))


def sphere_transfer(grid: tuple[int, ...], voxel_size: tuple[float, ...], radius: float) -> np.ndarray:
    """Transfer function of the mean over voxels whose centres lie in a sphere, on the half spectrum."""
    reach = [int(radius / side) for side in voxel_size]
    kernel = np.zeros(grid)
    for offset in itertools.product(*(range(-n, n + 1) for n in reach)):
        if sum((step * side) ** 2 for step, side in zip(offset, voxel_size, strict=True)) <= radius**2:
            kernel[offset] = 1.0
    return np.fft.rfftn(kernel / kernel.sum()).real


def checked_radius(radius: Any, voxel_size: tuple[float, ...], name: str) -> float:
    """A radius in m that reaches the next voxel at least."""
    if not _checks.is_concrete(radius) or not float(radius) >= min(voxel_size):
        raise ValueError(
            f"`{name}` must be known before compiling and at least the shortest side of a voxel, {min(voxel_size):g} m, but got "
            f"{radius}."
        )
    return float(radius)


def mean_over(volume: Array, transfer: Array, grid: tuple[int, ...]) -> Array:
    """The mean over spheres about each voxel, with zeros around the volume."""
    axes = (-3, -2, -1)
    means = jnp.fft.irfftn(jnp.fft.rfftn(volume, grid, axes) * transfer, grid, axes)
    return means[tuple(slice(n) for n in volume.shape)]


@eqx.filter_jit
def within(mask: Array, transfer: Array, grid: tuple[int, ...]) -> Array:
    """Where the sphere about a voxel lies in the mask."""
    return mask & (mean_over(mask.astype(transfer.dtype), transfer, grid) > NEARLY_ALL)
