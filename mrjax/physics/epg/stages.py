"""Loops cut into stages, so that states are only as large as they need be.

Early in a train no high order is populated yet, and late in it high orders cannot come back to a sample any more.
"""

import dataclasses
import math
from dataclasses import dataclass
from itertools import pairwise

import equinox as eqx
from jaxtyping import Array, Int

from mrjax._memory import remembered
from mrjax.physics.epg.events import ApplyPending
from mrjax.physics.epg.operators import EPGState, resized
from mrjax.physics.loop import AbstractCountedRepeat, Loop, Samples, joined
from mrjax.sequence import AbstractContainer, AbstractEvent

UNKNOWN = 2**62
"""More winding than a sequence has."""

PER_SIDE = 3
"""Stages while orders fill, and again while they empty: more would save little, and have to be compiled."""

WORTH_STAGES = 2**26
"""Orders, times windings and voxels, that stages must save: some 50 ms a call, for seconds of compilation."""


@dataclass(frozen=True)
class LoopStage:
    """Repetitions `start` to `stop` of a loop."""

    start: int
    stop: int
    n_states: int | None = None
    """Orders that take part; None where all do."""
    emptying: bool = False
    """Whether the orders above are lost to the samples."""


class StagedRepeat(AbstractCountedRepeat):
    """A `Repeat` that is played in stages."""

    events: tuple[AbstractEvent | AbstractContainer, ...]
    stages: tuple[LoopStage, ...] = eqx.field(static=True)
    n_played: Int[Array, ""] | None = None

    @property
    def repetitions(self) -> tuple[int, ...]:
        return (self.stages[-1].stop,)


@dataclass(frozen=True)
class WindingAround:
    """A place in a sequence, by the cycles that are wound before and after it at most."""

    before: int
    after: int

    @classmethod
    def start(cls, sequence: AbstractContainer, *, from_equilibrium: bool, keeps_all: bool) -> "WindingAround":
        """The start of a sequence; `keeps_all` says that all orders are wanted in the end."""
        return cls(0 if from_equilibrium else UNKNOWN, UNKNOWN if keeps_all else _wound(sequence))

    def past(self, entry: AbstractEvent | AbstractContainer) -> "WindingAround":
        """The place after the next entry."""
        by = _wound(entry)
        return WindingAround(self.before + by, self.after - by)

    def stages(self, loop: AbstractContainer, n_states: int, n_voxels: int) -> tuple[LoopStage, ...]:
        """The loop that begins here, in stages with at most `n_states` orders."""
        (length,) = loop.repetitions
        whole, each, after = (LoopStage(0, length),), _wound(loop) // length, self.past(loop).after
        if not each:
            return whole
        repetitions_of = lambda orders: min(length, max(0, -(-orders // each)))
        filled = repetitions_of(n_states - 1 - self.before)
        emptying = length - repetitions_of(n_states - 1 - after)
        cuts = {0, length, *_cuts(0, min(filled, emptying)), *_cuts(max(filled, emptying), length)}

        def stage(start: int, stop: int) -> LoopStage:
            populated, returning = 1 + self.before + stop * each, 1 + after + (length - start) * each
            n = min(n_states, populated, returning)
            return LoopStage(start, stop, n if n < n_states else None, returning < min(populated, n_states))

        stages = tuple(stage(*ends) for ends in pairwise(sorted(cuts)))
        saved = sum((stage.stop - stage.start) * (n_states - (stage.n_states or n_states)) for stage in stages)
        return stages if saved * each * n_voxels >= WORTH_STAGES else whole


@remembered
def in_stages(
    sequence: AbstractContainer, place: WindingAround | None, n_states: int, n_voxels: int
) -> AbstractContainer:
    """The sequence with its loops in stages, and nothing pending where a loop or the sequence begins or ends.

    `place` is that of the start of the sequence; None where its loops are played whole.
    """
    entries = _in_stages(sequence.events, place, n_states, n_voxels)
    return eqx.tree_at(lambda container: container.events, sequence, (*entries, ApplyPending()))


def _in_stages(events: tuple, place: WindingAround | None, n_states: int, n_voxels: int) -> tuple:
    entries = []
    for entry in events:
        if isinstance(entry, AbstractEvent):
            entries.append(entry)
        elif entry.repetitions:
            stages = () if place is None else place.stages(entry, n_states, n_voxels)
            inside = in_stages(entry, None, n_states, n_voxels)
            entries += [
                ApplyPending(),
                StagedRepeat(events=inside.events, stages=stages) if len(stages) > 1 else inside,
            ]
        else:
            inside = _in_stages(entry.events, place, n_states, n_voxels)
            entries.append(eqx.tree_at(lambda container: container.events, entry, inside))
        place = None if place is None else place.past(entry)
    return tuple(entries)


def played_in_stages(loop: Loop, stages: tuple[LoopStage, ...], state: EPGState) -> tuple[EPGState, Samples]:
    """All repetitions in turn, each stage with the orders that take part."""
    n_states = len(state.z)

    def play(state: EPGState, coefficients):
        samples = []
        for stage in stages:
            entered = resized(state, stage.n_states or n_states)
            left, inside = loop.some(entered, coefficients, stage.start, stage.stop)
            state = left_behind(left, entered, stage, n_states)
            samples.append(inside)
        return state, joined(samples)

    return loop.compiled(play, state)


def left_behind(left: EPGState, entered: EPGState, stage: LoopStage, n_states: int) -> EPGState:
    """The state after a stage, in its full size again, into which it went as `entered`."""
    state = resized(left, n_states)
    if not stage.emptying:
        return state
    # what is dropped now is lost to the samples anyway
    return dataclasses.replace(
        state, truncated_energy=entered.truncated_energy, truncation_error=entered.truncation_error
    )


def _cuts(start: int, stop: int) -> list[int]:
    return [start + (stop - start) * i // PER_SIDE for i in range(PER_SIDE + 1)]


def _wound(entry: AbstractEvent | AbstractContainer) -> int:
    """Cycles in all, whatever begins anew between: what is left to wind must never be less than that of the parts."""
    if isinstance(entry, AbstractContainer):
        (n_repetitions,) = entry.repetitions or (1,)
        return n_repetitions * sum(_wound(one) for one in entry.events)
    return math.ceil(abs(entry.winding))
