"""Images at many times as combinations of few."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array

from mrjax import _checks
from mrjax.encoding.grids import checked_shape
from mrjax.encoding.operator import LinearOperator


class Subspace(LinearOperator):
    r"""Images at many times from the coefficients of a basis.

    $$x_t(r) = \sum_l b_{t l} \, a_l(r)$$

    **Arguments:**

    - `basis`: $b$, real or complex, such as the first singular vectors of a dictionary of signals. Shape `(n_times, rank)`.
    - `shape`: Voxels along each axis.

    **Returns:** when applied to `(*others, rank, *shape)`, shape `(*others, n_times, *shape)`.

    Where each time has samples of its own, `sense(..., basis=)` encodes the coefficients, which are fewer, and combines samples.

    **Derivatives:** in basis and coefficients.

    **Raises:** `ValueError` for a basis that has not two axes.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> from mrjax.encoding import Subspace
        >>> basis = jnp.array([[1.0, 0.0], [0.5, 0.5], [0.2, 0.8]])
        >>> images = Subspace(basis, shape=(4, 4))(jnp.ones((2, 4, 4)))
        >>> images.shape
        (3, 4, 4)

        ```
    """

    basis: Array
    shape: tuple[int, ...] = eqx.field(static=True)

    def __init__(self, basis: Any, shape: int | tuple[int, ...]):
        self.basis = _checks.finite(_checks.number_array(basis, "basis"), "basis")
        if self.basis.ndim != 2:
            raise ValueError(f"`basis` must have shape (n_times, rank), but got {self.basis.shape}.")
        self.shape = checked_shape(shape)

    @property
    def in_shape(self) -> tuple[int, ...]:
        return (self.basis.shape[1], *self.shape)

    def mv(self, vector: Array) -> Array:
        return self._combined(self.basis, vector)

    def adjoint(self, data: Array) -> Array:
        return self._combined(self.basis.conj().T, data)

    def _combined(self, matrix: Array, images: Array) -> Array:
        axis = images.ndim - len(self.shape) - 1
        return jnp.moveaxis(jnp.tensordot(matrix, images, (1, axis), precision="highest"), 0, axis)
