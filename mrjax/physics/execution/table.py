"""Irregular stretches of a sequence, played row by row from a table: the program grows with the kinds of events alone.

Written out one after the other, events make a program as long as the sequence. In a table, each row names a phrase, a few
kinds of events that often follow each other, and for each of its events an operator among all of that kind. One scan goes
through the rows, and a switch in its body has a branch for each phrase.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Int, UInt

from mrjax.physics.engine import AbstractEngine, AbstractOperator, State
from mrjax.physics.execution.phrases import Phrase, in_phrases
from mrjax.physics.gradient import AbstractGradient
from mrjax.physics.loop import Samples, joined
from mrjax.sequence import AbstractContainer, AbstractEvent
from mrjax.sequence.walk import events_of

MOST_WRITTEN_OUT = 24
"""Events that are played one after the other in one program; more of them in a stretch are played from a table."""

MOST_PLAYED = 64
"""How often each event of a stretch is played on average, at most: a longer loop runs faster as a loop."""

Recorded = Complex[Array, "n_recorded voxel"] | None
Index = Array | np.integer
Indices = UInt[Array | np.ndarray, " event"]


class Tabled(AbstractContainer):
    """Entries of a sequence that are played from one table."""

    events: tuple[AbstractEvent | AbstractContainer, ...]

    @property
    def repetitions(self) -> tuple[int, ...]:
        return ()


def in_tables(sequence: AbstractContainer) -> AbstractContainer:
    """The sequence, with stretches of many events and no long loop as `Tabled`."""
    if sequence.repetitions:
        return sequence
    entries, stretch = [], []

    def end_stretch() -> None:
        n_events = sum(1 for _ in events_of(tuple(stretch)))
        entries.extend([Tabled(tuple(stretch))] if n_events > MOST_WRITTEN_OUT else stretch)
        stretch.clear()

    for entry in _written_out(sequence):
        if isinstance(entry, AbstractContainer) and _is_long(entry):
            end_stretch()
            entries.append(entry)
        else:
            stretch.append(entry)
    end_stretch()
    return eqx.tree_at(lambda container: container.events, sequence, tuple(entries))


def _written_out(container: AbstractContainer) -> list[AbstractEvent | AbstractContainer]:
    """Events and loops, without containers that only hold others."""
    entries = []
    for entry in container.events:
        if isinstance(entry, AbstractContainer) and not entry.repetitions:
            entries += _written_out(entry)
        else:
            entries.append(entry)
    return entries


def _is_long(loop: AbstractContainer) -> bool:
    counts = [math.prod(located.repeats) for located in events_of((loop,))]
    return sum(counts) > MOST_PLAYED * len(counts)


@dataclass(frozen=True)
class Place:
    """Where the operators of one event lie in a bank, one for each repetition with which they change."""

    bank: int
    start: int
    changes: tuple[bool, ...]
    """For each enclosing `Repeat`, outermost first: whether they change with it."""
    shape: tuple[int, ...]
    """Number of repetitions of those with which they change."""

    def cut(self, bank: AbstractOperator) -> AbstractOperator:
        """These operators alone, with an axis for each repetition with which they change."""
        here = slice(self.start, self.start + math.prod(self.shape))
        own = lambda leaf: leaf[here].reshape(*self.shape, *leaf.shape[1:]) if eqx.is_array(leaf) else leaf
        return jax.tree.map(own, bank)

    def rows(self, repeats: tuple[int, ...]) -> Int[np.ndarray, "*repeats 1 2"]:
        """The bank and the index within it, for every repetition."""
        own = iter(self.shape)
        index = np.arange(math.prod(self.shape)).reshape([next(own) if changes else 1 for changes in self.changes])
        index = np.broadcast_to(index + self.start, repeats)
        return np.stack([np.full_like(index, self.bank), index], axis=-1)[..., None, :]


@dataclass(frozen=True)
class OperatorTable:
    """What is played in a stretch."""

    banks: tuple[AbstractOperator, ...]
    """For each kind of event its operators, arrays with them on the first axis."""
    phrases: tuple[Phrase, ...]
    """The banks of the events in each."""
    phrase: UInt[np.ndarray, " row"]
    """Of each row."""
    index: UInt[np.ndarray, "row event"]
    """Of every event of each row within its bank; phrases that are shorter leave the last ones out."""

    @classmethod
    def of(cls, stretch: Tabled, places: tuple, banks: list[AbstractOperator]) -> "OperatorTable":
        """The table of a stretch, whose events have their operators at `places` in `banks`, nested as they are."""
        kinds, index = np.moveaxis(_rows(stretch, places, ()), -1, 0)
        used, kinds = np.unique(kinds, return_inverse=True)
        merged, number, begin = _merged([banks[bank] for bank in used])
        phrases, phrase, start = in_phrases(number[kinds])
        longest = max(map(len, phrases))
        index = np.pad(index + begin[kinds], (0, longest))[start[:, None] + np.arange(longest)]
        return cls(merged, phrases, phrase.astype(np.uint32), index.astype(np.uint32))

    def play(self, engine: AbstractEngine, gradient: AbstractGradient, state: State) -> tuple[State, Samples]:
        """The state and the samples after all rows."""
        branches = [partial(self._play_phrase, engine, phrase) for phrase in self.phrases]
        left, taken = zip(*(jax.eval_shape(branch, state, self.index[0]) for branch in branches), strict=True)
        if any(not _alike(state, after) for after in left):
            return self._written_out(branches, state)
        n_samples = np.array([0 if samples is None else len(samples) for samples in taken])
        record = _Record.of(taken, int(n_samples[self.phrase].sum()))
        position = np.cumsum(n_samples[self.phrase]) - n_samples[self.phrase]
        branches = [record.padding(branch) for branch in branches]

        def row(carry: tuple, now: tuple) -> tuple[tuple, None]:
            (state, recorded), (phrase, index, position) = carry, now
            state, samples = jax.lax.switch(phrase, branches, state, index)
            return (state, record.written(recorded, samples, position)), None

        rows = (self.phrase, self.index, position.astype(np.uint32))
        (state, recorded), _ = gradient.scan(row, (state, record.empty()), rows, len(self.phrase), unroll=1)
        return state, record.read(recorded)

    def _written_out(self, branches: list[Callable], state: State) -> tuple[State, Samples]:
        """The same as one long program, for states whose form changes."""
        samples = []
        for phrase, index in zip(self.phrase, self.index, strict=True):
            state, inside = branches[phrase](state, index)
            samples.append(inside)
        return state, joined(samples)

    def _play_phrase(
        self, engine: AbstractEngine, phrase: Phrase, state: State, index: Indices
    ) -> tuple[State, Samples]:
        samples = []
        for place, bank in enumerate(phrase):
            state, sample = _entry(self.banks[bank], index[place])(state)
            samples.append(sample[None] if sample is not None and sample.ndim == 1 else sample)
        return engine.settled(state), joined(samples)


@dataclass(frozen=True)
class _Record:
    """Where the samples of all rows go: every row writes as many as the longest has, and those after it write over the rest."""

    n_samples: int
    form: jax.ShapeDtypeStruct | None
    """Of the samples that a row writes; None where no row has any."""

    @classmethod
    def of(cls, taken: Sequence[jax.ShapeDtypeStruct | None], n_samples: int) -> "_Record":
        """For rows of phrases that take such samples."""
        given = [samples for samples in taken if samples is not None]
        if not given:
            return cls(0, None)
        most, n_voxels = np.max([samples.shape for samples in given], axis=0)
        return cls(n_samples, jax.ShapeDtypeStruct((int(most), int(n_voxels)), jnp.result_type(*given)))

    def padding(self, branch: Callable) -> Callable:
        """`branch`, with samples of the form that every row writes."""

        def padded(state: State, index: Indices) -> tuple[State, Samples]:
            state, samples = branch(state, index)
            if self.form is None:
                return state, None
            room, dtype = jnp.zeros(self.form.shape, self.form.dtype), self.form.dtype
            return state, room if samples is None else room.at[: len(samples)].set(samples.astype(dtype))

        return padded

    def empty(self) -> Recorded:
        """Before the first row."""
        if self.form is None:
            return None
        most, n_voxels = self.form.shape
        return jnp.zeros((self.n_samples + most, n_voxels), self.form.dtype)

    def written(self, recorded: Recorded, samples: Samples, position: Array) -> Recorded:
        """With the samples of one row."""
        if recorded is None or samples is None:
            return None
        return jax.lax.dynamic_update_slice(recorded, samples, (position, jnp.zeros_like(position)))

    def read(self, recorded: Recorded) -> Samples:
        """After the last row."""
        return None if recorded is None else recorded[: self.n_samples]


def _alike(before: Any, after: Any) -> bool:
    """Whether two states have one form, so that a loop can carry them."""
    forms = [[(jnp.shape(leaf), jnp.result_type(leaf)) for leaf in jax.tree.leaves(state)] for state in (before, after)]
    return jax.tree.structure(before) == jax.tree.structure(after) and forms[0] == forms[1]


def _entry(bank: AbstractOperator, index: Index) -> AbstractOperator:
    """One operator of those in a bank."""

    def entry(leaf: Any) -> Any:
        if not eqx.is_array(leaf):
            return leaf
        return leaf[0] if len(leaf) == 1 else jax.lax.dynamic_index_in_dim(leaf, index, keepdims=False)

    return jax.tree.map(entry, bank)


def _rows(container: AbstractContainer, places: tuple, repeats: tuple[int, ...]) -> Int[np.ndarray, "*repeats row 2"]:
    """Bank and index of all that is played, in order, for every repetition around."""
    inside = (*repeats, *container.repetitions)
    parts = [
        _rows(entry, place, inside) if isinstance(entry, AbstractContainer) else place.rows(inside)
        for entry, place in zip(container.events, places, strict=True)
    ]
    rows = np.concatenate(parts, axis=-2)
    return rows.reshape(*repeats, -1, 2)


def _merged(banks: list[AbstractOperator]) -> tuple[tuple[AbstractOperator, ...], np.ndarray, np.ndarray]:
    """Banks of operators of one form joined; for each that was given, the number of the one it is in, and where it begins."""
    together, number, begin = {}, [], []
    for position, bank in enumerate(banks):
        arrays, rest = eqx.partition(bank, eqx.is_array)
        forms = tuple((leaf.shape[1:], leaf.dtype) for leaf in jax.tree.leaves(arrays))
        # what is no array may differ in ways that nothing compares, such as functions
        key = (jax.tree.structure(bank), forms) if not jax.tree.leaves(rest) else position
        joined = together.setdefault(key, [])
        number.append(list(together).index(key))
        begin.append(sum(len(jax.tree.leaves(other)[0]) for other in joined if forms))
        joined.append(bank)
    concatenated = lambda *leaves: jnp.concatenate(leaves) if eqx.is_array(leaves[0]) else leaves[0]
    merged = tuple(
        jax.tree.map(concatenated, *joined) if len(joined) > 1 else joined[0] for joined in together.values()
    )
    return merged, np.array(number), np.array(begin)
