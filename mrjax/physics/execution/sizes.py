"""Sizes that share a program: XLA compiles for lengths, so lengths are rounded up to few, and what is too much is cut off.

The sizes lie a little above round numbers, so that 101 or 1001 are no other program than 100 or 1000.
"""

import math
from typing import Any

import jax
import numpy as np

COARSE, FINE = 4, 32
"""Sizes within a factor of two: at most a quarter too much where the work is little, at most 3 % where it is not."""


def rounded_up(n: int, per_octave: int) -> int:
    """The least of the sizes that hold `n`; one stays one, whose arithmetic is another (a row of orders, not of voxels)."""
    if n <= 1:
        return n
    octave = 2 ** (n.bit_length() - 1)
    step = max(2, octave // per_octave)
    first = octave + max(1, 3 * step // 8)
    size = first + max(0, -(-(n - first) // step)) * step
    return size if size <= 2 * octave else rounded_up(2 * octave, per_octave)


def in_equal_chunks(n: int, chunk: int, multiple: int) -> int:
    """The least size of at least `n` that chunks of about `chunk` divide, each a multiple of `multiple`; `n` in one chunk."""
    n_chunks = -(-n // chunk)
    return n if n_chunks <= 1 else math.ceil(n / n_chunks / multiple) * multiple * n_chunks


def lengthened(leaf: np.ndarray, axis: int, size: int) -> np.ndarray:
    """An array whose last entry along an axis is repeated up to some size."""
    missing = size - leaf.shape[axis]
    return np.pad(leaf, [(0, missing if i == axis else 0) for i in range(leaf.ndim)], mode="edge") if missing else leaf


def on_host(tree: Any) -> Any:
    """The known arrays of a tree as NumPy's, which are cut and reshaped without compiling."""
    return jax.tree.map(lambda leaf: np.asarray(leaf) if isinstance(leaf, jax.Array) else leaf, tree)
