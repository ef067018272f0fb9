"""A sequence as data: rows of free precession that end with a change, and samples within them.

What is compiled then depends on how many rows, samples and different changes there are, in steps of a quarter, and not on the
sequence.
"""

import math
from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike
from jaxtyping import Array, Bool, Complex, Float, Int

from mrjax.physics.isochromats.tables.change import Form
from mrjax.physics.isochromats.tables.playing_order import PlayingOrder
from mrjax.physics.lowered import AbstractLoweredEvent
from mrjax.physics.maths.sizes import padded_size
from mrjax.physics.maths.turns import Turns
from mrjax.sequence.precision import Numbers, numpy_of

FEWEST_ROWS = 64
"""Played at least, where samples outnumber them by `SAMPLES_FOR_EACH`: so sequences of few pulses share a program."""

SAMPLES_FOR_EACH = 16


class Rows(eqx.Module):
    """Intervals of free precession, one after the other, each with the change at its end."""

    duration: Float[Array, " row"]
    """In s."""
    wound: Turns
    r"""By gradients for each m along x, y and z, and across the voxel: `(row, column)`.

    Then, where spins move, by the moments of gradients about the middle of the row, for each m/s along x, y and z; and where
    concomitant fields act, by the integrals of the products of gradients, for each m^2/T (`tables.concomitant`).
    """
    change: Int[Array, " row"]
    """Its number among all; zero for none."""
    phase: Float[Array, " row"]
    """By which the change is turned about z, in rad."""
    middle: Float[Array, " row"] | None = None
    """In s from the start of the table, where spins move."""
    change_middle: Float[Array, " row"] | None = None
    """Of the change, likewise."""


class SampleTimes(eqx.Module):
    """When samples are taken, and of what."""

    row: Int[Array, " sample"]
    time: Float[Array, " sample"]
    """In s from the start of the row."""
    wound: Turns
    """Since then, as in `Rows`."""
    receiver: Complex[Array, " sample"]
    longitudinal: Bool[Array, " sample"] | None
    dephased: Float[Array, " sample"] | None = None
    """For how long off-resonances have dephased in s, where that is answered by a line shape."""


class SequenceTable(AbstractLoweredEvent):
    """All of a sequence, as one event."""

    rows: Rows
    samples: SampleTimes | None
    changes: dict[Form, Float[Array, "change number"]]
    """The different ones by their form, numbered from one on in this order."""
    keeps_wound: Int[Array, ""]
    """One where cycles that were wound before the sequence still count, else zero."""
    winds: Int[Array, ""]
    """Cycles that `Dephase` winds since the last `Reset`, whatever their sign."""
    lasts: Float[Array, ""] | None = None
    """In s, where spins move."""
    duration: float = eqx.field(static=True, default=0.0)
    """Not asked for: within an engine nothing is placed after the table."""

    def leaves(self) -> dict[str, Any]:
        return {}

    @property
    def bytes_per_spin(self) -> float:
        """By which voxels are cut into chunks.

        Less than there are: rows are kernels of their own, which only many spins make worth starting. But the maps of some
        hundreds of different changes have to fit as well.
        """
        return max(8.0, sum(map(len, self.changes.values())) / 40)

    @property
    def n_samples(self) -> int:
        return 0 if self.samples is None else self.samples.row.shape[0]


def tabulated(
    order: PlayingOrder, played: Any, gyromagnetic_ratio: float, fewest_rows: int = FEWEST_ROWS
) -> SequenceTable:
    """A sequence as a table.

    **Arguments:**

    - `order`: What is played.
    - `played`: All that is played, of which the widest dtype is taken.
    - `gyromagnetic_ratio`: In rad/s/T.
    - `fewest_rows`: Where there are many samples for each.
    """
    widest = jnp.result_type(*(leaf for leaf in jax.tree.leaves(played) if eqx.is_inexact_array(leaf)))
    dtype = jnp.finfo(widest).dtype
    different = order.different
    sizes = {form: padded_size(len(numbers)) for form, numbers in different.numbers.items()}
    ends = np.cumsum([1, *sizes.values()])
    numbered = order.changes(dict(zip(sizes, ends.tolist(), strict=False)))
    n_rows = padded_size(max(order.n_rows, min(fewest_rows, order.n_samples // SAMPLES_FOR_EACH)))
    kept = lambda column: _on_device(column, dtype)
    turns = lambda wound: Turns.of(wound * turns_of_columns(wound.shape[-1], gyromagnetic_ratio)[None], dtype)
    samples = None
    if order.n_samples:
        due = padded_size(order.n_samples)
        row, time, wound, receiver, of_z = (_filled_to(column, due, "edge") for column in order.samples())
        longitudinal = kept(of_z) if np.any(of_z) else None
        times = None if order.dephasing is None else kept(_filled_to(order.dephasing, due, "edge"))
        samples = SampleTimes(kept(row), kept(time), turns(wound), kept(receiver), longitudinal, times)
    keeps_wound, winds = (kept(np.asarray(cycles)) for cycles in order.dephased())
    duration, wound, change, phase = (_filled_to(column, n_rows) for column in (*order.rows(), *numbered))
    rows = [kept(duration), turns(wound), kept(change), kept(phase)]
    lasts = None
    if order.asked.moments:
        *middles, total = order.middles()
        rows, lasts = rows + [kept(_filled_to(column, n_rows, "edge")) for column in middles], kept(total)
    return SequenceTable(
        rows=Rows(*rows),
        samples=samples,
        changes={form: kept(_filled_to(numbers, sizes[form])) for form, numbers in different.numbers.items()},
        keeps_wound=keeps_wound,
        winds=winds,
        lasts=lasts,
    )


def turns_of_columns(n: int, gyromagnetic_ratio: float) -> Float[np.ndarray, " column"]:
    """What is wound, in turns, for one unit of each column of `PlayingOrder.wound`: all but the fourth are of gradients."""
    return np.where(np.arange(n) == 3, 1.0, gyromagnetic_ratio / (2 * math.pi))


def _filled_to(column: Numbers, n: int, mode: Literal["constant", "edge"] = "constant") -> Numbers:
    """With more entries: zeros, for rows that do nothing, or the last one again."""
    padding = [(0, n - len(column)), *[(0, 0)] * (column.ndim - 1)]
    return numpy_of(column).pad(column, padding, mode=mode)


def _on_device(column: Numbers, dtype: DTypeLike) -> Array:
    due = {"f": dtype, "c": jnp.result_type(dtype, 1j), "i": np.int32, "b": np.bool_}[column.dtype.kind]
    if isinstance(column, jax.Array):
        return column.astype(due)
    return jax.device_put(np.asarray(column, due))  # `asarray` would compile for each new shape
