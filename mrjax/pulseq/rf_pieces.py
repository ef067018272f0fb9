"""An RF event as pulses with free evolution between them: what is zero for long is time, and the rest may be resampled."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Inexact, Int

from mrjax.pulseq.rf_samples import RfSamples

PICOSECOND = 12
"""Digits after the point of a second to which differences of times are rounded."""

LONGEST_ZEROS = 100
"""A pulse goes on through zeros that last less than one part in so many of it, such as those where a sinc changes its sign."""


@dataclass(frozen=True, eq=False)
class RfPiece:
    """Samples of an RF event without long zeros among them.

    **Arguments:**

    - `samples`: In Hz; one where the field is constant, however long.
    - `dt`: Duration of one in s.
    - `phase`: Of a constant field, in rad; None for others, where it is part of the samples.
    - `start`: In s, from the start of the stored waveform.
    - `end`: In s, of what is stored; samples that were picked out may last longer.
    """

    samples: Inexact[np.ndarray, " n"]
    dt: float
    phase: float | None
    start: float
    end: float

    @property
    def duration(self) -> float:
        """Of what is played, in s."""
        return self.samples.size * self.dt


Resampling = Callable[[RfSamples, int], tuple[Inexact[np.ndarray, " n"], float]]
"""At most so many samples in Hz for those of a pulse, and how long each lasts in s."""


def rf_pieces(stored: RfSamples, max_samples: int, resample: Resampling) -> tuple[RfPiece, ...]:
    """The pieces of an RF event in playing order, none where all is zero; together of at most `max_samples` samples."""
    ends = np.cumsum(stored.counts)
    found = []
    pieces = _cut(stored, max_samples)
    n_shaped = sum(int(part.counts.sum()) for _, part in pieces if not part.is_constant)
    # a constant piece is one sample
    left = max(1, max_samples - sum(part.is_constant for _, part in pieces))
    for first, part in pieces:
        start = int(ends[first] - stored.counts[first]) * stored.dt
        end = start + part.duration
        if part.is_constant:
            found.append(RfPiece(part.magnitude[:1], part.duration, float(part.phase[0]), start, end))
        else:
            share = max(1, left * int(part.counts.sum()) // n_shaped)
            found.append(RfPiece(*resample(part, share), None, start, end))
    return tuple(found)


def _cut(stored: RfSamples, max_samples: int) -> list[tuple[int, RfSamples]]:
    """Parts between long zeros, each with the number of its first run."""
    playing = np.flatnonzero(stored.magnitude)
    if playing.size == 0:
        return []
    first, last = int(playing[0]), int(playing[-1]) + 1
    n = int(stored.counts[first:last].sum())
    longest = max(n // LONGEST_ZEROS, -(-n // max_samples))
    gaps = _long_zeros(stored, first, last, longest)
    starts, stops = [first, *(stop for _, stop in gaps)], [*(start for start, _ in gaps), last]
    return [(start, stored.between(start, stop)) for start, stop in zip(starts, stops, strict=True)]


def _long_zeros(stored: RfSamples, first: int, last: int, longest: int) -> list[tuple[int, int]]:
    """Where rows of runs of zeros begin and end that last more than `longest` samples; their phases may differ."""
    silent = np.concatenate([[False], stored.magnitude[first:last] == 0, [False]])
    begins, ends = first + np.flatnonzero(~silent[:-1] & silent[1:]), first + np.flatnonzero(silent[:-1] & ~silent[1:])
    before = np.concatenate([[0], np.cumsum(stored.counts)])
    long = before[ends] - before[begins] > longest
    return list(zip(begins[long].tolist(), ends[long].tolist(), strict=True))


def means(part: RfSamples, n: int) -> tuple[Inexact[np.ndarray, " n"], float]:
    """The means over `n` equal intervals: duration and complex area are those of the samples."""
    total = int(part.counts.sum())
    if total <= n:
        return _at(part, np.arange(total)), part.dt
    ends = np.concatenate([[0], np.cumsum(part.counts)])
    area = np.concatenate([[0.0], np.cumsum(_values(part) * part.counts)])
    edges = total * np.arange(n + 1) / n
    return np.diff(np.interp(edges, ends, area)) * (n / total), part.dt * total / n


def every_nth(part: RfSamples, n: int) -> tuple[Inexact[np.ndarray, " n"], float]:
    """Every so many-th sample, lasting so many times as long: where they do not divide, the pulse lasts longer."""
    total = int(part.counts.sum())
    step = math.ceil(total / n)
    return _at(part, np.arange(0, total, step)), part.dt * step


def _at(part: RfSamples, index: Int[np.ndarray, " n"]) -> Inexact[np.ndarray, " n"]:
    return _values(part)[np.searchsorted(np.cumsum(part.counts), index, side="right")]


def _values(part: RfSamples) -> Inexact[np.ndarray, " n_runs"]:
    """Of the runs in Hz; real where no phase is turned."""
    return part.magnitude * np.exp(1j * part.phase) if np.any(part.phase) else part.magnitude
