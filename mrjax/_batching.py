"""The axis of `vmap`, as rules of operations get it."""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array


def batch_size(arguments: tuple, axes: tuple) -> int:
    """Of the axis of `vmap`, which is None where an argument has none."""
    return next(x.shape[axis] for x, axis in zip(arguments, axes, strict=True) if axis is not None)


def batch_first(x: Any, axis: int | None, size: int) -> Array:
    """With the axis of `vmap` in front, made where there is none."""
    return jnp.broadcast_to(x, (size, *x.shape)) if axis is None else jnp.moveaxis(x, axis, 0)
