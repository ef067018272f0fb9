"""The axis of `vmap`, as the rules of an operation receive it."""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array


def batch_size(arguments: tuple, axes: tuple) -> int:
    """The length of the axis of `vmap`, whose place is None where an argument has none."""
    return next(x.shape[axis] for x, axis in zip(arguments, axes, strict=True) if axis is not None)


def batch_first(x: Any, axis: int | None, size: int) -> Array:
    """`x` with the axis of `vmap` in front; an argument that has none is repeated along it."""
    return jnp.broadcast_to(x, (size, *x.shape)) if axis is None else jnp.moveaxis(x, axis, 0)
