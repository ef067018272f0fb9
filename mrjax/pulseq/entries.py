"""What the blocks of an imaging file play, as rows of numbers: events are made of them once loops are found."""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float, Int, Shaped

from mrjax.pulseq.played import LEAVES, WAVEFORMS
from mrjax.sequence.containers import Sequence
from mrjax.sequence.events import AbstractEvent
from mrjax.sequence.together import Together


@dataclass(frozen=True, slots=True)
class Part:
    """One event of a track: its kind, what of it is static by name, its numbers and its waveforms in the order of `LEAVES`
    and `WAVEFORMS`."""

    kind: type[AbstractEvent]
    static: tuple[tuple[str, Any], ...] = ()
    numbers: tuple[float, ...] = ()
    waveforms: tuple[np.ndarray, ...] = ()

    @property
    def form(self) -> Hashable:
        """What two parts must share to be entries of one event."""
        return self.kind, self.static, tuple(waveform.size for waveform in self.waveforms)


Tracks = tuple[tuple[Part, ...], ...]
"""What is played at once."""


@dataclass
class _Table:
    """All entries of one form: an example, and a row of each for the numbers and the waveforms of its parts."""

    example: Tracks | Part
    numbers: list[list[float]] = field(default_factory=list)
    waveforms: list[list[int]] = field(default_factory=list)

    def add(self, numbers: list[float], waveforms: list[int]) -> int:
        self.numbers.append(numbers)
        self.waveforms.append(waveforms)
        return len(self.numbers) - 1


class Entries:
    """What is played, entry after entry: several tracks at once, or a part that stands alone.

    Equal waveforms are held once.
    """

    def __init__(self, played: Iterable[Tracks | Part]):
        self._pool: list[np.ndarray] = []
        self._numbers_of: dict[tuple, int] = {}
        self._known: dict[int, int] = {}
        self._tables: list[_Table] = []
        forms: dict[Hashable, int] = {}
        placed: dict[int, tuple[int, int]] = {}
        kept, rows = [], []
        for entry in played:
            # entries that come again are the same object
            if id(entry) not in placed:
                placed[id(entry)] = self._placed(entry, forms)
            kept.append(entry)
            rows.append(placed[id(entry)])
        table = np.array(rows, int).reshape(-1, 2)
        self.forms: Int[np.ndarray, " n"] = table[:, 0]
        """A number for each entry, equal where entries differ in numbers alone."""
        self._rows: Int[np.ndarray, " n"] = table[:, 1]
        self._held = kept
        self._arrays = [(np.array(t.numbers, float), np.array(t.waveforms, int)) for t in self._tables]

    def _placed(self, entry: Tracks | Part, forms: dict[Hashable, int]) -> tuple[int, int]:
        """The number of its form, and its row there."""
        alone = isinstance(entry, Part)
        parts = [entry] if alone else [part for track in entry for part in track]
        form = entry.form if alone else tuple(tuple(part.form for part in track) for track in entry)
        number = forms.setdefault((alone, form), len(forms))
        if number == len(self._tables):
            self._tables.append(_Table(entry))
        numbers = [x for part in parts for x in part.numbers]
        waveforms = [self._pooled(waveform) for part in parts for waveform in part.waveforms]
        return number, self._tables[number].add(numbers, waveforms)

    def _pooled(self, waveform: np.ndarray) -> int:
        known = self._known.get(id(waveform))
        if known is None:
            content = (waveform.dtype.str, waveform.tobytes())
            known = self._numbers_of.setdefault(content, len(self._pool))
            self._known[id(waveform)] = known
            self._pool.append(waveform) if known == len(self._pool) else None
        return known

    @property
    def n_forms(self) -> int:
        """How many forms there are."""
        return len(self._tables)

    def begins_with_rf(self, number: int) -> bool:
        """Whether the entries of this form transmit."""
        example = self._tables[number].example
        parts = [example] if isinstance(example, Part) else [part for track in example for part in track]
        return any("b1" in LEAVES[part.kind] or "dt" in LEAVES[part.kind] for part in parts)

    def event(self, places: Int[np.ndarray, "*repetitions"]) -> AbstractEvent:
        """The event that plays the entries at these places, one for each repetition of the loops around it."""
        number = self.forms[places.flat[0]]
        example = self._tables[number].example
        numbers, waveforms = (table[self._rows[places]] for table in self._arrays[number])
        columns = map(np.asarray, np.moveaxis(numbers, -1, 0))
        pooled = map(np.asarray, np.moveaxis(waveforms, -1, 0))

        def event_of(part: Part) -> AbstractEvent:
            leaves = {name: _leaf(_smallest(next(columns))) for name in LEAVES[part.kind][: len(part.numbers)]}
            names = WAVEFORMS.get(part.kind, ())[: len(part.waveforms)]
            rows = {name: self._stacked(_smallest(next(pooled))) for name in names}
            return part.kind(**leaves, **rows, **dict(part.static))

        if isinstance(example, Part):
            return event_of(example)
        tracks = [[event_of(part) for part in track] for track in example]
        return Together(*(track[0] if len(track) == 1 else Sequence(*track) for track in tracks))

    def _stacked(self, numbers: Int[np.ndarray, "*repetitions"]) -> Shaped[np.ndarray, "*smaller n"]:
        if numbers.size == 1:
            return self._pool[numbers.item()]
        stacked = np.stack([self._pool[number] for number in numbers.ravel().tolist()])
        return stacked.reshape(*numbers.shape, -1)


def _smallest(values: Shaped[np.ndarray, "*repetitions"]) -> Shaped[np.ndarray, "*smaller"]:
    """Values over the repetitions of loops, of length 1 along loops with which they do not change."""
    for axis in range(values.ndim):
        first = np.take(values, [0], axis)
        if np.all(values == first):
            values = first
    return values


def _leaf(values: Float[np.ndarray, "*repetitions"]) -> Float[np.ndarray, "*repetitions"] | float:
    """One number where it is one: Python's own, so that zeros can be seen to have no effect."""
    return values.item() if values.size == 1 else values
