"""How maps of susceptibility are scored, and what `mrjax evaluate` prints of them."""

import argparse
import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array

from mrjax.inverse import qsm
from mrjax.zoo.susceptibility.data import Measured, SusceptibilityConfig
from mrjax.zoo.susceptibility.test_sets import brains, measured, simulated
from mrjax.zoo.system import Evaluation, Report

Estimate = Callable[[Measured], dict[str, Array]]
"""From what was measured to `susceptibility` in ppm, `(n, nx, ny, nz)`."""


@dataclasses.dataclass(frozen=True)
class SusceptibilityScores:
    """Of a map, after it and the truth lost their mean in the mask, which no field tells."""

    nrmse: float
    """In %."""
    hfen: float
    """In %."""
    xsim: float
    slope: float
    """Of a line through all voxels of the mask, found against true."""


def score(susceptibility: Any, truth: Any, mask: Any) -> SusceptibilityScores:
    """How far a map is from the truth.

    **Arguments:**

    - `susceptibility`, `truth`: In ppm, `(nx, ny, nz)`.
    - `mask`: Where they are compared, `(nx, ny, nz)`.

    **Returns:** the `SusceptibilityScores`; `mrjax.inverse.qsm` says what they are.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> from mrjax.zoo.susceptibility import score
        >>> truth = jnp.zeros((8, 8, 8)).at[2:6, 2:6, 2:6].set(0.1)
        >>> scores = score(0.9 * truth + 0.02, truth, jnp.ones((8, 8, 8), bool))
        >>> print(f"{scores.nrmse:.1f} % {scores.slope:.2f}")
        10.0 % 0.90

        ```
    """
    inside = jnp.asarray(mask) != 0
    within = lambda values: jnp.where(inside, values, 0.0)
    found, true = (
        within(jnp.asarray(x) - within(jnp.asarray(x)).sum() / inside.sum()) for x in (susceptibility, truth)
    )
    nrmse, hfen, xsim = (float(measure(found, true, inside)) for measure in (qsm.nrmse, qsm.hfen, qsm.xsim))
    return SusceptibilityScores(nrmse, hfen, xsim, float((found * true).sum() / (true**2).sum()))


def add_options(parser: argparse.ArgumentParser) -> None:
    """The volumes to be judged on."""
    parser.add_argument(
        "--susceptibility", type=Path, help="NIfTI map in ppm whose field is simulated; random brains by default"
    )
    parser.add_argument("--field", type=Path, help="NIfTI map of the local field in ppm, with --mask and --truth")
    parser.add_argument("--mask", type=Path, help="NIfTI mask")
    parser.add_argument("--truth", type=Path, help="NIfTI map of the susceptibility in ppm")
    parser.add_argument(
        "--b0-direction",
        type=float,
        nargs=3,
        metavar=("X", "Y", "Z"),
        help="along the axes of the volume; from the affine by default",
    )


def report(config: SusceptibilityConfig, estimate: Estimate, options: argparse.Namespace) -> Report:
    """Scores of each volume."""
    rows = []
    for name, volumes in _volumes(config, options).items():
        given = {key: values for key, values in volumes.items() if key != "susceptibility"}
        scores = score(estimate(given)["susceptibility"][0], volumes["susceptibility"][0], volumes["mask"][0])
        numbers = (f"{scores.nrmse:.1f}", f"{scores.hfen:.1f}", f"{scores.xsim:.3f}", f"{scores.slope:.3f}")
        rows.append((name, f"{int(volumes['mask'].sum())}", *numbers))
    return Report("maps of susceptibility", ("volume", "voxels", "NRMSE %", "HFEN %", "XSIM", "slope"), rows)


def _volumes(config: SusceptibilityConfig, options: argparse.Namespace) -> dict[str, Measured]:
    if options.susceptibility is not None and options.field is not None:
        raise ValueError("Give either --susceptibility or --field.")
    if options.field is not None:
        if options.mask is None or options.truth is None:
            raise ValueError("--field needs --mask and --truth.")
        return {options.field.name: measured(options.field, options.mask, options.truth, options.b0_direction)}
    if options.truth is not None:
        raise ValueError("--truth goes with --field; with --susceptibility that map is the truth.")
    if options.susceptibility is not None:
        volume = simulated(options.susceptibility, config, options.mask, options.b0_direction)
        return {options.susceptibility.name: volume}
    if options.mask is not None or options.b0_direction is not None:
        raise ValueError("--mask and --b0-direction go with --susceptibility or --field.")
    return brains(config)


EVALUATION = Evaluation(add_options, report)
