"""A graph played on many voxels, and their sum in each coil, readout by readout."""

import dataclasses
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jax.typing import DTypeLike
from jaxtyping import Array, Complex, Float, Int

from mrjax import _checks
from mrjax._memory import remembered_together
from mrjax.jax_rules import on_one_cpu_device
from mrjax.physics.execution.cores import available_cores
from mrjax.physics.execution.prepared import Options
from mrjax.physics.imaging.blocks import EncodedSamples, KnownSamples
from mrjax.physics.imaging.columns import Columns
from mrjax.physics.imaging.parting import part_shape, parts_of, spins_at_once
from mrjax.physics.imaging.parts import Part, spread_over_cores, sum_on_cores
from mrjax.physics.imaging.planned import AbstractPlannedSum
from mrjax.physics.imaging.rates import PLAUSIBLE, SHARE, Rates, ends_of, rates_of, within_rates
from mrjax.physics.maths.sizes import padded_size
from mrjax.physics.pdg.engine import PDG
from mrjax.physics.pdg.graph import PhaseGraph
from mrjax.physics.pdg.images.acquisition import EchoBlocks, EchoTable, GraphAcquisition
from mrjax.physics.pdg.images.echoes import Echo, echoes_of
from mrjax.physics.pdg.rows import Dephasing, GraphRows
from mrjax.physics.pdg.shapes import extent_of, share_seen
from mrjax.physics.pdg.table import PhaseGraphTable, on_device
from mrjax.sequence import AbstractContainer
from mrjax.sequence.precision import is_known
from mrjax.tissue import Tissue

CACHE = 2**18
"""Bytes of one component of all states of a part, of which a step holds about ten at once."""

FEWEST_VOXELS = 128
"""Of a part on a CPU."""

UNSEEN = 1e-2
"""Of the accuracy of a graph: what states give that are left out of samples, each of which may have many."""


@dataclass(frozen=True, eq=False)
class GraphSum(AbstractPlannedSum):
    """The echoes of a sequence, and voxels in columns."""

    acquisition: GraphAcquisition
    columns: Columns
    engine: PDG
    of_sample: Int[Array, "_n_samples _echo"]
    """Where each sample is among those of all echoes, or after them for none."""
    batch_size: int | None

    @classmethod
    def of(
        cls, engine: PDG, sequence: AbstractContainer, tissue: Tissue, tolerance: float, options: Options
    ) -> "GraphSum | None":
        """None where readouts are not known, or must be exact."""
        tissue = engine.spread(tissue)
        rows = engine.rows_of(sequence, tissue)
        since = rows.samples.since
        if tolerance == 0 or not is_known((since.by, rows.samples.receiver)) or rows.samples.longitudinal.any():
            return None
        graph = engine.graph_of(rows, tissue)
        with jax.ensure_compile_time_eval():  # what is known stays known inside of `jit`
            table = engine.table(rows, graph, (sequence, tissue), keeps_state=False)
            return cls._of_graph(engine, rows, graph, table, tissue, tolerance, options)

    @classmethod
    def _of_graph(
        cls,
        engine: PDG,
        rows: GraphRows,
        graph: PhaseGraph,
        table: PhaseGraphTable,
        tissue: Tissue,
        tolerance: float,
        options: Options,
    ) -> "GraphSum":
        since, dtype = rows.samples.since, tissue.t1.dtype
        least = max(SHARE * tolerance, UNSEEN * engine.accuracy)
        echoes = echoes_of(rows, graph, engine.known_size, engine.voxel_shape, least)
        seen = _Seen.of(echoes, rows, engine)
        columns = Columns.of(tissue, np.abs(np.diff(since.by[:, :3], axis=0)).sum(axis=0))
        samples = seen.encoded(columns, _rates(tissue), SHARE * tolerance, dtype)
        blocks = tuple(seen.of_blocks(one, dtype) for one in samples.blocks)
        acquisition = GraphAcquisition(
            options.gradient,
            dataclasses.replace(table, samples=None),
            _echo_table(echoes, rows, graph, dtype),
            _numbered(samples),
            blocks if tissue.has("diffusion") else tuple(dataclasses.replace(one, weighting=None) for one in blocks),
            extent_of(engine.voxel_size),
            engine.voxel_shape,
            engine.gyromagnetic_ratio,
        )
        return cls(
            acquisition, columns, engine, on_device(seen.of_each(len(rows.samples.row)), dtype), options.batch_size
        )

    def __call__(
        self, tissue: Tissue, coils: Complex[Array, "_coil *voxels"] | None
    ) -> Complex[Array, "_coil _n_samples"]:
        if self.engine.slice_profile is not None:
            tissue, coils = self.engine.spread(tissue), None if coils is None else coils[..., None]
        parts = _parts_once(tissue, tissue if coils is None else coils, self, coils is None)
        signal = self.acquisition.samples.in_order(sum_on_cores(self.acquisition, parts))
        return _summed(signal, self.of_sample)

    def parts(self, tissue: Tissue, coils: Complex[Array, "_coil *voxels"] | None) -> tuple[Part, ...]:
        """The voxels of each core."""
        tissue = within_rates(tissue)
        n_coils = 1 if coils is None else len(coils)
        shape = part_shape(self.columns, self.batch_size or self._at_once(tissue, n_coils))
        is_one = shape[0] * shape[1] >= self.columns.spin.size
        n_cores = available_cores() if is_known((tissue, coils, self.acquisition)) and not is_one else 1
        return spread_over_cores(parts_of(tissue, coils, self.columns, shape, n_cores), n_cores)

    def _at_once(self, tissue: Tissue, n_coils: int) -> int:
        """Voxels of one part, whose states stay in the second-level cache of a CPU."""
        table, echoes = self.acquisition.table, self.acquisition.echoes
        points = max(len(blocks.instants) for blocks in self.acquisition.samples.blocks)
        numbers = (
            2 * (6 * table.n_states + echoes.n_images * len(echoes.state) + 2 * n_coils * points)
            + 24 * table.n_lasting
            + 20
        )
        itemsize = tissue.t1.dtype.itemsize
        at_once = spins_at_once(numbers * itemsize, 1, tissue.voxel_shape)
        if not on_one_cpu_device():
            return at_once
        return min(at_once, max(FEWEST_VOXELS, CACHE // (2 * itemsize * table.n_states)))


@remembered_together
def _parts_once(tissue: Tissue, coils: Any, plan: GraphSum, without_coils: bool) -> tuple[Part, ...]:
    return plan.parts(tissue, None if without_coils else coils)


@jax.jit
def _summed(signal: Complex[Array, "_coil _echo_sample"], of_sample: Int[Array, "_n_samples _echo"]) -> Array:
    with_nothing = jax.numpy.pad(signal, [(0, 0), (0, 1)])
    return jax.numpy.sum(with_nothing[:, of_sample], axis=-1)


@dataclass(frozen=True, eq=False)
class _Seen:
    """Samples of every side of every echo, one after the other."""

    number: Int[np.ndarray, " _n"]
    """Of the side."""
    sample: Int[np.ndarray, " _n"]
    since: Dephasing
    """Since the row has begun, of the samples."""
    wound: Float[np.ndarray, "_n 4"]
    """Before and since."""
    share: Float[np.ndarray, " _n"]
    receiver: Complex[np.ndarray, " _n"]
    weighting: Float[np.ndarray, " _n"]
    """By diffusion since the row has begun, in s/m^2."""
    image: Int[np.ndarray, " _side"]
    rephases_for: Float[np.ndarray, " _side"]
    side: Float[np.ndarray, " _side"]

    @classmethod
    def of(cls, echoes: list[Echo], rows: GraphRows, engine: PDG) -> "_Seen":
        """Of all echoes, in the order of their rows."""
        sides = [(echo, side, sample) for echo in echoes for side, sample in echo.sides]
        number = np.repeat(np.arange(len(sides)), [len(sample) for *_, sample in sides])
        sample = np.concatenate([sample for *_, sample in sides])
        before = np.stack([echo.wound for echo, *_ in sides])[number]
        all_since = rows.samples.since
        since = Dephasing(*(np.asarray(x)[sample] for x in (all_since.by, all_since.first, all_since.second)))
        wound, size = before + since.by[:, :4], engine.known_size
        across = 0.0 if size is None else 1 / size[2] ** 2
        squares = before**2 * since.duration[:, None] + 2 * before * since.first
        of_each = squares[:, :3].sum(axis=1) + since.second[:, 0] + across * (squares[:, 3] + since.second[:, 1])
        return cls(
            number,
            sample,
            since,
            wound,
            np.asarray(share_seen(wound, size, engine.voxel_shape)),
            np.asarray(rows.samples.receiver)[sample],
            4 * np.pi**2 * of_each,
            image_numbers(echoes)[_echo_of_sides(echoes)],
            np.array([echo.rephases_for for echo, *_ in sides]),
            np.array([side for _, side, _ in sides]),
        )

    def encoded(self, columns: Columns, rates: Rates, error: float, dtype: DTypeLike) -> EncodedSamples:
        """In blocks, with weights by what the voxel shows of each sample."""
        places = np.concatenate([self.wound[:, :3], np.zeros((len(self.wound), 1))], axis=1)
        known = KnownSamples(self.number, np.asarray(self.since.duration), places)
        across = np.pad(columns.reached, [(0, 0), (0, 1)])
        samples = known.encoded(self.receiver, across, rates, error, dtype)
        sizes = [blocks.weight.shape[:2] for blocks in samples.blocks]
        share = np.zeros(sum(n * m for n, m in sizes))
        share[np.asarray(samples.place)[: len(self.share)]] = self.share
        ends, found = np.cumsum([0, *(n * m for n, m in sizes)]), []
        for blocks, start, shape in zip(samples.blocks, ends, sizes, strict=False):
            own = share[start : start + shape[0] * shape[1]].reshape(*shape, 1)
            found.append(dataclasses.replace(blocks, weight=blocks.weight * on_device(own, dtype)))
        return dataclasses.replace(samples, blocks=tuple(found))

    def of_blocks(self, blocks: Any, dtype: DTypeLike) -> EchoBlocks:
        """What blocks are of; they are numbered anew."""
        side, middle = np.asarray(blocks.row), np.asarray(blocks.time, float)
        since = np.maximum(self.side[side] * (middle - self.rephases_for[side]), 0.0)
        times = middle[:, None] + np.asarray(blocks.instants, float)[None]
        edges = np.searchsorted(self.number, np.arange(len(self.image) + 1))
        weighting = np.stack(
            [
                np.interp(at, self.since.duration[edges[i] : edges[i + 1]], self.weighting[edges[i] : edges[i + 1]])
                for at, i in zip(times, side, strict=True)
            ]
        )
        columns = (self.image[side], since, self.side[side], weighting)
        return EchoBlocks(*(on_device(column, dtype) for column in columns))

    def of_each(self, n_samples: int) -> Int[np.ndarray, "_n_samples _echo"]:
        """Where the samples of the sequence are among these, or their number for none."""
        order = np.argsort(self.sample, kind="stable")
        counts = np.bincount(self.sample, minlength=n_samples)
        number = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
        found = np.full((n_samples, max(1, counts.max(initial=0))), padded_size(len(order)))
        found[self.sample[order], number] = order
        return found


def _numbered(samples: EncodedSamples) -> EncodedSamples:
    """With blocks that are known by their number, not by the side of an echo that several may be of."""
    numbered = lambda blocks: dataclasses.replace(blocks, row=jax.numpy.arange(len(blocks.row)))
    return dataclasses.replace(samples, blocks=tuple(map(numbered, samples.blocks)))


def _echo_of_sides(echoes: list[Echo]) -> Int[np.ndarray, " _side"]:
    return np.repeat(np.arange(len(echoes)), [len(echo.sides) for echo in echoes])


def _numbers_in_row(echoes: list[Echo]) -> Int[np.ndarray, " _echo"]:
    """Of each echo among those of its row."""
    row = np.array([echo.row for echo in echoes])
    return np.arange(len(row)) - np.searchsorted(row, row)


def images_of_a_row(echoes: list[Echo]) -> int:
    """At most."""
    return padded_size(int(_numbers_in_row(echoes).max()) + 1)


def image_numbers(echoes: list[Echo]) -> Int[np.ndarray, " _echo"]:
    """Of each echo among those of all rows."""
    return np.array([echo.row for echo in echoes]) * images_of_a_row(echoes) + _numbers_in_row(echoes)


def _echo_table(echoes: list[Echo], rows: GraphRows, graph: Any, dtype: DTypeLike) -> EchoTable:
    """The states that make up the images of each row."""
    row = np.repeat([echo.row for echo in echoes], [len(echo.states) for echo in echoes])
    image = np.repeat(_numbers_in_row(echoes), [len(echo.states) for echo in echoes])
    state = np.concatenate([echo.states for echo in echoes])
    which, conjugate = state % graph.n_states, state >= graph.n_states
    time = np.where(conjugate, -1.0, 1.0) * graph.dephasing[row, which, 4]
    latest = np.repeat([echo.rephases_for for echo in echoes], [len(echo.states) for echo in echoes])
    n_states, n_rows = padded_size(graph.n_states), padded_size(rows.n_rows)
    counts = np.bincount(row, minlength=n_rows)
    number = np.arange(len(row)) - np.searchsorted(row, row)
    columns = (which + n_states * conjugate, image, time, np.abs(-time - latest))
    filled = [np.full((n_rows, padded_size(int(counts.max()))), empty) for empty in (2 * n_states, 0, 0.0, 0.0)]
    for column, own in zip(filled, columns, strict=True):
        column[row, number] = own
    return EchoTable(*(on_device(column, dtype) for column in filled), n_images=images_of_a_row(echoes))


def _rates(tissue: Tissue) -> Rates:
    """How fast the signal of a voxel changes, with what dephases within it."""
    rates = rates_of(tissue, 0.0)
    if not tissue.has("t2_prime"):
        return rates
    known = _checks.is_concrete(tissue.t2_prime)
    shortest = ends_of(tissue.t2_prime)[0] if known else PLAUSIBLE["t2"]
    return dataclasses.replace(rates, decay=rates.decay + 1 / shortest)
