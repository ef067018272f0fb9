"""How estimates from fingerprints are scored, and what `mrjax evaluate` prints of them."""

import argparse
import dataclasses
import math
from pathlib import Path

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from mrjax.units import ms
from mrjax.zoo.fingerprints.data import Estimate, FingerprintConfig, fisp_decoder
from mrjax.zoo.fingerprints.refinement import refined
from mrjax.zoo.fingerprints.test_sets import Voxels, maps, phantom
from mrjax.zoo.system import Evaluation, Report

SEEN_AFTER = 10 * ms
"""T2 from which a voxel is scored as one "with signal"."""


@dataclasses.dataclass(frozen=True)
class Scores:
    """Mean square errors of log10 T1 and log10 T2, averaged over both."""

    all_voxels: float
    with_signal: float
    """Over voxels with T2 of at least 10 ms whose signal is not zero; nan where there are none."""
    n_voxels: int
    n_with_signal: int


def score(
    estimate: Estimate, parameters: dict[str, np.ndarray], signal: Float[np.ndarray, "voxel n"], at_once: int = 1000
) -> Scores:
    """How far an estimate is off, voxel by voxel, on given tissues and their fingerprints.

    **Arguments:**

    - `estimate`: From fingerprints `(voxel, n)` to T1 and T2 in s.
    - `parameters`: The true `t1` and `t2` in s, each `(voxel,)`.
    - `signal`: Their fingerprints, `(voxel, n)`.
    - `at_once`: Voxels estimated at once.

    **Returns:** the `Scores`.

    !!! example

        ```python
        >>> import jax.numpy as jnp, numpy as np
        >>> from mrjax.zoo.fingerprints import score
        >>> tenfold = lambda signal: {"t1": jnp.ones(len(signal)), "t2": jnp.ones(len(signal))}
        >>> score(tenfold, {"t1": np.ones(4), "t2": np.full(4, 0.1)}, np.ones((4, 3))).all_voxels
        0.5

        ```
    """
    parts = [estimate(jnp.asarray(signal[i : i + at_once])) for i in range(0, len(signal), at_once)]
    found = {name: np.concatenate([np.asarray(part[name]) for part in parts]) for name in ("t1", "t2")}
    square = np.mean([np.log10(found[name] / np.asarray(parameters[name])) ** 2 for name in found], axis=0)
    seen = (np.asarray(parameters["t2"]) >= SEEN_AFTER) & (np.linalg.norm(signal, axis=-1) > 0)
    with_signal = float(square[seen].mean()) if seen.any() else math.nan
    return Scores(float(square.mean()), with_signal, len(square), int(seen.sum()))


def add_options(parser: argparse.ArgumentParser) -> None:
    """The tissues to be judged on, and whether to refine."""
    parser.add_argument("--maps", type=Path, help="npz file with arrays t1 and t2; the brain phantom by default")
    parser.add_argument("--t1", type=Path, help="NIfTI map of T1, with --t2")
    parser.add_argument("--t2", type=Path, help="NIfTI map of T2")
    parser.add_argument("--milliseconds", action="store_true", help="the maps are in ms, not in s")
    parser.add_argument(
        "--refine", action="store_true", help="go on from each answer by least squares through the physics"
    )


def report(config: FingerprintConfig, estimate: Estimate, options: argparse.Namespace) -> Report:
    """Scores on fingerprints of the published schedule, over all voxels and over those with signal."""
    voxels, decoder = _voxels(options), fisp_decoder(config)
    if options.refine:
        estimate = refined(estimate, decoder)
    scores = score(estimate, voxels.parameters, voxels.signals(decoder))
    return Report(
        "FISP fingerprints",
        ("voxels", "number", "log10 mean square error"),
        [
            ("all", f"{scores.n_voxels}", f"{scores.all_voxels:.3e}"),
            ("T2 of 10 ms or more, with signal", f"{scores.n_with_signal}", f"{scores.with_signal:.3e}"),
        ],
    )


def _voxels(options: argparse.Namespace) -> Voxels:
    if (options.t1 is None) != (options.t2 is None):
        raise ValueError("--t1 and --t2 must be given together.")
    if options.maps is not None and options.t1 is not None:
        raise ValueError("Give either --maps or --t1 and --t2.")
    file = options.maps or options.t1
    return phantom() if file is None else maps(file, options.t2, options.milliseconds)


EVALUATION = Evaluation(add_options, report)
