"""Nested loops found in a row of entries."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from jaxtyping import Bool, Int

from mrjax.sequence.containers import Repeat
from mrjax.sequence.events import AbstractContainer, AbstractEvent

LONGEST_PATTERN = 20_000
"""Entries in the longest pattern that is sought."""

WORTH_A_LOOP = 2
"""More than so many entries must be saved."""

Entry = TypeVar("Entry")


@dataclass(frozen=True)
class Loop:
    """A pattern of `period` entries that is played `count` times, and what the first of them holds."""

    start: int
    period: int
    count: int
    body: tuple["int | Loop", ...] = ()

    @property
    def end(self) -> int:
        """The place after the last."""
        return self.start + self.period * self.count

    @property
    def saving(self) -> int:
        """Entries that need not be written out."""
        return self.period * (self.count - 1)


def folded(forms: Int[np.ndarray, " n"], begins_well: Bool[np.ndarray, " n"]) -> tuple[int | Loop, ...]:
    """Entries by their places in the row, with loops.

    Taken is the loop that saves most, then those before it, inside it and after it.

    **Arguments:**

    - `forms`: Equal for entries that may be repetitions of one.
    - `begins_well`: With which entries a pattern should begin, where there is a choice.
    """
    return tuple(_folded(forms, begins_well, 0, forms.size))


def built(
    nodes: tuple[int | Loop, ...], event: Callable[[Int[np.ndarray, "*repetitions"]], AbstractEvent]
) -> list[AbstractEvent | AbstractContainer]:
    """Events and repeats of what was folded; `event` makes one of the places where the repetitions play it."""

    def within(nodes: tuple[int | Loop, ...], later: Int[np.ndarray, "*repetitions"]) -> Iterator:
        for node in nodes:
            if isinstance(node, Loop):
                inside = later[..., None] + node.period * np.arange(node.count)
                yield Repeat(*within(node.body, inside), n_repetitions=node.count)
            else:
                yield event(np.asarray(node + later))

    return list(within(nodes, np.zeros((), int)))


def _folded(forms: np.ndarray, begins_well: np.ndarray, start: int, end: int) -> list[int | Loop]:
    found: list[int | Loop] = []
    # a stack, not recursion: there may be thousands of loops in a row
    pending: list[tuple[int, int] | Loop] = [(start, end)]
    while pending:
        part = pending.pop()
        if isinstance(part, Loop):
            found.append(part)
            continue
        start, end = part
        loop = _best_loop(forms[start:end], begins_well[start:end])
        if loop is None:
            found += range(start, end)
            continue
        first = start + loop.start
        body = tuple(_folded(forms, begins_well, first, first + loop.period))
        pending += [(start + loop.end, end), Loop(first, loop.period, loop.count, body), (start, first)]
    return found


def _best_loop(forms: np.ndarray, begins_well: np.ndarray) -> Loop | None:
    best = None
    for period in range(1, min(LONGEST_PATTERN, forms.size // 2) + 1):
        least = WORTH_A_LOOP if best is None else best.saving
        if forms.size - period <= least:
            break
        recurs = forms[:-period] == forms[period:]
        if np.count_nonzero(recurs) <= least:
            continue
        for loop in _loops(recurs, period):
            if loop.saving > (WORTH_A_LOOP if best is None else best.saving):
                best = loop
    return None if best is None else _shifted(best, forms, begins_well)


def _loops(recurs: np.ndarray, period: int) -> Iterator[Loop]:
    """Every stretch in which a pattern of this length recurs."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], recurs, [False]])))
    firsts, lasts = edges[::2], edges[1::2]
    long = lasts - firsts >= period
    for first, last in zip(firsts[long].tolist(), lasts[long].tolist(), strict=True):
        yield Loop(first, period, (last - first + period) // period)


def _shifted(loop: Loop, forms: np.ndarray, begins_well: np.ndarray) -> Loop:
    """The same loop from the first of its entries that begins well, else as late as it is played as often."""
    reach = forms[loop.start : loop.start + loop.saving + loop.period]
    later = forms[loop.start + loop.period : loop.end + loop.period]
    after = np.flatnonzero(reach[: later.size] != later)
    latest = min(after[0] if after.size else later.size, later.size) - loop.saving
    starts = loop.start + np.arange(min(latest, loop.period - 1) + 1)
    good = starts[begins_well[starts]]
    return Loop(int(good[0] if good.size else starts[-1]), loop.period, loop.count)
