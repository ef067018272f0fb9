"""Voxels cut into chunks that fit a cache."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from mrjax.jax_rules import available_cores, loops_are_marked, loops_are_native, on_one_cpu_device

FIRST_LEVEL = 2**14
"""Bytes of the state of one chunk of voxels on a CPU: twice, before and after a step, it fits the first-level cache."""

SECOND_LEVEL = 2**15
"""The same where the steps are kernels of their own, which a larger chunk makes worth starting."""

VECTOR = 16
"""Chunks are multiples of it, so that every row of voxels begins at a cache line."""

ALIASING = 256
"""Voxels whose multiples make bad chunks: samples of one voxel are then so far apart that a cache has the same place for them."""

WORTH_PADDING = 32
"""One voxel more for so many costs less than such a chunk."""

VOXELS_OF_CORE = 240
"""Voxels of a chunk for each core, where loops are machine code that keeps the state of few of them in the first-level cache and
shares the others among cores: so many that this pays, and so few that the samples of a chunk fit a cache."""

MOST_BYTES_IN_LANES = 2**11
"""The state of a voxel whose loop is still worth compiling to machine code of our own."""

FEWEST = 32
"""Voxels of a chunk at least: with shorter rows the steps cost more than the cache saves."""


def chunk_size(bytes_per_voxel: float, n_voxels: int, one_kernel: bool) -> int:
    """How many of so many voxels to play at once; all where the device is no CPU."""
    if not on_one_cpu_device():
        return max(1, n_voxels)
    return _even_size(fitting_the_cache(bytes_per_voxel, one_kernel), n_voxels)


def fitting_the_cache(bytes_per_voxel: float, one_kernel: bool) -> int:
    """How many voxels a CPU should play at once, whatever their number is."""
    if loops_are_native() and bytes_per_voxel <= MOST_BYTES_IN_LANES:
        return VOXELS_OF_CORE * available_cores()
    cache = FIRST_LEVEL if one_kernel and loops_are_marked() else SECOND_LEVEL
    return max(FEWEST, int(cache / max(1.0, bytes_per_voxel)) // VECTOR * VECTOR)


def in_chunks(function: Callable[[Any], Any], maps: Any, axes: Callable[[Any], Any], n_voxels: int, size: int) -> Any:
    """`function(maps)`, `size` voxels at a time; they lie on the last axis of the arrays that go in.

    `axes(outputs)` tells on which axis of each output they lie, the first or the last. Reverse mode computes a chunk again
    instead of storing what lies between.
    """
    if n_voxels <= size:
        return function(maps)
    n_chunks = -(-n_voxels // size)

    def split(leaf: Array) -> Array:
        padding = [(0, 0)] * (leaf.ndim - 1) + [(0, n_chunks * size - n_voxels)]
        chunks = jnp.pad(leaf, padding, mode="edge").reshape(*leaf.shape[:-1], n_chunks, size)
        return jnp.moveaxis(chunks, -2, 0)

    def join(chunks: Array, axis: int) -> Array:
        if axis == 0:
            return chunks.reshape(n_chunks * size, *chunks.shape[2:])[:n_voxels]
        leaf = jnp.moveaxis(chunks, 0, -2)
        return leaf.reshape(*leaf.shape[:-2], n_chunks * size)[..., :n_voxels]

    outputs = jax.lax.map(jax.checkpoint(function), jax.tree.map(split, maps))
    return jax.tree.map(join, outputs, axes(jax.tree.map(lambda chunks: chunks[0], outputs)))


def _even_size(size: int, n: int) -> int:
    """A multiple of a vector near `size` of which chunks waste least: one that divides `n` saves a copy of the signal, too."""
    sizes = range(max(VECTOR, size // 2 // VECTOR * VECTOR), 2 * size + 1, VECTOR)
    return min(sizes, key=lambda m: (-n % m > n // WORTH_PADDING, m % ALIASING == 0, -n % m, abs(m - size)))
