"""Schedules that are learned: where they start, between which bounds, and how long all images may take."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from mrjax.design import LearnedDesign, limit_sum
from mrjax.io import read_schedule
from mrjax.zoo.saturation_transfer.experiment import PoolExperiment, Schedule

NAMES = ("b1", "offset_ppm", "saturation_time", "recovery", "flip_angle")

TIMES = ("saturation_time", "recovery")

ROUNDING = 1e-6
"""Of a sum of times in float32, relative."""

Bounds = Mapping[str, tuple[float, float]]


@dataclasses.dataclass(frozen=True, eq=False)
class Scheduling:
    """An experiment with a schedule, and what of it may be learned.

    **Arguments:**

    - `experiment`: What the schedule is for.
    - `start`: The schedule that a search begins with, or that is kept.
    - `bounds`: Between what each entry that is learned may lie, by name, in SI units; none to keep the start.
    - `most_time`: What all images may take together, in s; None for any.

    **Raises:** `ValueError` for a name that is no part of a schedule, and where the limits of the times leave no room.

    !!! example

        ```python
        >>> from mrjax.zoo.saturation_transfer import Scheduling, constant_schedule, l_arginine
        >>> start = constant_schedule(10, b1=3e-6, offset_ppm=3.0, saturation_time=2.5, recovery=1.02)
        >>> design = Scheduling(l_arginine(2e-3), start, bounds={"b1": (0.0, 6e-6)}, most_time=35.2)
        >>> print(f"{design.duration(design.played(start)):.1f} s")
        35.2 s

        ```
    """

    experiment: PoolExperiment
    start: Schedule
    bounds: Bounds
    most_time: float | None = None

    def __post_init__(self):
        if {*self.start} != {*NAMES}:
            raise ValueError(f"`start` must have {', '.join(NAMES)}, but has {', '.join(self.start)}.")
        if unknown := [name for name in self.bounds if name not in NAMES]:
            raise ValueError(f"`bounds` must be of {', '.join(NAMES)}, but got {', '.join(unknown)}.")
        if self.most_time is not None:
            self._require_time(self.most_time)

    @property
    def n_images(self) -> int:
        """Of the schedule."""
        return self.start["b1"].size

    def learned(self) -> LearnedDesign:
        """The schedule with its free entries as weights."""
        return LearnedDesign(self.start, lambda schedule: {name: schedule[name] for name in self.bounds}, self.bounds)

    def played(self, schedule: Schedule) -> Schedule:
        """The schedule with the times that may change shortened to `most_time`, where they have to be."""
        free = [name for name in TIMES if name in self.bounds]
        if self.most_time is None or not free:
            return schedule
        kept = sum((jnp.sum(schedule[name]) for name in TIMES if name not in free), start=0.0)
        kept = kept + self.n_images * self.experiment.readout_time
        values = jnp.stack([schedule[name] for name in free])
        least = jnp.array([self.bounds[name][0] for name in free], values.dtype)[:, None]
        shortened = limit_sum(values, self.most_time - kept, least)
        return schedule | dict(zip(free, shortened, strict=True))

    def duration(self, schedule: Schedule) -> float:
        """Of all images, in s."""
        times = np.asarray(schedule["saturation_time"], float) + np.asarray(schedule["recovery"], float)
        return float(np.sum(times)) + self.n_images * self.experiment.readout_time

    def _require_time(self, most_time: float) -> None:
        least = self.n_images * self.experiment.readout_time
        for name in TIMES:
            least += self.n_images * self.bounds[name][0] if name in self.bounds else float(self.start[name].sum())
        free = any(name in self.bounds for name in TIMES)
        if not (most_time > least or (not free and most_time >= least * (1 - ROUNDING))):
            raise ValueError(
                f"`most_time` must leave room for the shortest saturations, readouts and recoveries, {least:.6g} s, but is "
                f"{most_time:.6g} s; lower their bounds, take fewer images or more time."
            )


def constant_schedule(
    n_images: int,
    *,
    b1: float,
    offset_ppm: float,
    saturation_time: float,
    recovery: float,
    flip_angle: float = np.pi / 2,
) -> Schedule:
    """Images that are all alike.

    **Arguments:**

    - `n_images`: How many.
    - `b1`: In T.
    - `offset_ppm`: In ppm.
    - `saturation_time`, `recovery`: In s.
    - `flip_angle`: In rad.

    **Returns:** the schedule.
    """
    values = zip(NAMES, (b1, offset_ppm, saturation_time, recovery, flip_angle), strict=True)
    return {name: jnp.full(n_images, value, jnp.result_type(float)) for name, value in values}


def random_schedule(start: Schedule, bounds: Bounds, seed: int) -> Schedule:
    """A schedule whose entries that have bounds are drawn uniformly within them, and otherwise as another's.

    **Arguments:**

    - `start`: The other.
    - `bounds`: By name.
    - `seed`: Not negative.

    **Returns:** the schedule.
    """
    keys = jax.random.split(jax.random.key(seed), len(NAMES))
    draw = lambda key, pair, like: pair[0] + (pair[1] - pair[0]) * jax.random.uniform(key, like.shape, like.dtype)
    return {
        name: draw(key, bounds[name], start[name]) if name in bounds else start[name]
        for name, key in zip(NAMES, keys, strict=True)
    }


def schedule_from_file(path: str | Path) -> Schedule:
    """A schedule from a CSV file with one image a row, as `mrjax.io.read_schedule` reads it.

    **Arguments:**

    - `path`: Of the file.

    **Returns:** the schedule; its recovery is the repetition time less the saturation.

    **Raises:** as `mrjax.io.read_schedule`, and `ValueError` where a saturation is longer than its repetition time.
    """
    read = read_schedule(path)
    recovery = read.pop("tr") - read["saturation_time"]
    if np.any(recovery < 0):
        raise ValueError(f"{path}: the saturation of image {int(np.argmin(recovery)) + 1} is longer than its TR.")
    return {name: jnp.asarray(value, jnp.result_type(float)) for name, value in (read | {"recovery": recovery}).items()}
