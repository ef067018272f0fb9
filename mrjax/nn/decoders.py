"""Networks from tissue parameters and a sequence to the signal, learned in place of a simulation."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from mrjax import _checks
from mrjax.nn.encoders import gated_layers

N_FEATURES = 5
"""Numbers that a recurrent decoder gets at every repetition: flip angle, log10 T1, log10 T2, TE, TR."""


class RecurrentDecoder(nnx.Module):
    r"""Stacked gated recurrent units that step through the repetitions of a sequence and give its signal.

    At every repetition the layers run one after the other, and a linear layer maps the last hidden state to one sample,

    $$r = \sigma(W_r x + U_r h + b_r), \quad z = \sigma(W_z x + U_z h + b_z), \quad
      n = \tanh(W_n x + b_n + r \odot U_n h), \quad h' = (1 - z) \odot n + z \odot h,$$

    from a hidden state of zero. As in PyTorch the reset gate $r$ acts after the product with $U_n$; unlike there, and as
    in `flax.nnx.GRUCell`, $U_n h$ has no bias of its own.
    `FullyConnected` with widths `(2, 300, 300, n, n)` is the decoder for a sequence that never changes.

    **Arguments:**

    - `hidden`: Units of each layer.
    - `n_layers`: Number of layers.
    - `rngs`: Random numbers for the initial parameters.

    Called with `features`, `(batch, n_repetitions, 5)`, it returns the signal `(batch, n_repetitions)`. The features are
    flip angle, log10 T1, log10 T2, TE, TR; in the published recipe in degrees, T1 and T2 in ms, TE and TR in s.

    **Raises:** `ValueError` where a size is not a positive integer, or `features` has another shape.

    **Source:** the decoder that BlochNet was compared with (code: rmrisforbidden/CauMedical); gated recurrent units are due
    to K. Cho et al. (2014), there with the reset gate before the product.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> from flax import nnx
        >>> from mrjax.nn.decoders import RecurrentDecoder
        >>> network = RecurrentDecoder(rngs=nnx.Rngs(0))
        >>> network(jnp.ones((4, 100, 5))).shape
        (4, 100)

        ```
    """

    def __init__(self, hidden: int = 32, n_layers: int = 3, *, rngs: nnx.Rngs):
        self.cells = nnx.List(gated_layers(N_FEATURES, hidden, n_layers, rngs))
        self.output = nnx.Linear(hidden, 1, rngs=rngs)

    def __call__(self, features: Any) -> Float[Array, "*batch n_repetitions"]:
        """The signal for `features`, `(batch, n_repetitions, 5)`."""
        features = _checks.real_array(features, "features")
        if features.ndim < 2 or features.shape[-1] != N_FEATURES:
            raise ValueError(
                f"`features` must have shape (batch, n_repetitions, {N_FEATURES}), but got shape {features.shape}."
            )

        def repetition(states: list[Array], units: Array) -> tuple[list[Array], Array]:
            following = []
            for cell, state in zip(self.cells, states, strict=True):
                units, _ = cell(state, units)
                following.append(units)
            return following, units

        # the first layer's products with the inputs stay inside: five inputs are cheaper to read than 96 products
        batch, dtype = features.shape[:-2], jnp.result_type(features.dtype, jnp.float32)
        states = [jnp.zeros((*batch, cell.hidden_features), dtype) for cell in self.cells]
        _, units = jax.lax.scan(repetition, states, jnp.moveaxis(features, -2, 0))
        return jnp.moveaxis(self.output(units)[..., 0], 0, -1)
