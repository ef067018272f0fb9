"""Fits of more voxels than memory holds at once: batch after batch, by one program."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from mrjax import _checks
from mrjax.inverse.fit import Fit
from mrjax.inverse.jacobian import Model


def fits_in_batches(
    fit: Callable[..., Any],
    model: Model,
    data: Any,
    init: PyTree | None,
    bounds: Any,
    noise_std: Any | None,
    batch_size: int,
    n_starts: int = 1,
) -> Iterator[tuple[slice, Any]]:
    """Fits of one batch of voxels after the other, in their order, as NumPy arrays.

    Every batch has the same size, the last one reaching back over voxels already done, so that one compilation serves all.
    One is fitted when it is asked for.

    **Arguments:**

    - `fit`: `least_squares` with its options, or another function of model, data, start, bounds and noise.
    - the others: As those of `least_squares`, on the host; `n_starts` is its `starts`.

    **Yields:** Which voxels these are, counted over all axes, and what `fit` returns for them.
    """
    size = _checks.positive_integer(batch_size, "batch_size")
    if not all(_checks.is_concrete(leaf) for leaf in jax.tree.leaves((data, init, bounds, noise_std))):
        raise ValueError(
            "`batch_size` needs numbers that are known, but `jit`, `grad` or `vmap` traces them; leave it out."
        )
    if np.ndim(data) < 1:
        raise ValueError(f"`data` must have shape (*voxels, n) with at least one sample, but got {np.shape(data)}.")
    data = data if isinstance(data, np.ndarray) else np.asarray(data)
    voxels = data.shape[:-1]
    n_voxels = math.prod(voxels)
    if n_voxels == 0:
        raise ValueError("`data` must have at least one voxel to be fitted in batches, but has none.")
    size = min(size, n_voxels)

    def fit_of(here: slice) -> Any:
        part = lambda tree, name, before, after: _of_voxels(tree, name, voxels, here, before, after)
        first = init if callable(init) else part(init, "init", int(n_starts > 1), 0)
        limits, noise = part(bounds, "bounds", 0, 0), part(noise_std, "noise_std", 0, 1)
        return jax.device_get(fit(_model_of(model, voxels, here), part(data, "data", 0, 1), first, limits, noise))

    stops = [min(start + size, n_voxels) for start in range(0, n_voxels, size)]
    return ((here, fit_of(here)) for here in [slice(stop - size, stop) for stop in stops])


def joined(
    batches: Iterator[tuple[slice, Fit]], voxels: tuple[int, ...], progress: Callable[[int, int], Any] | None
) -> Fit:
    """All of them as one `Fit` of voxels of a shape."""
    n_voxels, whole = math.prod(voxels), None
    for here, part in batches:
        if whole is None:
            whole = jax.tree.map(lambda leaf: np.empty((n_voxels, *leaf.shape[1:]), leaf.dtype), part)
        for target, leaf in zip(jax.tree.leaves(whole), jax.tree.leaves(part), strict=True):
            target[here] = leaf
        if progress is not None:
            progress(here.stop, n_voxels)
    return jax.tree.map(lambda leaf: jnp.asarray(leaf.reshape(*voxels, *leaf.shape[1:])), whole)


def _of_voxels(tree: PyTree, name: str, voxels: tuple[int, ...], here: slice, before: int, after: int) -> PyTree:
    """Arrays of some voxels, counted over their axes; `before` and `after` are the numbers of other axes beside those."""

    def part(leaf: Any) -> Any:
        own = np.shape(leaf)[before : max(np.ndim(leaf) - after, before)]
        if not own:
            return leaf
        array = np.asarray(leaf)
        lead, last = array.shape[:before], array.shape[before + len(own) :]
        array = array.reshape(*lead, *(1,) * (len(voxels) - len(own)), *own, *last)
        try:
            array = np.broadcast_to(array, (*lead, *voxels, *last))
        except ValueError:
            raise ValueError(
                f"`{name}` must broadcast to the voxels {voxels}, but got shape {np.shape(leaf)}."
            ) from None
        chosen = (here,) if len(voxels) == 1 else _indices(voxels, here)
        return array[(slice(None),) * before + chosen]

    return jax.tree.map(part, tree)


def _model_of(model: Model, voxels: tuple[int, ...], here: slice) -> Model:
    """A model that holds maps with those of some voxels."""
    at = getattr(model, "at", None)
    return model if at is None else at(here if len(voxels) == 1 else _indices(voxels, here))


def _indices(voxels: tuple[int, ...], here: slice) -> tuple[np.ndarray, ...]:
    return np.unravel_index(np.arange(here.start, here.stop), voxels)
