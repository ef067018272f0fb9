"""Spins in columns: positions that are one place along a line plus one of the places of the columns.

A sum over spins of exp(i k r) then is one over the columns of each place, and one over the places.
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from mrjax import _checks
from mrjax.sequence.gradients import AXES
from mrjax.sequence.precision import Numbers, in_double_precision, numpy_of
from mrjax.tissue import Tissue

FILLED = 0.4
"""Of a grid that must hold spins, for the rest to be worth computing in vain."""

SAME_PLACE = 1e-9
"""Of the extent, by which coordinates may differ that are one."""


FARTHEST = 0.25
"""In m, where positions are traced."""


@dataclass(frozen=True, eq=False)
class Columns:
    """Which spin is at `along[:, f] + across[:, r]`, both in m along x, y and z."""

    spin: Int[np.ndarray, "column place"]
    """Among the flattened voxels; -1 where there is none."""
    along: Float[Numbers, "3 place"]
    across: Float[Numbers, "3 column"]

    @classmethod
    def of(cls, tissue: Tissue, moved: Float[np.ndarray, " 3"]) -> "Columns":
        """The spins of a tissue, with places along the direction in which k moves most in all, in 1/m along x, y and z."""
        given = [np.zeros(()) if not tissue.has(axis) else getattr(tissue, axis) for axis in AXES]
        places = [in_double_precision(place) if _checks.is_concrete(place) else place for place in given]
        shape = tissue.voxel_shape
        varying = [_varying(np.shape(place), len(shape)) for place in places]
        if all(len(axes) <= 1 for axes in varying) and len({axis for axes in varying for axis in axes}) > 1:
            return cls._of_axes(places, varying, shape, moved)
        known = all(map(_checks.is_concrete, places))
        columns = cls._of_values(places, shape, moved) if known else None
        return cls.of_one(places, shape) if columns is None else columns

    @classmethod
    def _of_axes(
        cls, places: list, varying: list[list[int]], shape: tuple[int, ...], moved: Float[np.ndarray, " 3"]
    ) -> "Columns":
        """Each coordinate differs along one axis of the voxels at most, as their shapes show."""
        reach = np.array([_extent(place) for place in places]) * moved
        first = max((i for i in range(3) if varying[i]), key=lambda i: (reach[i], np.size(places[i])))
        (axis,) = varying[first]
        spin = np.moveaxis(np.arange(math.prod(shape)).reshape(shape), axis, -1)
        others, n = spin.shape[:-1], shape[axis]
        is_along = [axes == [axis] for axes in varying]
        along = [_flat(place, (n,)) if here else np.zeros(n) for place, here in zip(places, is_along, strict=True)]
        across = []
        for place, here in zip(places, is_along, strict=True):
            raised = place.reshape((1,) * (len(shape) - np.ndim(place)) + np.shape(place))
            bare = np.zeros(()) if here else numpy_of(place).moveaxis(raised, axis, -1)[..., 0]
            across.append(_flat(bare, others))
        return cls(spin.reshape(-1, n), _stacked(along), _stacked(across))

    @classmethod
    def _of_values(cls, places: list, shape: tuple[int, ...], moved: Float[np.ndarray, " 3"]) -> "Columns | None":
        """Spins whose known coordinates fill a grid well enough, in any order, several at one place or not."""
        values = np.stack([np.ravel(np.broadcast_to(in_double_precision(place), shape)) for place in places])
        extents = np.ptp(values, axis=1)
        if not extents.any():
            return None
        rounded = np.round(values / (SAME_PLACE * extents.max())).astype(np.int64)
        first = int(np.argmax(extents * moved)) if np.any(extents * moved) else int(np.argmax(extents))
        _, at, place = np.unique(rounded[first], return_index=True, return_inverse=True)
        others = np.delete(rounded, first, axis=0)
        _, column_at, column = np.unique(others, axis=1, return_index=True, return_inverse=True)
        place, column = place.ravel(), column.ravel()
        again = _how_often_before(column * len(at) + place)
        n_columns = len(column_at)
        n_layers = int(again.max()) + 1
        if values.shape[1] < FILLED * n_layers * n_columns * len(at):
            return None
        spin = np.full((n_layers * n_columns, len(at)), -1)
        spin[again * n_columns + column, place] = np.arange(values.shape[1])
        along, across = np.zeros((3, len(at))), values[:, np.tile(column_at, n_layers)]
        along[first], across[first] = values[first, at], 0.0
        return cls(spin, along, across)

    @property
    def reached(self) -> Float[np.ndarray, "_column 3"]:
        """Where columns are, or as far as they may be where positions are traced."""
        if isinstance(self.across, np.ndarray):
            return self.across.T
        return np.concatenate([FARTHEST * np.eye(3), -FARTHEST * np.eye(3)])

    @classmethod
    def of_one(cls, places: list, shape: tuple[int, ...]) -> "Columns":
        """All spins in one column, wherever they are."""
        along = _stacked([_flat(place, shape) for place in places])
        return cls(np.arange(math.prod(shape))[None], along, np.zeros((3, 1)))


def _varying(shape: tuple[int, ...], rank: int) -> list[int]:
    """Axes of the voxels along which an array differs."""
    return [rank - len(shape) + axis for axis, n in enumerate(shape) if n > 1]


def _extent(place: Numbers) -> float:
    """From the first to the last; one where it is traced."""
    return float(np.ptp(np.asarray(place))) if _checks.is_concrete(place) else 1.0


def _flat(place: Numbers, shape: tuple[int, ...]) -> Numbers:
    if _checks.is_concrete(place):
        place = in_double_precision(place)
    xp = numpy_of(place)
    if np.size(place) == math.prod(shape):
        return place.reshape(-1)
    raised = place.reshape(
        (1,) * (len(shape) - np.ndim(place)) + np.shape(place)[max(0, np.ndim(place) - len(shape)) :]
    )
    return xp.broadcast_to(raised, shape).reshape(-1)


def _stacked(rows: list) -> Numbers:
    return numpy_of(rows).stack(rows)


def _how_often_before(values: Int[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
    """How many equal values precede each."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    new = np.diff(ordered, prepend=ordered[0] - 1) != 0
    first = np.maximum.accumulate(np.where(new, np.arange(len(values)), 0))
    counts = np.empty(len(values), int)
    counts[order] = np.arange(len(values)) - first
    return counts
