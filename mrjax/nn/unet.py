"""The U-Net, in two and three dimensions."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from mrjax.nn.convolutions import (
    Doubling,
    checked_channels,
    checked_images,
    checked_rank,
    checked_residual,
    convolution,
    halved,
    normalisation_layer,
)


class TwoConvolutions(nnx.Module):
    """Two convolutions, each with normalisation and leaky ReLU after it, and dropout between them.

    **Arguments:** as of `UNet`; `n_in` and `n_out` are those of this level.

    Called with `images`, `(batch, *voxels, n_in)`, it returns `(batch, *voxels, n_out)`.
    """

    def __init__(
        self,
        n_in: int,
        n_out: int,
        *,
        rank: int,
        kernel: int,
        normalisation: str | None,
        dropout: float | int,
        slope: float | int,
        rngs: nnx.Rngs,
    ):
        self.slope, bias = slope, normalisation is None
        self.first = convolution(n_in, n_out, kernel, rank, rngs, bias=bias)
        self.first_norm = normalisation_layer(normalisation, n_out, rngs)
        self.dropout = nnx.Dropout(dropout, rngs=rngs)
        self.second = convolution(n_out, n_out, kernel, rank, rngs, bias=bias)
        self.second_norm = normalisation_layer(normalisation, n_out, rngs)

    def __call__(self, images: Array) -> Array:
        """The features of this level."""
        features = jax.nn.leaky_relu(self.first_norm(self.first(images)), self.slope)
        return jax.nn.leaky_relu(self.second_norm(self.second(self.dropout(features))), self.slope)


class UNet(nnx.Module):
    r"""Features at several resolutions, down to a coarse one and up again, each joined with that of its way down.

    Every level has two convolutions. Between levels the maximum of two voxels along each axis is taken on the way down, and
    a transposed convolution of stride two on the way up. A convolution with kernel one makes the output. Any number of voxels
    will do: zeros are added about the images, as every convolution does, and cut off at the end.

    Convolutions have no bias where a normalisation follows. Published networks of this form:

    - QSMnet and QSMnet+: `UNet(1, 1, rank=3, channels=(32, 64, 128, 256, 512), kernel=5, slope=0.1)`
    - MANTIS maps an image of several echoes to the parameters of a decay: `UNet(n_echoes, 2, rank=2)`

    **Arguments:**

    - `n_in`, `n_out`: Channels of input and output.
    - `rank`: Axes of the images, 2 or 3.
    - `channels`: Features of each level, from the finest.
    - `kernel`: Voxels of each convolution along each axis.
    - `normalisation`: `"batch"`, `"group"` (at most eight groups of channels) or None.
    - `dropout`: Share of the features dropped between the two convolutions of a level, in training mode. From 0 to 1.
    - `slope`: Of the leaky ReLU below zero.
    - `residual`: Whether to add the input to the output.
    - `zero_output`: Whether the last convolution starts at zero, so that the output starts as zero, or as the input.
    - `rngs`: Random numbers for the initial parameters and for dropout.

    Called with `images`, real `(batch, *voxels, n_in)`, it returns `(batch, *voxels, n_out)`.

    **Raises:** `ValueError` where an argument is outside its range, or `images` has another shape.

    **Source:** O. Ronneberger, P. Fischer, T. Brox, U-Net, arXiv 1505.04597. QSMnet: its code, SNU-LIST/QSMnet.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> from flax import nnx
        >>> import mrjax as mr
        >>> network = mr.nn.UNet(1, 2, rank=3, channels=(4, 8), rngs=nnx.Rngs(0))
        >>> network(jnp.ones((1, 9, 10, 7, 1))).shape
        (1, 9, 10, 7, 2)

        ```
    """

    def __init__(
        self,
        n_in: int,
        n_out: int,
        *,
        rank: int,
        channels: Sequence[int] = (32, 64, 128, 256),
        kernel: int = 3,
        normalisation: str | None = "batch",
        dropout: float | int = 0.0,
        slope: float | int = 0.0,
        residual: bool = False,
        zero_output: bool = False,
        rngs: nnx.Rngs,
    ):
        self.n_in, self.rank = n_in, checked_rank(rank)
        self.residual = checked_residual(residual, n_in, n_out)
        widths = checked_channels(channels)
        level = lambda n_in, n_out: TwoConvolutions(
            n_in, n_out, rank=rank, kernel=kernel, normalisation=normalisation, dropout=dropout, slope=slope, rngs=rngs
        )
        self.down = nnx.List([level(*pair) for pair in pairwise((n_in, *widths))])
        upwards = list(pairwise(reversed(widths)))
        self.doublings = nnx.List([Doubling(coarse, fine, rank=rank, rngs=rngs) for coarse, fine in upwards])
        self.up = nnx.List([level(2 * fine, fine) for _, fine in upwards])
        self.output = convolution(widths[0], n_out, 1, rank, rngs, zero=zero_output)

    def __call__(self, images: Any) -> Float[Array, "batch *voxels n_out"]:
        """The output for `images`, `(batch, *voxels, n_in)`."""
        images = checked_images(images, self.rank, self.n_in)
        *finer, coarsest = self.down
        margins = [_margin(size, 2 ** len(finer)) for size in images.shape[1:-1]]
        features, skipped = jnp.pad(images, [(0, 0), *margins, (0, 0)]), []
        for level in finer:
            skipped.append(level(features))
            features = halved(skipped[-1])
        features = coarsest(features)
        for doubling, level in zip(self.doublings, self.up, strict=True):
            features = level(jnp.concatenate([skipped.pop(), doubling(features)], axis=-1))
        inside = [slice(before, before + size) for (before, _), size in zip(margins, images.shape[1:-1], strict=True)]
        output = self.output(features[:, *inside])
        return images + output if self.residual else output


def _margin(size: int, multiple: int) -> tuple[int, int]:
    """Voxels to add before and after, to a whole multiple."""
    missing = -size % multiple
    return missing // 2, missing - missing // 2
