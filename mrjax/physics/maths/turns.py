"""Phases that are products of large numbers, less whole turns, so that single precision keeps the digits that count.

A factor is held in two parts, of which the first has so few digits that its product with the first digits of the other factor
is exact: whole turns are taken off before anything is rounded.
"""

import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from mrjax.sequence.precision import Numbers


class Turns(eqx.Module):
    """Turns for each unit of something else, as a sum."""

    coarse: Float[Array, "..."]
    """With half of the digits."""
    fine: Float[Array, "..."]

    @classmethod
    def of(cls, turns: Numbers, dtype: DTypeLike) -> "Turns":
        """Known numbers with all digits of double precision, and traced ones with those they have."""
        if isinstance(turns, jax.Array):
            coarse = _half_of_the_digits(turns.astype(dtype))
            return cls(coarse, turns.astype(dtype) - coarse)
        known = np.asarray(turns, float)
        shift = 2.0 ** math.ceil(np.finfo(float).nmant + 1 - _digits(dtype)) + 1
        shifted = known * shift
        coarse = shifted - (shifted - known)
        return cls(*(jax.device_put(np.asarray(part, dtype)) for part in (coarse, known - coarse)))

    def __getitem__(self, index: Any) -> "Turns":
        return jax.tree.map(lambda part: part[index], self)

    def angle(self, of: Array) -> Float[Array, "..."]:
        """The turns for so much, in rad, less whole ones."""
        first = _half_of_the_digits(of)
        whole = self.coarse * first
        return 2 * math.pi * ((whole - jnp.round(whole)) + (self.coarse * (of - first) + self.fine * of))


def _digits(dtype: DTypeLike) -> int:
    """Binary digits of a factor whose product with another like it is exact."""
    return (np.finfo(dtype).nmant + 1) // 2


def _half_of_the_digits(value: Array) -> Array:
    info = np.finfo(value.dtype)
    rounded = jax.lax.reduce_precision(value, exponent_bits=info.nexp, mantissa_bits=_digits(value.dtype) - 1)
    return jax.lax.stop_gradient(rounded)
