"""Finding the graph of a sequence: all states, or those that matter at a stated accuracy."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from mrjax import _checks
from mrjax.physics.pdg.graph import PhaseGraph
from mrjax.physics.pdg.passage import Passage, Trial
from mrjax.physics.pdg.rows import N_DEPHASING, GraphRows
from mrjax.physics.pdg.search import NONE, States, after
from mrjax.physics.pdg.typical import TypicalVoxels

FINER = 1e-2
"""Of the accuracy: amplitudes from which on states are tried out, so that what they leave out does not count."""

STEP = 2.0
"""By which the threshold of a graph is lowered until it is accurate enough."""


@dataclass(frozen=True)
class Wanted:
    """What is asked of a graph."""

    tells_apart: tuple[bool, ...]
    accuracy: float
    most_states: int

    def wound(self, rows: GraphRows) -> Float[np.ndarray, "_row 5"]:
        """In each row, as far as it tells states apart."""
        return np.asarray(rows.rows.by) * np.array(self.tells_apart, float)


def whole_graph(rows: GraphRows, wanted: Wanted, begins: Float[np.ndarray, "_state 5"] | None = None) -> PhaseGraph:
    """Every state that can hold anything, whatever the flip angles are, of those at the start, or of equilibrium."""
    wound, kinds = wanted.wound(rows), _kinds(rows)
    dephasing, present = np.zeros((1, N_DEPHASING)), np.array([[False], [False], [True]])
    if begins is not None:
        dephasing, present = begins * np.array(wanted.tells_apart, float), np.ones((3, len(begins)), bool)
    starts, found = [], []
    for row in range(rows.n_rows):
        starts.append(dephasing)
        states = after(dephasing, present, wound[row])
        found.append(states)
        dephasing, present = states.dephasing, _present(states.source != NONE, kinds[rows.change[row]])
        if len(dephasing) > wanted.most_states:
            raise ValueError(
                f"`accuracy` must be above 0 for this sequence: without leaving any out there are more than "
                f"{wanted.most_states} states after {row + 1} of {rows.n_rows} changes; give an accuracy such as 1e-3, or a "
                "larger `most_states`."
            )
    latent = [np.full(len(start), np.nan) for start in starts]
    return _stacked(starts, found, latent, wanted, 0.0)


def _kinds(rows: GraphRows) -> list[str]:
    """Of each change: `"mixes"`, `"spoils"` or `"resets"` what was there before, or `"none"`."""
    found = ["none"]
    for (kind, _), numbers in rows.changes.items():
        if kind == "longitudinal":
            found += ["spoils" if keeps else "resets" for keeps in _known(numbers)[:, 0]]
        else:
            found += ["mixes"] * len(numbers)
    return found


def _known(numbers: Any) -> np.ndarray:
    """What a spoiler or a reset keeps is known, though what a reset sets may be traced."""
    return np.asarray(numbers) if _checks.is_concrete(numbers) else np.zeros(np.shape(numbers))


def _present(present: Bool[np.ndarray, "3 _state"], kind: str) -> Bool[np.ndarray, "3 _state"]:
    """Which components hold something after a change."""
    present = present.copy()
    if kind == "mixes":
        present[:] = present.any(axis=0)
    elif kind in ("spoils", "resets"):
        present[:2] = False
    if kind == "resets":
        present[2] = False
    present[2, 0] = True
    return present


def accurate_graph(rows: GraphRows, wanted: Wanted, voxels: TypicalVoxels) -> PhaseGraph:
    """The states that matter in typical voxels."""
    trial = Trial.of(rows, wanted.wound(rows), voxels)
    passage = trial.passage(FINER * wanted.accuracy, wanted.most_states)
    latent = trial.latent(passage)
    everything = [np.ones(len(one), bool) for one in latent]
    exact = trial.samples_of(passage, everything)
    largest = np.abs(exact).max(axis=0, initial=0.0)
    scale = np.sqrt(np.mean(largest**2)) or 1.0
    threshold, error, kept = wanted.accuracy * scale, np.inf, everything
    while error > wanted.accuracy and threshold > FINER * wanted.accuracy * scale:
        threshold /= STEP
        kept = _reached(passage, [one >= threshold for one in latent])
        missing = np.abs(trial.samples_of(passage, kept) - exact).max(axis=0, initial=0.0)
        error = float(np.max(missing / np.where(largest > 0, largest, 1.0)))
    error, relative = max(error, passage.lost / scale), [one / scale for one in latent]
    found = _restricted(passage, kept)
    return _stacked(*found, [one[mask] for one, mask in zip(relative, kept, strict=True)], wanted, error)


def _reached(passage: Passage, kept: list[Bool[np.ndarray, " _state"]]) -> list[Bool[np.ndarray, " _state"]]:
    """Those to which something leads by others that are kept, and always the first of each row."""
    found = [np.append(True, kept[0][1:])]
    for states, mask in zip(passage.states[:-1], kept[1:], strict=True):
        source = _renumbered(states.source, found[-1])
        found.append(mask & (source != NONE).any(axis=0))
        found[-1][0] = True
    return found


def _renumbered(source: np.ndarray, kept: Bool[np.ndarray, " _state"]) -> np.ndarray:
    """Sources among those states before that are kept."""
    n, n_kept = len(kept), int(kept.sum())
    number = np.where(kept, np.cumsum(kept) - 1, NONE)
    conjugate = np.where(kept, number + n_kept, NONE)
    transverse = np.concatenate([number, conjugate, [NONE]])
    longitudinal = np.concatenate([number, [NONE]])
    assert source[2].max(initial=NONE) < n, "longitudinal magnetisation stays where it is"
    return np.stack([transverse[source[0]], transverse[source[1]], longitudinal[source[2]]])


def _restricted(
    passage: Passage, kept: list[Bool[np.ndarray, " _state"]]
) -> tuple[list[Float[np.ndarray, "_state 5"]], list[States]]:
    """The dephasing of those that are kept at the start of each row, and the states after it."""
    starts = [dephasing[mask] for dephasing, mask in zip(passage.dephasings, kept, strict=True)]
    last = np.ones(len(passage.states[-1].dephasing), bool)
    found = []
    for states, before, then in zip(passage.states, kept, [*kept[1:], last], strict=True):
        found.append(States(states.dephasing[then], _renumbered(states.source, before)[:, then]))
    return starts, found


def _stacked(
    starts: list[np.ndarray], found: list[States], latent: list[np.ndarray], wanted: Wanted, error: float
) -> PhaseGraph:
    """All rows in arrays of one size."""
    n = max(*map(len, starts), *(len(states.dephasing) for states in found))
    source = np.full((len(starts), 3, n), NONE)
    dephasing, passing = np.zeros((len(starts), n, N_DEPHASING)), np.zeros((len(starts), n))
    for row, (start, states, through) in enumerate(zip(starts, found, latent, strict=True)):
        own = states.source.copy()
        # the second component is counted from the number of states on
        own[:2] = np.where(own[:2] >= len(start), own[:2] + n - len(start), own[:2])
        source[row, :, : own.shape[1]] = own
        dephasing[row, : len(start)], passing[row, : len(start)] = start, through
    count = np.array([len(start) for start in starts])
    return PhaseGraph(source, starts[0], count, dephasing, passing, wanted.tells_apart, error)
