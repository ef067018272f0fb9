"""What maps are trained to: the true ones, and smoothness."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from mrjax.zoo.relaxometry.data import Batch


def map_error(maps: Float[Array, "image nx ny 3"], batch: Batch) -> Array:
    r"""Mean square error of $\ln T$ where there is tissue within the limits, plus that of $M_0$ everywhere."""
    square = (maps - batch["maps"]) ** 2
    inside = batch["inside"]
    of_time = jnp.sum(jnp.where(inside, square[..., 0], 0)) / jnp.maximum(inside.sum(), 1)
    return of_time + jnp.mean(square[..., 1] + square[..., 2])


def total_variation(maps: Float[Array, "image nx ny 3"], rounding: float = 1e-3) -> Array:
    """Mean length of the differences to the next pixels, over all maps, rounded where it is below `rounding`."""
    along_x = jnp.diff(maps, axis=1, append=maps[:, -1:])
    along_y = jnp.diff(maps, axis=2, append=maps[:, :, -1:])
    return jnp.mean(jnp.sum(jnp.sqrt(along_x**2 + along_y**2 + rounding**2), axis=-1))
