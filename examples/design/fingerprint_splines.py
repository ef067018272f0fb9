"""Smooth FISP fingerprints from few coefficients, for a range of tissues: `python examples/design/fingerprint_splines.py`."""

import argparse

import jax
import jax.numpy as jnp
import numpy as np

import mrjax as mr
from mrjax.units import deg, ms


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="60 repetitions, 40 steps")
    parser.add_argument("--figure", help="where to draw the design")
    options = parser.parse_args(arguments)
    jax.config.update("jax_enable_x64", True)
    n, steps = (60, 40) if options.quick else (400, 300)
    curve = mr.design.BSpline(n_coefficients=12, n_samples=n)
    tissues = {"t1": jnp.array([0.8, 1.4, 2.0]), "t2": jnp.array([0.05, 0.08, 0.15]), "m0": jnp.ones(3)}

    def fingerprints_of(design):
        sequence = mr.protocols.mrf_fisp(
            curve(design["flip_angle"]), curve(design["tr"]), te=3 * ms, inversion_time=20 * ms
        )
        tissue = lambda p: mr.Tissue(p["t1"], p["t2"], m0=p["m0"])
        return lambda p: mr.simulate(sequence, tissue(p), mr.EPG(n_states=20))

    bound = mr.design.crlb(fingerprints_of, tissues, noise_std=1e-3, weights={"t1": 1.0, "t2": 1.0})
    half_sines = 10 + 50 * np.abs(np.sin(np.pi * np.arange(n) / 300))
    start = {
        "flip_angle": jnp.clip(jnp.asarray(curve.nearest(half_sines * deg)), 0.0, 70 * deg),
        "tr": jnp.full(12, 13 * ms),
    }
    result = mr.design.optimise(
        bound,
        start,
        free=lambda design: [design["flip_angle"], design["tr"]],
        bounds=[(0.0, 70 * deg), (11 * ms, 16 * ms)],
        steps=steps,
    )
    print(result)
    fits = [bound.fitted_deviation(design, jax.random.key(0), 2000) for design in (start, result.best)]
    total = [float(sum(jnp.mean(value**2) for value in one.values())) for one in fits]
    print(f"relative variance falls by {result.factor:.3f}; in fits to noise by {total[0] / total[1]:.3f}")
    if options.figure:
        axes = mr.plot.design(result, bound=bound, show=lambda design: {name: curve(design[name]) for name in design})
        axes[0].figure.savefig(options.figure)
    return result


if __name__ == "__main__":
    main()
