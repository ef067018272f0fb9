"""Volumes as the functions of susceptibility mapping take them, and as their solvers hold them."""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from mrjax import _checks
from mrjax.encoding import Dipole


def checked_field(field: Any, dipole: Dipole, name: str = "field") -> Array:
    """A field as an array of the shape that the dipole makes."""
    values = _checks.finite(_checks.real_array(field, name), name)
    if values.shape != dipole.shape:
        raise ValueError(f"`{name}` must have the shape {dipole.shape} of `dipole`, but got {values.shape}.")
    return values


def checked_mask(mask: Any, shape: tuple[int, ...]) -> Bool[Array, "nx ny nz"]:
    """Where a mask is not zero; it must have the shape of the volume and hold something."""
    inside = jnp.asarray(mask) != 0
    if inside.shape != shape:
        raise ValueError(f"`mask` must have the shape {shape} of the volume, but got {inside.shape}.")
    return _checks.require(inside, inside.any(), "`mask` must hold at least one voxel")


def checked_weights(weights: Any, mask: Bool[Array, "nx ny nz"], dtype: Any) -> Array:
    """Weights of the data, zero outside of the mask; the mask alone without any."""
    if weights is None:
        return mask.astype(dtype)
    each = _checks.finite(_checks.real_array(weights, "weights"), "weights")
    each = _checks.non_negative(each, "weights", "one over the variance of the field, in any unit")
    if each.shape != mask.shape:
        raise ValueError(f"`weights` must have the shape {mask.shape} of the volume, but got {each.shape}.")
    within = jnp.where(mask, each, 0.0).astype(dtype)
    return _checks.require(within, within.any(), "`weights` must not be zero everywhere in `mask`")


def mean_within(values: Array, mask: Bool[Array, "nx ny nz"]) -> Float[Array, ""]:
    """The mean over a mask."""
    return jnp.where(mask, values, 0.0).sum() / mask.sum()


def referenced(susceptibility: Array, mask: Bool[Array, "nx ny nz"]) -> Array:
    """Less the mean over the mask, which no field tells, and zero outside of it."""
    return jnp.where(mask, susceptibility - mean_within(susceptibility, mask), 0.0)


def on_the_grid(volume: Array, dipole: Dipole) -> Array:
    """A volume with zeros behind each axis, up to the padded shape of the dipole."""
    return jnp.pad(volume, [(0, m - n) for n, m in zip(dipole.shape, dipole.padded, strict=True)])


def off_the_grid(volume: Array, dipole: Dipole) -> Array:
    """The part of a padded volume that is the volume."""
    return volume[tuple(slice(n) for n in dipole.shape)]


def to_waves(volume: Array) -> Array:
    """The half spectrum of a real volume."""
    return jnp.fft.rfftn(volume)


def from_waves(spectrum: Array, dipole: Dipole) -> Array:
    """The real padded volume of a half spectrum."""
    return jnp.fft.irfftn(spectrum, dipole.padded)


def along_axes(values: Array, matrices: list[Any]) -> Array:
    """A separable transform or filter, as one matrix for each axis."""
    for axis, matrix in enumerate(matrices):
        filtered = jnp.tensordot(jnp.asarray(matrix, values.dtype), values, ((1,), (axis,)))
        values = jnp.moveaxis(filtered, 0, axis)
    return values
