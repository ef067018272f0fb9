"""Random ellipses, polygons and strips, painted one over the other."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key

SIDES = 7
"""At most, of a polygon."""

SIZES = (0.05, 0.5)
"""Half the length of a shape over half the map, whose logarithm is uniform."""

PLACEMENT, FORM = 5, 1 + 2 * SIDES
"""Random numbers that place a shape, and that form it."""


def painted(
    key: Key[Array, ""], u: Float[Array, "nx 1"], v: Float[Array, "1 ny"], n_shapes: int
) -> Int[Array, "nx ny"]:
    """The number of the last shape that covers each pixel, from 1; 0 where there is none."""
    empty = jnp.zeros((u.shape[0], v.shape[1]), jnp.int32)
    # in one call, as each takes XLA a quarter of a second to compile
    random = jax.random.uniform(key, (n_shapes, PLACEMENT + FORM), u.dtype)

    def paint(
        image: Int[Array, "nx ny"], shape: tuple[Int[Array, ""], Float[Array, " n"]]
    ) -> tuple[Int[Array, "nx ny"], None]:
        number, random = shape
        return jnp.where(_inside(random, u, v), number, image), None

    return jax.lax.scan(paint, empty, (jnp.arange(1, n_shapes + 1, dtype=jnp.int32), random))[0]


def _inside(random: Float[Array, " n"], u: Float[Array, "nx 1"], v: Float[Array, "1 ny"]) -> Bool[Array, "nx ny"]:
    which, x, y, large, turn = random[:PLACEMENT]
    size = SIZES[0] * jnp.exp(large * np.log(SIZES[1] / SIZES[0]))
    right, up = (u - (1.6 * x - 0.8)) / size, (v - (1.6 * y - 0.8)) / size
    cosine, sine = jnp.cos(2 * jnp.pi * turn), jnp.sin(2 * jnp.pi * turn)
    along, across = right * cosine + up * sine, up * cosine - right * sine
    kinds = (_ellipse, _polygon, _strip)
    drawn = [kind(random[PLACEMENT:], along, across) for kind in kinds]
    return jnp.select([which < (number + 1) / len(kinds) for number in range(len(kinds))], drawn, drawn[-1])


def _ellipse(form: Float[Array, " n"], along: Array, across: Array) -> Bool[Array, "nx ny"]:
    return along**2 + (across / (0.3 + 0.7 * form[0])) ** 2 < 1


def _polygon(form: Float[Array, " n"], along: Array, across: Array) -> Bool[Array, "nx ny"]:
    """Convex: what is on the inner side of each of some lines."""
    number = np.arange(SIDES)
    sides = 3 + jnp.floor(form[0] * (SIDES - 2))
    angle = 2 * jnp.pi * (number + 0.6 * form[1 : 1 + SIDES] - 0.3) / sides
    # lines beyond the number of sides cut nothing off
    distance = jnp.where(number < sides, 0.4 + 0.4 * form[1 + SIDES :], jnp.inf)
    cosine, sine, distance = (value[:, None, None] for value in (jnp.cos(angle), jnp.sin(angle), distance))
    return jnp.all(along[None] * cosine + across[None] * sine < distance, axis=0)


def _strip(form: Float[Array, " n"], along: Array, across: Array) -> Bool[Array, "nx ny"]:
    """Thin and bent, as gyri and vessels are."""
    return (jnp.abs(across - (form[0] - 0.5) * along**2) < 0.04 + 0.16 * form[1]) & (jnp.abs(along) < 1.5)
