"""JAX's operations that move numbers: along all axes but that of the voxels they only give registers other names."""

from collections.abc import Callable
from typing import Any

import numpy as np

from mrjax.jax_rules.native.lanes import KnownNumbers, Lanes, NotElementwise


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


def _update(lanes: Lanes, step: Any, a: np.ndarray, rows: np.ndarray, *starts: Any) -> np.ndarray:
    if step.invars[0].aval.shape[-1] != step.invars[1].aval.shape[-1]:
        raise NotElementwise("an update of some voxels")
    return _written(a, rows, _known_places(starts[:-1]))


def _scatter(lanes: Lanes, step: Any, a: np.ndarray, places: Any, rows: np.ndarray) -> np.ndarray:
    """Such as `vmap` makes of an update."""
    where, (before, _, update) = step.params["dimension_numbers"], (x.aval.shape for x in step.invars)
    is_update = tuple(where.update_window_dims) == tuple(range(len(before))) and step.params["update_jaxpr"] is None
    if not is_update or before[-1] != update[-1] or not isinstance(places, KnownNumbers) or places.value.ndim != 1:
        raise NotElementwise("a scatter that is no update")
    starts = [0] * len(before)
    for axis, start in zip(where.scatter_dims_to_operand_dims, places.value, strict=True):
        starts[axis] = int(start)
    return _written(a, rows, starts[:-1])


def _part(lanes: Lanes, step: Any, a: np.ndarray, *starts: Any) -> np.ndarray:
    sizes = step.params["slice_sizes"]
    if sizes[-1] != step.invars[0].aval.shape[-1]:
        raise NotElementwise("a slice of voxels")
    return a[_within(a, _known_places(starts[:-1]), sizes[:-1])]


def _gather(lanes: Lanes, step: Any, a: np.ndarray, places: Any) -> np.ndarray:
    """Such as `vmap` makes of a slice at a place."""
    where, sizes = step.params["dimension_numbers"], step.params["slice_sizes"]
    before, after = step.invars[0].aval.shape, step.outvars[0].aval.shape
    is_slice = tuple(where.offset_dims) == tuple(range(len(after))) and not where.operand_batching_dims
    collapsed = tuple(where.collapsed_slice_dims)
    if not is_slice or sizes[-1] != before[-1] or not isinstance(places, KnownNumbers) or len(before) - 1 in collapsed:
        raise NotElementwise("a gather that is no slice")
    starts = [0] * len(before)
    for axis, start in zip(where.start_index_map, places.value, strict=True):
        starts[axis] = int(start)
    return a[_within(a, starts[:-1], sizes[:-1])].reshape(_without_voxels(after))


def _written(a: np.ndarray, rows: np.ndarray, starts: list[int]) -> np.ndarray:
    a = np.array(a, object)
    a[_within(a, starts, rows.shape)] = rows
    return a


def _known_places(starts: Any) -> list[int]:
    if not all(isinstance(start, KnownNumbers) for start in starts):
        raise NotElementwise("a place that is known only at run time")
    return [int(start.value) for start in starts]


def _within(a: np.ndarray, starts: list[int], sizes: Any) -> tuple[slice, ...]:
    """The part that begins there, or at the last place where there is room for it."""
    begins = [min(max(start, 0), n - size) for start, size, n in zip(starts, sizes, a.shape, strict=True)]
    return tuple(slice(begin, begin + size) for begin, size in zip(begins, sizes, strict=True))


def _concatenate(lanes: Lanes, step: Any, *parts: np.ndarray) -> np.ndarray:
    axis = step.params["dimension"]
    if axis == step.outvars[0].aval.ndim - 1:
        raise NotElementwise("voxels joined to voxels")
    return np.concatenate(parts, axis)


ELSEWHERE: dict[str, Callable] = {
    "broadcast_in_dim": _broadcast,
    "concatenate": _concatenate,
    "expand_dims": _reshape,
    "pad": _pad,
    "reduce_sum": _sum,
    "reshape": _reshape,
    "slice": _slice,
    "squeeze": _squeeze,
}

AT_PLACES: dict[str, Callable] = {
    "dynamic_slice": _part,
    "dynamic_update_slice": _update,
    "gather": _gather,
    "scatter": _scatter,
}
"""Those with places that must be known."""
