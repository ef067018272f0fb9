"""A sequence as rows: free precession, with samples, that ends with a change of the magnetisation."""

import math
from dataclasses import dataclass

import jax
import numpy as np
from jaxtyping import Bool, Complex, Float, Int

from mrjax._memory import remembered
from mrjax.physics.isochromats.tables.change import Form
from mrjax.physics.isochromats.tables.courses import Asked
from mrjax.physics.isochromats.tables.placing import apart
from mrjax.physics.isochromats.tables.playing_order import PlayingOrder
from mrjax.sequence import AbstractContainer
from mrjax.sequence.containers import as_sequence
from mrjax.sequence.precision import Numbers, is_known, numpy_of

N_DEPHASING = 5
"""What a state is wound by: along x, y and z in 1/m, across the voxel in cycles, and for how long in s."""


@dataclass(frozen=True, eq=False)
class Dephasing:
    """What is wound in some time, in NumPy's double precision where it is known."""

    by: Float[Numbers, "_n 5"]
    """Along x, y and z in cycles per m, in cycles across the voxel, and the time in s."""
    first: Float[Numbers, "_n 4"]
    """The integral over time of the first four."""
    second: Float[Numbers, "_n 2"]
    """That of the squares of the first three, and of the fourth."""

    @classmethod
    def of(cls, wound: Float[Numbers, "_n 10"], time: Float[Numbers, " _n"], gyromagnetic_ratio: float) -> "Dephasing":
        """From the columns of a `PlayingOrder`."""
        cycles = gyromagnetic_ratio / (2 * math.pi)
        each = np.array([*[cycles] * 3, 1.0, *[cycles] * 3, 1.0, cycles**2, 1.0])
        columns = wound * each[None]
        xp = numpy_of(columns, time)
        return cls(xp.concatenate([columns[:, :4], time[:, None]], axis=1), columns[:, 4:8], columns[:, 8:])

    @property
    def duration(self) -> Float[Numbers, " _n"]:
        """In s."""
        return self.by[:, 4]


@dataclass(frozen=True, eq=False)
class SampleRows:
    """The samples of all rows."""

    row: Int[np.ndarray, " _sample"]
    since: Dephasing
    """Since the start of the row."""
    receiver: Complex[Numbers, " _sample"]
    longitudinal: Bool[np.ndarray, " _sample"]


@dataclass(frozen=True, eq=False)
class GraphRows:
    """All of a sequence."""

    rows: Dephasing
    change: Int[np.ndarray, " _row"]
    """Which of the changes ends each row; zero for none."""
    phase: Float[Numbers, " _row"]
    """By which it is turned about z, in rad."""
    changes: dict[Form, Float[Numbers, "_change _number"]]
    """The different ones by their form, numbered from one on in this order."""
    samples: SampleRows
    gyromagnetic_ratio: float
    """In rad/s/T."""

    @property
    def n_rows(self) -> int:
        """How many there are."""
        return len(self.change)

    @property
    def is_wound_known(self) -> bool:
        """Whether it is known what gradients and time wind, of which the graph follows."""
        return is_known((self.rows.by, self.samples.since.by))

    @property
    def dephases_across(self) -> bool:
        """Whether cycles are wound across the voxel by `Dephase`, whose orders are always known."""
        across = self.rows.by[:, 3]
        return isinstance(across, jax.Array) or bool(np.any(across))

    @classmethod
    def of(cls, sequence: AbstractContainer, gyromagnetic_ratio: float) -> "GraphRows":
        """In playing order, with repeats written out."""
        return _rows_of(as_sequence(sequence), gyromagnetic_ratio)


@remembered
def _rows_of(sequence: AbstractContainer, gyromagnetic_ratio: float) -> GraphRows:
    asked = Asked(winding=True)
    found = apart(sequence, "PDG", asked)
    if found is None:
        raise ValueError(
            "PDG cannot play this sequence: one of its events is none that engines know, or a delay is infinite in some "
            "repetitions and finite in others; write such repetitions one after the other."
        )
    order = PlayingOrder.of(list(found.placed(np.zeros((), int))), asked)
    numbers = order.different.numbers
    ends = np.cumsum([1, *map(len, numbers.values())])
    change, phase = order.changes(dict(zip(numbers, ends.tolist(), strict=False)))
    duration, wound = order.rows()
    return GraphRows(
        Dephasing.of(wound, duration, gyromagnetic_ratio),
        change,
        phase,
        numbers,
        _samples_of(order, gyromagnetic_ratio),
        gyromagnetic_ratio,
    )


def _samples_of(order: PlayingOrder, gyromagnetic_ratio: float) -> SampleRows:
    if not order.n_samples:
        nothing = Dephasing(np.zeros((0, N_DEPHASING)), np.zeros((0, 4)), np.zeros((0, 2)))
        return SampleRows(np.zeros(0, int), nothing, np.zeros(0, complex), np.zeros(0, bool))
    row, time, wound, receiver, of_z = order.samples()
    return SampleRows(np.asarray(row), Dephasing.of(wound, time, gyromagnetic_ratio), receiver, np.asarray(of_z))
