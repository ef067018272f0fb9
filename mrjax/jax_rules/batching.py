"""The axis of `vmap`, as the rules of an operation receive it."""

from typing import Any

import jax.numpy as jnp
from jax.custom_batching import custom_vmap
from jaxtyping import Array, Int


def batch_size(arguments: tuple, axes: tuple) -> int:
    """The length of the axis of `vmap`, whose place is None where an argument has none."""
    return next(x.shape[axis] for x, axis in zip(arguments, axes, strict=True) if axis is not None)


def batch_first(x: Any, axis: int | None, size: int) -> Array:
    """`x` with the axis of `vmap` in front; an argument that has none is repeated along it."""
    return jnp.broadcast_to(x, (size, *x.shape)) if axis is None else jnp.moveaxis(x, axis, 0)


@custom_vmap
def common_count(count: Int[Array, ""]) -> Int[Array, ""]:
    """A count for a loop that is one under `vmap` as well: the largest, where steps beyond the count of each do nothing."""
    return count


@common_count.def_vmap
def _largest(size: int, batched: list[bool], counts: Int[Array, " n"]) -> tuple[Array, bool]:
    del size, batched
    return common_count(jnp.max(counts)), False
