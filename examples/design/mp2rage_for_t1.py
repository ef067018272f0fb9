"""Inversion times and flip angles of MP2RAGE for T1 from 0.8 to 2 s: `python examples/design/mp2rage_for_t1.py`."""

import argparse

import jax
import jax.numpy as jnp
import numpy as np

import mrjax as mr
from mrjax.units import deg, ms

READOUTS, SPACING, TR = (80, 80), 7 * ms, 5.0
TRAIN = sum(READOUTS) * SPACING


def images_of(design, data="signed"):
    return mr.signals.models.MP2RAGE(design["inversion_time"], design["flip_angle"], READOUTS, SPACING, TR, data)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="three T1, fewer fits")
    parser.add_argument("--figure", help="where to draw the design")
    options = parser.parse_args(arguments)
    jax.config.update("jax_enable_x64", True)
    t1 = jnp.linspace(0.8, 2.0, 3 if options.quick else 13)
    # the uniform image is a function of the ratio of both images, and so is the best estimate of T1 where M0 is unknown
    tissues = {"t1": t1, "m0": jnp.ones_like(t1)}
    bound = mr.design.crlb(images_of, tissues, noise_std=1e-3, weights={"t1": 1.0})
    start = {"inversion_time": jnp.array([0.7, 2.5]), "flip_angle": jnp.array([4.0, 5.0]) * deg}
    result = mr.design.optimise(
        bound,
        start,
        free=lambda design: design,
        bounds={
            "inversion_time": (READOUTS[0] * SPACING, TR - READOUTS[1] * SPACING),
            "flip_angle": (1 * deg, 20 * deg),
        },
        constraints=[mr.design.Constraint(lambda design: jnp.diff(design["inversion_time"]), lower=TRAIN)],
        optimiser=mr.design.Constrained(tolerance=1e-9),
        progress=False,
    )
    for name, design in (("start", start), ("found", result.best)):
        times, angles = design["inversion_time"] / ms, design["flip_angle"] / deg
        falls = images_of(design, "uniform_image").monotone_range()
        print(
            f"{name}: {np.round(times)} ms, {np.round(angles, 2)} deg; T1 is unique from {falls[0]:.2f} to {falls[1]:.2f} s"
        )
    if options.figure:
        axes = mr.plot.design(result, bound=bound)
        axes[-1].set_xticks(range(0, len(t1), 3), [f"{value:.1f}" for value in t1[::3]])
        axes[-1].set_xlabel("T1 (s)")
        axes[0].figure.savefig(options.figure)
    n_fits = 5000 if options.quick else 20000
    fits = [bound.fitted_deviation(design, jax.random.key(0), n_fits)["t1"] for design in (start, result.best)]
    total = [float(jnp.mean(one**2)) for one in fits]
    print(f"variance of T1 falls by {result.factor:.3f}; in fits to noise by {total[0] / total[1]:.3f}")
    return result


if __name__ == "__main__":
    main()
