"""Covariances from an information matrix, where parameters may be held or without influence."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float


def covariance(
    information: Float[Array, "*voxels p p"], free: Bool[Array, "*voxels p"]
) -> tuple[Float[Array, "*voxels p p"], Bool[Array, "*voxels"]]:
    """The inverse, and whether it exists.

    Rows and columns of parameters that are not free are nan, and the variance of those that nothing depends on is infinite;
    neither spoils the others.
    """
    diagonal = jnp.diagonal(information, axis1=-2, axis2=-1)
    seen = free & (diagonal > 0)
    norm = jnp.sqrt(jnp.where(seen, diagonal, 1.0))
    one = jnp.expand_dims(jnp.eye(norm.shape[-1], dtype=bool), range(norm.ndim - 1))
    # with a diagonal of ones, so that units do not matter
    scaled = information / (norm[..., :, None] * norm[..., None, :])
    alone = ~(seen[..., :, None] & seen[..., None, :])
    inverse = jnp.linalg.inv(jnp.where(alone, one.astype(norm.dtype), scaled))
    found = jnp.where(alone, jnp.nan, inverse / (norm[..., :, None] * norm[..., None, :]))
    variance = jnp.diagonal(found, axis1=-2, axis2=-1)
    unknown = free & ~(jnp.isfinite(variance) & (variance >= 0))
    found = jnp.where(one & unknown[..., None], jnp.inf, found)
    return found, ~jnp.any(unknown, axis=-1)


def deviations(covariance: Float[Array, "*voxels p p"]) -> Float[Array, "*voxels p"]:
    """Standard deviations: the roots of the diagonal."""
    return jnp.sqrt(jnp.diagonal(covariance, axis1=-2, axis2=-1))
