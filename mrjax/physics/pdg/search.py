"""The graph of a sequence: which states there are at the start of each row, and from which they come.

A state is one dephasing with its components: the transverse magnetisation that is wound by it, that which is wound by its
negative, and the longitudinal one. A pulse mixes the components of a state; a gradient moves the transverse ones to other
states, each to one, so that states are gathered and nothing is added up.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from mrjax.physics.pdg.rows import N_DEPHASING

ROUNDING = np.array([1e-3, 1e-3, 1e-3, 1e-6, 1e-7])
"""In 1/m, cycles and s, by which equal dephasings may differ: single precision leaves that much of what should cancel."""

NONE = -1
"""Where a component comes from nothing."""


@dataclass(frozen=True)
class States:
    """The states at the start of a row, of which the first is that of no dephasing."""

    dephasing: Float[np.ndarray, "_state 5"]
    source: Int[np.ndarray, "3 _state"]
    """Where the components come from before the row: `plus` and `minus` from the number of a state, or from that of
    its `minus` with the number of states added; `z` from the number of a state."""


def unwound() -> States:
    """Those of thermal equilibrium."""
    return States(np.zeros((1, N_DEPHASING)), np.full((3, 1), NONE))


def after(
    dephasing: Float[np.ndarray, "_state 5"], present: Bool[np.ndarray, "3 _state"], by: Float[np.ndarray, " 5"]
) -> States:
    """The states after something is wound, where some components are present before it."""
    n = len(dephasing)
    with_minus = present[1].copy()
    with_minus[0] = False  # of no dephasing both are one
    plus, minus, z = np.flatnonzero(present[0]), np.flatnonzero(with_minus), np.flatnonzero(present[2])
    ends = np.concatenate([dephasing[plus] + by, by - dephasing[minus], dephasing[z]])
    origin = np.concatenate([plus, n + minus, z])
    component = np.repeat([0, 1, 2], [plus.size, minus.size, z.size])
    cells = _cells(ends)
    sign = _signs(cells)
    _, first, state = np.unique(
        np.concatenate([np.zeros((1, N_DEPHASING), int), sign[:, None] * cells]),
        axis=0,
        return_index=True,
        return_inverse=True,
    )
    return _gathered(ends, sign, component, origin, first, state.ravel())


def _gathered(
    ends: np.ndarray, sign: np.ndarray, component: np.ndarray, origin: np.ndarray, first: np.ndarray, state: np.ndarray
) -> States:
    """States in the order of their number, where entry zero of `state` is that of no dephasing and the others are of ends."""
    renumbered = np.empty(len(first), int)
    is_zero = np.arange(len(first)) == state[0]
    renumbered[np.argsort(~is_zero, kind="stable")] = np.arange(len(first))
    of_state = renumbered[state[1:]]
    dephasing = np.zeros((len(first), N_DEPHASING))
    others = ~is_zero
    dephasing[renumbered[others]] = sign[first[others] - 1, None] * ends[first[others] - 1]
    source = np.full((3, len(first)), NONE)
    transverse = component < 2
    forward = transverse & (sign > 0)
    source[0, of_state[forward]] = origin[forward]
    source[1, of_state[transverse & (sign < 0)]] = origin[transverse & (sign < 0)]
    source[1, 0] = source[0, 0]
    source[2, of_state[~transverse]] = origin[~transverse]
    return States(dephasing, source)


def _cells(ends: Float[np.ndarray, "_n 5"]) -> Int[np.ndarray, "_n 5"]:
    """Whole numbers that are equal where dephasings are, negative for negative ones, and zero where nothing is wound."""
    return np.stack([cells_of(ends[:, i], ROUNDING[i]) for i in range(N_DEPHASING)], axis=1)


def cells_of(values: Float[np.ndarray, " _n"], rounding: float) -> Int[np.ndarray, " _n"]:
    """Whole numbers that are equal where values are, but for rounding."""
    magnitude = np.append(np.abs(values), 0.0)
    order = np.argsort(magnitude)
    # a cell ends where the next value is further than rounding
    cell = np.cumsum(np.diff(magnitude[order], prepend=0.0) > rounding)
    found = np.empty(len(magnitude), int)
    found[order] = cell
    return np.where(values < 0, -found[:-1], found[:-1])


def _signs(cells: Int[np.ndarray, "_n 5"]) -> Int[np.ndarray, " _n"]:
    """Of the first number that is not zero; one where all are."""
    leading = cells[np.arange(len(cells)), np.argmax(cells != 0, axis=1)]
    return np.where(leading < 0, -1, 1)
