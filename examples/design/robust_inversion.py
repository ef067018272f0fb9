"""An inversion that forgives transmit field and frequency, by gradient: `python examples/design/robust_inversion.py`."""

import argparse

import jax
import jax.numpy as jnp
import numpy as np

import mrjax as mr
from mrjax.units import ms, uT

MAX_B1 = 15 * uT


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="half the samples, a third of the steps")
    quick = parser.parse_args(arguments).quick
    jax.config.update("jax_enable_x64", True)
    b1, frequency = np.meshgrid(np.linspace(0.7, 1.3, 7), np.linspace(-200, 200, 11), indexing="ij")
    n = 50 if quick else 100
    task = mr.design.PulseTask(
        kind="inversion",
        flip_angle=np.pi,
        n_samples=n,
        dt=4 * ms / n,
        wanted=np.ones(b1.shape),
        b1=b1,
        off_resonance=frequency,
        max_b1=MAX_B1,
    )
    noise = 0.3 * np.random.default_rng(0).normal(size=(2, n)) * task.nominal_block()
    start = {"real": jnp.asarray(task.nominal_block() + noise[0]), "imaginary": jnp.asarray(noise[1])}
    result = mr.design.optimise(
        mr.design.weighted_sum({"error": (1.0, task.error), "energy": (0.005, task.energy)}),
        start,
        free=lambda design: design,
        bounds={"real": (-MAX_B1, MAX_B1), "imaginary": (-MAX_B1, MAX_B1)},
        steps=100 if quick else 400,
        progress=False,
    )
    power = float(task.energy(result.best))
    block = {"real": jnp.full(n, MAX_B1 * power**0.5), "imaginary": jnp.zeros(n)}
    for name, design in (("block of the same power", block), ("designed", result.best)):
        inverted = task.response(design).inverted
        print(f"{name}: Mz {float(jnp.mean(inverted)):.3f} on average, {float(jnp.max(inverted)):.3f} at worst")
    return result


if __name__ == "__main__":
    main()
