"""Kinds of events that often follow each other, as phrases: a sequence of many events is one of few phrases."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Int

LONGEST = 12
"""Events in a phrase at most."""

MOST_EVENTS = 16
"""In all phrases together at most, since each is compiled."""

WORTH_A_PHRASE = 0.1
"""Part of the rows that a phrase must save, of all rows."""

FEWEST_SAVED = 8
"""Rows that a phrase must save at least."""

Phrase = tuple[int, ...]


class Phrases(NamedTuple):
    """A sequence of kinds, written in phrases."""

    phrases: tuple[Phrase, ...]
    """The kinds in each."""
    row: Int[np.ndarray, " row"]
    """The phrase of each row."""
    start: Int[np.ndarray, " row"]
    """Where each row begins in the sequence."""


def in_phrases(kinds: Int[np.ndarray, " event"]) -> Phrases:
    """A sequence of kinds in phrases: the pair that most often occurs is made one, again and again.

    **Source:** P. Gage, The C Users Journal 12(2) (1994) 23-38 (byte pair encoding).
    """
    phrases: list[Phrase] = [(kind,) for kind in range(kinds.max() + 1)]
    row, start = kinds, np.arange(len(kinds))
    while (pair := _most_frequent(row, phrases)) is not None:
        first = np.flatnonzero((row[:-1] == pair[0]) & (row[1:] == pair[1]))
        joined = row.copy()
        joined[first] = len(phrases)
        kept = np.setdiff1d(np.arange(len(row)), first + 1, assume_unique=True)
        phrases.append(phrases[pair[0]] + phrases[pair[1]])
        if sum(len(phrases[used]) for used in np.unique(joined[kept])) > MOST_EVENTS:
            phrases.pop()
            break
        row, start = joined[kept], start[kept]
    used, row = np.unique(row, return_inverse=True)
    return Phrases(tuple(phrases[number] for number in used), row, start)


def _most_frequent(row: Int[np.ndarray, " row"], phrases: list[Phrase]) -> tuple[int, int] | None:
    """The pair of two phrases that saves most rows, if any saves enough."""
    n = len(phrases)
    pairs, counts = np.unique(row[:-1] * n + row[1:], return_counts=True)
    found = [(count, *divmod(int(pair), n)) for pair, count in zip(pairs, counts, strict=True)]
    may = [
        (count, first, second)
        for count, first, second in found
        if first != second
        and count >= max(FEWEST_SAVED, WORTH_A_PHRASE * len(row))
        and len(phrases[first]) + len(phrases[second]) <= LONGEST
    ]
    return max(may)[1:] if may else None
