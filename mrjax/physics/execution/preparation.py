"""Operators of a whole sequence, prepared before any is applied."""

from collections import defaultdict

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from mrjax.physics.engine import AbstractEngine, AbstractOperator
from mrjax.sequence import AbstractContainer, AbstractEvent
from mrjax.sequence.walk import events_of
from mrjax.tissue import Tissue


class Prepared(eqx.Module):
    """An operator whose arrays have a leading axis for each enclosing `Repeat` with which they change.

    What is no array, such as the functions in a solver, is the same in all repetitions.
    """

    operator: AbstractOperator
    changes: tuple[bool, ...] = eqx.field(static=True)
    """For each enclosing `Repeat`, outermost first: whether the coefficients change from repetition to repetition."""


class Varying(eqx.Module):
    """An event, and with which of the enclosing `Repeat`s each of its leaves changes."""

    event: AbstractEvent
    leaves: dict[str, Array]
    """Those that are arrays, without the axes of repetitions over which they do not change."""
    lengths: dict[str, tuple[int, ...]] = eqx.field(static=True)
    """For each leaf, its number of entries along every enclosing `Repeat`."""
    n_repeats: int = eqx.field(static=True)

    @classmethod
    def of(cls, event: AbstractEvent, n_repeats: int) -> "Varying":
        """An event inside so many `Repeat`s."""
        arrays = {name: leaf for name, leaf in event.leaves().items() if isinstance(leaf, jax.Array)}
        repeated = {name: event.repetition_shapes()[name] for name in arrays}
        lengths = {name: (1,) * (n_repeats - len(shape)) + shape for name, shape in repeated.items()}
        own = {name: leaf.shape[len(repeated[name]) :] for name, leaf in arrays.items()}
        leaves = {
            name: leaf.reshape([n for n in lengths[name] if n != 1] + [*own[name]]) for name, leaf in arrays.items()
        }
        return cls(event, leaves, lengths, n_repeats)

    @property
    def changes(self) -> tuple[bool, ...]:
        return tuple(any(lengths[axis] != 1 for lengths in self.lengths.values()) for axis in range(self.n_repeats))

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of repetitions along every axis over which something changes."""
        return tuple(n for n in np.broadcast_shapes((), *self.lengths.values()) if n != 1)

    def with_leaves(self, leaves: dict[str, Array]) -> AbstractEvent:
        """The event with these single values."""
        return self.event.with_leaves(leaves)

    def in_a_row(self) -> dict[str, Array]:
        """Every leaf, once for each repetition in which something changes, on one axis."""

        def spread(name: str) -> Array:
            leaf, lengths = self.leaves[name], self.lengths[name]
            own = leaf.shape[sum(n != 1 for n in lengths) :]
            kept = [n for n, changes in zip(lengths, self.changes, strict=True) if changes]
            return jnp.broadcast_to(leaf.reshape(*kept, *own), (*self.shape, *own)).reshape(-1, *own)

        return {name: spread(name) for name in self.leaves}


def prepare_all(engine: AbstractEngine, sequence: AbstractContainer, tissue: Tissue, together: bool) -> tuple:
    """The prepared operator of every event, in tuples nested as the sequence is.

    `together` prepares events that differ in numbers alone by one program.
    """
    varying = [Varying.of(located.event, len(located.repeats)) for located in events_of((sequence,))]
    prepare = _alike_together if together else _one_by_one
    return _nested(sequence, iter(prepare(engine, varying, tissue)))


def _nested(container: AbstractContainer, prepared) -> tuple:
    return tuple(
        next(prepared) if isinstance(entry, AbstractEvent) else _nested(entry, prepared) for entry in container.events
    )


def _one_by_one(engine: AbstractEngine, events: list[Varying], tissue: Tissue) -> list[Prepared]:
    return [_prepare(engine, event, tissue) for event in events]


def _prepare(engine: AbstractEngine, varying: Varying, tissue: Tissue) -> Prepared:
    """Map `engine.prepare` over the repetitions with which the leaves change."""
    prepare = lambda leaves: engine.prepare(varying.with_leaves(leaves), tissue)
    for axis in reversed(np.flatnonzero(varying.changes)):
        axes = {name: None if lengths[axis] == 1 else 0 for name, lengths in varying.lengths.items()}
        prepare = eqx.filter_vmap(prepare, in_axes=(axes,))
    return Prepared(prepare(varying.leaves), varying.changes)


def _alike_together(engine: AbstractEngine, events: list[Varying], tissue: Tissue) -> list[Prepared]:
    """Events that differ in numbers alone are prepared by one program, compiled once, however many they are."""
    groups = defaultdict(list)
    for position, varying in enumerate(events):
        own_shapes = tuple(leaf.shape[1:] for leaf in varying.in_a_row().values())
        groups[jax.tree.structure(varying.event), own_shapes].append(position)
    prepared = {}
    for positions in groups.values():
        members = [events[position] for position in positions]
        together = (
            [_prepare(engine, members[0], tissue)] if len(members) == 1 else _prepare_members(engine, members, tissue)
        )
        prepared.update(zip(positions, together, strict=True))
    return [prepared[position] for position in range(len(events))]


def _prepare_members(engine: AbstractEngine, members: list[Varying], tissue: Tissue) -> list[Prepared]:
    first = members[0]
    if not first.leaves:
        return [Prepared(engine.prepare(first.event, tissue), member.changes) for member in members]
    rows = [member.in_a_row() for member in members]
    stacked = {name: jnp.concatenate([row[name] for row in rows]) for name in first.leaves}
    operators = eqx.filter_vmap(lambda leaves: engine.prepare(first.with_leaves(leaves), tissue))(stacked)
    arrays, rest = eqx.partition(operators, eqx.is_array)
    prepared, start = [], 0
    for member, row in zip(members, rows, strict=True):
        stop = start + len(next(iter(row.values())))
        own = lambda leaf, here=slice(start, stop), shape=member.shape: leaf[here].reshape(*shape, *leaf.shape[1:])
        prepared.append(Prepared(eqx.combine(jax.tree.map(own, arrays), rest), member.changes))
        start = stop
    return prepared
