"""Two flip angles of spoiled gradient echoes for T1: `python examples/design/flip_angles_for_t1.py`."""

import argparse

import jax
import jax.numpy as jnp
import numpy as np

import mrjax as mr
from mrjax.units import deg, ms

TR, T1 = 5 * ms, 1.0


def closed_form():
    """Angles of 0.71 of the signal at the Ernst angle."""
    ernst = float(mr.signals.relaxation.ernst_angle(TR, T1)[0])
    return 2 * np.arctan(np.tan(ernst / 2) * np.tan(np.pi / 8 * np.array([1, 3])))


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer fits")
    quick = parser.parse_args(arguments).quick
    jax.config.update("jax_enable_x64", True)
    tissue = {"t1": jnp.array([T1]), "m0": jnp.ones(1)}
    of_angles = lambda angles: mr.signals.models.VariableFlipAngle(flip_angle=angles, tr=TR)
    bound = mr.design.crlb(of_angles, tissue, noise_std=2e-4, weights={"t1": 1.0})
    start = jnp.array([4.0, 10.0]) * deg
    result = mr.design.optimise(bound, start, free=lambda angles: angles, bounds=(1 * deg, 90 * deg), progress=False)
    print("found      ", np.round(result.best / deg, 3), "deg")
    print("closed form", np.round(closed_form() / deg, 3), "deg")
    fitted = [
        float(bound.fitted_deviation(angles, jax.random.key(0), 5000 if quick else 20000)["t1"][0]) ** 2
        for angles in (start, result.best)
    ]
    print(f"variance of T1 falls by {result.factor:.3f}; in fits to noise by {fitted[0] / fitted[1]:.3f}")
    return result


if __name__ == "__main__":
    main()
