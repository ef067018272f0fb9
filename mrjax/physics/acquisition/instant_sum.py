"""The sum over voxels of what any engine says, encoded readout by readout."""

import dataclasses
import functools
import math
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Int

from mrjax import units
from mrjax.physics.acquisition.instants import Taken, instants_needed, polynomial_weights, thinned
from mrjax.physics.engine import AbstractEngine
from mrjax.physics.execution.prepared import Options
from mrjax.physics.imaging.blocks import Blocks, EncodedSamples, KnownSamples
from mrjax.physics.imaging.columns import Columns
from mrjax.physics.imaging.encoding import Answer, ColumnPlaces, encoded, turned_by_gradients
from mrjax.physics.imaging.parting import part_shape, parts_of
from mrjax.physics.imaging.parts import AbstractAcquisition, Part, numbered, sum_over
from mrjax.physics.imaging.planned import AbstractPlannedSum
from mrjax.physics.imaging.rates import SHARE, Rates, rates_of, within_rates
from mrjax.physics.maths.turns import Turns
from mrjax.physics.simulation import simulate
from mrjax.sequence import AbstractContainer
from mrjax.sequence.precision import is_known
from mrjax.tissue import Tissue

LARGEST = 2**27
"""Bytes of the samples of voxels that are simulated together, at most."""


class InstantAcquisition(AbstractAcquisition):
    """All but the voxels."""

    engine: AbstractEngine
    sequence: AbstractContainer
    """With few samples in each readout."""
    wound: Turns
    """By gradients when each of them is taken, `(sample, 4)`."""
    at: Int[Array, "readout point"]
    """Which of the samples are those of a readout."""
    samples: EncodedSamples

    def of(self, part: Part) -> Complex[Array, "coil sample"]:
        """Samples in the order of their blocks."""
        signal = simulate(self.sequence, part.tissue, self.engine, gradient=self.gradient)
        return self._encoded(part, signal)

    @eqx.filter_jit
    def _encoded(self, part: Part, signal: Complex[Array, "voxel few_samples"]) -> Complex[Array, "coil sample"]:
        places = ColumnPlaces(part.along, (*part.across, None))  # pyright: ignore[reportArgumentType]
        shape = part.n_columns, part.weights.shape[-1] // part.n_columns
        bare = jnp.broadcast_to(signal, (part.weights.shape[-1], signal.shape[-1])).T.reshape(-1, *shape)

        def answer_of(blocks: Blocks) -> Any:
            del blocks

            def answer(row: Any, time: Any) -> Answer:
                del time
                at = self.at[row]
                across, along = turned_by_gradients(places, self.wound[at], shape)
                still = bare[at] * jnp.conj(across)[:, :, None] * jnp.conj(along)[:, None]
                return jnp.ones(shape, bare.dtype), jnp.moveaxis(still, 0, 1)

            return answer

        weights = jnp.moveaxis(part.weights.reshape(-1, *shape), 0, 1)
        return encoded(self.samples, answer_of, places, weights, self.computed_again)


@dataclass(frozen=True, eq=False)
class InstantSum(AbstractPlannedSum):
    """Voxels in columns, and what an engine says of them at some instants of each readout."""

    acquisition: InstantAcquisition
    columns: Columns
    n_samples: int
    batch_size: int | None

    @classmethod
    def of(
        cls, engine: AbstractEngine, sequence: AbstractContainer, tissue: Tissue, tolerance: float, options: Options
    ) -> "InstantSum | None":
        """None where nothing would be gained, or a tolerance cannot be kept."""
        taken = Taken.of(sequence) if is_known(sequence) and tolerance > 0 else None
        if taken is None:
            return None
        ratio = getattr(engine, "gyromagnetic_ratio", 2 * math.pi * units.GAMMA_BAR["1H"])
        wound = taken.area * np.array([*[ratio / (2 * math.pi)] * 3, 1.0])
        rates = _with_pools(rates_of(tissue, 0.0), tissue, engine)
        n = instants_needed(taken, rates, _wound_across(engine, taken, wound), SHARE * tolerance)
        if n is None or (wound[:, 3] != 0).any() or tissue.has("t2_prime"):
            return None
        fewer = thinned(sequence, n)
        few = Taken.of(fewer)
        assert few is not None, "the same events"
        dtype = tissue.t1.dtype
        columns = Columns.of(tissue, np.abs(np.diff(wound[:, :3], axis=0)).sum(axis=0))
        at = np.minimum(few.first[:-1, None] + np.arange(n), few.first[1:, None] - 1)
        samples = _encoded_samples(taken, few, wound, n, rates, columns, dtype)
        few_wound = Turns.of(few.area * np.array([*[ratio / (2 * math.pi)] * 3, 1.0]), dtype)
        acquisition = InstantAcquisition(
            options.gradient, engine, fewer, few_wound, jax.device_put(at.astype(np.int32)), samples
        )
        return cls(acquisition, columns, len(taken.row), options.batch_size)

    def __call__(
        self, tissue: Tissue, coils: Complex[Array, "coil *voxels"] | None
    ) -> Complex[Array, "coil n_samples"]:
        tissue = within_rates(tissue)
        each = self.acquisition.wound.coarse.shape[0] * 4 * tissue.t1.dtype.itemsize
        at_once = min(math.prod(tissue.voxel_shape), self.batch_size or max(1, LARGEST // each))
        parts = parts_of(tissue, coils, self.columns, part_shape(self.columns, at_once), 1)
        if is_known((self.acquisition, parts)):
            # one after the other, each as `simulate` is fastest
            each = (self.acquisition.of(numbered(parts, number)) for number in range(len(parts.weights)))
            signal = functools.reduce(jnp.add, each)
        else:
            signal = sum_over(self.acquisition, parts)
        return self.acquisition.samples.in_order(signal)[:, : self.n_samples]


def _encoded_samples(
    taken: Taken, few: Taken, wound: np.ndarray, n: int, rates: Rates, columns: Columns, dtype: Any
) -> EncodedSamples:
    """Each readout as a row of its own, with the weights of its instants."""
    readout = np.repeat(np.arange(len(taken.lengths)), taken.lengths)
    weights = np.zeros((len(readout), n), complex)
    # readouts of a few kinds: those of one kind differ by no more than rounding
    kinds: dict[Any, np.ndarray] = {}
    for number, (first, last) in enumerate(zip(taken.first[:-1], taken.first[1:], strict=True)):
        own, through = taken.time[first:last], few.time[few.first[number] : few.first[number + 1]]
        key = (len(own), round(float(own[-1] - own[0]) * 1e9))
        if key not in kinds:
            middle = (own[0] + own[-1]) / 2
            ahead = np.exp(2j * np.pi * rates.middle * (own[:, None] - through[None]))
            half = (through.max() - through.min()) / 2 or 1.0
            kinds[key] = polynomial_weights((own - middle) / half, (through - middle) / half) * ahead
        weights[first:last, : len(through)] = kinds[key]
    across = np.pad(columns.reached, [(0, 0), (0, 1)])
    return KnownSamples(readout, taken.time, wound).encoded_by(weights, taken.receiver, across, dtype)


def _wound_across(engine: AbstractEngine, taken: Taken, wound: np.ndarray) -> float:
    """Turns by which a readout winds the voxel of an engine that knows its size, from edge to edge."""
    size = getattr(engine, "voxel_size", None)
    if size is None:
        return 0.0
    starts, ends = taken.first[:-1], taken.first[1:] - 1
    moved = np.abs(wound[ends, :3] - wound[starts, :3]).max(axis=0, initial=0.0)
    return float(np.max(moved * np.broadcast_to(np.asarray(size), 3)))


def _with_pools(rates: Rates, tissue: Tissue, engine: AbstractEngine) -> Rates:
    """Bounds that hold for what pools add to the signal of water as well."""
    pools = [pool for pool in tissue.pools if not pool.is_semisolid]
    if not pools or not is_known(pools):
        return rates
    b0 = float(np.asarray(getattr(engine, "b0", 0.0)))
    shift = max(float(np.abs(np.asarray(pool.shift())).max()) for pool in pools) * 1e-6
    decay = max(float((1 / np.asarray(pool.t2) + np.asarray(pool.exchange_rate)).max()) for pool in pools)
    hertz = shift * units.GAMMA_BAR["1H"] * b0
    return dataclasses.replace(
        rates, lowest=rates.lowest - hertz, highest=rates.highest + hertz, decay=max(rates.decay, decay)
    )
