"""Loops whose reverse mode stores few states."""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from mrjax.jax_rules import scan_by_adjoint


def checkpointed_scan(
    body: Callable, carry: Any, inputs: Any, length: int, n_segments: int | None = None, unroll: int = 2
) -> tuple[Any, Any]:
    """`jax.lax.scan`, of which reverse mode stores few states: by an adjoint loop where that can be, else in segments."""
    in_segments = lambda body, carry, inputs: _scan_in_segments(body, carry, inputs, length, n_segments, unroll)
    return scan_by_adjoint(body, carry, inputs, length, in_segments)


def _scan_in_segments(
    body: Callable, carry: Any, inputs: Any, length: int, n_segments: int | None, unroll: int
) -> tuple[Any, Any]:
    """`jax.lax.scan`, cut into segments, about sqrt(length) by default, whose inside is recomputed in reverse mode.

    Reverse mode then stores about 2 sqrt(length) carries instead of length; forward mode and plain evaluation cost the
    same as a plain scan.

    By default two rounds are written out in each pass: the second then writes its state to where the first has read its own,
    and no copy is needed. More would not pay, they only take longer to compile; so does the second one, where little is
    computed.
    """
    n_segments = min(n_segments or _segments(length), length)
    size = length // n_segments
    segmented = jax.tree.map(lambda x: x[: n_segments * size].reshape(n_segments, size, *x.shape[1:]), inputs)

    @jax.checkpoint
    def segment(carry, inputs):
        return jax.lax.scan(body, carry, inputs, length=size, unroll=unroll)

    carry, outputs = jax.lax.scan(segment, carry, segmented, length=n_segments)
    outputs = jax.tree.map(lambda x: x.reshape(n_segments * size, *x.shape[2:]), outputs)
    remainder = length - n_segments * size
    if remainder:
        carry, last = jax.lax.scan(
            body, carry, jax.tree.map(lambda x: x[n_segments * size :], inputs), length=remainder, unroll=unroll
        )
        outputs = jax.tree.map(lambda a, b: jnp.concatenate([a, b]), outputs, last)
    return carry, outputs


def _segments(length: int) -> int:
    """A divisor of `length` near its square root; the square root itself, with a remainder, where there is none."""
    root = max(1, math.isqrt(length))
    near = [n for n in range(max(1, root // 2), 2 * root + 1) if length % n == 0]
    return min(near, key=lambda n: abs(n - root), default=root)
