"""Where a sequence as a whole exceeds a limit: windows of power, nerves, resonances, and all axes together."""

from collections.abc import Iterator

import numpy as np

from mrjax.sequence.base import AbstractContainer
from mrjax.sequence.containers import as_sequence
from mrjax.sequence.flattening import flattened
from mrjax.sequence.hardware.demands import DEMANDS, Demand, FlattenedSequence, limited
from mrjax.sequence.hardware.findings import worst
from mrjax.sequence.hardware.limits import Limits

OF_EVENTS = ("gradient", "slew", "b1")
"""What is found event by event."""


def breaches_of_the_whole(limits: Limits, sequence: AbstractContainer) -> Iterator[str]:
    """A sentence for each kind of limit that is exceeded anywhere. Repeats are written out where there is such a limit."""
    names = [name for name in limited(limits) if name not in OF_EVENTS]
    if not names:
        return
    played = FlattenedSequence(flattened(as_sequence(sequence), None), None)
    for name in names:
        share = np.asarray(DEMANDS[name].share(limits, played))
        if (at := worst(share)) is not None:
            yield _sentence(limits, DEMANDS[name], played, float(share[at]), sum(at))


def _sentence(limits: Limits, one: Demand, played: FlattenedSequence, share: float, place: int) -> str:
    (factor, unit), most = one.unit, getattr(limits, one.limit)
    moment = f" at {_moment(limits, one, played, place) * 1e3:.6g} ms" if one.has_moment else ""
    return f"the sequence: {one.what} {share * most * factor:.6g} {unit}{moment} exceeds {one.limit} {most * factor:.6g} {unit}"


def _moment(limits: Limits, one: Demand, played: FlattenedSequence, place: int) -> float:
    """In s from the start of the sequence; `place` counts samples, or steps and whether it is at the end of one."""
    if limits.stimulation is not None and one.needs == "stimulation":
        return place * limits.gradient_raster * (1.0 if limits.stimulation.is_sampled else 0.5)
    return float(np.asarray(played.timeline.edges)[place])
