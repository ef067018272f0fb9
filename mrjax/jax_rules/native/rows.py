"""JAX's operations that move numbers: along all axes but that of the voxels they only give registers other names."""

from collections.abc import Callable
from typing import Any

import numpy as np

from mrjax.jax_rules.native.lanes import Lanes, NotElementwise, Whole


def _without_voxels(shape: tuple[int, ...]) -> tuple[int, ...]:
    return shape[:-1]


def _broadcast(lanes: Lanes, step: Any, a: np.ndarray) -> np.ndarray:
    shape, places = step.outvars[0].aval.shape, step.params["broadcast_dimensions"]
    if step.invars[0].aval.ndim == 0:
        return np.broadcast_to(a, _without_voxels(shape))
    if places and places[-1] != len(shape) - 1:
        raise NotElementwise("voxels on an axis that is not the last")
    middle = [1] * (len(shape) - 1)
    for place, size in zip(places[:-1], a.shape, strict=True):
        middle[place] = size
    return np.broadcast_to(a.reshape(middle), _without_voxels(shape))


def _reshape(lanes: Lanes, step: Any, a: np.ndarray) -> np.ndarray:
    before, after = step.invars[0].aval.shape, step.outvars[0].aval.shape
    if not before or not after:
        return a.reshape(_without_voxels(after) if after else ())
    if before[-1] != after[-1]:
        raise NotElementwise("a reshape of voxels")
    return a.reshape(_without_voxels(after))


def _sum(lanes: Lanes, step: Any, a: np.ndarray) -> np.ndarray:
    last = step.invars[0].aval.ndim - 1
    axes = [axis for axis in step.params["axes"] if axis != last]
    # over voxels the lanes hold partial sums, which are added after the last use
    for axis in sorted(axes, reverse=True):
        a = np.moveaxis(a, axis, 0)
        total = np.array(a[0:1], object)
        for row in range(1, len(a)):
            for place in np.ndindex(*total.shape[1:]):
                total[(0, *place)] = lanes.add(total[(0, *place)], a[(row, *place)])
        a = total[0:1].reshape(total.shape[1:])
    return a


def _pad(lanes: Lanes, step: Any, a: np.ndarray, filling: np.ndarray) -> np.ndarray:
    *before, last = step.params["padding_config"]
    if last != (0, 0, 0):
        raise NotElementwise("padding of voxels")
    for axis, (low, high, between) in enumerate(before):
        if between:
            raise NotElementwise("padding between")
        rows = np.moveaxis(a, axis, 0)
        below, above = (np.broadcast_to(filling, (max(n, 0), *rows.shape[1:])) for n in (low, high))
        kept = rows[max(-low, 0) : len(rows) - max(-high, 0)]
        a = np.moveaxis(np.concatenate([below, kept, above]), 0, axis)
    return a


def _slice(lanes: Lanes, step: Any, a: np.ndarray) -> np.ndarray:
    p = step.params
    strides = p["strides"] or [1] * len(p["start_indices"])
    parts = [slice(*bounds) for bounds in zip(p["start_indices"], p["limit_indices"], strides, strict=True)]
    if parts[-1] != slice(0, step.invars[0].aval.shape[-1], 1):
        raise NotElementwise("a slice of voxels")
    return a[tuple(parts[:-1])]


def _squeeze(lanes: Lanes, step: Any, a: np.ndarray) -> np.ndarray:
    shape = step.outvars[0].aval.shape
    return a.reshape(_without_voxels(shape) if shape else ())


def _update(lanes: Lanes, step: Any, a: np.ndarray, rows: np.ndarray, *starts: np.ndarray) -> np.ndarray:
    if step.invars[0].aval.shape[-1] != step.invars[1].aval.shape[-1]:
        raise NotElementwise("an update of some voxels")
    a = np.array(a, object)
    a[_place(starts[:-1], rows.shape)] = rows
    return a


def _part(lanes: Lanes, step: Any, a: np.ndarray, *starts: np.ndarray) -> np.ndarray:
    sizes = step.params["slice_sizes"]
    if sizes[-1] != step.invars[0].aval.shape[-1]:
        raise NotElementwise("a slice of voxels")
    return a[_place(starts[:-1], sizes[:-1])]


def _place(starts: tuple[np.ndarray, ...], sizes: tuple[int, ...]) -> tuple[slice, ...]:
    """The part that begins there, which must be known."""
    first = [start.item() for start in starts]
    if not all(isinstance(start, Whole) for start in first):
        raise NotElementwise("a place that is known only at run time")
    return tuple(slice(start.value, start.value + n) for start, n in zip(first, sizes, strict=True))


def _concatenate(lanes: Lanes, step: Any, *parts: np.ndarray) -> np.ndarray:
    axis = step.params["dimension"]
    if axis == step.outvars[0].aval.ndim - 1:
        raise NotElementwise("voxels joined to voxels")
    return np.concatenate(parts, axis)


ELSEWHERE: dict[str, Callable] = {
    "broadcast_in_dim": _broadcast,
    "concatenate": _concatenate,
    "dynamic_slice": _part,
    "dynamic_update_slice": _update,
    "expand_dims": _reshape,
    "pad": _pad,
    "reduce_sum": _sum,
    "reshape": _reshape,
    "slice": _slice,
    "squeeze": _squeeze,
}
