"""A wide residual network, which learned steps of an iteration are made of."""

from typing import Any

import jax
from flax import nnx
from jaxtyping import Array, Float

from mrjax import _checks
from mrjax.nn.convolutions import checked_images, checked_rank, convolution, normalisation_layer


class ResidualBlock(nnx.Module):
    """Two convolutions with normalisation, ReLU and dropout between them, added to their input; then ReLU.

    **Arguments:** as of `ResidualNetwork`.

    Called with `features`, `(batch, *voxels, channels)`, it returns the same shape.
    """

    def __init__(
        self,
        channels: int,
        *,
        rank: int,
        kernel: int,
        normalisation: str | None,
        dropout: float | int,
        rngs: nnx.Rngs,
    ):
        bias = normalisation is None
        self.first = convolution(channels, channels, kernel, rank, rngs, bias=bias)
        self.first_norm = normalisation_layer(normalisation, channels, rngs)
        self.dropout = nnx.Dropout(dropout, rngs=rngs)
        self.second = convolution(channels, channels, kernel, rank, rngs, bias=bias)
        self.second_norm = normalisation_layer(normalisation, channels, rngs)

    def __call__(self, features: Array) -> Array:
        """The features with what this block adds."""
        inside = self.dropout(jax.nn.relu(self.first_norm(self.first(features))))
        return jax.nn.relu(features + self.second_norm(self.second(inside)))


class ResidualNetwork(nnx.Module):
    r"""A convolution, residual blocks at full resolution, convolutions with kernel one, and one to the output.

    ReLU follows all but the last. With normalisation the last convolution alone has a bias, as published; without, all have.
    What a voxel of the output sees reaches `(kernel - 1) / 2 * (1 + 2 * n_blocks)` voxels to each side.

    Published networks of this form are the learned steps of MoDL-QSM, `ResidualNetwork(2, 2, rank=3, dropout=0.5)`, and of
    LPCNN, `ResidualNetwork(1, 1, rank=3, dropout=0.5)`; LPCNN drops whole channels, which this one does not.

    **Arguments:**

    - `n_in`, `n_out`: Channels of input and output.
    - `rank`: Axes of the images, 2 or 3.
    - `channels`: Features of every layer.
    - `n_blocks`: Residual blocks.
    - `kernel`: Voxels of each convolution along each axis.
    - `n_pointwise`: Convolutions with kernel one before the output.
    - `normalisation`: `"batch"`, `"group"` (at most eight groups of channels) or None.
    - `dropout`: Share of the features dropped inside a block, in training mode. From 0 to 1.
    - `zero_output`: Whether the last convolution starts at zero, so that the output starts as zero.
    - `rngs`: Random numbers for the initial parameters and for dropout.

    Called with `images`, real `(batch, *voxels, n_in)`, it returns `(batch, *voxels, n_out)`.

    **Raises:** `ValueError` where an argument is outside its range, or `images` has another shape.

    **Source:** the codes of MoDL-QSM (Ruimin-Feng/MoDL-QSM) and LPCNN (Sulam-Group/LPCNN).

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> from flax import nnx
        >>> import mrjax as mr
        >>> network = mr.nn.ResidualNetwork(2, 1, rank=2, channels=8, n_blocks=2, rngs=nnx.Rngs(0))
        >>> network(jnp.ones((3, 12, 9, 2))).shape
        (3, 12, 9, 1)

        ```
    """

    def __init__(
        self,
        n_in: int,
        n_out: int,
        *,
        rank: int,
        channels: int = 32,
        n_blocks: int = 8,
        kernel: int = 3,
        n_pointwise: int = 2,
        normalisation: str | None = "batch",
        dropout: float | int = 0.0,
        zero_output: bool = False,
        rngs: nnx.Rngs,
    ):
        self.n_in, self.rank, bias = n_in, checked_rank(rank), normalisation is None
        _checks.positive_integer(n_blocks, "n_blocks")
        self.first = convolution(n_in, channels, kernel, rank, rngs, bias=bias)
        block = lambda: ResidualBlock(
            channels, rank=rank, kernel=kernel, normalisation=normalisation, dropout=dropout, rngs=rngs
        )
        self.blocks = nnx.List([block() for _ in range(n_blocks)])
        pointwise = range(_checks.positive_integer(n_pointwise, "n_pointwise"))
        self.pointwise = nnx.List([convolution(channels, channels, 1, rank, rngs, bias=bias) for _ in pointwise])
        self.output = convolution(channels, n_out, 1, rank, rngs, zero=zero_output)

    def __call__(self, images: Any) -> Float[Array, "batch *voxels n_out"]:
        """The output for `images`, `(batch, *voxels, n_in)`."""
        features = jax.nn.relu(self.first(checked_images(images, self.rank, self.n_in)))
        for block in self.blocks:
            features = block(features)
        for layer in self.pointwise:
            features = jax.nn.relu(layer(features))
        return self.output(features)
