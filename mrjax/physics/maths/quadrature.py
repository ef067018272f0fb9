"""Integrals of functions that are polynomials from one time to the next, by three points of Gauss and Legendre for each piece.

Three points are exact up to the fifth degree: so for the square of what a straight gradient winds, which has the fourth.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

NODES, WEIGHTS = np.polynomial.legendre.leggauss(3)
"""Between -1 and 1."""


def points_between(edges: Float[Array, " edge"]) -> Float[Array, "piece 3"]:
    """The points at which a function is needed between each edge and the next."""
    middle, half = (edges[1:] + edges[:-1]) / 2, jnp.diff(edges) / 2
    return middle[:, None] + half[:, None] * NODES[None]


def weights_between(edges: Float[Array, " edge"]) -> Float[Array, "piece 3"]:
    """The factors of the values there: their sum over a piece is its integral."""
    return jnp.diff(edges)[:, None] / 2 * WEIGHTS[None]


def integrals_until(edges: Float[Array, " edge"], values: Float[Array, "piece 3"]) -> Float[Array, " edge"]:
    """The integral from the first edge to each, of a function with these values at the points between."""
    half = jnp.diff(edges) / 2
    pieces = half * jnp.sum(WEIGHTS[None] * values, axis=1)
    return jnp.concatenate([jnp.zeros_like(half[:1]), jnp.cumsum(pieces)])
