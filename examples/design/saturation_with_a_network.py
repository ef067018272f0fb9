"""Powers and times of CEST images, learned with a network: `python examples/design/saturation_with_a_network.py`.

Two parts, a schedule and a network, are one `flax.nnx` module, and `mr.nn.train` trains both on batches of random tissues: any
sequence of arguments that can be differentiated may stand in the place of the schedule.
"""

import argparse
import types

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

import mrjax as mr

B0, SHIFT, NOISE = 9.4, 3.0, 5e-3
MILLIMOLAR = 3 / 110e3
LIMITS = {"fraction": (10 * MILLIMOLAR, 120 * MILLIMOLAR), "exchange_rate": (100.0, 1400.0), "t1": (2.5, 3.3)}
LEARNED = {"b1": (0.0, 6e-6), "saturation_time": (0.1, 5.0), "recovery": (0.1, 5.0)}


class Acquisition(nnx.Module):
    """A schedule that lasts so long at most, and a network for concentration and exchange rate."""

    def __init__(self, n_images, most_time, learns, rngs):
        start = {"b1": jnp.linspace(1e-6, 5e-6, n_images), "saturation_time": jnp.full(n_images, 2.5)}
        start["recovery"] = jnp.full(n_images, 1.0)
        self.schedule = mr.design.LearnedDesign(start, lambda schedule: schedule, LEARNED)
        self.reading = mr.nn.FullyConnected((n_images, 100, 100, 2), rngs=rngs)
        self.most_time, self.learns = most_time, learns

    def played(self):
        schedule = self.schedule()
        times = jnp.stack([schedule["saturation_time"], schedule["recovery"]])
        times = mr.design.limit_sum(times, self.most_time, least=0.1)
        schedule |= dict(zip(("saturation_time", "recovery"), times, strict=True))
        return schedule if self.learns else jax.lax.stop_gradient(schedule)

    def __call__(self, batch):
        """From tissues to images to fraction and rate, from -1 to 1 between their limits."""
        schedule, tissue = self.played(), batch["tissue"]
        tr = schedule["saturation_time"] + schedule["recovery"]
        scan = mr.protocols.cest.fingerprinting(schedule["b1"], SHIFT, schedule["saturation_time"], tr, B0)
        pool = mr.Pool(tissue["fraction"], tissue["exchange_rate"], t1=2.8, t2=0.04, shift_ppm=SHIFT)
        voxels = mr.Tissue(tissue["t1"], t2=0.9, pools=(pool,))
        images = abs(mr.simulate(scan, voxels, mr.BlochMcConnell(b0=B0))) + NOISE * batch["noise"]
        return self.reading(mr.nn.normalised(images))


def loss(network, batch):
    square = jnp.mean((network(batch) - wanted(batch["tissue"])) ** 2, axis=0)
    return jnp.mean(square), {"fraction": square[0], "exchange_rate": square[1]}


def wanted(tissue):
    units = [2 * (tissue[name] - low) / (high - low) - 1 for name, (low, high) in list(LIMITS.items())[:2]]
    return jnp.stack(units, axis=-1)


def batches(n_images, batch_size, seed):
    prior = mr.synthesis.Uniform(LIMITS)

    def make(key, n):
        of_tissue, of_noise = jax.random.split(key)
        return {"tissue": prior.sample(of_tissue, n), "noise": jax.random.normal(of_noise, (n, n_images))}

    return mr.synthesis.Stream(make, batch_size, seed)


def trained(options, learns):
    network = Acquisition(options.images, 3.5 * options.images, learns, nnx.Rngs(0))
    stream = batches(options.images, options.batch, seed=0)
    if learns:
        mr.design.require_influence(network, network.schedule, loss, stream.batch(0))
    adam = optax.adam(optax.cosine_decay_schedule(options.rate, options.steps))
    steps = mr.nn.TrainingSchedule(options.steps, checkpoint_every=min(100, options.steps))
    folder = None if options.out is None else f"{options.out}/{'learned' if learns else 'start'}"
    optimiser = mr.design.at_rate(adam, 20.0, "schedule")  # with a folder it goes on where it was stopped
    mr.nn.train(network, loss, stream.batch, steps, optimiser, folder, progress=False)
    return network


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="5 images, 200 steps of 64 tissues")
    parser.add_argument("--out", help="folder for checkpoints")
    options = parser.parse_args(arguments)
    quick, usual = (5, 200, 64, 5e-3), (10, 2000, 256, 1e-3)
    options.images, options.steps, options.batch, options.rate = quick if options.quick else usual
    start, learned = (trained(options, learns) for learns in (False, True))
    for name, (_, high) in LEARNED.items():
        print(name, *(f"{value / high:.2f}" for value in np.asarray(learned.played()[name])), "of its most")
    unseen = batches(options.images, 4000, seed=1)
    error = nnx.jit(lambda network, batch: loss(network, batch)[0])
    factors = [float(error(start, unseen.batch(i)) / error(learned, unseen.batch(i))) for i in range(2)]
    print(f"mean square errors on unseen tissues fall by {factors[0]:.4f}, on others by {factors[1]:.4f}")
    return types.SimpleNamespace(factor=factors[0], best=learned.played())


if __name__ == "__main__":
    main()
