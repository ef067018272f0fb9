"""Playing a nested sequence with an engine: every operator is prepared first, then the loops only apply them."""

from typing import Any

import equinox as eqx
import jax

from mrjax.physics.engine import AbstractEngine, Plan, State
from mrjax.physics.execution.preparation import Prepared, prepare_all
from mrjax.physics.execution.table import OperatorTable, in_tables
from mrjax.physics.gradient import AbstractGradient
from mrjax.physics.loop import Loop, Samples, joined
from mrjax.sequence import AbstractContainer, AbstractEvent
from mrjax.tissue import Tissue


class Simulation(eqx.Module):
    """Everything but the voxels: what is played, and how."""

    engine: AbstractEngine
    sequence: AbstractContainer
    gradient: AbstractGradient
    batch_size: int | None = eqx.field(static=True)
    one_kernel: bool = eqx.field(static=True)
    prepares_together: bool = eqx.field(static=True)
    in_tables: bool = eqx.field(static=True)

    @classmethod
    def of(cls, plan: Plan, gradient: AbstractGradient, batch_size: int | None) -> "Simulation":
        """What an engine has planned, for derivatives and chunks as the user wants them."""
        return cls(
            plan.engine, plan.sequence, gradient, batch_size, plan.one_kernel, plan.prepares_together, plan.in_tables
        )

    def run(self, tissue: Tissue, state: State | None) -> tuple[State, Samples]:
        """Play the sequence from `state` or equilibrium; samples on the first axis, None if there are none."""
        begin = self.engine.init(self.sequence, tissue) if state is None else state
        sequence = in_tables(self.sequence) if self.in_tables else self.sequence
        prepared = prepare_all(self.engine, sequence, tissue, self.prepares_together)
        return self.play(sequence, prepared, begin)

    def play(self, container: AbstractContainer, prepared: tuple, state: State) -> tuple[State, Samples]:
        """Play the events of `container` once."""
        samples = []
        for entry, part in zip(container.events, prepared, strict=True):
            if isinstance(entry, AbstractEvent):
                state, sample = part.operator(state)
                samples.append(sample[None] if sample is not None and sample.ndim == 1 else sample)
            elif isinstance(part, OperatorTable):
                state, inside = part.play(self.engine, self.gradient, state)
                samples.append(inside)
            else:
                play = self._repeat if entry.repetitions else self.play
                state, inside = play(entry, part, state)
                samples.append(inside)
        return state, joined(samples)

    def _repeat(self, container: AbstractContainer, prepared: tuple, state: State) -> tuple[State, Samples]:
        repetition = lambda state, now: self.play(container, _current(prepared, now), state)
        loop = Loop(container, repetition, _changing(prepared), self.gradient, self.one_kernel)
        return self.engine.play_loop(loop, state)


def _changing(prepared: tuple) -> Any:
    """The arrays of the operators that change from repetition to repetition of the loop they are in."""
    return _map(lambda part: eqx.filter(part.operator, eqx.is_array) if part.changes[0] else None, prepared)


def _current(prepared: tuple, now: Any) -> tuple:
    """The operators of one repetition."""

    def one(part: Prepared, arrays: Any) -> Prepared:
        operator = part.operator
        if part.changes[0]:
            operator = eqx.combine(arrays, eqx.filter(operator, eqx.is_array, inverse=True))
        return Prepared(operator, part.changes[1:])

    return _map(one, prepared, now)


def _map(fn: Any, prepared: tuple, *rest: Any) -> Any:
    return jax.tree.map(fn, prepared, *rest, is_leaf=lambda node: isinstance(node, Prepared))
