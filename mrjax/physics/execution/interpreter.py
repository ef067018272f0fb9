"""Playing a nested sequence with an engine: every operator is prepared first, then the loops only apply them."""

from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex

from mrjax.jax_rules import as_one_kernel
from mrjax.physics.engine import AbstractEngine, State
from mrjax.physics.epg.stages import Course, Stage
from mrjax.physics.execution.preparation import Prepared, prepare_all
from mrjax.physics.gradient import AbstractGradient
from mrjax.sequence import AbstractContainer, AbstractEvent
from mrjax.tissue import Tissue

Samples = Complex[Array, "n_samples voxel"] | None


def run(
    engine: AbstractEngine,
    sequence: AbstractContainer,
    tissue: Tissue,
    state: State,
    gradient: AbstractGradient,
    course: Course,
) -> tuple[State, Samples]:
    """Play `sequence` from `state`; samples on the first axis, None if there are none."""
    player = Player(engine, gradient)
    sequence = _lowered(engine, sequence)
    state, samples = player.play(sequence, prepare_all(engine, sequence, tissue), state, course)
    return engine.settled(state), samples


def _lowered(engine: AbstractEngine, container: AbstractContainer) -> AbstractContainer:
    """Every event as those that the engine makes of it."""
    entries = []
    for entry in container.events:
        entries += [_lowered(engine, entry)] if isinstance(entry, AbstractContainer) else engine.lowered(entry)
    return eqx.tree_at(lambda container: container.events, container, tuple(entries))


@dataclass(frozen=True)
class Player:
    """Applies prepared operators in playing order."""

    engine: AbstractEngine
    gradient: AbstractGradient

    def play(
        self, container: AbstractContainer, prepared: tuple, state: State, course: Course | None = None
    ) -> tuple[State, Samples]:
        """Play the events of `container` once; `course` is None inside loops."""
        samples = []
        for entry, part in zip(container.events, prepared, strict=True):
            if isinstance(entry, AbstractEvent):
                state, sample = part.operator(state)
                samples.append(sample[None] if sample is not None and sample.ndim == 1 else sample)
            else:
                play = self._repeat if entry.repetitions else self.play
                state, inside = play(entry, part, state, course)
                samples.append(inside)
            course = None if course is None else course.past(entry)
        return state, _joined(samples)

    def _repeat(
        self, container: AbstractContainer, prepared: tuple, state: State, course: Course | None
    ) -> tuple[State, Samples]:
        (length,) = container.repetitions
        if self.engine.plays_side_by_side(container):
            return self._side_by_side(container, prepared, state)
        stages = (Stage(0, length),) if course is None else self.engine.stages(container, course)
        changing = _changing(prepared)

        def repetition(state: State, now: Any) -> tuple[State, Samples]:
            state, samples = self.play(container, _current(prepared, now), state)
            return self.engine.settled(state), samples

        def loop(state: State, changing: Any) -> tuple[State, Complex[Array, "repetition n_samples voxel"] | None]:
            samples = []
            for stage in stages:
                entered = self.engine.entering(state, stage)
                now = changing if len(stages) == 1 else jax.tree.map(lambda x: x[stage.start : stage.stop], changing)  # noqa: B023
                left, inside = self.gradient.scan(repetition, entered, now, stage.stop - stage.start)
                state = self.engine.leaving(left, entered, stage)
                samples.append(inside)
            return state, _joined(samples)

        loop = as_one_kernel(loop) if self.engine.fits_one_kernel(container) else loop
        state, samples = loop(self.engine.settled(state), changing)
        return state, _in_a_row(samples)

    def _side_by_side(self, container: AbstractContainer, prepared: tuple, state: State) -> tuple[State, Samples]:
        """All repetitions at once; each begins by itself, so any state serves."""
        (length,) = container.repetitions
        repetition = lambda now: self.play(container, _current(prepared, now), state)
        states, samples = jax.vmap(repetition, axis_size=length)(_changing(prepared))
        return jax.tree.map(lambda leaf: leaf[-1], states), _in_a_row(samples)


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


def _in_a_row(samples: Array | None) -> Samples:
    """Samples of one repetition after the other."""
    return None if samples is None else samples.reshape(samples.shape[0] * samples.shape[1], samples.shape[2])


def _joined(samples: list[Array | None]) -> Array | None:
    taken = [sample for sample in samples if sample is not None]
    return jnp.concatenate(taken) if taken else None


def _map(fn: Any, prepared: tuple, *rest: Any) -> Any:
    return jax.tree.map(fn, prepared, *rest, is_leaf=lambda node: isinstance(node, Prepared))
