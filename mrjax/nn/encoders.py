"""Networks from a signal to tissue parameters: fully connected and recurrent."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from mrjax import _checks


def normalised(signal: Any) -> Float[Array, "*batch n_samples"]:
    r"""The signal divided by its L2 norm, so that a network sees its shape but not its scale.

    $$\hat s = s / \|s\|_2$$

    **Arguments:**

    - `signal`: Real, `(batch, n_samples)`.

    **Returns:** Signals of norm 1, same shape. A signal that is zero, or so small that its square underflows, becomes
    zero and passes no gradient.

    **Source:** the code of HYDRA (P-Song/HYDRA), which normalises signals along time.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> from mrjax.nn.encoders import normalised
        >>> print(normalised(jnp.array([[3.0, 4.0], [0.0, 0.0]])))
        [[0.6 0.8]
         [0.  0. ]]

        ```
    """
    signal = _checks.real_array(signal, "signal")
    energy = jnp.sum(signal**2, axis=-1, keepdims=True)
    # the square root has an infinite slope at zero, which a single `where` would turn into nan in the gradient
    norm = jnp.sqrt(jnp.where(energy > 0, energy, 1.0))
    return jnp.where(energy > 0, signal / norm, 0.0)


def signal_of_length(signal: Any, n_samples: int) -> Float[Array, "*batch n_samples"]:
    """`signal` as a real array, checked to have `n_samples` on its last axis."""
    signal = _checks.real_array(signal, "signal")
    if signal.ndim < 1 or signal.shape[-1] != n_samples:
        raise ValueError(f"`signal` must have {n_samples} samples on its last axis, but got shape {signal.shape}.")
    return signal


class FullyConnected(nnx.Module):
    r"""Linear layers with ReLU between them and none after the last.

    Kernels start He-normal and biases at zero, where the published torch code has uniform ones.
    Published networks of this form, by their widths:

    - encoder of BlochNet: `(n, n, 300, 300, 2)`; its learned decoder: `(2, 300, 300, n, n)`
    - DRONE: `(n, 300, 300, 2)`; the activations of the original are not confirmed

    **Arguments:**

    - `widths`: Inputs, hidden units of each layer, outputs: two numbers or more.
    - `rngs`: Random numbers for the initial parameters.
    - `dtype`: Type to compute in, such as `jnp.bfloat16`; parameters stay float32. By default the type that inputs and
      parameters promote to.

    Called with `signal`, real `(batch, widths[0])`, it returns `(batch, widths[-1])`.

    **Raises:** `ValueError` where `widths` is too short or not positive, or `signal` has another number of samples.

    **Source:** O. Cohen, B. Zhu, M. S. Rosen, Magn Reson Med (2018), doi 10.1002/mrm.27198, for DRONE.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> from flax import nnx
        >>> from mrjax.nn.encoders import FullyConnected
        >>> network = FullyConnected((25, 300, 300, 2), rngs=nnx.Rngs(0))
        >>> network(jnp.ones((4, 25))).shape
        (4, 2)

        ```
    """

    def __init__(self, widths: Sequence[int], *, rngs: nnx.Rngs, dtype: DTypeLike | None = None):
        if len(widths) < 2:
            raise ValueError(f"`widths` must hold at least two numbers, but got {tuple(widths)}.")
        self.widths = tuple(_checks.positive_integer(width, "widths") for width in widths)
        he_normal = nnx.initializers.he_normal()
        self.layers = nnx.List(
            [
                nnx.Linear(n_in, n_out, kernel_init=he_normal, dtype=dtype, rngs=rngs)
                for n_in, n_out in pairwise(self.widths)
            ]
        )

    def __call__(self, signal: Any) -> Float[Array, "*batch n_outputs"]:
        """The outputs for `signal`, `(batch, widths[0])`."""
        *hidden, last = self.layers
        units = signal_of_length(signal, self.widths[0])
        for layer in hidden:
            units = jax.nn.relu(layer(units))
        return last(units)


class RecurrentEncoder(nnx.Module):
    r"""Stacked gated recurrent units that take the whole signal as one time step, then a linear layer.

    This is the recurrent encoder that BlochNet was compared with, as published: since there is one step and the hidden
    state starts at zero, nothing recurs and the recurrent kernels get no gradient. What is left is a gated network,
    $h' = (1 - z)\, n$ in each layer. As in `flax.nnx.GRUCell` and unlike PyTorch, the hidden state has no bias of its
    own.

    **Arguments:**

    - `n_samples`: Samples of a signal.
    - `hidden`: Units of each layer.
    - `n_layers`: Number of layers.
    - `n_outputs`: Parameters to estimate.
    - `rngs`: Random numbers for the initial parameters.

    Called with `signal`, real `(batch, n_samples)`, it returns `(batch, n_outputs)`.

    **Raises:** `ValueError` where a size is not a positive integer, or `signal` has another number of samples.

    **Source:** the encoder that BlochNet was compared with (code: rmrisforbidden/CauMedical); `RecurrentDecoder` states the
    form of the unit.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> from flax import nnx
        >>> from mrjax.nn.encoders import RecurrentEncoder
        >>> network = RecurrentEncoder(25, hidden=30, rngs=nnx.Rngs(0))
        >>> network(jnp.ones((4, 25))).shape
        (4, 2)

        ```
    """

    def __init__(self, n_samples: int, hidden: int = 300, n_layers: int = 3, n_outputs: int = 2, *, rngs: nnx.Rngs):
        self.n_samples = _checks.positive_integer(n_samples, "n_samples")
        _checks.positive_integer(n_outputs, "n_outputs")
        self.cells = nnx.List(gated_layers(n_samples, hidden, n_layers, rngs))
        self.output = nnx.Linear(hidden, n_outputs, rngs=rngs)

    def __call__(self, signal: Any) -> Float[Array, "*batch n_outputs"]:
        """The outputs for `signal`, `(batch, n_samples)`."""
        units = signal_of_length(signal, self.n_samples)
        for cell in self.cells:
            nothing = jnp.zeros((*units.shape[:-1], cell.hidden_features), units.dtype)
            units, _ = cell(nothing, units)
        return self.output(units)


def gated_layers(n_inputs: int, hidden: int, n_layers: int, rngs: nnx.Rngs) -> list[nnx.GRUCell]:
    """Cells of stacked gated recurrent layers, each fed by the one before."""
    _checks.positive_integer(hidden, "hidden")
    widths = (n_inputs,) + (hidden,) * (_checks.positive_integer(n_layers, "n_layers") - 1)
    return [nnx.GRUCell(width, hidden, rngs=rngs) for width in widths]
