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

    def in_order(self, signal: Complex[Array, "coil block_sample"]) -> Complex[Array, "coil sample"]:
        """The samples of all blocks in the order of the sequence, turned back by the receiver."""
        return _in_order(signal, self.place, self.receiver)


@jax.jit
def _in_order(signal: Array, place: Array, receiver: Array) -> Array:
    return signal[:, place] * receiver[None]


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
        cuts = []
        for runs, are_lines in zip(self._runs(across), (True, False), strict=True):
            if len(runs):
                starts, lengths, n_points, half_width = self._cut(runs, are_lines, rates, error)
                middle, into = self._times(starts, lengths)
                weight = interpolation(into, half_width, n_points) * np.exp(2j * np.pi * rates.middle * into)[..., None]
                instants = chebyshev_points(half_width, n_points)
                cuts.append(_Cut(starts, lengths, are_lines, middle, weight, instants))
        return self._in_blocks(cuts, receiver, rates.middle, dtype)

    def encoded_by(
        self,
        weights: Complex[np.ndarray, "n point"],
        receiver: Complex[np.ndarray, " n"],
        across: Float[np.ndarray, "column 4"],
        dtype: DTypeLike,
    ) -> EncodedSamples:
        """Likewise, where it is given how much the instants of each row count for each sample."""
        cuts = []
        for runs, are_lines in zip(self._runs(across), (True, False), strict=True):
            if len(runs):
                starts, lengths = _in_parts(runs, int(runs[:, 1].max()) if are_lines else AT_ONCE[-2])
                index = self._index(starts, lengths)
                instants = np.zeros(weights.shape[1])
                cuts.append(_Cut(starts, lengths, are_lines, self.time[starts], weights[index], instants))
        return self._in_blocks(cuts, receiver, 0.0, dtype)

    def _in_blocks(
        self, cuts: "list[_Cut]", receiver: Complex[np.ndarray, " n"], middle: float, dtype: DTypeLike
    ) -> EncodedSamples:
        blocks, place, so_far = [], np.zeros(len(self.row), int), 0
        for cut in cuts:
            index = self._index(cut.starts, cut.lengths)
            at = np.arange(index.shape[1])[None] < cut.lengths[:, None]
            blocks.append(self._block_of(cut, index, middle, dtype))
            of_block = so_far + np.arange(len(index))[:, None] * index.shape[1] + np.arange(index.shape[1])
            place[index[at]] = of_block[at]
            so_far += blocks[-1].row.shape[0] * index.shape[1]
        n = padded_size(len(place))
        filled = lambda x: np.pad(x, (0, n - len(x)))
        return EncodedSamples(
            tuple(blocks), jax.device_put(filled(place).astype(np.int32)), _on_device(filled(receiver), dtype)
        )

    def _block_of(self, cut: "_Cut", index: Int[np.ndarray, "block sample"], middle: float, dtype: DTypeLike) -> Blocks:
        missing = padded_size(len(index)) - len(index)
        filled = lambda x: np.pad(x, [(0, missing)] + [(0, 0)] * (x.ndim - 1))
        return Blocks(
            row=jax.device_put(filled(self.row[cut.starts]).astype(np.int32)),
            time=_on_device(filled(cut.middle), dtype),
            wound=Turns.of(filled(self.wound[index]), dtype),
            weight=_on_device(filled(cut.weight), dtype),
            instants=_on_device(cut.instants, dtype),
            middle=_on_device(np.asarray(middle), dtype),
            are_lines=cut.are_lines,
        )

    def _index(self, starts: np.ndarray, lengths: np.ndarray) -> Int[np.ndarray, "block sample"]:
        """The samples of each block, the last one again where it is shorter than others."""
        return starts[:, None] + np.minimum(np.arange(padded_size(int(lengths.max())))[None], lengths[:, None] - 1)

    def _times(self, starts: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The middle of each block, and the times of its samples from there."""
        middle = (self.time[starts] + self.time[starts + lengths - 1]) / 2
        return middle, self.time[self._index(starts, lengths)] - middle[:, None]

    def _runs(self, across: Float[np.ndarray, "column 4"]) -> tuple[np.ndarray, np.ndarray]:
        """The first and the number of the samples of each line, and likewise of the others, row by row."""
        centred = across - across.mean(axis=0)
        # in the directions in which columns lie apart
        directions = np.linalg.svd(centred.T @ centred)[0]
        ends = np.abs(centred @ directions).max(axis=0)
        differs = np.any(np.abs(np.diff(self.wound @ directions, axis=0)) * ends > SAME_PHASE, axis=1)
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


@dataclass(frozen=True, eq=False)
class _Cut:
    """Blocks of one kind."""

    starts: Int[np.ndarray, " block"]
    lengths: Int[np.ndarray, " block"]
    are_lines: bool
    middle: Float[np.ndarray, " block"]
    weight: Complex[np.ndarray, "block sample point"]
    instants: Float[np.ndarray, " point"]


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
