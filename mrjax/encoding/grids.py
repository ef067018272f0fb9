"""Grids of voxels: what is said about them, and the positions that follow."""

import math
from typing import Any

import numpy as np

from mrjax import _checks


def checked_shape(shape: Any) -> tuple[int, ...]:
    """A shape of voxels as a tuple; a number is a grid of one axis."""
    axes = shape if isinstance(shape, tuple | list) else (shape,)
    return tuple(_checks.positive_integer(n, "shape") for n in axes)


def checked_voxel_size(voxel_size: Any, n_axes: int) -> tuple[float, ...]:
    """The size of voxels along each axis, in m."""
    sizes = np.atleast_1d(np.asarray(voxel_size, float))
    sizes = np.repeat(sizes, n_axes) if sizes.size == 1 else sizes
    if sizes.shape != (n_axes,) or not np.all((sizes > 0) & np.isfinite(sizes)):
        raise ValueError(
            f"`voxel_size` must be a positive number, or one for each of the {n_axes} axes (m), but got {voxel_size}."
        )
    return tuple(float(size) for size in sizes)


def known(value: Any) -> np.ndarray | None:
    """The numbers in float64 where they are known, also inside of `jax.jit`; None where they are traced."""
    return np.asarray(value, float) if _checks.is_concrete(value) else None


def checked_trajectory(trajectory: Any, n_axes: int) -> Any:
    """k in cycles/m, one row a sample; checked to be finite and of as many axes as the grid."""
    points = _checks.finite(_checks.real_array(trajectory, "trajectory"), "trajectory")
    if points.ndim != 2 or points.shape[1] != n_axes:
        raise ValueError(
            f"`trajectory` must have shape (n_samples, {n_axes}), a column for each axis of the grid (cycles/m), but got "
            f"{points.shape}."
        )
    return points


def refuse_beyond_nyquist(trajectory: Any, voxel_size: tuple[float, ...]) -> None:
    """An error where a known trajectory leaves the k-space of a grid, beyond which the image only repeats."""
    points = known(trajectory)
    if points is None:
        return
    reach = np.abs(points.reshape(-1, len(voxel_size))).max(axis=0, initial=0)
    for axis, (largest, size) in enumerate(zip(reach, voxel_size, strict=True)):
        if largest > 0.5 / size * (1 + 1e-4):
            raise ValueError(
                f"`trajectory` reaches {largest:.6g} cycles/m along axis {axis}, beyond the {0.5 / size:.6g} cycles/m that "
                f"voxels of {size:.3g} m resolve; pass voxels of at most {0.5 / largest:.3g} m and as many more of them."
            )


def positions(shape: tuple[int, ...]) -> list[np.ndarray]:
    """The index of each voxel counted from n // 2, along each axis, in a form that broadcasts to the grid."""
    return [
        (np.arange(n) - n // 2).reshape(*(1,) * axis, n, *(1,) * (len(shape) - 1 - axis))
        for axis, n in enumerate(shape)
    ]


def volume(voxel_size: tuple[float, ...]) -> float:
    """Of a voxel, in m to the power of the axes."""
    return math.prod(voxel_size)
