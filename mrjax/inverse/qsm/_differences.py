"""Differences of neighbouring voxels on a grid that closes on itself, where they are products in k-space."""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

Slopes = tuple[Array, ...]
"""One volume for each axis."""


def differences(volume: Float[Array, "nx ny nz"]) -> Slopes:
    """The next voxel less this one, along each axis; in the unit of the volume, whatever the voxel's size."""
    return tuple(jnp.roll(volume, -1, axis) - volume for axis in range(3))


def differences_adjoint(slopes: Slopes) -> Float[Array, "nx ny nz"]:
    """Minus the divergence."""
    first, *others = (jnp.roll(slope, 1, axis) - slope for axis, slope in enumerate(slopes))
    return first + others[0] + others[1]


def roughness(shape: tuple[int, ...], dtype: Any) -> Float[Array, "*half"]:
    """The squared modulus of the differences' transfer function, on the half spectrum."""
    total = jnp.zeros((1, 1, 1), dtype)
    for axis, n in enumerate(shape):
        frequency = (jnp.fft.rfftfreq if axis == 2 else jnp.fft.fftfreq)(n, dtype=dtype)
        at = tuple(slice(None) if axis == other else None for other in range(3))
        total = total + (4 * jnp.sin(jnp.pi * frequency) ** 2)[at]
    return total
