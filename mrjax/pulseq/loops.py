"""Loops found again in a row of entries: those that save most entries, or in measurements those that save most numbers."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int

from mrjax.pulseq.plain_events import Entries
from mrjax.sequence.base import AbstractContainer, AbstractEvent
from mrjax.sequence.containers import Repeat

LONGEST_PATTERN = 20_000
"""Entries in the longest pattern that is sought in a whole file."""

WORTH_A_LOOP = 2
"""More than so many entries must be saved."""

LONGEST_PATTERN_OF_A_MEASUREMENT = 24
"""Entries in the longest pattern that is sought within a measurement."""

COST_OF_EVENT = 1
COST_OF_LOOP = 2
"""What one more to compile costs, in numbers to be stored."""


@dataclass(frozen=True)
class BlockLoop:
    """A pattern of `period` entries that is played `count` times, and what the first of them holds."""

    start: int
    period: int
    count: int
    body: tuple["int | BlockLoop", ...] = ()

    @property
    def end(self) -> int:
        """The place after the last."""
        return self.start + self.period * self.count

    @property
    def saving(self) -> int:
        """Entries that need not be written out."""
        return self.period * (self.count - 1)


def folded(forms: Int[np.ndarray, " n"], begins_well: Bool[np.ndarray, " n"]) -> tuple[int | BlockLoop, ...]:
    """Entries by their places in the row, with loops.

    Taken is the loop that saves most, then those before it, inside it and after it.

    **Arguments:**

    - `forms`: Equal for entries that may be repetitions of one.
    - `begins_well`: With which entries a pattern should begin, where there is a choice.
    """
    return tuple(_folded(forms, begins_well, 0, forms.size))


def built(
    nodes: tuple[int | BlockLoop, ...], event: Callable[[Int[np.ndarray, "*repetitions"]], AbstractEvent]
) -> list[AbstractEvent | AbstractContainer]:
    """Events and repeats of what was folded; `event` makes one of the places where the repetitions play it."""

    def within(nodes: tuple[int | BlockLoop, ...], later: Int[np.ndarray, "*repetitions"]) -> Iterator:
        for node in nodes:
            if isinstance(node, BlockLoop):
                inside = later[..., None] + node.period * np.arange(node.count)
                yield Repeat(*within(node.body, inside), n_repetitions=node.count)
            else:
                yield event(np.asarray(node + later))

    return list(within(nodes, np.zeros((), int)))


def _folded(forms: np.ndarray, begins_well: np.ndarray, start: int, end: int) -> list[int | BlockLoop]:
    found: list[int | BlockLoop] = []
    # a stack, not recursion: there may be thousands of loops in a row
    pending: list[tuple[int, int] | BlockLoop] = [(start, end)]
    while pending:
        part = pending.pop()
        if isinstance(part, BlockLoop):
            found.append(part)
            continue
        start, end = part
        loop = _best_loop(forms[start:end], begins_well[start:end])
        if loop is None:
            found += range(start, end)
            continue
        first = start + loop.start
        body = tuple(_folded(forms, begins_well, first, first + loop.period))
        pending += [(start + loop.end, end), BlockLoop(first, loop.period, loop.count, body), (start, first)]
    return found


def _best_loop(forms: np.ndarray, begins_well: np.ndarray) -> BlockLoop | None:
    best = None
    for period in range(1, min(LONGEST_PATTERN, forms.size // 2) + 1):
        least = WORTH_A_LOOP if best is None else best.saving
        if forms.size - period <= least:
            break
        recurs = forms[:-period] == forms[period:]
        if np.count_nonzero(recurs) <= least:
            continue
        for first, last in _stretches(recurs, period):
            loop = BlockLoop(first, period, (last - first + period) // period)
            if loop.saving > (WORTH_A_LOOP if best is None else best.saving):
                best = loop
    return None if best is None else _shifted(best, forms, begins_well)


def _stretches(recurs: Bool[np.ndarray, " n"], period: int) -> Iterator[tuple[int, int]]:
    """Where entries that come again after a period begin and end, as far as a whole pattern of them does."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], recurs, [False]])))
    firsts, lasts = edges[::2], edges[1::2]
    long = lasts - firsts >= period
    return zip(firsts[long].tolist(), lasts[long].tolist(), strict=True)


def _shifted(loop: BlockLoop, forms: np.ndarray, begins_well: np.ndarray) -> BlockLoop:
    """The same loop from the first of its entries that begins well, else as late as it is played as often."""
    reach = forms[loop.start : loop.start + loop.saving + loop.period]
    later = forms[loop.start + loop.period : loop.end + loop.period]
    after = np.flatnonzero(reach[: later.size] != later)
    latest = min(after[0] if after.size else later.size, later.size) - loop.saving
    starts = loop.start + np.arange(min(latest, loop.period - 1) + 1)
    good = starts[begins_well[starts]]
    return BlockLoop(int(good[0] if good.size else starts[-1]), loop.period, loop.count)


def folded_measurements(entries: Entries, lengths: list[int]) -> tuple[int | BlockLoop, ...]:
    """Entries by their places, with loops over measurements, and loops within each.

    Of all ways to write a measurement with loops that one is taken which stores the fewest numbers, so that what many pulses
    share is stored, and later computed, once.

    **Arguments:**

    - `entries`: Events that stand alone, measurement after measurement.
    - `lengths`: How many of them each measurement has.
    """
    found: list[int | BlockLoop] = []
    starts = np.cumsum([0, *lengths])
    forms = [entries.forms[start:end].tobytes() for start, end in itertools.pairwise(starts)]
    for _, neighbours in itertools.groupby(range(len(lengths)), key=forms.__getitem__):
        members = list(neighbours)
        group = lambda members: _Group.of(entries, starts[members], lengths[members[0]])
        alone = 1 if _first_stands_alone(group(members)) else 0
        for part in (members[:alone], members[alone:]):
            found += _repeated(group(part)) if part else []
    return tuple(found)


@dataclass(frozen=True)
class _Column:
    """A leaf of the event at one place in all measurements of a group.

    **Arguments:**

    - `values`: One for each measurement; of a waveform, its number.
    - `code`: Equal for columns whose values are equal.
    - `is_constant`: Whether it is the same in each measurement.
    - `weight`: Numbers that one value stands for: 1, or the samples of a waveform.
    """

    values: np.ndarray
    code: int
    is_constant: bool
    weight: int


@dataclass(frozen=True)
class _Group:
    """Neighbouring measurements that play the same kinds of events.

    **Arguments:**

    - `start`: The place of the first entry.
    - `n_measurements`: How many there are.
    - `forms`: Of the entries of one.
    - `begins_well`: Which of these entries are pulses.
    - `columns`: The leaves of these entries by name.
    - `costs`: What each entry costs where it is in no loop.
    """

    start: int
    n_measurements: int
    forms: Int[np.ndarray, " n"]
    begins_well: Bool[np.ndarray, " n"]
    columns: list[dict[str, _Column]]
    costs: list[int]

    @classmethod
    def of(cls, entries: Entries, starts: Int[np.ndarray, " n_measurements"], length: int) -> "_Group":
        codes: dict[bytes, int] = {}
        columns = []
        for place in range(length):
            leaves = entries.columns(starts + place)
            coded = {name: codes.setdefault(values.tobytes(), len(codes)) for name, (values, _) in leaves.items()}
            columns.append(
                {
                    name: _Column(values, coded[name], bool(np.all(values == values[0])), weight)
                    for name, (values, weight) in leaves.items()
                }
            )
        start = starts[0].item()
        forms = entries.forms[start : start + length]
        begins_well = np.array([entries.begins_with_rf(form) for form in forms.tolist()], bool)
        costs = [_cost(columns, range(place, place + 1), starts.size) for place in range(length)]
        return cls(start, starts.size, forms, begins_well, columns, costs)


def _first_stands_alone(group: _Group) -> bool:
    """Whether without the first measurement all delays become constant, or all B1, that are not so with it."""
    # a delay has a duration and nothing else
    delays = [columns["duration"] for columns in group.columns if list(columns) == ["duration"]]
    b1 = [columns[name] for columns in group.columns for name in ("b1", "waveform") if name in columns]

    def only_the_first_differs(columns: list[_Column]) -> bool:
        rest_is_constant = all(np.all(column.values[1:] == column.values[1]) for column in columns)
        return rest_is_constant and not all(column.is_constant for column in columns)

    return group.n_measurements > 2 and (only_the_first_differs(delays) or only_the_first_differs(b1))


def _repeated(group: _Group) -> list[int | BlockLoop]:
    nodes = list(_within(group, 0, group.forms.size))
    if group.n_measurements == 1:
        return nodes
    return [BlockLoop(group.start, group.forms.size, group.n_measurements, tuple(nodes))]


def _within(group: _Group, start: int, end: int) -> Iterator[int | BlockLoop]:
    """The entries from one place of the first measurement to another, with loops."""
    loop = _cheapest_loop(group, start, end)
    if loop is None:
        yield from range(group.start + start, group.start + end)
        return
    yield from _within(group, start, loop.start)
    first = group.start + loop.start
    yield BlockLoop(first, loop.period, loop.count, tuple(range(first, first + loop.period)))
    yield from _within(group, loop.end, end)


def _cheapest_loop(group: _Group, start: int, end: int) -> BlockLoop | None:
    """The loop that saves most; of equals the one with the shortest pattern, and that which begins with a pulse."""

    def merit(loop: BlockLoop) -> tuple[int, int, bool]:
        return _saving(group, loop), -loop.period, bool(group.begins_well[loop.start])

    best = max(_candidates(group.forms[start:end], start), key=merit, default=None)
    return best if best is not None and _saving(group, best) > 0 else None


def _candidates(forms: Int[np.ndarray, " n"], start: int) -> Iterator[BlockLoop]:
    """Every pattern that recurs at once, as often as it does, beginning with each of its entries."""
    for period in range(1, min(LONGEST_PATTERN_OF_A_MEASUREMENT, forms.size // 2) + 1):
        for first, last in _stretches(forms[:-period] == forms[period:], period):
            for shifted in range(first, min(first + period, last - period + 1)):
                yield BlockLoop(start + shifted, period, (last + period - shifted) // period)


def _saving(group: _Group, loop: BlockLoop) -> int:
    """Numbers to be stored and events to be compiled without the loop, less those with it."""
    apart = sum(group.costs[loop.start : loop.end])
    patterns = (range(first, loop.end, loop.period) for first in range(loop.start, loop.start + loop.period))
    return apart - COST_OF_LOOP - sum(_cost(group.columns, places, group.n_measurements) for places in patterns)


def _cost(columns: list[dict[str, _Column]], places: range, n_measurements: int) -> int:
    """Numbers of the event that plays the entries at these places, and what it costs to compile."""
    sizes = 0
    for name in columns[places[0]]:
        leaves = [columns[place][name] for place in places]
        along_inner = len({leaf.code for leaf in leaves}) > 1
        along_outer = not all(leaf.is_constant for leaf in leaves)
        axes = (n_measurements if along_outer else 1) * (len(places) if along_inner else 1)
        sizes += axes * leaves[0].weight
    return COST_OF_EVENT + sizes
