"""The free leaves of a design as variables without units, within their bounds."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PyTree

from mrjax import _checks

Free = Callable[[Any], PyTree]
"""Takes a design and returns some of its leaves: one, or several in a list, a tuple or a dictionary."""


@dataclasses.dataclass(frozen=True)
class FreeLeaf:
    """Where a free leaf stands among all leaves, and what it is called."""

    index: int
    name: str


@dataclasses.dataclass(frozen=True)
class Variables:
    """How a design follows from its free leaves, each in units of its `scale`: the width of its bounds, or its size.

    So steps of one size suit angles and times alike.
    """

    leaves: list[Any]
    structure: Any
    places: list[FreeLeaf]
    lower: list[np.ndarray]
    upper: list[np.ndarray]
    scale: list[np.ndarray]

    @classmethod
    def of(cls, start: PyTree, free: Free, bounds: PyTree) -> "Variables":
        """Of a start, checked to be within its bounds."""
        leaves, structure = jax.tree.flatten(start)
        chosen = _chosen(start, free)
        places = jax.tree.leaves(chosen)
        leaves = list(leaves)
        for place in places:
            leaves[place.index] = _differentiable(leaves[place.index], place.name)
        values = [np.asarray(leaves[place.index]) for place in places]
        limits = [
            _limits(pair, value, place.name)
            for pair, value, place in zip(_pairs(bounds, chosen), values, places, strict=True)
        ]
        lower, upper = [pair[0] for pair in limits], [pair[1] for pair in limits]
        scale = [_scale(*row) for row in zip(values, lower, upper, strict=True)]
        return cls(leaves, structure, places, lower, upper, scale)

    @property
    def start(self) -> list[Array]:
        """The free leaves of the start, in units of their scale."""
        values = [self.leaves[place.index] for place in self.places]
        return [value / jnp.asarray(scale, value.dtype) for value, scale in zip(values, self.scale, strict=True)]

    def values(self, point: list[Array]) -> list[Array]:
        """Free leaves from what they are in units of their scale; rounding does not take them beyond their bounds."""
        result = []
        for value, scale, lower, upper in zip(point, self.scale, self.lower, self.upper, strict=True):
            value = value * jnp.asarray(scale, value.dtype)
            inside = jnp.clip(value, jnp.asarray(lower, value.dtype), jnp.asarray(upper, value.dtype))
            result.append(value + jax.lax.stop_gradient(inside - value))  # `clip` has half a derivative on a bound
        return result

    def design(self, point: list[Array]) -> PyTree:
        """The design at a point."""
        leaves = list(self.leaves)
        for place, value in zip(self.places, self.values(point), strict=True):
            leaves[place.index] = value
        return jax.tree.unflatten(self.structure, leaves)

    def within(self, point: list[Array]) -> list[Array]:
        """The nearest point within the bounds."""
        return [
            jnp.clip(value, jnp.asarray(lower / scale, value.dtype), jnp.asarray(upper / scale, value.dtype))
            for value, scale, lower, upper in zip(point, self.scale, self.lower, self.upper, strict=True)
        ]


def _chosen(start: PyTree, free: Free) -> PyTree:
    counted = iter(range(len(jax.tree.leaves(start))))
    named = jax.tree_util.tree_map_with_path(
        lambda path, _: FreeLeaf(next(counted), jax.tree_util.keystr(path) or "the start"), start
    )
    try:
        chosen = free(named)
    except Exception as error:
        raise ValueError(
            "`free` must take a design and return some of its leaves as they are, such as "
            f"`lambda design: design['flip_angle']`, but raised {type(error).__name__}: {error}."
        ) from error
    places = jax.tree.leaves(chosen)
    others = [place for place in places if not isinstance(place, FreeLeaf)]
    if others or not places:
        raise ValueError(
            "`free` must return leaves of the start, one or several, but got "
            f"{'none' if not places else type(others[0]).__name__}."
        )
    if len({place.index for place in places}) < len(places):
        raise ValueError(f"`free` must return each leaf once, but got {', '.join(place.name for place in places)}.")
    return chosen


def _differentiable(leaf: Any, name: str) -> Array:
    leaf = _checks.real_array(leaf, name)
    return _checks.finite(jnp.asarray(leaf, jnp.result_type(leaf)), name)


def _pairs(bounds: PyTree, chosen: PyTree) -> list[Any]:
    """A pair for every chosen leaf."""
    structure = jax.tree.structure(chosen)
    if bounds is None:
        return [None] * structure.num_leaves
    try:
        pairs = structure.flatten_up_to(bounds)
    except (ValueError, TypeError):
        pairs = [()]
    if not all(pair is None or (isinstance(pair, tuple | list) and len(pair) == 2) for pair in pairs):
        raise ValueError(
            "`bounds` must have the form of what `free` returns, with a pair (lower, upper) or None in the place of each "
            f"leaf, such as {jax.tree.unflatten(structure, ['(lower, upper)'] * structure.num_leaves)!r}; got {bounds!r}."
        )
    return pairs


def _limits(pair: Any, value: np.ndarray, name: str) -> tuple[np.ndarray, np.ndarray]:
    given = (None, None) if pair is None else pair
    lower, upper = (
        np.asarray(none if limit is None else limit, value.dtype)
        for limit, none in zip(given, (-np.inf, np.inf), strict=True)
    )
    try:
        lower, upper = np.broadcast_to(lower, value.shape), np.broadcast_to(upper, value.shape)
    except ValueError:
        raise ValueError(
            f"The bounds of {name} must be numbers or have its shape {value.shape}, but got {lower.shape} and {upper.shape}."
        ) from None
    if not np.all(lower <= upper):
        raise ValueError(f"The lower bound of {name} must not be above the upper one, but got {lower} and {upper}.")
    outside = (value < lower) | (value > upper)
    if np.any(outside):
        first = tuple(np.argwhere(outside)[0])
        raise ValueError(
            f"{name} starts outside its bounds: {value[first]:.6g} is not between {lower[first]:.6g} and {upper[first]:.6g}"
            + (f" ({np.sum(outside)} of {value.size} values)." if value.size > 1 else ".")
        )
    return lower, upper


def _scale(value: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        width = np.where(np.isfinite(upper - lower), upper - lower, np.max(np.abs(value), initial=0.0))
    return np.where(width > 0, width, np.ones_like(width)).astype(value.dtype)
