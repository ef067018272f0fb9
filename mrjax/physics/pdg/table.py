"""A sequence with its graph as data, in sizes that others share."""

import dataclasses
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike
from jaxtyping import Array, Bool, Complex, Float, Int

from mrjax.physics.isochromats.tables.change import Form
from mrjax.physics.lowered import AbstractLoweredEvent
from mrjax.physics.maths.sizes import padded_size
from mrjax.physics.maths.turns import Turns
from mrjax.physics.pdg.graph import PhaseGraph, dephasing_of
from mrjax.physics.pdg.lasting import LASTING
from mrjax.physics.pdg.rows import Dephasing, GraphRows, SampleRows
from mrjax.sequence.precision import Numbers, numpy_of

MOST_TOGETHER = 32
"""Samples of one step."""


class Wound(eqx.Module):
    """A `Dephasing` on the device."""

    turns: Turns
    """By gradients along x, y and z for each m, `(..., 3)`."""
    cycles: Float[Array, "... 4"]
    """The same in working precision, and cycles across the voxel."""
    time: Float[Array, "..."]

    @classmethod
    def of(cls, dephasing: Float[Numbers, "... 5"], dtype: DTypeLike) -> "Wound":
        """From what is known as well as it is."""
        turns = Turns.of(dephasing[..., :3], dtype)
        return cls(turns, on_device(dephasing[..., :4], dtype), on_device(dephasing[..., 4], dtype))


class Integrals(eqx.Module):
    """What diffusion weights by, of `Dephasing`."""

    time: Float[Array, "*n"]
    first: Float[Array, "*n 4"]
    second: Float[Array, "*n 2"]

    @classmethod
    def of(cls, dephasing: Dephasing, dtype: DTypeLike) -> "Integrals":
        """On the device."""
        each = (dephasing.duration, dephasing.first, dephasing.second)
        return cls(*(on_device(numbers, dtype) for numbers in each))


class TableRows(eqx.Module):
    """Free precession that ends with a change, and where the states after it come from."""

    during: Integrals
    change: Int[Array, " row"]
    phase: Float[Array, " row"]
    states: Wound
    """At the start of each row, `(row, state)`."""
    source: Int[Array, "row 3 state"]
    same_for_all: Wound | None
    """What is wound in each row without telling states apart; None for nothing."""


class TableSamples(eqx.Module):
    """Samples since the start of their row."""

    wound: Wound
    during: Integrals
    receiver: Complex[Array, " sample"]
    longitudinal: Bool[Array, " sample"] | None


class Steps(eqx.Module):
    """What is done one after the other: some samples of a row, and then the rest of it, or nothing."""

    row: Int[Array, " step"]
    ends_row: Bool[Array, " step"]
    sample: Int[Array, "step together"]
    """Which are taken, the first again for none."""
    has_samples: Bool[Array, " step"]


class PhaseGraphTable(AbstractLoweredEvent):
    """All of a sequence, as one event."""

    rows: TableRows
    changes: dict[Form, Float[Array, "change number"]]
    samples: TableSamples | None
    playing: Steps
    place: Int[Array, " sample"]
    """Of each sample among those of all steps."""
    ends: Wound
    """The states after the last row."""
    keeps_state: bool = eqx.field(static=True)
    duration: float = eqx.field(static=True, default=0.0)
    """Not asked for: within an engine nothing is placed after the table."""

    def leaves(self) -> dict[str, Any]:
        return {}

    @property
    def n_samples(self) -> int:
        return 0 if self.samples is None else self.place.shape[0]

    @property
    def n_states(self) -> int:
        """Of each row, with those that are empty."""
        return self.rows.source.shape[-1]

    @property
    def n_lasting(self) -> int:
        """Different RF that lasts."""
        return sum(len(numbers) for (kind, _), numbers in self.changes.items() if kind in LASTING)


def tabulated(rows: GraphRows, graph: PhaseGraph, dtype: DTypeLike, keeps_state: bool) -> PhaseGraphTable:
    """A sequence and its graph as a table of numbers in some precision."""
    n_rows, n_states = padded_size(rows.n_rows), padded_size(graph.n_states)
    source = graph.padded(n_rows, n_states)
    since = _filled(rows.rows, n_rows)
    tells_apart = np.array(graph.tells_apart, float)[None]
    starts, ends = dephasing_of(source, graph.begins, since.by * tells_apart)
    same_for_all = None if all(graph.tells_apart) else Wound.of(since.by * (1 - tells_apart), dtype)
    phase = _filled_to(rows.phase, n_rows)
    table_rows = TableRows(
        Integrals.of(since, dtype),
        on_device(_filled_to(rows.change, n_rows), dtype),
        on_device(phase, dtype),
        Wound.of(starts, dtype),
        on_device(source, dtype),
        same_for_all,
    )
    changes = {form: on_device(numbers, dtype) for form, numbers in rows.changes.items()}
    steps, place = _steps(rows.samples.row, rows.n_rows)
    samples = _samples(rows.samples, dtype) if len(rows.samples.row) else None
    return PhaseGraphTable(
        rows=table_rows,
        changes=changes,
        samples=samples,
        playing=steps,
        place=on_device(place, dtype),
        ends=Wound.of(ends, dtype),
        keeps_state=keeps_state,
    )


def _samples(samples: SampleRows, dtype: DTypeLike) -> TableSamples:
    n = padded_size(len(samples.row))
    since = _filled(samples.since, n)
    receiver = on_device(_filled_to(samples.receiver, n), dtype)
    of_z = on_device(_filled_to(samples.longitudinal, n), dtype) if samples.longitudinal.any() else None
    return TableSamples(Wound.of(since.by, dtype), Integrals.of(since, dtype), receiver, of_z)


def _steps(row: Int[np.ndarray, " sample"], n_rows: int) -> tuple[Steps, Int[np.ndarray, " place"]]:
    """Steps through all rows, and the place of each sample among those that the steps take."""
    counts = np.bincount(row, minlength=n_rows)
    together = padded_size(int(min(counts.max(initial=1), MOST_TOGETHER)) or 1)
    n_steps = np.maximum(1, -(-counts // together))
    first = np.cumsum(counts) - counts
    of_row = np.repeat(np.arange(n_rows), n_steps)
    number = np.arange(len(of_row)) - np.repeat(np.cumsum(n_steps) - n_steps, n_steps)
    within = number[:, None] * together + np.arange(together)
    is_taken = within < counts[of_row][:, None]
    sample = np.where(is_taken, first[of_row][:, None] + within, 0)
    n = padded_size(len(of_row))
    filled = lambda column: np.pad(column, [(0, n - len(column))] + [(0, 0)] * (column.ndim - 1))
    place = np.zeros(padded_size(len(row)) if len(row) else 0, int)
    place[sample[is_taken]] = np.flatnonzero(is_taken.ravel())
    ends = number == n_steps[of_row] - 1
    columns = (of_row, ends, sample, is_taken.any(axis=1))
    return Steps(*(on_device(filled(column), np.float32) for column in columns)), place


def _filled(dephasing: Dephasing, n: int) -> Dephasing:
    parts = (dephasing.by, dephasing.first, dephasing.second)
    return dataclasses.replace(
        dephasing, **dict(zip(("by", "first", "second"), (_filled_to(p, n) for p in parts), strict=True))
    )


def _filled_to(column: Numbers, n: int) -> Numbers:
    """With zeros, for rows that do nothing."""
    padding = [(0, n - len(column)), *[(0, 0)] * (column.ndim - 1)]
    return numpy_of(column).pad(column, padding)


def on_device(column: Numbers, dtype: DTypeLike) -> Array:
    """In working precision."""
    due = {"f": dtype, "c": jnp.result_type(dtype, 1j), "i": np.int32, "b": np.bool_}[column.dtype.kind]
    if isinstance(column, jax.Array):
        return column.astype(due)
    return jax.device_put(np.asarray(column, due))
