"""Which axis of each array of a batch holds the samples: named, as `jax.vmap` names it, and never guessed from lengths."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import PyTree

_SHARED = "shared"
"""Stands for None, which JAX takes for a tree without leaves."""


def of_every_array(batch: PyTree, batch_axes: PyTree) -> list[int | None]:
    """The axis of the samples in each array, in the order of `jax.tree.leaves`, or None where all samples share the array.

    **Raises:** `ValueError` where `batch_axes` does not fit the batch, or the arrays hold different numbers of samples.
    """
    marked = jax.tree.map(lambda axis: _SHARED if axis is None else axis, batch_axes, is_leaf=lambda axis: axis is None)
    try:
        axes = jax.tree.leaves(jax.tree.broadcast(marked, batch))
    except ValueError:
        axes = [batch_axes]
    if not all(axis == _SHARED or type(axis) is int for axis in axes):
        raise ValueError(
            "`batch_axes` must be an integer, None, or a tree of them like the batch, "
            f"{jax.tree.structure(batch)}, but got {batch_axes!r}."
        )
    axes = [None if axis == _SHARED else axis for axis in axes]
    number_of_samples(batch, axes)
    return axes


def number_of_samples(batch: PyTree, axes: list[int | None]) -> int | None:
    """The samples of a batch, whose axis is named for each array; None where all arrays are shared."""
    leaves = zip(jax.tree_util.tree_leaves_with_path(batch), axes, strict=True)
    named = [(path, leaf, axis) for (path, leaf), axis in leaves if axis is not None]
    numbers = {_length(leaf, axis) for _, leaf, axis in named}
    if len(numbers) > 1 or None in numbers:
        found = ", ".join(_described(path, leaf, axis) for path, leaf, axis in named)
        raise ValueError(
            f"Every array of a batch must hold the same number of samples on its batch axis, but got {found}. Name the axis "
            "of each in `batch_axes`, as for `jax.vmap`, with None for an array that all samples share."
        )
    return numbers.pop() if numbers else None


def _length(leaf: Any, axis: int) -> int | None:
    shape = jnp.shape(leaf)
    return shape[axis] if -len(shape) <= axis < len(shape) else None


def _described(path: tuple[Any, ...], leaf: Any, axis: int) -> str:
    name = jax.tree_util.keystr(path, simple=True, separator="/")
    return f"{f'`{name}` of ' if name else ''}shape {jnp.shape(leaf)} with axis {axis}"
