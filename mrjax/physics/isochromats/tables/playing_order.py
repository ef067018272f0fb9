"""The intervals of a sequence in the order in which they are played, as rows that end with a change."""

import functools
import math
from collections import defaultdict
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from mrjax.physics.isochromats.tables.intervals import Change, Form
from mrjax.physics.isochromats.tables.placing import Placed, apart
from mrjax.physics.maths.sizes import padded_size
from mrjax.physics.waveforms.scanner_events import is_waveform
from mrjax.sequence import AbstractContainer
from mrjax.sequence.precision import is_known
from mrjax.sequence.walk import events_of
from mrjax.tissue import Tissue

MAP_IN_STEPS = 2.7
"""What one step of RF costs where an affine map of a spin is worked out, relative to one in which the spin is turned."""

SAMPLE_IN_STEPS = 3.0
"""What a sample of a table saves, likewise."""

FEW_STEPS = 5e6
"""Steps of all spins that take some ten milliseconds, less than compiling anything."""


def rows_of(sequence: AbstractContainer, tissue: Tissue, engine: str, n_spins: int) -> "PlayingOrder | None":
    """A sequence in rows, where it can be played so and that pays.

    Gradients, readouts and RF that lasts, of known numbers, can be, by spins that rest and do not diffuse. Trains of events
    that take no time stay loops, which are faster.
    """
    lasts = any(is_waveform(located.event) for located in events_of((sequence,)))
    if tissue.moves or tissue.has("diffusion") or not lasts or not is_known(sequence):
        return None
    found = apart(sequence, engine)
    if found is None:
        return None
    order = PlayingOrder.of(list(found.placed(np.zeros((), int))))
    return order if order.pays(n_spins * math.prod(tissue.voxel_shape)) else None


@dataclass(frozen=True, eq=False)
class PlayingOrder:
    """What intervals add up to: one row for each change, and one after the last."""

    placed: list[Placed]
    row: Int[np.ndarray, " n"]
    """That each interval belongs to."""
    changes: Bool[np.ndarray, " n"]
    """Which of them end with a change."""
    duration: Float[np.ndarray, " n"]
    wound: Float[np.ndarray, "n 4"]
    """By gradients along x, y and z in T s/m, and in cycles across the voxel."""

    @classmethod
    def of(cls, placed: list[Placed]) -> "PlayingOrder":
        """Of all intervals of a sequence."""
        n = sum(len(one.place) for one in placed)
        duration, wound, changes = np.zeros(n), np.zeros((n, 4)), np.zeros(n, bool)
        for one in placed:
            duration[one.place] = one.played(one.interval.duration)
            wound[one.place, :3] = one.played(one.interval.area)
            wound[one.place, 3] = one.interval.across
            changes[one.place] = one.interval.change is not None
        return cls(placed, np.cumsum(changes) - changes, changes, duration, wound)

    @property
    def n_rows(self) -> int:
        """How many there are."""
        return int(np.sum(self.changes)) + 1

    @property
    def n_samples(self) -> int:
        """How many are taken."""
        return sum(one.n_samples * len(one.place) for one in self.placed)

    @functools.cached_property
    def different(self) -> "DifferentChanges":
        """The changes, each once."""
        return DifferentChanges.of(self.placed)

    def pays(self, n_spins: int) -> bool:
        """Whether a table is faster than turning every spin in each step of RF again, or compiling matters more."""
        played = sum(
            change.steps * len(one.place) for one in self.placed if (change := one.interval.change) is not None
        )
        once = self.different.steps
        return once * n_spins < FEW_STEPS or MAP_IN_STEPS * once < played + SAMPLE_IN_STEPS * self.n_samples

    def rows(self) -> tuple[Float[np.ndarray, " row"], Float[np.ndarray, "row 4"]]:
        """Duration and winding of each row."""
        last = np.append(np.flatnonzero(np.diff(self.row)), self.row.size - 1)

        def of_rows(values: np.ndarray) -> np.ndarray:
            total = np.zeros((self.n_rows, *values.shape[1:]))
            total[self.row[last]] = self._until(values)[last] + values[last]
            return total

        return of_rows(self.duration), of_rows(self.wound)

    def samples(self) -> tuple[np.ndarray, ...]:
        """Of each sample its row, time and winding since the start of that, the receiver, and whether it is of z."""
        counts = np.zeros(self.row.size, int)
        for one in self.placed:
            counts[one.place] = one.n_samples
        first, before, wound_before = np.cumsum(counts) - counts, self._until(self.duration), self._until(self.wound)
        row, time, wound = np.zeros(self.n_samples, int), np.zeros(self.n_samples), np.zeros((self.n_samples, 4))
        receiver, longitudinal = np.zeros(self.n_samples, complex), np.zeros(self.n_samples, bool)
        for one in self.placed:
            reading = one.interval.reading
            if reading is not None:
                at = first[one.place][:, None] + np.arange(reading.n)
                row[at], longitudinal[at] = self.row[one.place][:, None], reading.longitudinal
                time[at] = before[one.place][:, None] + one.played(reading.time)
                wound[at] = wound_before[one.place][:, None]
                wound[at, :3] += one.played(reading.area)
                receiver[at] = one.played(reading.receiver)
        return row, time, wound, receiver, longitudinal

    def dephased(self) -> tuple[int, int]:
        """Whether cycles wound before the sequence still count, and how many `Dephase` has wound since they do not."""
        anew = [int(one.place.max()) for one in self.placed if one.interval.begins_anew]
        winding = [(one.place, math.ceil(abs(one.interval.across))) for one in self.placed]
        since = max(anew, default=-1)
        return int(not anew), sum(int(np.sum(place > since)) * cycles for place, cycles in winding)

    def _until(self, values: Float[np.ndarray, "n ..."]) -> Float[np.ndarray, "n ..."]:
        """The sum of the values before each in its row: anew in every row, so that no digits are lost."""
        first = np.flatnonzero(np.diff(self.row, prepend=-1))
        number = np.arange(self.row.size) - np.repeat(first, np.diff(np.append(first, self.row.size)))
        total = np.zeros_like(values)
        for now in range(1, number.max(initial=0) + 1):
            here = np.flatnonzero(number == now)
            total[here] = total[here - 1] + values[here - 1]
        return total


@dataclass(frozen=True, eq=False)
class DifferentChanges:
    """The changes of a sequence, where those that are equal but for their phase are one."""

    numbers: dict[Form, Float[np.ndarray, "change number"]]
    place: dict[Form, dict[bytes, int]]
    """Of each change among those of its form."""
    n_steps: int
    """That RF is filled up to."""

    @property
    def steps(self) -> int:
        """Of RF in all that are different."""
        return sum(int(np.sum(numbers[:, 2])) for (kind, _), numbers in self.numbers.items() if kind == "steps")

    @classmethod
    def of(cls, placed: list[Placed]) -> "DifferentChanges":
        """Those that end intervals."""
        changes = [one.interval.change for one in placed if one.interval.change is not None]
        n_steps = padded_size(max((change.steps for change in changes), default=0) or 1)
        found: dict[Form, dict[bytes, np.ndarray]] = defaultdict(dict)
        for change in (change.filled_to(n_steps) for change in changes):
            found[change.form].update({row.tobytes(): row for row in change.numbers})
        forms = sorted(found)
        place = {form: {key: number for number, key in enumerate(found[form])} for form in forms}
        return cls({form: np.stack(list(found[form].values())) for form in forms}, place, n_steps)

    def numbered(
        self, first: dict[Form, int], order: PlayingOrder
    ) -> tuple[Int[np.ndarray, " row"], Float[np.ndarray, " row"]]:
        """The number of the change of each row, where those of a form begin with `first`, and its phase; zero for none."""
        number, phase = np.zeros(order.n_rows, int), np.zeros(order.n_rows)
        for one in order.placed:
            if one.interval.change is not None:
                change = one.interval.change.filled_to(self.n_steps)
                row = order.row[one.place]
                number[row] = one.played(self._numbers(change, first[change.form]))
                phase[row] = one.played(change.phase)
        # single precision would lose digits of many turns
        return number, phase - 2 * math.pi * np.round(phase / (2 * math.pi))

    def _numbers(self, change: Change, first: int) -> Int[np.ndarray, "_row"]:
        place = self.place[change.form]
        return np.array([first + place[row.tobytes()] for row in change.numbers])
