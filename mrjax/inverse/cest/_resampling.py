"""Spectra at other offsets than those measured."""

import functools
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from mrjax import _checks

Interpolation = Literal["linear", "cubic"]

BEYOND = 0.01
"""Fraction of the outermost interval by which a wanted offset may lie outside: rounding, not extrapolation."""


def checked_spectra(z: Any, offset_ppm: Any, name: str = "z") -> tuple[Array, Array]:
    """Spectra and their offsets as arrays of one precision whose lengths agree."""
    spectra, offset = _checks.real_array(z, name), _checks.real_array(offset_ppm, "offset_ppm")
    if offset.ndim != 1 or offset.size == 0:
        raise ValueError(f"`offset_ppm` must have shape (n_offsets,) with at least one, but got {offset.shape}.")
    if spectra.ndim < 1 or spectra.shape[-1] != offset.size:
        raise ValueError(
            f"`{name}` must have the {offset.size} offsets of `offset_ppm` on its last axis, but got shape {spectra.shape}."
        )
    return spectra, _checks.finite(offset, "offset_ppm").astype(spectra.dtype)


def shifted(at_ppm: Any, shift_ppm: Any, like: Float[Array, "*voxels n"]) -> Float[Array, "*voxels m"]:
    """Offsets from the water as offsets from the scanner, voxel by voxel."""
    at, shift = _checks.real_array(at_ppm, "at_ppm"), _checks.real_array(shift_ppm, "shift_ppm")
    if at.ndim > 1:
        raise ValueError(f"`at_ppm` must be a number or have shape (m,), but got {at.shape}.")
    voxels = like.shape[:-1]
    try:
        fits = np.broadcast_shapes(shift.shape, voxels) == voxels
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(f"`shift_ppm` must broadcast to the voxel shape {voxels}, but got {shift.shape}.")
    at = at.reshape((1,) * len(voxels) + (-1,)).astype(like.dtype)
    return at + jnp.broadcast_to(shift.astype(like.dtype), voxels)[..., None]


def resampled(
    z: Float[Array, "*voxels n"], offset: Float[Array, " n"], at: Float[Array, "*voxels m"], method: Interpolation
) -> Float[Array, "*voxels m"]:
    """Piecewise linear, or piecewise cubic with the slopes of a parabola through three points; nan outside."""
    fewest = {"linear": 2, "cubic": 3}
    if method not in fewest:
        raise ValueError(f"`method` must be 'linear' or 'cubic', but got {method!r}.")
    if offset.size < fewest[method]:
        raise ValueError(f"`offset_ppm` must hold at least {fewest[method]} offsets, but got {offset.size}.")
    order = jnp.argsort(offset)
    offset, z = offset[order], z[..., order]
    step = jnp.diff(offset)
    step = _checks.require(step, step > 0, "`offset_ppm` must hold each offset once (average repetitions), with steps")
    return _between(z, offset, step, at, method)


@functools.partial(jax.jit, static_argnames="method")  # one program compiles faster than its steps one by one
def _between(
    z: Float[Array, "*voxels n"],
    offset: Float[Array, " n"],
    step: Float[Array, " n_minus_1"],
    at: Float[Array, "*voxels m"],
    method: Interpolation,
) -> Float[Array, "*voxels m"]:
    i = jnp.clip(jnp.searchsorted(offset, at, side="right") - 1, 0, offset.size - 2)
    pick = lambda values, index: jnp.take_along_axis(values, index, axis=-1)
    t, h = (at - offset[i]) / step[i], step[i]
    low, high = pick(z, i), pick(z, i + 1)
    value = low + t * (high - low)
    if method == "cubic":
        slope = _slopes(z, step)
        rise = high - low
        bend_low, bend_high = h * pick(slope, i) - rise, rise - h * pick(slope, i + 1)
        value = value + t * (1 - t) * ((1 - t) * bend_low + t * bend_high)
    return jnp.where((t >= -BEYOND) & (t <= 1 + BEYOND), value, jnp.nan)


def _slopes(z: Float[Array, "*voxels n"], step: Float[Array, " n_minus_1"]) -> Float[Array, "*voxels n"]:
    h = step.reshape((1,) * (z.ndim - 1) + (-1,))
    rate = jnp.diff(z, axis=-1) / h
    before, after = h[..., :-1], h[..., 1:]
    inner = (after * rate[..., :-1] + before * rate[..., 1:]) / (before + after)
    # the parabolas through the three outermost points
    first, last = 2 * rate[..., :1] - inner[..., :1], 2 * rate[..., -1:] - inner[..., -1:]
    return jnp.concatenate([first, inner, last], axis=-1)
