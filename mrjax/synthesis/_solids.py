"""Ellipsoids, boxes and tubes in space, blended one over the other."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

ELLIPSOID, BOX, TUBE = range(3)

WAVES = 32
"""Plane waves in a texture."""

SHORTEST, LONGEST = 0.15, 1.5
"""Their wavelengths over half the volume."""

TINY = 1e-6

Places = Float[Array, "3 nx ny nz"]


class Solids(NamedTuple):
    """Some solids, the later ones over the earlier ones. Lengths are in the unit of the places."""

    kind: Int[Array, " n"]
    """Ellipsoid, box or tube."""
    centre: Float[Array, "n 3"]
    half_axes: Float[Array, "n 3"]
    """A tube has its length along the first."""
    quaternion: Float[Array, "n 4"]
    """Of the rotation, of any length."""
    bend: Float[Array, " n"]
    """By how much the middle of a tube leaves the line between its ends, over its half length."""
    values: Float[Array, "n n_maps"]


def painted(maps: Float[Array, "n_maps nx ny nz"], solids: Solids, places: Places, voxel: Array) -> Array:
    """The maps with the values of the solids, in one loop over these; a voxel at a surface gets a share of both sides."""

    def paint(maps: Array, solid: Solids) -> tuple[Array, None]:
        share = _share(solid, places, voxel)[None]
        return maps + share * (solid.values[:, None, None, None] - maps), None

    return jax.lax.scan(paint, maps, solids)[0]


def together(*groups: Solids) -> Solids:
    """The solids of several groups, in order."""
    return Solids(*(jnp.concatenate(leaves) for leaves in zip(*groups, strict=True)))


def upright(n: int) -> Float[Array, "n 4"]:
    """The quaternions of no rotation."""
    return jnp.broadcast_to(jnp.array([1.0, 0.0, 0.0, 0.0]), (n, 4))


def any_rotation(random: Float[Array, "n 3"]) -> Float[Array, "n 4"]:
    """Quaternions of uniform rotations from numbers uniform in 0..1 (K. Shoemake, Graphics Gems III, 1992, 124-132)."""
    height, first, second = random.T
    one, other = jnp.sqrt(1 - height), jnp.sqrt(height)
    first, second = 2 * jnp.pi * first, 2 * jnp.pi * second
    parts = (one * jnp.sin(first), one * jnp.cos(first), other * jnp.sin(second), other * jnp.cos(second))
    return jnp.stack(parts, -1)


def texture(key: Key[Array, ""], places: Places) -> Float[Array, "nx ny nz"]:
    """Plane waves of random directions, lengths and phases, of variance one, where half the volume has a length of one."""
    # in one call, as each takes XLA a quarter of a second to compile
    height, turn, long, shift = jax.random.uniform(key, (4, WAVES), places.dtype)
    up, angle = 2 * height - 1, 2 * jnp.pi * turn
    aside = jnp.sqrt(1 - up**2)
    direction = jnp.stack([aside * jnp.cos(angle), aside * jnp.sin(angle), up], -1)
    waves = 2 * jnp.pi / (SHORTEST * jnp.exp(long * np.log(LONGEST / SHORTEST)))[:, None] * direction

    def add(total: Array, wave: tuple[Array, Array]) -> tuple[Array, None]:
        (right, forward, up), shift = wave
        return total + jnp.cos(right * places[0] + forward * places[1] + up * places[2] + 2 * jnp.pi * shift), None

    total, _ = jax.lax.scan(add, jnp.zeros_like(places[0]), (waves, shift))
    return np.sqrt(2 / WAVES) * total


def _share(solid: Solids, places: Places, voxel: Array) -> Float[Array, "nx ny nz"]:
    """Of each voxel that is inside, to first order in the distance from the surface."""
    # written out, which XLA computes in one loop over the voxels
    away = [place - centre for place, centre in zip(places, solid.centre, strict=True)]
    half = solid.half_axes
    scaled = [
        sum(entry * distance for entry, distance in zip(row, away, strict=True)) / length
        for row, length in zip(rotation(solid.quaternion), half, strict=True)
    ]
    along, across, up = scaled
    bent = across - solid.bend * (half[0] / half[1]) * (1 - along**2)
    radius = jnp.sqrt(along**2 + across**2 + up**2)
    steepness = jnp.sqrt((along / half[0]) ** 2 + (across / half[1]) ** 2 + (up / half[2]) ** 2)
    from_faces = [(1 - jnp.abs(value)) * length for value, length in zip(scaled, half, strict=True)]
    depths = (
        (1 - radius) * radius / jnp.maximum(steepness, TINY),
        functools.reduce(jnp.minimum, from_faces),
        jnp.minimum(from_faces[0], (1 - jnp.sqrt(bent**2 + up**2)) * half[1]),
    )
    return jnp.clip(0.5 + jax.lax.select_n(solid.kind, *depths) / voxel, 0, 1)


def rotation(quaternion: Float[Array, " 4"]) -> Float[Array, "3 3"]:
    """The matrix of a quaternion of any length."""
    w, x, y, z = quaternion / jnp.linalg.norm(quaternion)
    rows = (
        (1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
        (2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
        (2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
    )
    return jnp.array(rows)
