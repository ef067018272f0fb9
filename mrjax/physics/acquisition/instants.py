"""Readouts of which an engine plays a few instants, whatever the engine is: what lies between is interpolated.

Between two pulses the signal of a voxel is smooth but for what gradients wind, which is known: it is taken off the samples that
the engine gives, and put on those that are asked for, once for all voxels on a line.
"""

from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jaxtyping import Complex, Float, Int

from mrjax.physics.imaging.rates import Rates
from mrjax.physics.isochromats.tables.courses import AREAS_ALONE
from mrjax.physics.isochromats.tables.placing import apart
from mrjax.physics.isochromats.tables.playing_order import PlayingOrder
from mrjax.sequence import AbstractContainer, Readout, Sample
from mrjax.sequence.precision import is_known

MOST_INSTANTS = 24
"""Of a readout: polynomials through more of them, evenly spaced, lose digits."""


@dataclass(frozen=True, eq=False)
class Taken:
    """The samples of a sequence, in order, of known numbers."""

    row: Int[np.ndarray, " n"]
    time: Float[np.ndarray, " n"]
    """In s from the start of the row."""
    area: Float[np.ndarray, "n 4"]
    """Of gradients since then in T s/m along x, y and z, and cycles across the voxel."""
    receiver: Complex[np.ndarray, " n"]
    first: Int[np.ndarray, " readout"]
    """Sample of each readout; the last entry is their number."""

    @classmethod
    def of(cls, sequence: AbstractContainer) -> "Taken | None":
        """None where that cannot be told, or z is sampled."""
        numbers = _samples(sequence)
        marked = _samples(_with_readouts(sequence, _marked))
        if numbers is None or marked is None or numbers[-1].any():
            return None
        begins = np.abs(marked[3] - 1) < 1e-6
        row, time, area, receiver = numbers[:4]
        return cls(row, time, area, receiver, np.append(np.flatnonzero(begins), len(begins)))

    @property
    def lengths(self) -> Int[np.ndarray, " readout"]:
        """Samples of each readout."""
        return np.diff(self.first)


def thinned(sequence: AbstractContainer, n: int) -> AbstractContainer:
    """The same with at most `n` samples in each readout, evenly spread over it, and no receiver phase."""

    def thin(readout: Readout | Sample) -> Readout | Sample:
        if isinstance(readout, Sample):
            return Sample()
        fewer = min(n, readout.n)
        return Readout(fewer, readout.dwell * (readout.n / fewer))

    return _with_readouts(sequence, thin)


def instants_needed(taken: Taken, rates: Rates, wound: float, error: float) -> int | None:
    """How many instants of each readout keep an error; None where they would not be fewer than the samples.

    `wound` is by how many turns the edge of a voxel is wound during a readout besides.
    """
    starts, ends = taken.first[:-1], taken.first[1:] - 1
    longest = float((taken.time[ends] - taken.time[starts]).max(initial=0.0))
    samples = int(taken.lengths.max(initial=1))
    reach = rates.reach(longest / 2) + np.pi * wound
    at = (np.arange(samples) + 0.5) / samples * 2 - 1
    phases = np.exp(1j * np.linspace(-reach, reach, 41)[:, None] * at)
    for n in range(1, min(MOST_INSTANTS, samples // 2) + 1):
        instants = (np.arange(n) + 0.5) / n * 2 - 1
        known = np.exp(1j * np.linspace(-reach, reach, 41)[:, None] * instants)
        if np.abs(known @ polynomial_weights(at, instants).T - phases).max() <= error:
            return n
    return None


def polynomial_weights(at: Float[np.ndarray, " n"], through: Float[np.ndarray, " m"]) -> Float[np.ndarray, "n m"]:
    """By which values at some instants count in the polynomial through them, at other times."""
    scale = np.abs(at).max() or 1.0
    values = lambda x: np.polynomial.chebyshev.chebvander(x / scale, len(through) - 1)
    return values(at) @ np.linalg.inv(values(through))


def _samples(sequence: AbstractContainer) -> tuple | None:
    found = apart(sequence, "acquire", AREAS_ALONE)
    if found is None:
        return None
    samples = PlayingOrder.of(list(found.placed(np.zeros((), int))), AREAS_ALONE).samples()
    return tuple(map(np.asarray, samples)) if is_known(samples) else None


def _with_readouts(sequence: AbstractContainer, change: Any) -> AbstractContainer:
    is_one = lambda node: isinstance(node, Readout | Sample)
    return jax.tree.map(lambda node: change(node) if is_one(node) else node, sequence, is_leaf=is_one)


def _marked(readout: Readout | Sample) -> Readout | Sample:
    """With a receiver that is turned for all samples but the first."""
    if isinstance(readout, Sample):
        return Sample()
    turned = np.where(np.arange(readout.n) == 0, 0.0, 1.0)
    return Readout(readout.n, readout.dwell, modulation=turned)
