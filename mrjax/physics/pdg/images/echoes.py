"""Which states the samples of a row see, put together to echoes: images that differ in what has wound them."""

import itertools
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from mrjax.physics.pdg.graph import PhaseGraph
from mrjax.physics.pdg.rows import GraphRows
from mrjax.physics.pdg.search import ROUNDING, cells_of
from mrjax.physics.pdg.shapes import VoxelShape, share_seen


@dataclass(frozen=True, eq=False)
class Echo:
    """States of one row that gradients have wound alike, and the samples that see them."""

    row: int
    states: Int[np.ndarray, " _state"]
    """Numbers of states, to which their number in the graph is added for the conjugate of the second component."""
    wound: Float[np.ndarray, "4"]
    rephases_for: float
    """In s after the start of the row, what off-resonances have dephased; it dephases on after that."""
    sides: tuple[tuple[float, Int[np.ndarray, " _sample"]], ...]
    """Samples while it rephases, -1, and while it dephases, 1."""


def echoes_of(
    rows: GraphRows, graph: PhaseGraph, voxel_size: Float[np.ndarray, "3"] | None, shape: VoxelShape, least: float
) -> list[Echo]:
    """All echoes, without states of which every sample sees less than a share."""
    edges = np.searchsorted(rows.samples.row, np.arange(rows.n_rows + 1))
    found = []
    for row, (first, last) in enumerate(itertools.pairwise(edges)):
        if last > first:
            found += _of_row(row, np.arange(first, last), rows, graph, voxel_size, shape, least)
    return found


def _of_row(
    row: int,
    sample: Int[np.ndarray, " _sample"],
    rows: GraphRows,
    graph: PhaseGraph,
    voxel_size: Float[np.ndarray, "3"] | None,
    shape: VoxelShape,
    least: float,
) -> list[Echo]:
    own = graph.dephasing[row, : graph.count[row]]
    signed, number = np.concatenate([own, -own[1:]]), np.arange(graph.count[row])
    number = np.concatenate([number, graph.n_states + number[1:]])
    since = np.asarray(rows.samples.since.by)[sample]
    cells = np.stack([cells_of(signed[:, i], ROUNDING[i]) for i in range(4)], axis=1)
    _, first, group = np.unique(cells, axis=0, return_index=True, return_inverse=True)
    group = group.ravel()
    seen = np.abs(share_seen(signed[first, None, :4] + since[None, :, :4], voxel_size, shape))
    found = []
    for this, start in enumerate(first):
        members = np.flatnonzero(group == this)
        members = members[_strength(graph, row, number[members]) * seen[this].max() >= least]
        if members.size:
            found += _in_time(row, number[members], signed[start, :4], -signed[members, 4], sample, since[:, 4])
    return found


def _strength(graph: PhaseGraph, row: int, number: Int[np.ndarray, " _state"]) -> Float[np.ndarray, " _state"]:
    """How much of the largest sample is in some states at most; one where that was not estimated."""
    latent = graph.latent[row, number % graph.n_states]
    return np.where(np.isnan(latent), 1.0, np.minimum(latent, 1.0))


def _in_time(
    row: int,
    number: Int[np.ndarray, " _state"],
    wound: Float[np.ndarray, "4"],
    rephases_for: Float[np.ndarray, " _state"],
    sample: Int[np.ndarray, " _sample"],
    time: Float[np.ndarray, " _sample"],
) -> list[Echo]:
    """States that dephase at all samples, states that rephase at all of them, and each other one by its time."""
    begin, end = time.min(), time.max()
    dephase = rephases_for <= begin
    rephase = ~dephase & (rephases_for >= end)
    found = []
    if dephase.any():
        found.append(Echo(row, number[dephase], wound, float(rephases_for[dephase].max()), ((1.0, sample),)))
    if rephase.any():
        found.append(Echo(row, number[rephase], wound, float(rephases_for[rephase].min()), ((-1.0, sample),)))
    between = ~dephase & ~rephase
    cells = cells_of(rephases_for, ROUNDING[4])
    for cell in np.unique(cells[between]):
        here = between & (cells == cell)
        turns_at = float(rephases_for[here][0])
        sides = ((-1.0, sample[time < turns_at]), (1.0, sample[time >= turns_at]))
        found.append(Echo(row, number[here], wound, turns_at, sides))
    return found
