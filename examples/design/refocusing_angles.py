"""Refocusing angles of a train of 32 echoes for T2, of the power of 60 degrees: `python examples/design/refocusing_angles.py`."""

import argparse
import os
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

import mrjax as mr
from mrjax.units import deg, ms

T1, T2 = 1.0, 0.1
PUBLISHED = Path(os.environ.get("MRJAX_DATA", "shared/data")) / "mrf" / "fse_fisher_angles_32.csv"


def echoes_of(angles):
    train = mr.protocols.cpmg(angles, echo_spacing=10 * ms)
    return lambda p: p["m0"][..., None] * mr.simulate(train, mr.Tissue(T1, p["t2"])).real


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="8 echoes")
    quick = parser.parse_args(arguments).quick
    jax.config.update("jax_enable_x64", True)
    tissue = {"t2": jnp.array([T2]), "m0": jnp.ones(1)}
    bound = mr.design.crlb(echoes_of, tissue, noise_std=2e-3, weights={"t2": 1.0})
    start = jnp.full(8 if quick else 32, 60 * deg)
    result = mr.design.optimise(
        bound,
        start,
        free=lambda angles: angles,
        bounds=(0.0, 180 * deg),
        constraints=[mr.design.Constraint(mr.design.energy, upper=(60 * deg) ** 2)],
        optimiser=mr.design.Constrained(tolerance=1e-7),
        progress=False,
    )
    print("found (deg)    ", np.round(result.best / deg, 1))
    if PUBLISHED.exists() and not quick:
        published = np.loadtxt(PUBLISHED) * deg
        print("published (deg)", np.round(published / deg, 1))
        print(
            f"variance of T2 of the published over that found: {bound(jnp.asarray(published)) / result.objective:.5f}"
        )
    fitted = [
        float(bound.fitted_deviation(angles, jax.random.key(0), 5000 if quick else 20000)["t2"][0]) ** 2
        for angles in (start, result.best)
    ]
    print(f"variance of T2 falls by {result.factor:.3f}; in fits to noise by {fitted[0] / fitted[1]:.3f}")
    return result


if __name__ == "__main__":
    main()
