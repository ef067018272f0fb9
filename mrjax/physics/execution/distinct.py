"""The voxels that are simulated: those that hold something, and one of those that differ in `m0` alone."""

import math
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from mrjax import _checks
from mrjax.physics.execution.cores import aligned
from mrjax.tissue import NEUTRAL, Tissue

WORTH_LEAVING_OUT = 0.1
"""Of the voxels that must be air, for those that hold something to be gathered."""


class Distinct(NamedTuple):
    """Which voxels of a tissue are simulated, and how those of the whole tissue follow from them.

    Arrays are NumPy's where everything is known, so that nothing is compiled, and JAX's where something is traced.
    """

    shape: tuple[int, ...]
    """The voxel shape of the whole."""
    played: tuple[int, ...]
    """That of its leaves without `m0`, where this is smaller."""
    inside: np.ndarray | None
    """Which of them are simulated, as indices of the flattened voxels; None where all are."""
    m0: Any
    """What signals are multiplied by afterwards; None where they bear it already."""

    @classmethod
    def of(cls, tissue: Tissue, mask: np.ndarray | None, *, leaves_air_out: bool, takes_m0_apart: bool) -> "Distinct":
        """What of a tissue is to be simulated.

        `leaves_air_out` says whether voxels in which `m0` is zero need not be simulated, `takes_m0_apart` whether those that
        differ in `m0` alone are one.
        """
        shape = tissue.voxel_shape
        bare = without_m0(tissue).voxel_shape
        apart = takes_m0_apart and tissue.has("m0") and math.prod(bare) < math.prod(shape)
        played = bare if apart else shape
        whole_mask = mask
        known = all(map(_checks.is_concrete, jax.tree.leaves(tissue)))
        if mask is None and leaves_air_out and known and (air := tissue.air) is not None:
            mask = ~air if np.mean(air) > WORTH_LEAVING_OUT else None
        inside = None if mask is None else _indices(mask, played)
        m0 = tissue.m0 if apart else None
        if apart and whole_mask is not None:
            xp = np if _checks.is_concrete(tissue.m0) else jnp
            m0 = jnp.asarray(xp.where(whole_mask, xp.broadcast_to(xp.asarray(tissue.m0), shape), 0))
        return cls(shape, played, inside, m0)

    @property
    def is_all(self) -> bool:
        """Whether every voxel is simulated by itself."""
        return self.inside is None and self.m0 is None

    def tissue(self, tissue: Tissue) -> Tissue:
        """The voxels that are simulated, on one axis where some are left out."""
        tissue = tissue if self.m0 is None else without_m0(tissue)
        return tissue if self.inside is None else jax.tree.map(lambda leaf: self._taken(leaf, 0), tissue)

    def state(self, state: Any) -> Any:
        """A given state, voxels on its last axes, of the voxels that are simulated."""
        n_axes = len(self.shape)

        def take(leaf: Any) -> Any:
            if leaf.shape[leaf.ndim - n_axes :] != self.shape:
                return leaf  # where it is played the error says that it does not fit
            return self._taken(leaf, leaf.ndim - n_axes)

        return state if self.inside is None else jax.tree.map(take, state)

    def _taken(self, leaf: Any, n_leading: int) -> Any:
        assert self.inside is not None, "some are left out"
        leading = leaf.shape[:n_leading]
        if not n_leading and np.size(leaf) == 1:
            return leaf.reshape(())
        if _checks.is_concrete(leaf):
            flat = np.broadcast_to(np.asarray(leaf), leading + self.played).reshape(*leading, -1)
            return jax.device_put(flat[..., self.inside])
        flat = jnp.broadcast_to(leaf, leading + self.played).reshape(*leading, -1)
        return jnp.take(flat, self.inside, axis=-1, unique_indices=True, indices_are_sorted=True, mode="clip")

    def whole_signal(self, signal: Any) -> Any:
        """The signal of every voxel, `(*shape, n_samples)`, from that of those that are simulated; zero in air."""
        if self.inside is not None:
            signal = self._spread(signal, 0).reshape(*self.played, signal.shape[-1])
        if self.m0 is None:
            return signal
        raised = lambda x, shape: x.reshape((1,) * (len(self.shape) + 1 - len(shape)) + shape)
        signal = raised(signal, (*self.played, signal.shape[-1]))
        m0 = raised(np.asarray(self.m0) if _is_numpy(signal) else self.m0, (*self.m0.shape, 1))
        return _product(signal, m0) if _is_numpy(signal) else signal * m0

    def whole_state(self, state: Any, n_after: int) -> Any:
        """The state of every voxel; its leaves have `n_after` axes after those of the voxels. Zero in air."""

        def whole(leaf: Any) -> Any:
            n_played = 1 if self.inside is not None else len(self.played)
            axis = leaf.ndim - n_after - n_played
            leading, after = leaf.shape[:axis], leaf.shape[leaf.ndim - n_after :]
            if self.inside is not None:
                leaf = self._spread(leaf, axis)
            leaf = leaf.reshape(*leading, *(1,) * (len(self.shape) - len(self.played)), *self.played, *after)
            broadcast = np.broadcast_to if _is_numpy(leaf) else jnp.broadcast_to
            return broadcast(leaf, (*leading, *self.shape, *after))

        return jax.tree.map(whole, state)

    def _spread(self, values: Any, axis: int) -> Any:
        """Values of the voxels inside at their places among all, along one axis."""
        shape = (*values.shape[:axis], math.prod(self.played), *values.shape[axis + 1 :])
        places = (slice(None),) * axis + (self.inside,)
        if not _is_numpy(values):
            return jnp.zeros(shape, values.dtype).at[places].set(values, unique_indices=True, indices_are_sorted=True)
        whole = aligned(shape, values.dtype)
        whole[...] = 0
        whole[places] = values
        return whole


def without_m0(tissue: Tissue) -> Tissue:
    """A tissue with `m0` at its default."""
    return eqx.tree_at(lambda tissue: tissue.m0, tissue, NEUTRAL["m0"]) if tissue.has("m0") else tissue


def checked_mask(mask: Any, shape: tuple[int, ...]) -> np.ndarray:
    """`mask` as booleans of the voxel shape."""
    if not _checks.is_concrete(mask):
        raise ValueError(
            "`mask` must be known before compiling, since it decides how many voxels there are, but it is traced (by jit, grad "
            "or vmap); make it outside of the function that is transformed, or multiply the signal by it."
        )
    array = np.asarray(mask)
    if array.dtype != bool:
        raise ValueError(f"`mask` must hold booleans, but got {array.dtype}; write `mask > 0`.")
    try:
        array = np.broadcast_to(array, shape)
    except ValueError:
        raise ValueError(
            f"`mask` must have the voxel shape {shape} or broadcast to it, but got {array.shape}."
        ) from None
    if not array.any():
        raise ValueError("`mask` must be true in at least one voxel, but is false in all of them.")
    return array


def _indices(mask: np.ndarray, played: tuple[int, ...]) -> np.ndarray | None:
    """Which of the voxels that are played lie in a mask over all; None where all do, or none."""
    raised = (1,) * (mask.ndim - len(played)) + played
    shared = tuple(axis for axis, (n, of_mask) in enumerate(zip(raised, mask.shape, strict=True)) if n < of_mask)
    inside = np.flatnonzero(np.any(mask, axis=shared))
    return inside if 0 < len(inside) < math.prod(played) else None


def _is_numpy(array: Any) -> bool:
    return isinstance(array, np.ndarray)


def _product(signal: np.ndarray, m0: np.ndarray) -> np.ndarray:
    """By parts where `m0` is real, which takes half the time of a product of complex numbers."""
    out = aligned(np.broadcast_shapes(signal.shape, m0.shape), np.result_type(signal, m0))
    if np.iscomplexobj(m0) or not out.size:
        return np.multiply(signal, m0, out=out)
    parts = lambda x: x.view(x.real.dtype)
    np.multiply(parts(np.ascontiguousarray(signal)), m0, out=parts(out))
    return out
