"""Double precision for what is known, whatever precision JAX works in."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from mrjax import _checks

Numbers = Array | np.ndarray
"""An array of JAX, or of NumPy in double precision where nothing is traced."""


def held(value: Any) -> Numbers:
    """A number, or several: what NumPy holds stays there, in its precision, and all else becomes an array of JAX."""
    if isinstance(value, jax.Array):
        return value
    return np.asarray(value) if isinstance(value, np.ndarray | np.generic) else jnp.asarray(value)


def is_known(tree: Any) -> bool:
    """Whether no number of a PyTree is traced."""
    return all(map(_checks.is_concrete, jax.tree.leaves(tree)))


def numpy_of(*trees: Any) -> Any:
    """The module that computes with some arrays: NumPy where all are its own, and JAX's where one is JAX's."""
    return jnp if any(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(trees)) else np


def in_double_precision(leaf: Any) -> np.ndarray:
    """A number, or several, as NumPy holds them: integers as they are, others in double precision."""
    array = np.asarray(leaf)
    return array.astype(np.result_type(array, np.float64)) if array.dtype.kind in "fc" else array


def in_best_precision(compute: Callable[..., Any], *arguments: Any) -> Any:
    """`compute(*arguments)` as NumPy arrays in double precision where all arguments are known, else as it is traced."""
    if not is_known(arguments):
        return compute(*arguments)
    with jax.ensure_compile_time_eval(), jax.enable_x64(True):
        exact = jax.tree.map(lambda leaf: jnp.asarray(in_double_precision(leaf)), arguments)
        return jax.tree.map(np.asarray, compute(*exact))
