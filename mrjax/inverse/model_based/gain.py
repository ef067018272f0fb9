"""How much an encoding amplifies, on average."""

import jax
import jax.numpy as jnp
from jaxtyping import Array

from mrjax.encoding import LinearOperator


def mean_gain(encoding: LinearOperator, data: Array) -> Array:
    """The mean eigenvalue of the encoding's normal operator, from one draw of random signs; in the precision of the data."""
    signs = jax.random.rademacher(jax.random.key(0), encoding.in_shape, data.real.dtype)
    return jnp.sum(jnp.abs(encoding.mv(signs.astype(data.dtype))) ** 2) / signs.size
