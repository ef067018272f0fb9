"""The readouts of a sequence, each with its samples and the labels that hold for it."""

from dataclasses import dataclass

import numpy as np

from mrjax.sequence.base import AbstractContainer
from mrjax.sequence.hardware.event_times import EventTimes, event_times
from mrjax.sequence.labels import Label


@dataclass(frozen=True)
class ReadoutTable:
    """One entry for each readout, in playing order.

    **Arguments:**

    - `first_sample`: The number of its first sample among all of the sequence.
    - `n_samples`: How many samples it has.
    - `start`: When it begins, in s from the start of the sequence.
    - `dwell`: Time of a sample in s; nan for samples that take no time.
    - `labels`: What each `Label` by name is at it, zero before it is set: integers.
    """

    first_sample: np.ndarray
    n_samples: np.ndarray
    start: np.ndarray
    dwell: np.ndarray
    labels: dict[str, np.ndarray]

    @property
    def n_readouts(self) -> int:
        """How many readouts there are."""
        return self.first_sample.size

    def label(self, name: str) -> np.ndarray:
        """A label at each readout, zero where the sequence has none of this name."""
        return self.labels.get(name, np.zeros(self.n_readouts, int))


def readout_table(sequence: AbstractContainer) -> ReadoutTable:
    """The readouts of a sequence, with the labels that hold for each.

    **Arguments:**

    - `sequence`: With known numbers.

    **Returns:** A `ReadoutTable`.

    **Raises:** `ValueError` where values are traced.

    !!! example

        ```python
        >>> import mrjax as mr
        >>> from mrjax.units import deg, mm, ms
        >>> sequence = mr.protocols.imaging.flash(200 * mm, 16, 15 * deg, te=4 * ms)
        >>> table = mr.sequence.readout_table(sequence)
        >>> table.n_readouts, table.label("LIN")[:4].tolist(), table.first_sample[:4].tolist()
        (16, [0, 1, 2, 3], [0, 16, 32, 48])

        ```
    """
    played = event_times(sequence)
    rows = [row for one in played for row in _readouts(one)]
    if not rows:
        empty = np.zeros(0)
        return ReadoutTable(empty.astype(int), empty.astype(int), empty, empty, {})
    order, place, start, n_samples, dwell = (np.concatenate(column) for column in zip(*rows, strict=True))
    sorting = np.lexsort((place, order))
    order, start, dwell = order[sorting], start[sorting], dwell[sorting]
    n_samples = n_samples[sorting].astype(int)
    labels = _labels(played, order)
    return ReadoutTable(np.cumsum(n_samples) - n_samples, n_samples, start, dwell, labels)


def _readouts(one: EventTimes) -> list[tuple[np.ndarray, ...]]:
    """Playing order, place within the event, start, number of samples and dwell time of the readouts of an event."""
    shape, found = one.start.shape, []
    for place, part in enumerate(one.parts):
        if not part.event.n_samples:
            continue
        spread = lambda value: np.broadcast_to(np.asarray(value, float), shape).ravel()
        start, dwell = one.start + part.start, getattr(part.event, "dwell", np.nan)
        found.append((one.order.ravel(), *map(spread, (place, start, part.event.n_samples, dwell))))
    return found


def _labels(played: list[EventTimes], order: np.ndarray) -> dict[str, np.ndarray]:
    """What labels are at readouts that are played so late."""
    changes: dict[str, list[tuple[np.ndarray, ...]]] = {}
    for one in played:
        if isinstance(event := one.event, Label):
            values = np.broadcast_to(np.asarray(event.value), one.order.shape).ravel()
            row = (one.order.ravel(), values, np.full(values.size, event.increment))
            changes.setdefault(event.name, []).append(row)
    return {name: _course(rows, order) for name, rows in changes.items()}


def _course(rows: list[tuple[np.ndarray, ...]], order: np.ndarray) -> np.ndarray:
    """A label after all its changes until then: the last value that was set, and all that was added since."""
    when, values, adds = (np.concatenate(column) for column in zip(*rows, strict=True))
    sorting = np.argsort(when, kind="stable")
    when, values, adds = when[sorting], values[sorting], adds[sorting]
    added = np.cumsum(np.where(adds, values, 0.0))
    last = np.maximum.accumulate(np.where(adds, -1, np.arange(values.size)))
    since = np.where(last >= 0, values[last] - added[last], 0.0)
    course = np.concatenate([[0.0], since + added])
    return np.round(course[np.searchsorted(when, order)]).astype(int)
