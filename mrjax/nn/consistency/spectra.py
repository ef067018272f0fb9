r"""Normal operators that are diagonal after a Fourier transform, exactly or nearly: closed forms, and preconditioners.

Each function says how to apply $(A^H W A + \lambda)^{-1}$; for another operator register one with `inverse_of`.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array

from mrjax._shapes import with_rank
from mrjax.encoding import Dipole, Fourier, LinearOperator, Mask
from mrjax.encoding.operator import Composed


class Inverse(NamedTuple):
    """How to apply the inverse of a normal operator, and whether that is exact."""

    apply: Callable[[Array], Array]
    is_exact: bool


@functools.singledispatch
def inverse_of(encoding: LinearOperator, weights: Array | None, strength: Array) -> Inverse | None:
    """The inverse of the normal operator plus `strength`; None where nothing is known of its spectrum."""
    return None


@inverse_of.register
def _of_dipole(encoding: Dipole, weights: Array | None, strength: Array) -> Inverse:
    """As if the weights were the same everywhere."""
    level = 1.0 if weights is None else weights.mean()
    factors = 1 / (level * encoding.transfer**2 + strength)
    return Inverse(lambda volume: encoding.filtered(volume, factors), weights is None and encoding.is_circular)


@inverse_of.register
def _of_mask(encoding: Mask, weights: Array | None, strength: Array) -> Inverse:
    return Inverse(lambda image: image / with_rank(_squared(encoding, weights) + strength, image.ndim), True)


@inverse_of.register
def _of_fourier(encoding: Fourier, weights: Array | None, strength: Array) -> Inverse | None:
    return _in_k_space(encoding, jnp.ones((1,) * len(encoding.shape)) if weights is None else weights, strength)


@inverse_of.register
def _of_composed(encoding: Composed, weights: Array | None, strength: Array) -> Inverse | None:
    if isinstance(encoding.outer, Mask) and isinstance(encoding.inner, Fourier):
        return _in_k_space(encoding.inner, _squared(encoding.outer, weights), strength)
    return None


def _in_k_space(fourier: Fourier, eigenvalues: Array, strength: Array) -> Inverse | None:
    if not fourier.unitary:
        return None

    def apply(image: Array) -> Array:
        spectrum = fourier.mv(image)
        return fourier.adjoint(spectrum / with_rank(eigenvalues + strength, spectrum.ndim))

    return Inverse(apply, True)


def _squared(mask: Mask, weights: Array | None) -> Array:
    """The diagonal of $M W M$."""
    square = mask.mv(mask.mv(jnp.ones_like(mask.weights, float))) if mask.weights.dtype == bool else mask.weights**2
    return square if weights is None else with_rank(square, weights.ndim) * weights
