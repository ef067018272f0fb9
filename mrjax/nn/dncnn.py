"""DnCNN: a plain chain of convolutions that learns what to take away from an image."""

from typing import Any

import jax
from flax import nnx
from jaxtyping import Array, Float

from mrjax import _checks
from mrjax.nn.convolutions import (
    checked_images,
    checked_rank,
    checked_residual,
    convolution,
    normalisation_layer,
)


class DnCNN(nnx.Module):
    r"""Convolutions with normalisation and ReLU, a last one without, and the input added: a denoiser.

    $$D(x) = x + N(x)$$

    Convolutions have no bias where a normalisation follows. The denoiser of MoDL has this form, with a normalisation after
    the last convolution too: `DnCNN(2, 2, rank=2)`, real and imaginary part as channels (`complex_as_channels`).

    **Arguments:**

    - `n_in`, `n_out`: Channels of input and output.
    - `rank`: Axes of the images, 2 or 3.
    - `channels`: Features of every layer.
    - `n_layers`: Convolutions, the last one included. At least 2.
    - `kernel`: Voxels of each convolution along each axis.
    - `normalisation`: `"batch"`, `"group"` (at most eight groups of channels) or None.
    - `residual`: Whether to add the input to the output.
    - `zero_output`: Whether the last convolution starts at zero, so that the output starts as the input, or as zero.
    - `rngs`: Random numbers for the initial parameters.

    Called with `images`, real `(batch, *voxels, n_in)`, it returns `(batch, *voxels, n_out)`.

    **Raises:** `ValueError` where an argument is outside its range, or `images` has another shape.

    **Source:** H. K. Aggarwal, M. P. Mani, M. Jacob, MoDL: its code, hkaggarwal/modl.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> from flax import nnx
        >>> import mrjax as mr
        >>> network = mr.nn.DnCNN(2, 2, rank=2, channels=8, zero_output=True, rngs=nnx.Rngs(0))
        >>> images = jnp.ones((3, 12, 9, 2))
        >>> bool((network(images) == images).all())
        True

        ```
    """

    def __init__(
        self,
        n_in: int,
        n_out: int,
        *,
        rank: int,
        channels: int = 64,
        n_layers: int = 5,
        kernel: int = 3,
        normalisation: str | None = "batch",
        residual: bool = True,
        zero_output: bool = False,
        rngs: nnx.Rngs,
    ):
        self.n_in, self.rank = n_in, checked_rank(rank)
        self.residual = checked_residual(residual, n_in, n_out)
        if _checks.positive_integer(n_layers, "n_layers") < 2:
            raise ValueError(f"`n_layers` must be at least 2, but got {n_layers}.")
        bias, widths = normalisation is None, (n_in, *(channels,) * (n_layers - 2))
        self.layers = nnx.List([convolution(width, channels, kernel, rank, rngs, bias=bias) for width in widths])
        self.norms = nnx.List([normalisation_layer(normalisation, channels, rngs) for _ in widths])
        self.output = convolution(channels, n_out, kernel, rank, rngs, zero=zero_output)

    def __call__(self, images: Any) -> Float[Array, "batch *voxels n_out"]:
        """The output for `images`, `(batch, *voxels, n_in)`."""
        images = features = checked_images(images, self.rank, self.n_in)
        for layer, norm in zip(self.layers, self.norms, strict=True):
            features = jax.nn.relu(norm(layer(features)))
        return images + self.output(features) if self.residual else self.output(features)
