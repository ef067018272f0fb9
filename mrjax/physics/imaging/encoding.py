"""The sum over voxels of the samples of a readout, from what they answer at few instants."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float

from mrjax.jax_rules import computed_once
from mrjax.physics.imaging.blocks import Blocks, EncodedSamples
from mrjax.physics.imaging.column_sum import sum_over_columns
from mrjax.physics.maths.sums import sum_of_given
from mrjax.physics.maths.trigonometry import cosine_and_sine
from mrjax.physics.maths.turns import Turns


class ColumnPlaces(eqx.Module):
    """Where the voxels, or spins, of some columns are, `(column, place)` in all."""

    along: tuple[Array | None, Array | None, Array | None]
    """Of each place in m, along x, y and z; None for zero."""
    across: tuple[Array | None, Array | None, Array | None, Array | None]
    """Of each column, and its place across the voxel in voxels."""

    @property
    def shape(self) -> tuple[int, int]:
        """Columns and places."""
        n = lambda arrays: max((x.shape[0] for x in arrays if x is not None), default=1)
        return n(self.across), n(self.along)


Answer = tuple[Complex[Array, "column place"], Complex[Array, "column point place"]]
"""Transverse magnetisation at each instant of a block as a product, of which one factor is of the whole block; without what
gradients have wound since the start of its row."""


def encoded(
    samples: EncodedSamples,
    answer_of: Callable[[Blocks], Callable[[Any, Any], Answer]],
    places: ColumnPlaces,
    weights: Complex[Array, "column coil place"],
    computed_again: Callable[[Callable], Callable],
) -> Complex[Array, "coil sample"]:
    """The samples of all blocks, one after the other, filled up as these are; the receiver is not turned back.

    `answer_of(blocks)(row, time)` gives the answer of one of some blocks; `computed_again` is what reverse mode makes of a block.
    """
    parts = []
    for blocks in samples.blocks:
        answer, of_one = answer_of(blocks), _line if blocks.are_lines else _others

        def each(block: Any, answer: Any = answer, of_one: Any = of_one) -> Array:
            row, time, wound, weight = block
            return of_one(answer(row, time), wound, weight, places, weights)

        part = jax.lax.map(computed_again(each), (blocks.row, blocks.time, blocks.wound, blocks.weight))
        parts.append(jnp.moveaxis(part, 1, 0).reshape(weights.shape[1], -1))
    return jnp.concatenate(parts, axis=1)


def _line(
    answer: Answer, wound: Turns, weight: Complex[Array, "sample point"], places: ColumnPlaces, weights: Array
) -> Complex[Array, "coil sample"]:
    magnetisation, during = answer
    magnetisation = magnetisation * _wound(places.across, wound[0], places.shape[0])[:, None]
    summed = sum_over_columns(during, _weighted(weights, magnetisation))
    at = _wound(places.along, wound, places.shape[1])
    each = jnp.einsum("sf,clf->csl", at, summed, precision="highest")
    return jnp.sum(each * weight[None], axis=-1)


def _others(
    answer: Answer, wound: Turns, weight: Complex[Array, "sample point"], places: ColumnPlaces, weights: Array
) -> Complex[Array, "coil sample"]:
    magnetisation, during = answer
    n_columns, n_coils, n_places = weights.shape
    each = _product_of_each(during, _weighted(weights, magnetisation))
    across = _stored(_wound(places.across, wound, n_columns))
    summed = _product(across, each.reshape(n_columns, -1)).reshape(-1, n_coils, during.shape[1], n_places)
    at_time = jnp.sum(summed * weight[:, None, :, None], axis=2)
    return jnp.sum(at_time * _wound(places.along, wound, n_places)[:, None], axis=-1).T


@computed_once
def _weighted(weights: Array, magnetisation: Array) -> Array:
    return weights * magnetisation[:, None]


@computed_once
def _product_of_each(during: Array, weighted: Array) -> Array:
    return during[:, None] * weighted[:, :, None]


@computed_once
def _stored(values: Array) -> Array:
    return values * 1


def _product(a: Complex[Array, "i j"], b: Complex[Array, "j k"]) -> Complex[Array, "i k"]:
    """By real matrices, whose products are what XLA is fast at."""
    both = jnp.concatenate([b.real, b.imag])
    rows = jnp.block([[a.real, -a.imag], [a.imag, a.real]])
    real, imaginary = jnp.split(jnp.matmul(rows, both, precision="highest"), 2)
    return jax.lax.complex(real, imaginary)


def _wound(coordinates: tuple, wound: Turns, n: int) -> Complex[Array, "*sample place"]:
    """By what gradients have wound, the phase of each place."""
    rank = wound.coarse.ndim - 1
    of_all = lambda place: place.reshape(*(1,) * rank, -1)
    turned_by = [wound[..., i, None].angle(of_all(place)) for i, place in enumerate(coordinates) if place is not None]
    total = sum_of_given(*turned_by)
    if total is None:
        total = jnp.zeros((*wound.coarse.shape[:-1], n), wound.coarse.dtype)
    return unit_phasor(total)


def turned_by_gradients(
    places: ColumnPlaces, wound: Turns, shape: tuple[int, int]
) -> tuple[Complex[Array, "*sample column"], Complex[Array, "*sample place"]]:
    """By what gradients have wound, the phases of the columns and of the places along them."""
    return _wound(places.across, wound, shape[0]), _wound(places.along, wound, shape[1])


def unit_phasor(turned: Float[Array, "..."]) -> Complex[Array, "..."]:
    """exp(i angle)."""
    return jax.lax.complex(*cosine_and_sine(turned))
