"""The intervals of a sequence in the order in which they are played, as rows that end with a change."""

import dataclasses
import functools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from mrjax.physics.isochromats.tables.change import Form
from mrjax.physics.isochromats.tables.courses import AREAS_ALONE, Asked
from mrjax.physics.isochromats.tables.different import DifferentChanges
from mrjax.physics.isochromats.tables.placing import Placed, apart
from mrjax.physics.isochromats.tables.winding import since_the_row, wound_steadily
from mrjax.physics.waveforms.scanner_events import is_waveform
from mrjax.sequence import AbstractContainer
from mrjax.sequence.double_length import DoubleLength, running_sum
from mrjax.sequence.precision import Numbers, numpy_of
from mrjax.sequence.walk import events_of
from mrjax.tissue import Tissue

MAP_IN_STEPS = 2.7
"""What one step of RF costs where an affine map of a spin is worked out, relative to one in which the spin is turned."""

SAMPLE_IN_STEPS = 3.0
"""What a sample of a table saves, likewise."""

FEW_STEPS = 5e6
"""Steps of all spins that take some ten milliseconds, less than compiling anything."""


def rows_of(
    sequence: AbstractContainer, tissue: Tissue, engine: str, n_spins: int, asked: Asked = AREAS_ALONE
) -> "PlayingOrder | None":
    """A sequence in rows, where it can be played so and that pays.

    Gradients, readouts and RF that lasts can be, by spins that do not diffuse. Trains of events that take no time stay loops,
    which are faster.
    """
    lasts = any(is_waveform(located.event) for located in events_of((sequence,)))
    if tissue.has("diffusion") or not (lasts or asked.dephasing):
        return None
    found = apart(sequence, engine, asked)
    if found is None:
        return None
    order = PlayingOrder.of(list(found.placed(np.zeros((), int))), asked)
    pays = asked != AREAS_ALONE or order.pays(n_spins * math.prod(tissue.voxel_shape))
    return order if pays else None


@dataclass(frozen=True, eq=False)
class PlayingOrder:
    """What intervals add up to: one row for each change, and one after the last; one for each interval where spins move."""

    placed: list[Placed]
    row: Int[np.ndarray, " n"]
    """That each interval belongs to."""
    n_rows: int
    duration: Float[Numbers, " n"]
    wound: Float[Numbers, "n column"]
    """By gradients along x, y and z in T s/m, and in cycles across the voxel; then what is asked for besides."""
    asked: Asked
    dephasing: Float[Numbers, " sample"] | None = None
    """For how long off-resonances have dephased at each sample in s; None where spins are spread over them."""

    @classmethod
    def of(cls, placed: list[Placed], asked: Asked) -> "PlayingOrder":
        """Of all intervals of a sequence."""
        places = [one.place for one in placed]
        ends = in_order(
            places, [np.full(len(one.place), asked.moments or one.interval.change is not None) for one in placed]
        )
        duration = in_order(places, [one.played(one.interval.duration) for one in placed])
        areas = [one.played(_filled_to(one.interval.area, 3 + asked.n_columns)) for one in placed]
        across = in_order(places, [np.full((len(one.place), 1), one.interval.across) for one in placed])
        wound = _with_across(in_order(places, areas), across)
        order = cls(placed, np.cumsum(ends) - ends, int(np.sum(ends)) + 1, duration, wound, asked)
        if not asked.winding:
            return order
        steadily = wound_steadily(wound, across[:, 0], duration)
        return dataclasses.replace(order, wound=since_the_row(steadily, order._until(wound), duration))

    @property
    def n_samples(self) -> int:
        """How many are taken."""
        return sum(one.n_samples * len(one.place) for one in self.placed)

    @functools.cached_property
    def different(self) -> DifferentChanges:
        """The changes, each once."""
        return DifferentChanges.of(self.placed)

    def pays(self, n_spins: int) -> bool:
        """Whether a table is faster than turning every spin in each step of RF again, or compiling matters more."""
        changes = ((one.interval.change, len(one.place)) for one in self.placed)
        played = sum(change.n_steps * n for change, n in changes if change is not None)
        once = self.different.n_steps_once
        return once * n_spins < FEW_STEPS or MAP_IN_STEPS * once < played + SAMPLE_IN_STEPS * self.n_samples

    def rows(self) -> tuple[Float[Numbers, " row"], Float[Numbers, "row column"]]:
        """Duration and winding of each row."""
        last = np.append(np.flatnonzero(np.diff(self.row)), self.row.size - 1)
        missing = self.n_rows - len(last)  # a row without any interval, after the last change

        def of_rows(values: Numbers) -> Numbers:
            total = self._until(values)[last] + values[last]
            return numpy_of(total).pad(total, [(0, missing)] + [(0, 0)] * (total.ndim - 1))

        return of_rows(self.duration), of_rows(self.wound)

    def changes(self, first: dict[Form, int]) -> tuple[Int[np.ndarray, " row"], Float[Numbers, " row"]]:
        """The number of the change of each row, where those of a form begin with `first`, and its phase; zero for none."""
        ending = [one for one in self.placed if self.asked.moments or one.interval.change is not None]
        if not ending:
            return np.zeros(1, int), np.zeros(1)
        rows, nothing = [self.row[one.place] for one in ending], (np.zeros(1, int), np.zeros(1))
        own = lambda change: nothing if change is None else (self.different.numbered(change, first), change.phase)
        numbers, phase = (in_order(rows, [one.played(own(one.interval.change)[i]) for one in ending]) for i in range(2))
        xp = numpy_of(phase)
        # single precision would lose digits of many turns
        phase = phase - 2 * math.pi * xp.round(phase / (2 * math.pi))
        return np.append(numbers, 0), xp.append(phase, 0.0)

    def samples(self) -> tuple[Numbers, ...]:
        """Of each sample its row, time and winding since the start of that, the receiver, and whether it is of z."""
        counts = in_order(
            [one.place for one in self.placed], [np.full(len(one.place), one.n_samples) for one in self.placed]
        )
        first = np.cumsum(counts) - counts
        reading = [(one, one.interval.reading) for one in self.placed if one.interval.reading is not None]
        before, wound = self._until(self.duration), self._until(self.wound)
        at, columns = [], []
        for one, taken in reading:
            shape = (len(one.place), taken.n)
            area = one.played(_filled_to(taken.area, 3 + self.asked.n_columns))
            added = _with_across(area, np.zeros((*area.shape[:-1], 1)))
            if self.asked.winding:
                added = since_the_row(added, wound[one.place][:, None], one.played(taken.time))
            own = (
                np.broadcast_to(self.row[one.place][:, None], shape),
                before[one.place][:, None] + one.played(taken.time),
                wound[one.place][:, None] + added,
                one.played(taken.receiver),
                np.full(shape, taken.longitudinal),
            )
            at.append((first[one.place][:, None] + np.arange(taken.n)).ravel())
            columns.append([column.reshape(-1, *column.shape[2:]) for column in own])
        return tuple(in_order(at, list(parts)) for parts in zip(*columns, strict=True))

    def middles(self) -> tuple[Float[Numbers, " row"], Float[Numbers, " row"], Float[Numbers, ""]]:
        """Of each row and of its change, in s from the start of the sequence, where each interval is a row; and its end."""
        places = [one.place for one in self.placed]
        changes = [one.interval.change for one in self.placed]
        lasting = [np.zeros(1) if change is None else change.duration for change in changes]
        changing = in_order(places, [one.played(time) for one, time in zip(self.placed, lasting, strict=True)])
        xp = numpy_of(self.duration, changing)
        both = xp.stack([self.duration, changing], axis=1).ravel()
        # traced times in single precision would lose digits over thousands of events
        ends = np.cumsum(both) if xp is np else running_sum(DoubleLength.of(both)).rounded
        middles = xp.pad((ends - both / 2).reshape(-1, 2), [(0, 1), (0, 0)], mode="edge")
        return middles[:, 0], middles[:, 1], xp.asarray(ends[-1])

    def dephased(self) -> tuple[int, int]:
        """Whether cycles wound before the sequence still count, and how many `Dephase` has wound since they do not."""
        anew = [int(one.place.max()) for one in self.placed if one.interval.begins_anew]
        winding = [(one.place, math.ceil(abs(one.interval.across))) for one in self.placed]
        since = max(anew, default=-1)
        return int(not anew), sum(int(np.sum(place > since)) * cycles for place, cycles in winding)

    def _until(self, values: Float[Numbers, "n ..."]) -> Float[Numbers, "n ..."]:
        """The sum of the values before each in its row: anew in every row, so that no digits are lost."""
        first = np.flatnonzero(np.diff(self.row, prepend=-1))
        number = np.arange(self.row.size) - np.repeat(first, np.diff(np.append(first, self.row.size)))
        xp = numpy_of(values)
        totals, order = [xp.zeros_like(values[first])], [first]
        for now in range(1, number.max(initial=0) + 1):
            here = np.flatnonzero(number == now)
            longer = np.isin(order[-1], here - 1)
            totals.append(totals[-1][longer] + values[here - 1])
            order.append(here)
        return in_order(order, totals)


def _filled_to(area: Float[Numbers, "... _given"], n_columns: int) -> Float[Numbers, "... _column"]:
    """With zeros for what is asked for besides, of events without gradients."""
    missing = n_columns - area.shape[-1]
    return numpy_of(area).pad(area, [(0, 0)] * (area.ndim - 1) + [(0, missing)]) if missing else area


def _with_across(area: Float[Numbers, "... _column"], across: Float[Numbers, "... 1"]) -> Float[Numbers, "... _wound"]:
    """Cycles across the voxel put after the three areas."""
    return numpy_of(area, across).concatenate([area[..., :3], across, area[..., 3:]], axis=-1)


def in_order(places: list[Int[np.ndarray, "_"]], parts: list[Any]) -> Any:
    """Parts joined, with each entry at its place among all."""
    return numpy_of(parts).concatenate(parts)[np.argsort(np.concatenate(places), kind="stable")]
