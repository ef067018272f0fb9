"""What the blocks of a Pulseq file play, as rows of numbers: events are made of them once loops are found."""

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
from jaxtyping import Float, Int, Shaped

from mrjax.sequence.base import AbstractEvent
from mrjax.sequence.containers import Sequence
from mrjax.sequence.events import Delay, Reset, Sample, SampleLongitudinal, Spoil
from mrjax.sequence.gradients import Gradient
from mrjax.sequence.labels import Annotation, Label
from mrjax.sequence.readout import Readout
from mrjax.sequence.rf import ContinuousWave, ShapedPulse
from mrjax.sequence.together import Together

LEAVES: Mapping[type[AbstractEvent], tuple[str, ...]] = MappingProxyType(
    {
        ContinuousWave: ("b1", "duration", "offset", "phase"),
        ShapedPulse: ("dt", "offset", "phase"),
        Delay: ("duration",),
        Spoil: (),
        Reset: ("magnetisation",),
        Sample: (),
        SampleLongitudinal: (),
        Gradient: (),
        Readout: ("dwell", "phase", "offset"),
        Label: ("value",),
        Annotation: (),
    }
)
"""The single numbers of each kind of event, in the order in which a `PlainEvent` holds them."""

WAVEFORMS: Mapping[type[AbstractEvent], tuple[str, ...]] = MappingProxyType(
    {ShapedPulse: ("waveform",), Gradient: ("waveform", "times"), Readout: ("modulation",)}
)
"""The rows of numbers of each kind of event that has some."""


@dataclass(frozen=True, slots=True)
class PlainEvent:
    """One playing of an event, not yet built.

    **Arguments:**

    - `kind`: Its class.
    - `static`: Its static fields by name.
    - `numbers`: Its single numbers, in the order of `LEAVES`.
    - `waveforms`: Its rows of numbers, in the order of `WAVEFORMS`.
    """

    kind: type[AbstractEvent]
    static: tuple[tuple[str, Any], ...] = ()
    numbers: tuple[float, ...] = ()
    waveforms: tuple[np.ndarray, ...] = ()

    @property
    def form(self) -> Hashable:
        """What two playings must share to be entries of one event."""
        return self.kind, self.static, tuple([waveform.size for waveform in self.waveforms])


Tracks = tuple[tuple[PlainEvent, ...], ...]
"""What is played at once."""


@dataclass
class _FormTable:
    """All entries of one form: an example, and a row of each for the numbers and the waveforms of its parts."""

    example: Tracks | PlainEvent
    numbers: list[tuple[float, ...]] = field(default_factory=list)
    waveforms: list[tuple[int, ...]] = field(default_factory=list)

    def add(self, numbers: tuple[float, ...], waveforms: tuple[int, ...]) -> int:
        self.numbers.append(numbers)
        self.waveforms.append(waveforms)
        return len(self.numbers) - 1


class Entries:
    """What is played, entry after entry: several tracks at once, or a part that stands alone.

    Equal waveforms are held once.
    """

    def __init__(self, played: Iterable[Tracks | PlainEvent]):
        self._pool: list[np.ndarray] = []
        self._numbers_of: dict[tuple, int] = {}
        self._known: dict[int, int] = {}
        self._tables: list[_FormTable] = []
        forms: dict[Hashable, int] = {}
        placed: dict[int, tuple[int, int]] = {}
        kept, rows = [], []
        for entry in played:
            # entries that come again are the same object
            row = placed.get(id(entry))
            if row is None:
                row = placed[id(entry)] = self._placed(entry, forms)
            kept.append(entry)
            rows.append(row)
        table = np.array(rows, int).reshape(-1, 2)
        self.forms: Int[np.ndarray, " n"] = table[:, 0]
        """A number for each entry, equal where entries differ in numbers alone."""
        self._rows: Int[np.ndarray, " n"] = table[:, 1]
        self._held = kept
        self._arrays = [(np.array(t.numbers, float), np.array(t.waveforms, int)) for t in self._tables]

    def _placed(self, entry: Tracks | PlainEvent, forms: dict[Hashable, int]) -> tuple[int, int]:
        """The number of its form, and its row there."""
        if isinstance(entry, PlainEvent):
            form, numbers, waveforms = entry.form, entry.numbers, entry.waveforms
        else:
            parts = [part for track in entry for part in track]
            form = "tracks", *(tuple([part.form for part in track]) for track in entry)
            numbers = tuple([number for part in parts for number in part.numbers])
            waveforms = [waveform for part in parts for waveform in part.waveforms]
        number = forms.setdefault(form, len(forms))
        if number == len(self._tables):
            self._tables.append(_FormTable(entry))
        return number, self._tables[number].add(numbers, tuple([self._pooled(waveform) for waveform in waveforms]))

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
        parts = [example] if isinstance(example, PlainEvent) else [part for track in example for part in track]
        return any("b1" in LEAVES[part.kind] or "dt" in LEAVES[part.kind] for part in parts)

    def columns(self, places: Int[np.ndarray, " n"]) -> dict[str, tuple[Shaped[np.ndarray, " n"], int]]:
        """Of events that stand alone and have one form: by leaf the values at these places, and how many numbers a value
        stands for. Waveforms are told apart by numbers of their own, each of which stands for its samples."""
        number = self.forms[places[0]]
        example: Any = self._tables[number].example
        numbers, waveforms = (table[self._rows[places]] for table in self._arrays[number])
        names = [
            *LEAVES[example.kind][: len(example.numbers)],
            *WAVEFORMS.get(example.kind, ())[: len(example.waveforms)],
        ]
        weights = [1] * len(example.numbers) + [waveform.size for waveform in example.waveforms]
        return dict(zip(names, zip([*numbers.T, *waveforms.T], weights, strict=True), strict=True))

    def event(self, places: Int[np.ndarray, "*repetitions"]) -> AbstractEvent:
        """The event that plays the entries at these places, one for each repetition of the loops around it."""
        number = self.forms[places.flat[0]]
        example = self._tables[number].example
        numbers, waveforms = (table[self._rows[places]] for table in self._arrays[number])
        columns = map(np.asarray, np.moveaxis(numbers, -1, 0))
        pooled = map(np.asarray, np.moveaxis(waveforms, -1, 0))

        def event_of(part: PlainEvent) -> AbstractEvent:
            leaves = {name: _leaf(_smallest(next(columns))) for name in LEAVES[part.kind][: len(part.numbers)]}
            names = WAVEFORMS.get(part.kind, ())[: len(part.waveforms)]
            rows = {name: self._stacked(_smallest(next(pooled))) for name in names}
            return part.kind(**leaves, **rows, **dict(part.static))

        if isinstance(example, PlainEvent):
            return event_of(example)
        tracks = [[event_of(part) for part in track] for track in example]
        return Together(*(track[0] if len(track) == 1 else Sequence(*track) for track in tracks))

    def _stacked(self, numbers: Int[np.ndarray, "*repetitions"]) -> Shaped[np.ndarray, "*smaller n"]:
        if numbers.size == 1:
            return self._pool[numbers.item()]
        stacked = np.stack([self._pool[number] for number in numbers.ravel().tolist()])
        return stacked.reshape(*numbers.shape, -1)


def _smallest(values: Shaped[np.ndarray, "*repetitions"]) -> Shaped[np.ndarray, "*smaller"]:
    """Values over the repetitions of loops, of length 1 along loops with which they do not change, and without such axes
    where no longer one is outside of them."""
    for axis in range(values.ndim):
        first = np.take(values, [0], axis)
        if np.all(values == first):
            values = first
    longer = [axis for axis, length in enumerate(values.shape) if length > 1]
    return values.reshape(values.shape[longer[0] if longer else values.ndim :])


def _leaf(values: Float[np.ndarray, "*repetitions"]) -> Float[np.ndarray, "*repetitions"] | float:
    """One number where it is one: Python's own, so that zeros can be seen to have no effect."""
    return values.item() if values.size == 1 else values
