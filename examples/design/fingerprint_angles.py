"""Flip angles and repetition times of FISP fingerprinting, one by one: `python examples/design/fingerprint_angles.py`."""

import argparse
import time

import jax
import jax.numpy as jnp
import numpy as np

import mrjax as mr
from mrjax.units import deg, ms

TISSUE = {"t1": jnp.array([1.38]), "t2": jnp.array([0.08]), "m0": jnp.ones(1)}


def fingerprints_of(design):
    sequence = mr.protocols.mrf_fisp(design["flip_angle"], design["tr"], te=3 * ms, inversion_time=20 * ms)
    # of one tissue all states are small: storing them is quicker than computing them again
    options = {"engine": mr.EPG(n_states=10), "gradient": mr.gradient.Direct()}
    return lambda p: mr.simulate(sequence, mr.Tissue(p["t1"], p["t2"], m0=p["m0"]), **options)


def seconds(function, *arguments):
    jax.block_until_ready(function(*arguments))
    times = []
    for _ in range(10):
        start = time.perf_counter()
        jax.block_until_ready(function(*arguments))
        times.append(time.perf_counter() - start)
    return min(times)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="60 repetitions, 30 iterations")
    parser.add_argument("--iterations", type=int, default=250)
    options = parser.parse_args(arguments)
    jax.config.update("jax_enable_x64", True)
    n, iterations = (60, 30) if options.quick else (400, options.iterations)
    half_sines = 10 + 50 * np.abs(np.sin(np.pi * np.arange(n) / 300))
    start = {"flip_angle": jnp.asarray(half_sines * deg), "tr": jnp.full(n, 13 * ms)}
    bound = mr.design.crlb(fingerprints_of, TISSUE, noise_std=1e-3)
    result = mr.design.optimise(
        bound,
        start,
        free=lambda design: [design["flip_angle"], design["tr"]],
        bounds=[(10 * deg, 60 * deg), (11 * ms, 16 * ms)],
        constraints=[mr.design.Constraint(lambda design: jnp.diff(design["flip_angle"]), -1 * deg, 1 * deg)],
        optimiser=mr.design.Constrained(tolerance=1e-6),
        steps=iterations,
    )
    print(result)
    once, slope = (seconds(jax.jit(f), start) for f in (bound, jax.value_and_grad(bound)))
    print(f"one objective {once * 1e3:.3f} ms, with its {2 * n} derivatives {slope * 1e3:.3f} ms;")
    print(f"by finite differences they take {2 * n + 1} objectives, {(2 * n + 1) * once / slope:.0f} times as long")
    designs = (start, result.best)
    fitted = [bound.fitted_deviation(design, jax.random.key(0), 5000) for design in designs]
    total = [float(sum(value[0] ** 2 for value in one.values())) for one in fitted]
    print(f"relative variance falls by {result.factor:.3f}; in fits to noise by {total[0] / total[1]:.3f}")
    return result


if __name__ == "__main__":
    main()
