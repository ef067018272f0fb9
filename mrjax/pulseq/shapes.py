"""Waveforms as Pulseq stores them: run-length coded, and kept so."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

MOST_SAMPLES = 10**10
"""Of one shape: ten thousand seconds at 1 us; a longer one is a damaged count."""

MOST_RUNS = 2**22
"""Values of one shape that differ from the one before; 4 s of a shape that never rests, at 1 us."""

MOST_EXPANDED = 2**26
"""Samples that are ever written out: a minute at 1 us, half a gibibyte."""

ROUNDING = 1e-10
"""What summing differences leaves where a zero is due; the format resolves 1e-7."""


@dataclass(frozen=True, eq=False)
class Shape:
    """A waveform as runs of equal samples, so that a block pulse is one run, whatever its length.

    **Arguments:**

    - `values`: Of the runs, `(n_runs,)`, without unit. Neighbours differ.
    - `counts`: How many samples each run has, `(n_runs,)`.
    """

    values: Float[np.ndarray, " n_runs"]
    counts: Int[np.ndarray, " n_runs"]

    @property
    def n_samples(self) -> int:
        """Number of samples once expanded."""
        return int(self.counts.sum())

    def runs(self) -> Iterator[tuple[float, int]]:
        """Each run as its value and its number of samples."""
        return zip(self.values.tolist(), self.counts.tolist(), strict=True)

    def samples(self) -> Float[np.ndarray, " n_samples"]:
        """All samples.

        **Raises:** `ValueError` above 67 million samples: use `runs` there.
        """
        if self.n_samples > MOST_EXPANDED:
            raise ValueError(
                f"A shape of {self.n_samples} samples is too long to be written out; go through its runs()."
            )
        return np.repeat(self.values, self.counts)


def from_samples(samples: Float[np.ndarray, " n"]) -> Shape:
    """The shape that has these samples."""
    starts = np.flatnonzero(np.concatenate([np.ones(min(1, samples.size), bool), samples[1:] != samples[:-1]]))
    return Shape(samples[starts], np.diff(np.append(starts, samples.size)))


def decompressed(stored: Float[np.ndarray, " n_stored"], n_samples: int, plain_allowed: bool) -> Shape:
    """The shape of `n_samples` that a file stores as `stored`.

    Stored is the difference of each sample from the one before, from zero at first. Where two differences are equal, the
    number that follows them says how many more of them there are. From version 1.4 (`plain_allowed`) a shape that would
    not shrink stands there as it is: its stored numbers are as many as its samples.

    **Raises:** `ValueError` where counts are no counts or do not add up to `n_samples`.
    """
    if n_samples > MOST_SAMPLES:
        raise ValueError(f"num_samples is {n_samples}, more than the {MOST_SAMPLES} that are plausible")
    if plain_allowed and stored.size == n_samples:
        return from_samples(stored)
    try:
        steps, counts = _steps(stored)
    except ValueError as error:
        raise ValueError(f"its {stored.size} numbers do not decompress to num_samples {n_samples}: {error}") from None
    total = int(counts.sum(dtype=object)) if counts.size else 0
    if total != n_samples:
        raise ValueError(f"its {stored.size} numbers decompress to {total} samples, but num_samples is {n_samples}")
    moving = steps != 0
    if counts[moving].sum() > MOST_RUNS:
        raise ValueError(f"more than {MOST_RUNS} of its samples differ from the one before, too many to be plausible")
    each = np.repeat(steps, np.where(moving, counts, 1))
    lasting = np.repeat(np.where(moving, 1, counts), np.where(moving, counts, 1))
    with np.errstate(over="ignore", invalid="ignore"):
        values = np.cumsum(each)
    if not np.all(np.isfinite(values)):
        raise ValueError("its samples overflow")
    values = np.where(np.abs(values) < ROUNDING, 0.0, values)
    starts = np.flatnonzero(np.concatenate([np.ones(min(1, values.size), bool), values[1:] != values[:-1]]))
    return Shape(values[starts], np.add.reduceat(lasting, starts) if starts.size else lasting)


def _steps(stored: Float[np.ndarray, " n"]) -> tuple[Float[np.ndarray, " m"], Int[np.ndarray, " m"]]:
    """The differences between samples, each with how often it comes."""
    kept, extra, unread = np.ones(stored.size, bool), np.zeros(stored.size, np.int64), 0
    for first in np.flatnonzero(stored[1:] == stored[:-1]).tolist():
        if first < unread:  # the pair before has used these numbers up
            continue
        if first + 2 >= stored.size:
            raise ValueError("they end after two that are equal, where the count of their repetitions is due")
        more = stored[first + 2]
        if not (0 <= more <= MOST_SAMPLES and more == np.floor(more)):
            raise ValueError(
                f"after two that are equal a count of further repetitions is due, but {more:g} stands there"
            )
        kept[first + 2] = False
        extra[first + 1] = int(more)
        unread = first + 3
    return stored[kept], 1 + extra[kept]


DECIMALS = (9, 12)
"""To which differences of samples are rounded in search of runs of them; ramps lose digits when they are summed up."""


def compressed(shape: Shape, plain_allowed: bool) -> Float[np.ndarray, " n_stored"]:
    """The numbers that a file stores for a shape, from which `decompressed` makes it again.

    With `plain_allowed` (from version 1.4) samples stand as they are where that is shorter, or where rounding would change
    them; without it they may change by rounding, some 1e-16.
    """
    steps = np.diff(shape.values, prepend=0.0)
    stored = _run_lengths(steps, shape.counts)
    for decimals in DECIMALS:
        rounded = _run_lengths(np.round(steps, decimals), shape.counts)
        if _is_same(decompressed(rounded, shape.n_samples, plain_allowed=False), shape):
            stored = rounded
            break
    is_exact = _is_same(decompressed(stored, shape.n_samples, plain_allowed=False), shape)
    if plain_allowed and (stored.size >= shape.n_samples or not is_exact):
        return shape.samples()
    return stored


def _is_same(one: Shape, other: Shape) -> bool:
    return np.array_equal(one.values, other.values) and np.array_equal(one.counts, other.counts)


def _run_lengths(steps: Float[np.ndarray, " n"], counts: Int[np.ndarray, " n"]) -> Float[np.ndarray, " m"]:
    """Each difference once, or twice and how many more of it there are."""
    each = np.stack([steps, np.zeros_like(steps)], axis=1).ravel()
    lasting = np.stack([np.ones_like(counts), counts - 1], axis=1).ravel()
    each, lasting = each[lasting > 0], lasting[lasting > 0]
    starts = np.flatnonzero(np.concatenate([np.ones(min(1, each.size), bool), each[1:] != each[:-1]]))
    values, totals = each[starts], np.add.reduceat(lasting, starts) if starts.size else lasting
    rows = np.stack([values, values, totals - 2.0], axis=1)
    stays = np.stack([totals > 0, totals > 1, totals > 1], axis=1)
    return rows[stays]
