"""What was measured, how it comes about, and how far an image is from explaining it."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike

from mrjax import _checks
from mrjax._module import Module
from mrjax._shapes import with_rank
from mrjax.encoding import LinearOperator


class Fidelity(Module):
    r"""How well an image explains what was measured.

    $$f(x) = \tfrac12 \| W^{1/2} (A(x) - y) \|^2$$

    It is a PyTree of arrays: `jax.vmap` over it is a batch of measurements, each with an operator of its own.

    **Arguments:**

    - `encoding`: $A$. A `mrjax.encoding.LinearOperator`, such as `sense` or `Dipole`; or any function from an array to an array
        that JAX can differentiate, such as an `EncodedModel`, `lambda maps: spgr(...)`, or `lambda x: jnp.exp(1j * dipole(x))`.
        Put arrays that differ between measurements into an `equinox.Module` or a `jax.tree_util.Partial`, not into a lambda.
    - `data`: $y$, real or complex, of the shape that $A$ makes.
    - `weights`: $W$, zero or more: the inverse of the variance of the noise, such as the square of a magnitude, and zero where
        nothing was measured. Broadcasts to the data. None for 1.

    **Raises:** `ValueError` for weights of more axes than the data, or below zero.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> from mrjax.encoding import Dipole
        >>> from mrjax.nn.consistency import Fidelity
        >>> dipole = Dipole((8, 8, 8), voxel_size=1e-3)
        >>> susceptibility = jnp.zeros((8, 8, 8)).at[4, 4, 4].set(1.0)
        >>> fidelity = Fidelity(dipole, dipole(susceptibility))
        >>> print(fidelity(susceptibility))
        0.0

        ```
    """

    encoding: Callable[[Array], Array]
    data: Array
    weights: Array | None

    def __init__(self, encoding: Callable[[Any], Array], data: ArrayLike, weights: ArrayLike | None = None):
        self.encoding = encoding
        self.data = _checks.number_array(data, "data")
        self.weights = None if weights is None else _of_rank(weights, self.data)

    def __call__(self, image: Array) -> Array:
        """$f(x)$."""
        residual = self.residual(image)
        return jnp.sum(self.weighted(residual.real**2 + residual.imag**2)) / 2

    def residual(self, image: Array) -> Array:
        """$A(x) - y$."""
        return self.predicted(image) - self.data

    def gradient(self, image: Array) -> Array:
        """$J^H W (A(x) - y)$, with the Jacobian $J$ of $A$; real where the image is."""
        if isinstance(self.encoding, LinearOperator):
            back = self.encoding.adjoint(self.weighted(self.residual(image)))
            return back if jnp.iscomplexobj(image) else back.real
        predicted, pull = jax.vjp(self.encoding, image)
        return pull(self.weighted(predicted - self.data).conj().astype(predicted.dtype))[0].conj()

    def predicted(self, image: Array) -> Array:
        """$A(x)$."""
        return self.encoding.mv(image) if isinstance(self.encoding, LinearOperator) else self.encoding(image)

    def weighted(self, values: Array) -> Array:
        """$W$ times values that belong to the data."""
        return values if self.weights is None else self.weights.astype(values.real.dtype) * values


def _of_rank(weights: ArrayLike, data: Array) -> Array:
    array = _checks.non_negative(_checks.real_array(weights, "weights"), "weights", "inverse variance")
    if array.ndim > data.ndim:
        raise ValueError(f"`weights` must broadcast to the shape {data.shape} of `data`, but got shape {array.shape}.")
    return with_rank(array, data.ndim)
