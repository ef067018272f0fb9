"""How estimates of pools are scored: on tissues that no training has seen."""

import argparse
import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Float

from mrjax.zoo.saturation_transfer.experiment import Parameters, PoolExperiment
from mrjax.zoo.saturation_transfer.network import ImagedVoxels, samples
from mrjax.zoo.saturation_transfer.scheduling import Scheduling
from mrjax.zoo.system import Evaluation, Report

UNSEEN = 10**6
"""Added to the seed of a training: no step of it has these tissues."""


@dataclasses.dataclass(frozen=True)
class Agreement:
    """How estimates of one parameter agree with the truth."""

    mean_absolute_error: float
    """In the unit of the parameter."""
    correlation: float
    """Pearson's; nan where the estimates are all the same."""
    bias: float
    """Mean of estimate less truth."""


def agreement(found: Any, true: Any) -> Agreement:
    """The mean absolute error, the correlation and the bias of estimates.

    **Arguments:**

    - `found`, `true`: Of one parameter, of one shape.

    **Returns:** the `Agreement`.

    !!! example

        ```python
        >>> from mrjax.zoo.saturation_transfer import agreement
        >>> agreement([1.0, 2.0, 4.0], [1.0, 2.0, 3.0]).mean_absolute_error
        0.3333333333333333

        ```
    """
    found, true = np.ravel(np.asarray(found, float)), np.ravel(np.asarray(true, float))
    varied = min(np.ptp(found), np.ptp(true)) > 0
    correlation = float(np.corrcoef(found, true)[0, 1]) if varied else float("nan")
    return Agreement(float(np.mean(np.abs(found - true))), correlation, float(np.mean(found - true)))


def unseen(scheduling: Scheduling, n: int, seed: int) -> ImagedVoxels:
    """Tissues and noise that a training with a seed has not seen.

    **Arguments:**

    - `scheduling`: As of the training.
    - `n`: Tissues.
    - `seed`: Of the training.

    **Returns:** the `ImagedVoxels`.
    """
    return samples(scheduling, n, seed + UNSEEN).batch(0)


def vials(
    experiment: PoolExperiment, values: Mapping[str, tuple[float, ...]], n_voxels: int, n_images: int, seed: int
) -> ImagedVoxels:
    """A phantom of vials: every combination of given values, each in many voxels with noise of their own.

    **Arguments:**

    - `experiment`: Whose parameters.
    - `values`: Of every parameter in its `limits`, by name, in SI units.
    - `n_voxels`: Of each vial.
    - `n_images`: Of the schedule.
    - `seed`: Of the noise.

    **Returns:** the `ImagedVoxels`, vial after vial.

    **Raises:** `ValueError` where a parameter is missing or none of them.
    """
    if {*values} != {*experiment.limits}:
        raise ValueError(f"`values` must have {', '.join(experiment.limits)}, but has {', '.join(values)}.")
    mesh = np.meshgrid(*(np.asarray(values[name]) for name in experiment.limits), indexing="ij")
    columns = zip(experiment.limits, mesh, strict=True)
    dtype = jax.numpy.result_type(float)
    tissue = {name: jax.numpy.asarray(np.repeat(np.ravel(column), n_voxels), dtype) for name, column in columns}
    noise = jax.random.normal(jax.random.key(seed), (mesh[0].size * n_voxels, n_images), dtype)
    return ImagedVoxels(tissue, noise)


def scores(experiment: PoolExperiment, found: Parameters, true: Parameters) -> dict[str, Agreement]:
    """The `agreement` of everything that is estimated, in the units in which it is shown.

    **Arguments:**

    - `experiment`: What is estimated.
    - `found`, `true`: Parameters by name, in SI units.

    **Returns:** by name.
    """
    sizes = {name: experiment.show(name).size for name in experiment.estimated}
    return {name: agreement(found[name] / size, true[name] / size) for name, size in sizes.items()}


def add_options(parser: argparse.ArgumentParser) -> None:
    """How many tissues."""
    parser.add_argument("--tissues", type=int, default=2000, help="drawn as in training, but unseen; 2000 by default")


def evaluation(scheduling_of: Callable[[Any], Scheduling]) -> Evaluation:
    """How a system of this task is judged: on unseen tissues, imaged with the schedule that it has learned.

    **Arguments:**

    - `scheduling_of`: From a configuration to its `Scheduling`.

    **Returns:** the `Evaluation`.
    """

    def report(
        config: Any,
        estimate: Callable[[ImagedVoxels | Float[Array, "voxel image"]], Parameters],
        options: argparse.Namespace,
    ) -> Report:
        scheduling = scheduling_of(config)
        tissues = unseen(scheduling, options.tissues, config.seed)
        found = scores(scheduling.experiment, estimate(tissues), tissues.tissue)
        columns = ("parameter", "mean absolute error", "correlation", "bias")
        return Report(f"{options.tissues} unseen tissues", columns, rows(scheduling.experiment, found))

    return Evaluation(add_options, report)


def rows(experiment: PoolExperiment, found: dict[str, Agreement]) -> list[tuple[str, ...]]:
    """A table of scores."""
    lines = []
    for name, one in found.items():
        shown = experiment.show(name)
        unit = f" {shown.unit}" if shown.unit else ""
        error, bias = f"{one.mean_absolute_error:.4g}{unit}", f"{one.bias:+.3g}{unit}"
        lines.append((shown.name, error, f"{one.correlation:.3f}", bias))
    return lines
