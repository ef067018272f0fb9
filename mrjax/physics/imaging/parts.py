"""Voxels cut into parts whose signals are added."""

from abc import abstractmethod
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex

from mrjax.physics.gradient import AbstractGradient, Checkpoints
from mrjax.sequence.precision import Numbers
from mrjax.tissue import Tissue


class Part(eqx.Module):
    """Some columns of voxels, or all parts with one axis in front."""

    tissue: Tissue
    """Voxels on one axis, place by place and column by column; `m0` is in the weights."""
    weights: Complex[Numbers, "*part coil voxel"]
    along: tuple[Numbers | None, ...]
    """Of each place along x, y and z in m; None for zero, but for one that says how many there are."""
    across: tuple[Numbers | None, ...]
    """Of each column."""

    @property
    def n_columns(self) -> int:
        """Of one part."""
        return self.weights.shape[-1] // max(x.shape[-1] for x in self.along if x is not None)


class AbstractAcquisition(eqx.Module):
    """All but the voxels."""

    gradient: AbstractGradient

    @abstractmethod
    def of(self, part: Part) -> Complex[Array, "coil sample"]:
        """The signal of a part."""

    def computed_again(self, function: Callable) -> Callable:
        """A function whose inside reverse mode computes again, where that is wanted."""
        return jax.checkpoint(function) if isinstance(self.gradient, Checkpoints) else function


def numbered(parts: Part, number: int) -> Part:
    """One of several parts."""
    taken = lambda leaf: jnp.asarray(leaf[number] if leaf.ndim > 1 else leaf)
    return jax.tree.map(taken, parts)


@eqx.filter_jit
def sum_over(acquisition: AbstractAcquisition, parts: Part) -> Complex[Array, "coil sample"]:
    """The signal of all parts, one after the other; of several, reverse mode computes one at a time again."""
    changing, same = eqx.partition(parts, lambda leaf: eqx.is_array(leaf) and leaf.ndim > 1)
    first = jax.tree.map(lambda leaf: leaf[0], changing)
    if parts.weights.shape[0] == 1:
        return acquisition.of(eqx.combine(first, same))
    of = acquisition.computed_again(lambda part: acquisition.of(eqx.combine(part, same)))
    out = jax.eval_shape(of, first)
    add = lambda so_far, part: (so_far + of(part), None)
    return jax.lax.scan(add, jnp.zeros(out.shape, out.dtype), changing)[0]


def spread_over_cores(parts: Part, n_cores: int) -> tuple[Part, ...]:
    """The parts of each core, on the device."""
    if n_cores == 1:
        return (jax.tree.map(jax.device_put, parts),)
    of_core = lambda core: jax.tree.map(lambda leaf: leaf[core::n_cores] if leaf.ndim > 1 else leaf, parts)
    return tuple(jax.tree.map(jax.device_put, of_core(core)) for core in range(n_cores))


def sum_on_cores(acquisition: AbstractAcquisition, parts: tuple[Part, ...]) -> Any:
    """The signal of all parts, those of each core on a thread."""
    if len(parts) == 1:
        return sum_over(acquisition, parts[0])
    in_float64 = jnp.result_type(float) == jnp.float64

    def run(own: Part) -> np.ndarray:
        with jax.enable_x64(in_float64):  # a thread starts with the defaults
            return np.asarray(sum_over(acquisition, own))

    with ThreadPoolExecutor(len(parts)) as pool:
        return jax.device_put(sum(pool.map(run, parts)))
