"""Coordinates without limits, in which a sampler moves freely."""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

NEAREST = 1e-6
"""How near to a limit a start may be, as a part of the interval or of the parameter."""


def bounded(z: Float[Array, ""], lower: float, upper: float) -> tuple[Float[Array, ""], Float[Array, ""]]:
    r"""The parameter of a coordinate, and the logarithm of its slope $\log |\mathrm{d}x / \mathrm{d}z|$.

    A logistic function between two limits, an exponential from one, and the coordinate itself without any.
    """
    if math.isfinite(lower) and math.isfinite(upper):
        width = upper - lower
        return lower + width * jax.nn.sigmoid(z), math.log(width) + jax.nn.log_sigmoid(z) + jax.nn.log_sigmoid(-z)
    if math.isfinite(lower):
        return lower + jnp.exp(z), z
    if math.isfinite(upper):
        return upper - jnp.exp(z), z
    return z, jnp.zeros_like(z)


def unbounded(x: Float[Array, "*voxels"], lower: float, upper: float) -> Float[Array, "*voxels"]:
    """The coordinate of a parameter, the inverse of `bounded`; of one on a limit that of one very near."""
    if math.isfinite(lower) and math.isfinite(upper):
        share = jnp.clip((x - lower) / (upper - lower), NEAREST, 1 - NEAREST)
        return jnp.log(share) - jnp.log1p(-share)
    if math.isfinite(lower):
        return jnp.log(jnp.maximum(x - lower, NEAREST * jnp.maximum(jnp.abs(x), NEAREST)))
    if math.isfinite(upper):
        return jnp.log(jnp.maximum(upper - x, NEAREST * jnp.maximum(jnp.abs(x), NEAREST)))
    return x
