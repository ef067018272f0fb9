"""How myelin water fractions are scored."""

import argparse
import dataclasses
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from mrjax.io import read_nifti
from mrjax.synthesis import Uniform, rician_magnitude
from mrjax.zoo.myelin_water.data import LIMITS, Estimate, MyelinWaterConfig, Samples, echo_times, stream, three_pools
from mrjax.zoo.system import Evaluation, Report


def root_mean_square_error(found: Float[Array, " voxel"], true: Float[Array, " voxel"]) -> float:
    """Of fractions, in percent of all water."""
    return 100 * float(jnp.sqrt(jnp.mean((found - true) ** 2)))


def add_options(parser: argparse.ArgumentParser) -> None:
    """Which voxels."""
    parser.add_argument("--voxels", type=int, default=2000, help="drawn as in training, 2000 by default")
    parser.add_argument("--maps", type=Path, help="NIfTI map of myelin water fractions from 0 to 1, in place of these")
    parser.add_argument("--snr", type=float, help="as configured by default")


def report(config: MyelinWaterConfig, estimate: Estimate, options: argparse.Namespace) -> Report:
    """Root mean square error and bias."""
    snr = config.snr if options.snr is None else options.snr
    unseen = dataclasses.replace(config, batch_size=options.voxels, seed=config.seed + 1, snr=snr)
    samples = stream(unseen).batch(0) if options.maps is None else _of_map(options.maps, unseen)
    found, true = estimate(samples["echoes"]), samples["myelin_fraction"]
    row = (
        f"{len(true)}",
        f"{root_mean_square_error(found, true):.2f} %",
        f"{100 * float((found - true).mean()):+.2f} %",
    )
    return Report(f"myelin water fraction at SNR {snr:g}", ("voxels", "root mean square error", "bias"), [row])


def _of_map(file: Path, config: MyelinWaterConfig) -> Samples:
    """Voxels of a map above zero, with the other properties of pools drawn."""
    fraction = np.asarray(read_nifti(file).data, float)
    fraction = fraction[np.isfinite(fraction) & (fraction > 0)]
    if not fraction.size or fraction.max() > 1:
        raise ValueError(f"{file} must hold fractions above 0 and up to 1; divide percentages by 100.")
    of_pools, of_noise = jax.random.split(jax.random.key(config.seed))
    others = {name: limits for name, limits in LIMITS.items() if name != "myelin_fraction"}
    pools = Uniform(others).sample(of_pools, fraction.size) | {"myelin_fraction": jnp.asarray(fraction)}
    echoes = rician_magnitude(of_noise, three_pools(echo_times(config), pools), config.snr)
    return {"echoes": echoes, "myelin_fraction": pools["myelin_fraction"]}


EVALUATION = Evaluation(add_options, report)
