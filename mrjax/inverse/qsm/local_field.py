"""What every removal of a background takes and returns."""

from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool

from mrjax import _checks
from mrjax.inverse.qsm._volumes import checked_mask
from mrjax.inverse.qsm.spheres import voxel_sides


class LocalField(NamedTuple):
    """The field of the sources inside of a mask, and where it is known."""

    field: Array
    """In the unit of the total field; zero where it is not known. Shape `(nx, ny, nz)`."""
    mask: Bool[Array, "nx ny nz"]
    """Where it is known: less than the mask given, where a method needs room."""


def checked_total(field: Any, mask: Any, voxel_size: Any) -> tuple[Array, Array, tuple[float, float, float]]:
    """The field, zero outside of the mask, the mask, and the sides of a voxel."""
    total = _checks.real_array(field, "field")
    if total.ndim != 3:
        raise ValueError(f"`field` must be a volume, (nx, ny, nz), but got shape {total.shape}.")
    inside = checked_mask(mask, total.shape)
    return _checks.finite(jnp.where(inside, total, 0.0), "field"), inside, voxel_sides(voxel_size)


def not_empty(known: Array, reach: float) -> Array:
    """Where the local field is known, checked to be somewhere; `reach` in m is what a voxel needs of mask about it."""
    return _checks.require(
        known, known.any(), f"`mask` must hold a voxel with {reach:.3g} m of mask around, which `radius` may reduce"
    )
