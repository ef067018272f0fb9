"""Spins that stand for what lies between them: where there are too few, what is wound by whole turns looks unwound."""

import math
import warnings
from itertools import pairwise

import numpy as np
from jaxtyping import Float

from mrjax import _checks
from mrjax.physics.imaging.rates import ends_of
from mrjax.physics.isochromats.engine import Isochromats
from mrjax.physics.isochromats.tables.change import Change
from mrjax.physics.isochromats.tables.playing_order import PlayingOrder, in_order
from mrjax.sequence.gradients import AXES
from mrjax.sequence.precision import in_double_precision, is_known
from mrjax.tissue import Tissue

NEAR = 0.25
"""Of the way that k goes in a readout: an object has hardly anything to say further from the middle of k-space."""

LEAST = 0.05
"""Strength from which on a pathway counts, relative to the strongest."""

MOST_PATHWAYS = 32
"""That are followed, the strongest."""

SAME = 3
"""Decimals of a turn: pathways that differ by less are one."""


class TooFewSpinsWarning(UserWarning):
    """Along which axis there are too few spins, and how many times as many would do."""

    def __init__(self, message: str, axis: str, times: int):
        super().__init__(message)
        self.axis, self.times = axis, times


def warn_if_neighbours_alias(order: PlayingOrder, tissue: Tissue, engine: Isochromats) -> None:
    """Warn where some magnetisation is wound by whole turns between neighbours when a sample is taken."""
    places = [getattr(tissue, axis) if tissue.has(axis) else None for axis in AXES]
    if engine.voxel_size is not None or not is_known((places, tissue.t2, order.duration, order.wound)):
        return
    distances = np.array([0.0 if place is None else _distance(in_double_precision(place)) for place in places])
    if not distances.any():
        return
    transmit = np.linspace(*ends_of(np.abs(tissue.b1)), 9) if tissue.has("b1") and is_known(tissue.b1) else np.ones(1)
    scale = distances * engine.gyromagnetic_ratio / (2 * math.pi)
    turns = _most_wound(order, scale, ends_of(tissue.t2)[1], transmit)
    axis = int(np.argmax(np.abs(turns)))
    if not turns[axis]:
        return
    times = math.ceil(abs(turns[axis]) / (1 - NEAR))
    message = (
        f"When samples are taken, magnetisation is wound by {abs(turns[axis]):.3g} turns from one spin to the next along "
        f"{AXES[axis]}, and what is wound by a whole turn looks unwound. Give each voxel at least {times} times as many spins "
        f"along {AXES[axis]}: `phantom.spins(sub_spins=...)`."
    )
    warnings.warn(TooFewSpinsWarning(message, AXES[axis], times), stacklevel=_checks.frames_to_the_caller())


def _most_wound(
    order: PlayingOrder, scale: Float[np.ndarray, " 3"], t2: float, transmit: Float[np.ndarray, " b1"]
) -> Float[np.ndarray, " 3"]:
    """Turns between neighbours, where they come near to whole ones at a sample; zero where they never do."""
    duration, area = (np.asarray(x) for x in order.rows())
    row, _, wound, _, _ = order.samples()
    turns, sampled = area[:, :3] * scale, np.asarray(wound)[:, :3]
    flips = _flip_angles(order)
    first = np.searchsorted(row, np.arange(len(duration) + 1))
    near = scale * NEAR * max((np.ptp(sampled[a:b], axis=0).max() for a, b in pairwise(first) if a < b), default=0.0)
    paths, strengths, worst = np.zeros((0, 3)), np.zeros(0), np.zeros(3)
    for now, (lasts, own) in enumerate(zip(duration, turns, strict=True)):
        if first[now] < first[now + 1] and len(paths):
            at = (paths[:, None] + sampled[first[now] : first[now + 1]] * scale).reshape(-1, 3)
            whole = np.round(at)
            found = at[np.all(np.abs(at - whole) <= near, axis=-1) & np.any(whole != 0, axis=-1)]
            reached = np.concatenate([worst[None], found])
            worst = reached[np.argmax(np.abs(reached).max(axis=1))]
        paths, strengths = paths + own, strengths * np.exp(-lasts / t2)
        if now < len(flips) and flips[now]:
            paths, strengths = _after(paths, strengths, flips[now] * transmit)
    return worst


def _after(
    paths: Float[np.ndarray, "path 3"], strengths: Float[np.ndarray, " path"], flip: Float[np.ndarray, " b1"]
) -> tuple[Float[np.ndarray, "after 3"], Float[np.ndarray, " after"]]:
    """Pathways behind a pulse of one of some angles: a new one, those that it inverts, and those that it leaves."""
    if np.isnan(flip).any():
        return paths[:0], strengths[:0]
    new, inverted, left = (np.max(x) for x in (np.abs(np.sin(flip)), np.sin(flip / 2) ** 2, np.cos(flip / 2) ** 2))
    paths = np.concatenate([np.zeros((1, 3)), -paths, paths])
    strengths = np.concatenate([[new], inverted * strengths, left * strengths])
    strongest = np.argsort(-strengths, kind="stable")
    strongest = strongest[strengths[strongest] > LEAST * strengths.max()]
    each = np.unique(np.round(paths[strongest], SAME) + 0.0, axis=0, return_index=True)[1]
    kept = strongest[np.sort(each)[:MOST_PATHWAYS]]
    return paths[kept], strengths[kept]


def _flip_angles(order: PlayingOrder) -> Float[np.ndarray, " row"]:
    """Of the pulse at the end of each row in rad; nan where nothing transverse is left."""
    ending = [(one, one.interval.change) for one in order.placed if one.interval.change is not None]
    if not ending:
        return np.zeros(0)
    rows = [order.row[one.place] for one, _ in ending]
    return in_order(rows, [np.asarray(one.played(_flip_angle(change))) for one, change in ending])


def _flip_angle(change: Change) -> Float[np.ndarray, " _row"]:
    numbers = np.asarray(change.numbers)
    gamma = Isochromats().gyromagnetic_ratio
    match change.kind:
        case "longitudinal":
            return np.full(len(numbers), np.nan)
        case "turn":
            return np.abs(numbers[:, 0])
        case "constant":
            return gamma * np.hypot(numbers[:, 0], numbers[:, 1]) * numbers[:, 3]
        case _:
            n = change.n_steps
            field = numbers[:, 3 : 3 + n] + 1j * numbers[:, 3 + n : 3 + 2 * n]
            return gamma * np.abs(field.sum(axis=1)) * numbers[:, 0]


def _distance(places: Float[np.ndarray, "..."]) -> float:
    """Between neighbours on a grid; zero where there is no grid."""
    values = np.unique(places)
    steps = np.diff(values)
    steps = steps[steps > 1e-6 * max(np.ptp(values), 1e-12)]
    if not steps.size:
        return 0.0
    is_grid = np.allclose(steps / steps.min(), np.round(steps / steps.min()), atol=1e-3)
    return float(steps.min()) if is_grid else 0.0
