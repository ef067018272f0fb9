"""One call on all cores of a CPU: parts of the voxels on threads.

XLA runs the loops of one program one after the other, whichever are independent. Two programs run side by side, so a call
with known numbers is split here; under `jax.jit` there is nothing to split, and devices serve (docs/speed.md).
"""

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mrjax.jax_rules import available_cores as available_cores
from mrjax.physics.execution import sizes

ALIGNMENT = 64
"""Bytes; JAX takes over a NumPy array without copying where it begins at a multiple."""


def on_cores(run: Callable[[Any], Any], arguments: Any, axes: Callable[[Any], Any], n: int, size: int) -> Any:
    """`run(arguments)` as NumPy arrays, the last axis of every array in `arguments`, of length `n`, cut into parts.

    `axes(outputs)` tells for each array that `run` returns which axis has length `n`. All parts are of length `size`, so that
    `run` compiles once; the last overlaps where `n` does not divide.
    """
    starts = [min(start, n - size) for start in range(0, n, size)]
    in_float64 = jnp.result_type(float) == jnp.float64

    def part(start: int) -> Any:
        return run(jax.tree.map(lambda leaf: leaf[..., start : start + size], arguments))

    outputs = jax.eval_shape(lambda: part(0))  # traces, which threads would only do in turns
    voxel_axes = jax.tree.leaves(axes(outputs))
    with_length = lambda leaf, axis: aligned((*leaf.shape[:axis], n, *leaf.shape[axis + 1 :]), leaf.dtype)
    wholes = [with_length(leaf, axis) for leaf, axis in zip(jax.tree.leaves(outputs), voxel_axes, strict=True)]

    def run_and_write(start: int) -> None:
        with jax.enable_x64(in_float64):  # a thread starts with the defaults
            leaves = jax.tree.leaves(part(start))
        for whole, leaf, axis in zip(wholes, leaves, voxel_axes, strict=True):
            np.moveaxis(whole, axis, 0)[start : start + size] = np.moveaxis(np.asarray(leaf), axis, 0)

    with ThreadPoolExecutor(available_cores()) as pool:
        list(pool.map(run_and_write, starts))
    return jax.tree.unflatten(jax.tree.structure(outputs), wholes)


def part_size(n: int, n_parts: int, multiple: int = 1) -> int:
    """Length of each of about `n_parts` parts of `n`, from a grid of few sizes; all of `n` where it is short."""
    least = -(-n // (n_parts * multiple))
    return min(n, multiple * (least if least < sizes.FINE else sizes.rounded_up(least, sizes.FINE)))


def aligned(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """An empty array that JAX takes over without copying."""
    n_bytes = math.prod(shape) * np.dtype(dtype).itemsize
    raw = np.empty(n_bytes + ALIGNMENT, np.uint8)
    offset = -raw.ctypes.data % ALIGNMENT
    return raw[offset : offset + n_bytes].view(dtype).reshape(shape)
