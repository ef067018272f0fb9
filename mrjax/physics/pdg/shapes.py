"""How a voxel sees what is wound across it."""

from typing import Literal

import jax.numpy as jnp
from jaxtyping import Array, Float

from mrjax.sequence.precision import Numbers, numpy_of

VoxelShape = Literal["box", "sinc"]
SHAPES: tuple[str, ...] = ("box", "sinc")

AT_THE_EDGE = 1e-4
"""Of the largest spatial frequency of a voxel, by which one may exceed it through rounding."""


def share_seen(
    wound: Float[Numbers, "*n 4"], voxel_size: Float[Numbers, "3"] | None, shape: VoxelShape
) -> Float[Numbers, "*n"]:
    r"""The mean over the voxel of $e^{2 \pi i q r}$, for $q$ in 1/m along x, y and z and in cycles across the voxel.

    A box is $\mathrm{sinc}(q_x \Delta x) \cdots$; of a sinc, whose spatial frequencies end at $1 / 2 \Delta x$, it is one below
    them and zero beyond.
    """
    xp = numpy_of(wound, voxel_size)
    across = xp.sinc(wound[..., 3])
    if voxel_size is None:
        return across
    cycles = wound[..., :3] * xp.reshape(voxel_size, (1,) * (wound.ndim - 1) + (3,))
    if shape == "box":
        return across * xp.prod(xp.sinc(cycles), axis=-1)
    inside = xp.all(xp.abs(cycles) <= 0.5 * (1 + AT_THE_EDGE), axis=-1)
    return xp.where(inside, across, 0.0)


def extent_of(voxel_size: Array | None) -> Float[Array, "3"] | None:
    """One length for each of x, y and z."""
    return None if voxel_size is None else jnp.broadcast_to(voxel_size, (3,))
