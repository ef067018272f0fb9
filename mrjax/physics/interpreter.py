"""Playing a nested sequence with an engine: every operator is prepared first, then the loops only apply them."""

from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex

from mrjax.physics.engine import AbstractEngine, AbstractOperator, State
from mrjax.physics.gradient import AbstractGradient
from mrjax.physics.one_kernel import as_one_kernel
from mrjax.physics.stages import Course, Stage
from mrjax.sequence import AbstractContainer, AbstractEvent
from mrjax.tissue import Tissue

Samples = Complex[Array, "n_samples voxel"] | None


class Prepared(eqx.Module):
    """An operator whose coefficients have a leading axis for each enclosing `Repeat` with which they change."""

    operator: AbstractOperator
    changes: tuple[bool, ...] = eqx.field(static=True)
    """For each enclosing `Repeat`, outermost first: whether the coefficients change from repetition to repetition."""


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
    state, samples = player.play(sequence, _prepare_all(engine, sequence, tissue, 0), state, course)
    return engine.settled(state), samples


def _prepare_all(engine: AbstractEngine, container: AbstractContainer, tissue: Tissue, depth: int) -> tuple:
    depth += len(container.repetitions)
    return tuple(
        _prepare_event(engine, entry, tissue, depth)
        if isinstance(entry, AbstractEvent)
        else _prepare_all(engine, entry, tissue, depth)
        for entry in container.events
    )


def _prepare_event(engine: AbstractEngine, event: AbstractEvent, tissue: Tissue, depth: int) -> Prepared:
    """Map `engine.prepare` over the repetitions with which the leaves of `event` change."""
    arrays = {name: leaf for name, leaf in event.leaves().items() if isinstance(leaf, jax.Array)}
    shapes = {name: (1,) * (depth - leaf.ndim) + leaf.shape for name, leaf in arrays.items()}
    leaves = {name: leaf.reshape([n for n in shapes[name] if n != 1]) for name, leaf in arrays.items()}
    changes = tuple(any(shape[axis] != 1 for shape in shapes.values()) for axis in range(depth))

    def prepare(leaves: dict[str, Array]) -> AbstractOperator:
        names = list(leaves)
        scalar_event = eqx.tree_at(lambda e: [getattr(e, name) for name in names], event, [leaves[n] for n in names])
        return engine.prepare(scalar_event if names else event, tissue)

    for axis in reversed(np.flatnonzero(changes)):
        prepare = jax.vmap(prepare, in_axes=({name: None if shapes[name][axis] == 1 else 0 for name in shapes},))
    return Prepared(prepare(leaves), changes)


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
                samples.append(None if sample is None else sample[None])
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
        stages = (Stage(0, length),) if course is None else self.engine.stages(container, course)
        changing = _map(lambda part: part.operator if part.changes[0] else None, prepared)

        def repetition(state: State, now: Any) -> tuple[State, Samples]:
            current = _map(
                lambda part, operator: Prepared(operator if part.changes[0] else part.operator, part.changes[1:]),
                prepared,
                now,
            )
            state, samples = self.play(container, current, state)
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

        loop = as_one_kernel(loop) if self.engine.fits_one_kernel else loop
        state, samples = loop(self.engine.settled(state), changing)
        return state, None if samples is None else samples.reshape(
            samples.shape[0] * samples.shape[1], samples.shape[2]
        )


def _joined(samples: list[Array | None]) -> Array | None:
    taken = [sample for sample in samples if sample is not None]
    return jnp.concatenate(taken) if taken else None


def _map(fn: Any, prepared: tuple, *rest: Any) -> Any:
    return jax.tree.map(fn, prepared, *rest, is_leaf=lambda node: isinstance(node, Prepared))
