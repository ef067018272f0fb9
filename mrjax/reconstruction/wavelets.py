"""Orthogonal wavelets on a periodic grid."""

import math

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from mrjax import _checks
from mrjax.encoding import LinearOperator
from mrjax.encoding.grids import checked_shape

ROOT = math.sqrt(3.0)
SCALING = {
    "haar": np.array([1.0, 1.0]) / math.sqrt(2.0),
    "db2": np.array([1 + ROOT, 3 + ROOT, 3 - ROOT, 1 - ROOT]) / (4 * math.sqrt(2.0)),
}
"""Filters by name, as Daubechies 1992 gives them in closed form."""


class Wavelets(LinearOperator):
    r"""The wavelet transform with periodic boundaries, which keeps all scalar products: its adjoint is its inverse.

    **Arguments:**

    - `shape`: Voxels along each axis, divisible by `2**n_levels`.
    - `n_levels`: Halvings, at least 1.
    - `wavelet`: "haar" or "db2", with one or two vanishing moments.

    **Returns:** when applied to `(*others, *shape)`, that shape, with the coarsest scale in the first corner.

    **Raises:** `ValueError` for axes that cannot be halved so often, or another wavelet.

    **Source:** Daubechies 1992.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> from mrjax.reconstruction import Wavelets
        >>> coefficients = Wavelets((8,), n_levels=2, wavelet="haar")(jnp.ones(8))
        >>> bool(jnp.allclose(coefficients, jnp.array([2.0, 2, 0, 0, 0, 0, 0, 0]), atol=1e-6))
        True

        ```
    """

    shape: tuple[int, ...] = eqx.field(static=True)
    n_levels: int = eqx.field(static=True)
    wavelet: str = eqx.field(static=True)

    def __init__(self, shape: int | tuple[int, ...], n_levels: int = 3, wavelet: str = "db2"):
        self.shape = checked_shape(shape)
        self.n_levels = _checks.positive_integer(n_levels, "n_levels")
        if wavelet not in SCALING:
            raise ValueError(f"`wavelet` must be one of {', '.join(map(repr, SCALING))}, but got {wavelet!r}.")
        self.wavelet = wavelet
        if any(n % 2**self.n_levels for n in self.shape):
            raise ValueError(
                f"`shape` must be divisible by {2**self.n_levels} for {n_levels} levels, but got {self.shape}."
            )

    @property
    def in_shape(self) -> tuple[int, ...]:
        return self.shape

    def mv(self, vector: Array) -> Array:
        return _analysed(vector, self)

    def adjoint(self, data: Array) -> Array:
        return _synthesised(data, self)

    def normal(self, vector: Array) -> Array:
        return vector

    def is_detail(self) -> np.ndarray:
        """Where coefficients are of details; the coarsest scale is not."""
        details = np.ones(self.shape, bool)
        details[self.corner(self.n_levels)[1:]] = False
        return details

    def corner(self, level: int) -> tuple:
        """Where the image is after so many halvings."""
        return (..., *(slice(n >> level) for n in self.shape))


@eqx.filter_jit
def _analysed(vector: Array, transform: Wavelets) -> Array:
    for level in range(transform.n_levels):
        part = vector[transform.corner(level)]
        for axis in range(part.ndim - len(transform.shape), part.ndim):
            part = _along(_halving(part.shape[axis], transform.wavelet), part, axis)
        vector = vector.at[transform.corner(level)].set(part)
    return vector


@eqx.filter_jit
def _synthesised(data: Array, transform: Wavelets) -> Array:
    for level in reversed(range(transform.n_levels)):
        part = data[transform.corner(level)]
        for axis in range(part.ndim - len(transform.shape), part.ndim):
            part = _along(_halving(part.shape[axis], transform.wavelet).T, part, axis)
        data = data.at[transform.corner(level)].set(part)
    return data


def _halving(n: int, wavelet: str) -> np.ndarray:
    """One level along one axis: sums of neighbours by the low filter, then by the high one. As a matrix it compiles fastest."""
    low = SCALING[wavelet]
    matrix, rows = np.zeros((n, n)), np.arange(n // 2)
    for i, (of_low, of_high) in enumerate(zip(low, low[::-1] * (-1.0) ** np.arange(low.size), strict=True)):
        matrix[rows, (2 * rows + i) % n] += of_low
        matrix[n // 2 + rows, (2 * rows + i) % n] += of_high
    return matrix


def _along(matrix: np.ndarray, x: Array, axis: int) -> Array:
    product = jnp.tensordot(jnp.asarray(matrix, x.real.dtype), x, (1, axis), precision="highest")
    return jnp.moveaxis(product, 0, axis)
