"""Operators of a whole sequence, prepared before any is applied."""

import itertools
import math
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike
from jaxtyping import Array, Int

from mrjax._checks import Neutral
from mrjax.physics.engine import AbstractEngine, AbstractOperator
from mrjax.physics.execution.table import OperatorTable, Place, Tabled
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

    @property
    def form(self) -> tuple:
        """What events have in common that differ in numbers alone; a number that is neutral in one may be any in another."""
        numbers = {
            name for name, leaf in self.event.leaves().items() if name in self.leaves or isinstance(leaf, Neutral)
        }
        own = {name: self._own_shape(name) for name in self.leaves}
        structure = jax.tree.structure(self.with_leaves(dict.fromkeys(numbers, 0.0)))
        return structure, tuple((name, shape) for name, shape in own.items() if shape)

    def with_leaves(self, leaves: dict[str, Any]) -> AbstractEvent:
        """The event with these single values."""
        return self.event.with_leaves(leaves)

    def values(self, name: str, dtype: DTypeLike) -> Array:
        """Of one leaf, on one axis; of one that is neutral, that number."""
        if name not in self.leaves:
            return jnp.full(1, float(self.event.leaves()[name]), dtype)
        return self.leaves[name].reshape(-1, *self._own_shape(name))

    def order(self, name: str) -> Int[np.ndarray, " repetition"]:
        """Which of these values is that of each repetition in which anything changes."""
        lengths = self.lengths.get(name, (1,) * self.n_repeats)
        kept = [n for n, changes in zip(lengths, self.changes, strict=True) if changes]
        return np.broadcast_to(np.arange(math.prod(kept)).reshape(kept), self.shape).ravel()

    def _own_shape(self, name: str) -> tuple[int, ...]:
        return self.leaves[name].shape[sum(n != 1 for n in self.lengths[name]) :]


def prepare_all(engine: AbstractEngine, sequence: AbstractContainer, tissue: Tissue, together: bool) -> tuple:
    """The prepared operator of every event, in tuples nested as the sequence is, with an `OperatorTable` for each `Tabled`.

    `together` prepares events that differ in numbers alone by one program, as is done within a table at any rate.
    """
    varying = [Varying.of(located.event, len(located.repeats)) for located in events_of((sequence,))]
    in_table = list(_in_table(sequence))
    groups = defaultdict(list)
    for position, event in enumerate(varying):
        groups[event.form if together or in_table[position] else position].append(position)
    prepared, banks = {}, []
    for positions in groups.values():
        members = [varying[position] for position in positions]
        if len(members) == 1 and not in_table[positions[0]]:
            prepared[positions[0]] = _prepare(engine, members[0], tissue)
            continue
        bank, starts = _bank(engine, members, tissue)
        for position, member, start in zip(positions, members, starts, strict=True):
            place = Place(len(banks), start, member.changes, member.shape)
            prepared[position] = place if in_table[position] else Prepared(place.cut(bank), member.changes)
        banks.append(bank)
    return _nested(sequence, iter([prepared[position] for position in range(len(varying))]), banks)


def _in_table(container: AbstractContainer, within: bool = False) -> Iterator[bool]:
    """For every event, whether it is played from a table."""
    for entry in container.events:
        if isinstance(entry, AbstractEvent):
            yield within
        else:
            yield from _in_table(entry, within or isinstance(entry, Tabled))


def _nested(container: AbstractContainer, prepared: Iterator, banks: list[AbstractOperator]) -> tuple:
    def of(entry: AbstractEvent | AbstractContainer) -> Any:
        if isinstance(entry, AbstractEvent):
            return next(prepared)
        nested = _nested(entry, prepared, banks)
        return OperatorTable.of(entry, nested, banks) if isinstance(entry, Tabled) else nested

    return tuple(of(entry) for entry in container.events)


def _prepare(engine: AbstractEngine, varying: Varying, tissue: Tissue) -> Prepared:
    """Map `engine.prepare` over the repetitions with which the leaves change."""
    prepare = lambda leaves: engine.prepare(varying.with_leaves(leaves), tissue)
    for axis in reversed(np.flatnonzero(varying.changes)):
        axes = {name: None if lengths[axis] == 1 else 0 for name, lengths in varying.lengths.items()}
        prepare = eqx.filter_vmap(prepare, in_axes=(axes,))
    return Prepared(prepare(varying.leaves), varying.changes)


def _bank(engine: AbstractEngine, members: list[Varying], tissue: Tissue) -> tuple[AbstractOperator, list[int]]:
    """Operators of events that differ in numbers alone, on one axis, by one program, and where those of each begin."""
    first = members[0]
    names = [name for name in first.event.leaves() if any(name in member.leaves for member in members)]
    if not names:
        operator = engine.prepare(first.event, tissue)
        return jax.tree.map(lambda leaf: leaf[None] if eqx.is_array(leaf) else leaf, operator), [0] * len(members)
    stacked = {name: _in_a_row(members, name) for name in names}
    operators = eqx.filter_vmap(lambda leaves: engine.prepare(first.with_leaves(leaves), tissue))(stacked)
    return operators, [0, *itertools.accumulate(math.prod(member.shape) for member in members[:-1])]


def _in_a_row(members: list[Varying], name: str) -> Array:
    """One leaf of all events, once for each repetition in which anything of them changes.

    Taken by their place among all numbers that there are: events written out by the hundred would each be an operation.
    """
    dtype = jnp.result_type(*(member.leaves[name] for member in members if name in member.leaves))
    values = [member.values(name, dtype) for member in members]
    begin = itertools.accumulate(map(len, values[:-1]), initial=0)
    order = np.concatenate([start + member.order(name) for start, member in zip(begin, members, strict=True)])
    row = jnp.concatenate(values)
    return row if np.array_equal(order, np.arange(len(row))) else row[order]
