"""Spins that stand for what lies between them: where there are too few, what is wound by whole turns looks unwound."""

import math
import warnings

import numpy as np
from jaxtyping import Float

from mrjax import _checks
from mrjax.physics.imaging.rates import ends_of
from mrjax.physics.isochromats.engine import Isochromats
from mrjax.physics.isochromats.tables.intervals import Change
from mrjax.physics.isochromats.tables.playing_order import PlayingOrder, in_order
from mrjax.sequence.gradients import AXES
from mrjax.sequence.precision import in_double_precision, is_known
from mrjax.tissue import Tissue

NEAR = 0.25
"""In turns from one neighbour to the next: an object has hardly anything to say further from the middle of k-space."""

REFOCUSING = math.radians(100)
"""Flip angle from which on a pulse inverts what is wound."""

MOST_WOUND = 32
"""Pathways that are followed, the youngest."""

LASTING = 3.0
"""Transverse magnetisation is followed for so many T2."""


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
    turns = _most_wound(order, distances * engine.gyromagnetic_ratio / (2 * math.pi), LASTING * ends_of(tissue.t2)[1])
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


def _most_wound(order: PlayingOrder, scale: Float[np.ndarray, " 3"], lasting: float) -> Float[np.ndarray, " 3"]:
    """Turns between neighbours, where they come near to whole ones at a sample; zero where they never do."""
    duration, area = (np.asarray(x) for x in order.rows())
    row, _, wound, _, _ = order.samples()
    turns, sampled = area[:, :3] * scale, np.asarray(wound)[:, :3] * scale
    flips = _flip_angles(order)
    first = np.searchsorted(row, np.arange(len(duration) + 1))
    paths, ages = np.zeros((0, 3)), np.zeros(0)
    worst = np.zeros(3)
    for now, (lasts, own) in enumerate(zip(duration, turns, strict=True)):
        if first[now] < first[now + 1] and len(paths):
            at = paths[:, None] + sampled[first[now] : first[now + 1]][None]
            near = np.all(np.abs(at - np.round(at)) < NEAR, axis=-1) & np.any(np.round(at) != 0, axis=-1)
            if near.any():
                found = at[near]
                worst = max((worst, found[np.argmax(np.abs(found).max(axis=1))]), key=lambda x: np.abs(x).max())
        paths, ages = paths + own, ages + lasts
        flip = flips[now] if now < len(flips) else 0.0
        if np.isnan(flip):
            paths, ages = paths[:0], ages[:0]
        elif flip > REFOCUSING:
            paths = -paths
        elif flip:
            paths, ages = np.concatenate([np.zeros((1, 3)), paths]), np.concatenate([[0.0], ages])
        young = ages[:MOST_WOUND] < lasting
        paths, ages = paths[:MOST_WOUND][young], ages[:MOST_WOUND][young]
    return worst


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
