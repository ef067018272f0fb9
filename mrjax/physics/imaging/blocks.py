"""KnownSamples in blocks that are encoded together: lines, along which k moves along the columns alone, and others."""

from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import numpy as np
from jax.typing import DTypeLike
from jaxtyping import Array, Complex, Float, Int

from mrjax.physics.imaging.expansion import (
    MOST_POINTS,
    chebyshev_points,
    interpolation,
    points_needed,
)
from mrjax.physics.imaging.rates import Rates
from mrjax.physics.maths.sizes import padded_size
from mrjax.physics.maths.turns import Turns

SAME_PHASE = 1e-9
"""In turns at the ends of the object, by which samples of one line may differ."""

SHORTEST_LINE = 8
"""KnownSamples; fewer are cheaper encoded as others are."""

AT_ONCE = (16, 32, 64, 128)
"""KnownSamples that are no line may be encoded together."""


class Blocks(eqx.Module):
    """Blocks of samples, filled up to one length."""

    row: Int[Array, " block"]
    time: Float[Array, " block"]
    """Of its middle since the start of the row in s."""
    wound: Turns
    """Since then by each sample: turns per m along x, y and z, and cycles across the voxel, `(block, sample, 4)`."""
    weight: Complex[Array, "block sample point"]
    """How much the instants count."""
    instants: Float[Array, " point"]
    """In s from the middle."""
    middle: Float[Array, ""]
    """Off-resonance in Hz that the weights hold already."""
    are_lines: bool = eqx.field(static=True)


class EncodedSamples(eqx.Module):
    """All samples of a sequence."""

    blocks: tuple[Blocks, ...]
    place: Int[Array, " sample"]
    """Of each among those of all blocks, one after the other."""
    receiver: Complex[Array, " sample"]


@dataclass(frozen=True, eq=False)
class KnownSamples:
    """Known samples in double precision: rows, times since their start in s, and what is wound since then."""

    row: Int[np.ndarray, " n"]
    time: Float[np.ndarray, " n"]
    wound: Float[np.ndarray, "n 4"]
    """Turns per m along x, y and z, and cycles across the voxel."""

    def encoded(
        self,
        receiver: Complex[np.ndarray, " n"],
        across: Float[np.ndarray, "column 4"],
        rates: Rates,
        error: float,
        dtype: DTypeLike,
    ) -> EncodedSamples:
        """In blocks that keep an error, where columns lie at some places (in m, and in voxels)."""
        lines, others = self._runs(across)
        kinds = [
            (runs, are_lines, best)
            for runs, are_lines in ((lines, True), (others, False))
            if len(runs) and (best := self._cut(runs, are_lines, rates, error)) is not None
        ]
        blocks, place, so_far = [], np.zeros(len(self.row), int), 0
        for _, are_lines, (starts, lengths, n_points, half_width) in kinds:
            made, index = self._blocks(starts, lengths, half_width, n_points, rates.middle, are_lines, dtype)
            at = np.broadcast_to(np.arange(index.shape[1])[None], index.shape) < lengths[:, None]
            n_each = made.weight.shape[1]
            place[index[at]] = (so_far + np.arange(len(starts))[:, None] * n_each + np.arange(index.shape[1]))[at]
            blocks.append(made)
            so_far += made.weight.shape[0] * n_each
        n = padded_size(len(place))
        filled = lambda x: np.pad(x, (0, n - len(x)))
        return EncodedSamples(
            tuple(blocks), jax.device_put(filled(place).astype(np.int32)), _on_device(filled(receiver), dtype)
        )

    def _runs(self, across: Float[np.ndarray, "column 4"]) -> tuple[np.ndarray, np.ndarray]:
        """The first and the number of the samples of each line, and likewise of the others, row by row."""
        centred = across - across.mean(axis=0)
        seen = self.wound @ np.linalg.svd(centred, full_matrices=False)[2].T if len(across) > 1 else 0 * self.wound
        extents = (
            np.abs(centred @ np.linalg.svd(centred, full_matrices=False)[2].T).max(axis=0) if len(across) > 1 else 0
        )
        differs = np.any(np.abs(np.diff(seen * extents, axis=0)) > SAME_PHASE, axis=1)
        edge = np.concatenate([[True], differs | (np.diff(self.row) != 0)])
        first = np.flatnonzero(edge)
        length = np.diff(np.append(first, len(edge)))
        is_line = length >= SHORTEST_LINE
        lines = np.stack([first[is_line], length[is_line]], axis=1)
        # what lies between lines in one row
        loose = np.repeat(~is_line, length)
        new = np.concatenate([[True], (np.diff(self.row) != 0) | np.diff(loose)])
        begin = np.flatnonzero(new & loose)
        ends = np.append(np.flatnonzero(new), len(loose))
        others = (
            np.stack([begin, ends[np.searchsorted(ends, begin, side="right")] - begin], axis=1) if len(begin) else begin
        )
        return lines, others

    def _cut(self, runs: np.ndarray, are_lines: bool, rates: Rates, error: float) -> Any:
        """Runs cut so that they are cheapest: their starts, lengths, number of instants and half of the longest width."""
        longest = int(runs[:, 1].max())
        sizes = [-(-longest // 2**i) for i in range(longest.bit_length())] if are_lines else [*AT_ONCE, 8, 4, 2, 1]
        found = []
        for size in sizes:
            starts, lengths = _in_parts(runs, size)
            half = self.time[starts + lengths - 1] - self.time[starts]
            half_width = float(np.abs(half).max()) / 2
            n_points = points_needed(rates.reach(half_width), error)
            if n_points > MOST_POINTS and size > 1:
                continue
            # in ns for each spin: precession to the middle, the sum over columns, and products of matrices
            cost = len(starts) * (3.5 + 1.1 * n_points) + (0 if are_lines else 0.3 * n_points * len(starts) * size)
            found.append((cost, (starts, lengths, n_points, half_width)))
        return min(found, key=lambda one: one[0])[1]

    def _blocks(
        self,
        starts: Int[np.ndarray, " block"],
        lengths: Int[np.ndarray, " block"],
        half_width: float,
        n_points: int,
        middle: float,
        are_lines: bool,
        dtype: DTypeLike,
    ) -> tuple[Blocks, Int[np.ndarray, "block sample"]]:
        n_each = padded_size(int(lengths.max()))
        missing = padded_size(len(starts)) - len(starts)
        counted = np.minimum(np.arange(n_each)[None], lengths[:, None] - 1)
        index = starts[:, None] + counted
        centre = (self.time[index[:, 0]] + self.time[index[:, -1]]) / 2
        into = self.time[index] - centre[:, None]
        weight = interpolation(into, half_width, n_points) * np.exp(2j * np.pi * middle * into)[..., None]
        filled = lambda x: np.pad(x, [(0, missing)] + [(0, 0)] * (x.ndim - 1))
        wound = filled(self.wound[index])
        blocks = Blocks(
            row=jax.device_put(filled(self.row[starts]).astype(np.int32)),
            time=_on_device(filled(centre), dtype),
            wound=Turns.of(wound, dtype),
            weight=_on_device(filled(weight), dtype),
            instants=_on_device(chebyshev_points(half_width, n_points), dtype),
            middle=_on_device(np.asarray(middle), dtype),
            are_lines=are_lines,
        )
        return blocks, index


def _in_parts(runs: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Runs cut into equal parts of a size at most: their starts and lengths."""
    n_parts = -(-runs[:, 1] // size)
    number = np.arange(n_parts.sum()) - np.repeat(np.cumsum(n_parts) - n_parts, n_parts)
    first, length, parts = (np.repeat(x, n_parts) for x in (runs[:, 0], runs[:, 1], n_parts))
    starts = number * length // parts
    return first + starts, (number + 1) * length // parts - starts


def _on_device(values: np.ndarray, dtype: DTypeLike) -> Array:
    due = np.result_type(dtype, np.complex64) if np.iscomplexobj(values) else dtype
    return jax.device_put(np.asarray(values, due))
