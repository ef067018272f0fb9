"""HYDRA: a convolutional network with non-local blocks, from a fingerprint to tissue parameters."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from mrjax import _checks
from mrjax.nn.encoders import signal_of_length


class NonLocalBlock(nnx.Module):
    r"""Embedded-Gaussian non-local block: every sample sees all the others, and the result is added to the input.

    $$y_i = x_i + W \sum_j \mathrm{softmax}_j\big(\theta(x_i) \cdot \phi(x_j)\big)\, g(x_j)$$

    Theta, phi and g are 1x1 convolutions to half the channels and W is one back, all with biases. Memory grows as
    `batch * n_samples**2`.

    **Arguments:**

    - `channels`: Channels of the input, at least 2.
    - `rngs`: Random numbers for the initial parameters.

    Called with `units`, `(batch, n_samples, channels)`, it returns the same shape.

    **Source:** X. Wang et al., Non-local neural networks (2018), embedded Gaussian form; HYDRA (P-Song/HYDRA) uses it.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> from flax import nnx
        >>> from mrjax.nn.hydra import NonLocalBlock
        >>> NonLocalBlock(8, rngs=nnx.Rngs(0))(jnp.ones((4, 25, 8))).shape
        (4, 25, 8)

        ```
    """

    def __init__(self, channels: int, *, rngs: nnx.Rngs):
        if _checks.positive_integer(channels, "channels") < 2:
            raise ValueError(f"`channels` of a non-local block must be at least 2, but got {channels}.")
        self.theta = _convolution(channels, channels // 2, 1, rngs)
        self.phi = _convolution(channels, channels // 2, 1, rngs)
        self.g = _convolution(channels, channels // 2, 1, rngs)
        self.back = _convolution(channels // 2, channels, 1, rngs)

    def __call__(self, units: Float[Array, "*batch n c"]) -> Float[Array, "*batch n c"]:
        """The input plus what the other samples contribute, `(batch, n_samples, channels)`."""
        affinity = jnp.einsum("...ic,...jc->...ij", self.theta(units), self.phi(units))
        seen = jnp.einsum("...ij,...jc->...ic", jax.nn.softmax(affinity, axis=-1), self.g(units))
        return units + self.back(seen)


class HydraStage(nnx.Module):
    """A 1x1 convolution to more channels, a residual convolution along time, and a non-local block.

    **Arguments:**

    - `n_in`, `n_out`: Channels before and after.
    - `kernel`: Samples that the convolution along time spans.
    - `rngs`: Random numbers for the initial parameters.

    Called with `units`, `(batch, n_samples, n_in)`, it returns `(batch, n_samples, n_out)`.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> from flax import nnx
        >>> from mrjax.nn.hydra import HydraStage
        >>> HydraStage(4, 8, 3, rngs=nnx.Rngs(0))(jnp.ones((2, 25, 4))).shape
        (2, 25, 8)

        ```
    """

    def __init__(self, n_in: int, n_out: int, kernel: int, *, rngs: nnx.Rngs):
        self.widen = _convolution(n_in, n_out, 1, rngs)
        self.along_time = _convolution(n_out, n_out, kernel, rngs)
        self.non_local = NonLocalBlock(n_out, rngs=rngs)

    def __call__(self, units: Float[Array, "*batch n n_in"]) -> Float[Array, "*batch n n_out"]:
        """The units after the stage, `(batch, n_samples, n_out)`."""
        units = jax.nn.relu(self.widen(units))
        return self.non_local(units + jax.nn.relu(self.along_time(units)))


class Hydra(nnx.Module):
    r"""Convolutions along time with non-local blocks, a mean over time, and a linear layer to two parameters.

    Two convolutions, of which the first has a ReLU, open the network; stages of growing width follow, with a max-pool
    that halves the samples before each. The layers are those of the PyTorch copy that BlochNet was compared with, but
    for two deliberate deviations that follow the original network instead: that copy averages over the channels, this
    one over time (global average pooling); and it has no pooling between the stages. Kernels start He-normal. The first
    non-local block holds `batch * (n_samples / 2)**2` numbers.

    **Arguments:**

    - `n_samples`: Samples of a signal; enough that one is left after `len(channels) - 1` halvings.
    - `channels`: Channels of the opening convolutions, then of each stage.
    - `kernel`: Samples that a convolution along time spans.
    - `rngs`: Random numbers for the initial parameters.

    Called with `signal`, real `(batch, n_samples)`, it returns `(batch, 2)`.

    **Raises:** `ValueError` where a size does not fit, or `signal` has another number of samples.

    **Source:** P. Song, Y. C. Eldar, G. Mazor, M. R. D. Rodrigues, HYDRA, arXiv 1902.02882.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> from flax import nnx
        >>> from mrjax.nn.hydra import Hydra
        >>> network = Hydra(25, channels=(4, 8), kernel=3, rngs=nnx.Rngs(0))
        >>> network(jnp.ones((3, 25))).shape
        (3, 2)

        ```
    """

    def __init__(
        self, n_samples: int, channels: Sequence[int] = (16, 32, 64, 128), kernel: int = 21, *, rngs: nnx.Rngs
    ):
        self.n_samples = _checks.positive_integer(n_samples, "n_samples")
        _checks.positive_integer(kernel, "kernel")
        if len(channels) < 2:
            raise ValueError(f"`channels` must hold at least two numbers, but got {tuple(channels)}.")
        for width in channels:
            _checks.positive_integer(width, "channels")
        n_halvings = len(channels) - 1
        if n_samples < 2**n_halvings:
            raise ValueError(
                f"`n_samples` must be at least {2**n_halvings} to be halved {n_halvings} times, but got {n_samples}."
            )
        self.first = _convolution(1, channels[0], kernel, rngs)
        self.second = _convolution(channels[0], channels[0], kernel, rngs)
        self.stages = nnx.List([HydraStage(n_in, n_out, kernel, rngs=rngs) for n_in, n_out in pairwise(channels)])
        self.output = nnx.Linear(channels[-1], 2, rngs=rngs)

    def __call__(self, signal: Any) -> Float[Array, "*batch 2"]:
        """The two parameters for `signal`, `(batch, n_samples)`."""
        units = signal_of_length(signal, self.n_samples)[..., None]
        units = self.second(jax.nn.relu(self.first(units)))
        for stage in self.stages:
            units = stage(nnx.max_pool(units, window_shape=(2,), strides=(2,)))
        return self.output(jnp.mean(units, axis=-2))


def _convolution(n_in: int, n_out: int, kernel: int, rngs: nnx.Rngs) -> nnx.Conv:
    return nnx.Conv(n_in, n_out, kernel, kernel_init=nnx.initializers.he_normal(), rngs=rngs)
