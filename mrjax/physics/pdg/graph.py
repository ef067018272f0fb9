"""The graph of a sequence as data."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from mrjax.physics.pdg.rows import N_DEPHASING
from mrjax.physics.pdg.search import NONE, ROUNDING
from mrjax.sequence.precision import Numbers, numpy_of

DIMENSIONS = ("spatial frequency", "spatial frequency", "spatial frequency", "cycle across the voxel", "time")
"""What tells states apart, as messages call it."""


@dataclass(frozen=True, eq=False)
class PhaseGraph:
    """Which states there are between two pulses, and from which before they come.

    `mrjax.PDG.with_graph` finds it. It follows from what gradients and time wind; where states were left out, from flip angles
    and tissue as well.
    """

    source: Int[np.ndarray, "_row 3 _state"]
    """Of each component of each state after a row: a state before it, for transverse ones the conjugate of the second
    component where the number of states is added; -1 for nothing."""
    begins: Float[np.ndarray, "_begin 5"]
    """Dephasing of the states before the first row."""
    count: Int[np.ndarray, " _row"]
    """States at the start of each row."""
    dephasing: Float[np.ndarray, "_row _state 5"]
    """Of these: along x, y and z in cycles per m, across the voxel in cycles, and for how long in s."""
    latent: Float[np.ndarray, "_row _state"]
    """How much of all samples passes through each state, relative to the largest; nan where that was not estimated."""
    tells_apart: tuple[bool, ...] = (True,) * N_DEPHASING
    """Which of these tell states apart: what acts on all of a voxel alike turns its states, and makes no others."""
    error: float = 0.0
    """Of a sample relative to the largest, that is due to states that were left out, as estimated."""

    @property
    def n_states(self) -> int:
        """Of the row that has most."""
        return self.source.shape[-1]

    def require_fitting(self, n_rows: int, tells_apart: tuple[bool, ...]) -> None:
        """Refuse what the graph was not found for."""
        missing = [
            name for name, here, due in zip(DIMENSIONS, self.tells_apart, tells_apart, strict=True) if due > here
        ]
        if n_rows != len(self.count) or missing:
            here = f"states of one {missing[0]} alone" if missing else f"{len(self.count)} rows"
            due = f"several {missing[0]}s" if missing else f"{n_rows}"
            raise ValueError(
                f"`graph` must be that of the sequence and of a tissue with the same effects, but has {here} where {due} are "
                "played; use `engine.with_graph(sequence, tissue)`."
            )

    def padded(self, n_rows: int, n_states: int) -> Int[np.ndarray, "_row 3 _state"]:
        """The sources with states that are empty, and rows after which all is as before."""
        own, missing = self.source, n_states - self.n_states
        shifted = own.copy()
        # the second component is counted from the number of states on
        shifted[:, :2] = np.where(own[:, :2] >= self.n_states, own[:, :2] + missing, own[:, :2])
        filled = np.pad(shifted, [(0, 0), (0, 0), (0, missing)], constant_values=NONE)
        each = np.arange(n_states)
        same = np.stack([each, n_states + each, each])
        return np.concatenate([filled, np.broadcast_to(same, (n_rows - len(own), *same.shape))])


def require_merged_alike(graph: PhaseGraph, wound: Float[np.ndarray, "_row 5"]) -> None:
    """Refuse a winding by which states come apart that are one in the graph."""
    starts, end = dephasing_of(graph.source, graph.begins, wound)
    ends = np.concatenate([np.asarray(starts[1:]), np.asarray(end)[None]])
    for row, (before, after, source, by) in enumerate(zip(starts, ends, graph.source, wound, strict=True)):
        plus, minus, z = source
        came = np.concatenate([before + by[None], by[None] - before])
        differ = [
            np.abs(sign * of[where] - after)[where >= 0]
            for of, where, sign in ((came, plus, 1.0), (came, minus, -1.0), (before, z, 1.0))
        ]
        # sums of many rows may differ by the rounding of each
        if any(np.any(each > (1 + row) * ROUNDING[None]) for each in differ):
            raise ValueError(
                f"`graph` must be that of the sequence, but what is wound before change {row + 1} keeps states apart that are "
                "one in the graph; use `engine.with_graph(sequence, tissue)`."
            )


def dephasing_of(
    source: Int[np.ndarray, "_row 3 _state"], begins: Float[np.ndarray, "_begin 5"], by: Float[Numbers, "_row 5"]
) -> tuple[Float[Numbers, "_row _state 5"], Float[Numbers, "_state 5"]]:
    """What states are wound by, at the start of each row and at the end, in NumPy's double precision where that is known."""
    n = source.shape[-1]
    start = np.zeros((n, N_DEPHASING))
    start[: len(begins)] = begins
    if numpy_of(by) is np:
        found = [start]
        for of_row, wound in zip(source, by, strict=True):
            found.append(np.asarray(_moved(found[-1], of_row, wound)))
        return np.stack(found[:-1]), found[-1]

    def move(dephasing: Array, now: tuple[Array, Array]) -> tuple[Array, Array]:
        return jnp.asarray(_moved(dephasing, *now)), dephasing

    ends, starts = jax.lax.scan(move, jnp.asarray(start, by.dtype), (jnp.asarray(source), jnp.asarray(by)))
    return starts, ends


def _moved(dephasing: Numbers, source: Numbers, by: Numbers) -> Numbers:
    """After one row: `plus` of a state leads to its dephasing and what is wound, `minus` to the negative."""
    xp = numpy_of(dephasing, by)
    plus, minus, z = source
    # the last entry is that of what comes from nothing
    ends = xp.concatenate([dephasing + by[None], by[None] - dephasing, dephasing, xp.zeros_like(dephasing[:1])])
    n, nothing = len(dephasing), 3 * len(dephasing)
    at = xp.where(plus >= 0, plus, xp.where(minus >= 0, minus, xp.where(z >= 0, z + 2 * n, nothing)))
    sign = xp.where((plus < 0) & (minus >= 0), -1.0, 1.0)
    moved = sign[:, None] * ends[at]
    return xp.concatenate([xp.zeros_like(moved[:1]), moved[1:]])
