"""What convolutional networks in two and three dimensions are made of."""

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from mrjax import _checks
from mrjax.nn._plane_convolutions import planes_convolved

MOST_GROUPS = 8
"""Of channels, in a group normalisation."""

MOMENTUM = 0.9
"""What a step leaves of the running statistics of batches: after a training of 100 steps nothing is left of their start."""


def convolution(
    n_in: int, n_out: int, kernel: int, rank: int, rngs: nnx.Rngs, *, bias: bool = True, zero: bool = False
) -> nnx.Conv:
    """A convolution that keeps the shape, He-normal or zero at the start."""
    _checks.positive_integer(n_in, "n_in")
    _checks.positive_integer(n_out, "n_out")
    start = nnx.initializers.zeros if zero else nnx.initializers.he_normal()
    sizes = (_checks.positive_integer(kernel, "kernel"),) * checked_rank(rank)
    return nnx.Conv(
        n_in, n_out, sizes, use_bias=bias, kernel_init=start, conv_general_dilated=plane_by_plane, rngs=rngs
    )


def plane_by_plane(images: Array, kernel: Array, *arguments: Any, **options: Any) -> Array:
    """`jax.lax.conv_general_dilated` with channels last, of stride one and the same shape, in planes on CPUs.

    There a plane of a volume with its neighbours as further channels goes through a convolution of planes. XLA computes it and
    its derivatives 3 to 7 times as fast as that of the volume, as it hands convolutions of planes to a library.
    """
    if jax.default_backend() != "cpu" or not all(size % 2 for size in kernel.shape[:-2]):
        return jax.lax.conv_general_dilated(images, kernel, *arguments, **options)
    return planes_convolved(images, kernel) if images.ndim == 4 else _of_planes(images, kernel)


@jax.checkpoint  # planes with their neighbours are as many times larger as the kernel, and are quickly made again
def _of_planes(images: Array, kernel: Array) -> Array:
    n, depth, *plane, n_in = images.shape
    n_taps, *_, n_out = kernel.shape
    padded = jnp.pad(images, ((0, 0), ((n_taps - 1) // 2, n_taps // 2), (0, 0), (0, 0), (0, 0)))
    stacked = jnp.concatenate([padded[:, tap : tap + depth] for tap in range(n_taps)], axis=-1)
    of_plane = jnp.moveaxis(kernel, 0, 2).reshape(*kernel.shape[1:3], n_taps * n_in, n_out)
    answer = planes_convolved(stacked.reshape(n * depth, *plane, n_taps * n_in), of_plane)
    return answer.reshape(n, depth, *plane, n_out)


class Doubling(nnx.Module):
    """A transposed convolution of kernel and stride two along each axis: every voxel becomes two, four or eight.

    No two outputs overlap, so it is one product of matrices. On CPU that takes a sixtieth of the time of `nnx.ConvTranspose`.

    **Arguments:**

    - `n_in`, `n_out`: Channels.
    - `rank`: Axes of the images, 2 or 3.
    - `rngs`: Random numbers for the initial parameters.

    Called with `images`, `(batch, *voxels, n_in)`, it returns `(batch, *(2 * voxels), n_out)`.
    """

    def __init__(self, n_in: int, n_out: int, *, rank: int, rngs: nnx.Rngs):
        self.rank, self.n_out = checked_rank(rank), n_out
        start = nnx.initializers.he_normal()
        self.linear = nnx.Linear(n_in, 2**rank * n_out, use_bias=False, kernel_init=start, rngs=rngs)
        self.bias = nnx.Param(jnp.zeros(n_out, jnp.float32))

    def __call__(self, images: Array) -> Array:
        """The images on voxels of half the size."""
        n, *voxels, _ = images.shape
        parts = self.linear(images).reshape(n, *voxels, *(2,) * self.rank, self.n_out)
        # from (n, x, y, 2, 2, c) to (n, x, 2, y, 2, c)
        order = itertools.chain.from_iterable((1 + axis, 1 + self.rank + axis) for axis in range(self.rank))
        doubled = parts.transpose(0, *order, parts.ndim - 1).reshape(n, *(2 * size for size in voxels), self.n_out)
        return doubled + self.bias[(None,) * (self.rank + 1)]


def halved(images: Array) -> Array:
    """The maximum of every two voxels along each axis; their numbers must be even."""
    n, *voxels, channels = images.shape
    pairs = itertools.chain.from_iterable((size // 2, 2) for size in voxels)
    return images.reshape(n, *pairs, channels).max(tuple(range(2, 2 * len(voxels) + 1, 2)))


def normalisation_layer(kind: str | None, channels: int, rngs: nnx.Rngs) -> Callable[[Array], Array]:
    """Of a batch, of groups of channels of a sample, or none."""
    if kind is None:
        return nnx.identity
    if kind == "batch":
        norm = nnx.BatchNorm(channels, momentum=MOMENTUM, rngs=rngs)
        # where JAX works in double precision, statistics of images in it must not be written into single precision
        norm.mean, norm.var = nnx.BatchStat(jnp.zeros(channels)), nnx.BatchStat(jnp.ones(channels))
        return norm
    if kind == "group":
        return nnx.GroupNorm(channels, math.gcd(channels, MOST_GROUPS), rngs=rngs)
    raise ValueError(f'`normalisation` must be "batch", "group" or None, but got {kind!r}.')


def checked_rank(rank: int) -> int:
    """2 or 3."""
    if rank not in (2, 3):
        raise ValueError(f"`rank` must be 2 (images) or 3 (volumes), but got {rank!r}.")
    return rank


def checked_images(images: Any, rank: int, channels: int) -> Float[Array, "..."]:
    """`images` as a real array, checked to have a batch, so many axes of voxels and the channels last."""
    images = _checks.real_array(images, "images")
    if images.ndim != rank + 2 or images.shape[-1] != channels:
        axes = ", ".join(["batch", "nx", "ny", "nz"][: rank + 1])
        raise ValueError(f"`images` must have shape ({axes}, {channels}), but got {images.shape}.")
    return images


def checked_residual(residual: bool, n_in: int, n_out: int) -> bool:
    """Whether the input is added, for which it must have the channels of the output."""
    if residual and n_in != n_out:
        raise ValueError(
            f"`n_out` must be `n_in` where the input is added to the output, but got {n_in} and {n_out}; "
            "pass `residual=False`."
        )
    return residual


def checked_channels(channels: Sequence[int]) -> tuple[int, ...]:
    """One number for each level, at least one."""
    if not channels:
        raise ValueError("`channels` must hold a number for each level, but is empty.")
    return tuple(_checks.positive_integer(width, "channels") for width in channels)
