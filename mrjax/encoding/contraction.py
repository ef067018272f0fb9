"""Sums over an axis with weights of each sample."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array

from mrjax import _checks
from mrjax._shapes import with_rank
from mrjax.encoding.operator import LinearOperator


class Contraction(LinearOperator):
    r"""Sums one axis with weights that differ from sample to sample.

    $$y_s = \sum_l b_{l s} \, x_{l s}$$

    **Arguments:**

    - `weights`: $b$, real or complex. Shape `(n_terms, n_samples)`.
    - `n_between`: Axes that $x$ has between that of the terms and that of the samples, such as 1 for coils.

    **Returns:** when applied to `(*others, n_terms, *between, n_samples)`, shape `(*others, *between, n_samples)`.

    **Derivatives:** in the weights and in $x$.
    """

    weights: Array
    n_between: int = eqx.field(static=True)

    def __init__(self, weights: Any, n_between: int = 0):
        self.weights = _checks.number_array(weights, "weights")
        if self.weights.ndim != 2:
            raise ValueError(f"`weights` must have shape (n_terms, n_samples), but got {self.weights.shape}.")
        self.n_between = n_between

    @property
    def in_shape(self) -> tuple[int, ...]:
        return self.weights.shape[1:] if self.n_between else self.weights.shape

    def mv(self, vector: Array) -> Array:
        return (vector * with_rank(self._spread(), vector.ndim)).sum(-2 - self.n_between)

    def adjoint(self, data: Array) -> Array:
        each = jnp.expand_dims(data, data.ndim - 1 - self.n_between)
        return each * with_rank(self._spread(), each.ndim).conj()

    def _spread(self) -> Array:
        n_terms, n_samples = self.weights.shape
        return self.weights.reshape(n_terms, *(1,) * self.n_between, n_samples)
