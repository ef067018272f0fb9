"""Loops found again in a flat row of events."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Inexact

from mrjax.pulseq.played import LEAVES, Played
from mrjax.sequence.containers import Repeat
from mrjax.sequence.events import AbstractContainer, AbstractEvent, Delay
from mrjax.sequence.rf import ContinuousWave, ShapedPulse

LONGEST_PATTERN = 24
"""Events in the longest pattern that is sought within a measurement."""

COST_OF_EVENT = 1
COST_OF_LOOP = 2
"""What one more to compile costs, in numbers to be stored."""


@dataclass(frozen=True)
class Column:
    """A leaf of the event at one place in all measurements of a group.

    **Arguments:**

    - `values`: One for each measurement; of a waveform, its number in the group's list of them.
    - `code`: Equal for columns whose values are equal.
    - `is_constant`: Whether it is the same in each measurement.
    - `weight`: Numbers that one value stands for: 1, or the samples of a waveform.
    """

    values: np.ndarray
    code: int
    is_constant: bool
    weight: int


@dataclass(frozen=True)
class Group:
    """Measurements that play the same kinds of events: for each place the kind and its columns by leaf."""

    n_measurements: int
    forms: list[tuple[type[AbstractEvent], int]]
    columns: list[dict[str, Column]]
    waveforms: list[Inexact[np.ndarray, "_"]]


def looped(measurements: list[list[Played]]) -> list[AbstractEvent | AbstractContainer]:
    """The same events in the same order, with loops over measurements, and loops within each.

    Of all ways to write a measurement with loops that one is taken which stores the fewest numbers, so that what many pulses
    share is stored, and later computed, once.
    """
    found: list[AbstractEvent | AbstractContainer] = []
    for _, neighbours in itertools.groupby(measurements, key=lambda events: [event.form for event in events]):
        members = list(neighbours)
        alone = 1 if _first_stands_alone(_group(members)) else 0
        for part in (members[:alone], members[alone:]):
            found += _repeated(_group(part)) if part else []
    return found


def _group(measurements: list[list[Played]]) -> Group:
    waveforms: dict[int, int] = {}
    arrays: list[np.ndarray] = []
    codes: dict[bytes, int] = {}
    columns = []
    for place in zip(*measurements, strict=True):
        names = LEAVES[place[0].kind][: len(place[0].numbers)]
        leaves = dict(zip(names, np.array([event.numbers for event in place], float).T, strict=True))
        weights = dict.fromkeys(leaves, 1)
        if place[0].waveform is not None:
            for event in place:
                if id(event.waveform) not in waveforms:
                    waveforms[id(event.waveform)] = len(arrays)
                    arrays.append(event.waveform)
            leaves["waveform"] = np.array([waveforms[id(event.waveform)] for event in place])
            weights["waveform"] = place[0].waveform.size
        coded = {name: codes.setdefault(values.tobytes(), len(codes)) for name, values in leaves.items()}
        constant = {name: bool(np.all(values == values[0])) for name, values in leaves.items()}
        columns.append({name: Column(leaves[name], coded[name], constant[name], weights[name]) for name in leaves})
    return Group(len(measurements), [event.form for event in measurements[0]], columns, arrays)


def _first_stands_alone(group: Group) -> bool:
    """Whether without the first measurement all delays become constant, or all B1, that are not so with it."""
    delays = [columns["duration"] for form, columns in zip(group.forms, group.columns, strict=True) if form[0] is Delay]
    b1 = [columns[name] for columns in group.columns for name in ("b1", "waveform") if name in columns]

    def only_the_first_differs(columns: list[Column]) -> bool:
        rest_is_constant = all(np.all(column.values[1:] == column.values[1]) for column in columns)
        return rest_is_constant and not all(column.is_constant for column in columns)

    return group.n_measurements > 2 and (only_the_first_differs(delays) or only_the_first_differs(b1))


def _repeated(group: Group) -> list[AbstractEvent | AbstractContainer]:
    events = [*_within(group, 0, len(group.forms))]
    return events if group.n_measurements == 1 else [Repeat(*events, n_repetitions=group.n_measurements)]


@dataclass(frozen=True)
class _Loop:
    start: int
    period: int
    count: int

    @property
    def end(self) -> int:
        return self.start + self.period * self.count

    def places(self, position: int) -> range:
        """Where the event at a position of the pattern stands in each repetition."""
        return range(self.start + position, self.end, self.period)


def _within(group: Group, start: int, end: int) -> Iterator[AbstractEvent | AbstractContainer]:
    """The events from one place of the measurement to another, with loops."""
    loop = _best_loop(group, start, end)
    if loop is None:
        for place in range(start, end):
            yield _event(group, range(place, place + 1), in_loop=False)
        return
    yield from _within(group, start, loop.start)
    pattern = [_event(group, loop.places(position), in_loop=True) for position in range(loop.period)]
    yield Repeat(*pattern, n_repetitions=loop.count)
    yield from _within(group, loop.end, end)


def _best_loop(group: Group, start: int, end: int) -> _Loop | None:
    """The loop that saves most; of equals the one with the shortest pattern, and that which begins with a pulse."""

    def merit(loop: _Loop) -> tuple[int, int, bool]:
        begins_with_pulse = group.forms[loop.start][0] in (ContinuousWave, ShapedPulse)
        return _saving(group, loop), -loop.period, begins_with_pulse

    best = max(_candidates(group, start, end), key=merit, default=None)
    return best if best is not None and _saving(group, best) > 0 else None


def _candidates(group: Group, start: int, end: int) -> Iterator[_Loop]:
    """Every pattern that recurs at once, as often as it does, beginning with each of its events."""
    numbers: dict[tuple, int] = {}
    forms = np.array([numbers.setdefault(form, len(numbers)) for form in group.forms[start:end]], int)
    for period in range(1, min(LONGEST_PATTERN, forms.size // 2) + 1):
        recurs = np.concatenate([[False], forms[:-period] == forms[period:], [False]])
        edges = np.flatnonzero(recurs[1:] != recurs[:-1])
        for first, last in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
            for shift in range(first, min(first + period, last - period + 1)):
                yield _Loop(start + shift, period, (last + period - shift) // period)


def _saving(group: Group, loop: _Loop) -> int:
    """Numbers to be stored and events to be compiled without the loop, less those with it."""
    apart = sum(_cost(group, range(place, place + 1)) for place in range(loop.start, loop.end))
    together = COST_OF_LOOP + sum(_cost(group, loop.places(position)) for position in range(loop.period))
    return apart - together


def _cost(group: Group, places: range) -> int:
    sizes = 0
    for name in group.columns[places[0]]:
        columns = [group.columns[place][name] for place in places]
        along_inner = len({column.code for column in columns}) > 1
        along_outer = not all(column.is_constant for column in columns)
        axes = (group.n_measurements if along_outer else 1) * (len(places) if along_inner else 1)
        sizes += axes * columns[0].weight
    return COST_OF_EVENT + sizes


def _event(group: Group, places: range, *, in_loop: bool) -> AbstractEvent:
    """The event at one place, or at the places where the repetitions of a loop play it."""
    leaves = {}
    for name in group.columns[places[0]]:
        values = np.stack([group.columns[place][name].values for place in places], axis=-1)
        smallest = _smallest(values, in_loop=in_loop)
        leaves[name] = _waveforms(group, np.asarray(smallest)) if name == "waveform" else smallest
    return group.forms[places[0]][0](**leaves)


def _smallest(values: np.ndarray, *, in_loop: bool) -> np.ndarray | float | int:
    """Values over measurements and repetitions of a loop without the axes along which they do not change."""
    if np.all(values == values[:, :1]):
        values = values[:, :1]
    if np.all(values == values[:1]):
        values = values[0]
    if values.size == 1:
        return values.item()
    return values if in_loop else values[:, 0]


def _waveforms(group: Group, numbers: np.ndarray) -> Inexact[np.ndarray, "*repetitions n"]:
    waveforms = np.stack([group.waveforms[number] for number in numbers.ravel().tolist()])
    return waveforms.reshape(*numbers.shape, -1)
