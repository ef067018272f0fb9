"""Loops cut into stages, so that states are only as large as they need be.

Early in a train no high order is populated yet, and late in it high orders cannot come back to a sample any more.
"""

import math
from dataclasses import dataclass, replace
from itertools import pairwise

from mrjax.sequence import AbstractContainer, AbstractEvent

ANY = 2**62
"""More winding than a sequence has."""

PER_SIDE = 3
"""Stages while orders fill, and again while they empty: more would save little, and have to be compiled."""

WORTH_STAGES = 2**26
"""Orders, times windings and voxels, that stages must save: some 50 ms a call, for seconds of compilation."""


@dataclass(frozen=True)
class Stage:
    """Repetitions `start` to `stop` of a loop."""

    start: int
    stop: int
    n_states: int | None = None
    """Orders that take part; None where all do."""
    emptying: bool = False
    """Whether the orders above are lost to the samples."""


@dataclass(frozen=True)
class Course:
    """A place in a sequence, by how much is wound before and after it at most."""

    before: int
    after: int
    n_voxels: int

    @classmethod
    def start(
        cls, sequence: AbstractContainer, n_voxels: int, *, from_equilibrium: bool, keeps_state: bool
    ) -> "Course":
        """The start of a sequence."""
        return cls(0 if from_equilibrium else ANY, ANY if keeps_state else _wound(sequence), n_voxels)

    def past(self, entry: AbstractEvent | AbstractContainer) -> "Course":
        """The place after the next entry."""
        by = _wound(entry)
        return replace(self, before=self.before + by, after=self.after - by)

    def stages(self, loop: AbstractContainer, n_states: int) -> tuple[Stage, ...]:
        """The loop that begins here, in stages with at most `n_states` orders."""
        (length,) = loop.repetitions
        whole, each, after = (Stage(0, length),), _wound(loop) // length, self.past(loop).after
        if not each:
            return whole
        repetitions_of = lambda orders: min(length, max(0, -(-orders // each)))
        filled = repetitions_of(n_states - 1 - self.before)
        emptying = length - repetitions_of(n_states - 1 - after)
        cuts = {0, length, *_cuts(0, min(filled, emptying)), *_cuts(max(filled, emptying), length)}

        def stage(start: int, stop: int) -> Stage:
            populated, returning = 1 + self.before + stop * each, 1 + after + (length - start) * each
            n = min(n_states, populated, returning)
            return Stage(start, stop, n if n < n_states else None, returning < min(populated, n_states))

        stages = tuple(stage(*ends) for ends in pairwise(sorted(cuts)))
        saved = sum((stage.stop - stage.start) * (n_states - (stage.n_states or n_states)) for stage in stages)
        return stages if saved * each * self.n_voxels >= WORTH_STAGES else whole


def _cuts(start: int, stop: int) -> list[int]:
    return [start + (stop - start) * i // PER_SIDE for i in range(PER_SIDE + 1)]


def _wound(entry: AbstractEvent | AbstractContainer) -> int:
    """Cycles in all, whatever begins anew between: what is left to wind must never be less than that of the parts."""
    if isinstance(entry, AbstractContainer):
        (n_repetitions,) = entry.repetitions or (1,)
        return n_repetitions * sum(_wound(one) for one in entry.events)
    return math.ceil(abs(entry.winding))
