"""What the first one, two, ... of many entries come to."""

import math
from collections.abc import Callable
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
from jaxtyping import Array

Entries = TypeVar("Entries")


def prefixes(combine: Callable[[Any, Any], Any], entries: Entries) -> Entries:
    """For each entry along the first axis what it and all before it come to.

    By blocks of about the square root of their number, all blocks at once: a tree (`jax.lax.associative_scan`) would be less
    deep, but takes seconds to compile.

    **Arguments:**

    - `combine`: Associative, entry by entry of arrays, of what is before and what is after.
    - `entries`: A PyTree of arrays.
    """
    n = jax.tree.leaves(entries)[0].shape[0]
    width = max(1, math.isqrt(n - 1) + 1) if n else 1

    def in_blocks(x: Array) -> Array:
        # what fills the last block comes after all others, and is dropped
        filled = jnp.concatenate([x, jnp.zeros((width * width - n, *x.shape[1:]), x.dtype)])
        return jnp.swapaxes(filled.reshape(width, width, *x.shape[1:]), 0, 1)

    within = _one_by_one(combine, jax.tree.map(in_blocks, entries))
    ends = _one_by_one(combine, jax.tree.map(lambda x: x[-1], within))
    before = jax.tree.map(lambda x: jnp.broadcast_to(x[None, :-1], (width, *x[:-1].shape)), ends)
    later = combine(before, jax.tree.map(lambda x: x[:, 1:], within))

    def in_a_row(first: Array, later: Array) -> Array:
        joined = jnp.swapaxes(jnp.concatenate([first[:, :1], later], axis=1), 0, 1)
        return joined.reshape(width * width, *first.shape[2:])[:n]

    return jax.tree.map(in_a_row, within, later)


def _one_by_one(combine: Callable[[Any, Any], Any], entries: Any) -> Any:
    def next_one(before: Any, entry: Any) -> tuple[Any, Any]:
        now = combine(before, entry)
        return now, now

    first = jax.tree.map(lambda x: x[0], entries)
    _, following = jax.lax.scan(next_one, first, jax.tree.map(lambda x: x[1:], entries))
    return jax.tree.map(lambda one, more: jnp.concatenate([one[None], more]), first, following)
