"""Times of an inversion recovery, learned with a network for T1: `python examples/design/inversion_times_with_a_network.py`.

All waiting together stays as long as it was. What is learned is judged on tissues that the network has not seen, by the
Cramér-Rao bound, and by least-squares fits, which know nothing of the network.
"""

import argparse
import types

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

import mrjax as mr

NOISE = 0.02
T1 = (0.3, 4.0)
START = {
    "inversion_time": jnp.array([0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 20.0]),
    "recovery": jnp.full(10, 12.0),
}
BOUNDS = {"inversion_time": (0.01, 25.0), "recovery": (0.01, 25.0)}
TOTAL = float(sum(np.sum(times) for times in START.values()))


def images_of(times):
    """Signals with their sign, from tissues: inversion, a wait, a readout that leaves nothing, and a recovery, ten times."""
    spoiled = mr.Spoil()
    wait, recovery = mr.Delay(times["inversion_time"]), mr.Delay(times["recovery"])
    scan = mr.Sequence(mr.Repeat(mr.Pulse(jnp.pi), spoiled, wait, mr.Pulse(jnp.pi / 2), mr.Sample(), spoiled, recovery))
    return lambda tissue: -mr.simulate(scan, mr.Tissue(tissue["t1"], t2=0.1, m0=tissue["m0"])).imag


class Acquisition(nnx.Module):
    """Times that last as long as at the start, and a network that reads T1 from the images."""

    def __init__(self, learns, rngs):
        self.times = mr.design.LearnedDesign(START, lambda times: times, BOUNDS)
        self.reading = mr.nn.FullyConnected((10, 16, 32, 16, 1), rngs=rngs)
        self.learns = learns

    def played(self):
        times = self.times()
        waits = mr.design.limit_sum(jnp.stack([times[name] for name in START]), TOTAL)
        times = dict(zip(START, waits, strict=True))
        return times if self.learns else jax.lax.stop_gradient(times)

    def __call__(self, batch):
        """The logarithm of T1."""
        images = images_of(self.played())(batch["tissue"]) + NOISE * batch["noise"]
        return self.reading(mr.nn.normalised(images))[:, 0]


def loss(network, batch):
    error = jnp.mean((network(batch) - jnp.log(batch["tissue"]["t1"])) ** 2)
    return error, {"relative_error": error}


def batches(batch_size, seed):
    prior = mr.synthesis.Uniform({"t1": T1})

    def make(key, n):
        of_tissue, of_noise = jax.random.split(key)
        tissue = prior.sample(of_tissue, n) | {"m0": jnp.ones(n)}
        return {"tissue": tissue, "noise": jax.random.normal(of_noise, (n, 10))}

    return mr.synthesis.Stream(make, batch_size, seed)


def trained(steps, learns):
    network, stream = Acquisition(learns, nnx.Rngs(0)), batches(256, seed=0)
    if learns:
        mr.design.require_influence(network, network.times, loss, stream.batch(0))
    adam = optax.adam(optax.cosine_decay_schedule(3e-3, steps))
    optimiser = mr.design.at_rate(adam, 20.0, "times")
    mr.nn.train(network, loss, stream.batch, mr.nn.TrainingSchedule(steps), optimiser, progress=False)
    return network


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="300 steps instead of 4000, fewer fits")
    parser.add_argument("--figure", help="where to draw the precision of both")
    options = parser.parse_args(arguments)
    networks = [trained(300 if options.quick else 4000, learns) for learns in (False, True)]
    designs = [network.played() for network in networks]
    for name in START:
        print(name, "(s):", *(f"{value:.2f}" for value in np.sort(designs[1][name])))
    print(f"in all {TOTAL:.1f} s, learned {sum(float(jnp.sum(times)) for times in designs[1].values()):.1f} s")
    unseen = batches(20_000, seed=1).batch(0)
    error = nnx.jit(lambda network, batch: loss(network, batch)[0])
    deviations = {"network": [float(error(network, unseen)) ** 0.5 for network in networks]}
    with jax.enable_x64(True):
        precise = [{name: jnp.asarray(np.asarray(value, float)) for name, value in one.items()} for one in designs]
        t1 = jnp.linspace(*T1, 38)
        bound = mr.design.crlb(images_of, {"t1": t1, "m0": jnp.ones(38)}, noise_std=NOISE, weights={"t1": 1.0})
        least = [np.asarray(bound.relative_deviation(design)["t1"]) for design in precise]
        n_fits = 200 if options.quick else 2000
        fitted = [np.asarray(bound.fitted_deviation(one, jax.random.key(0), n_fits)["t1"]) for one in precise]
    deviations |= {"bound": _root_mean_squares(least), "fits": _root_mean_squares(fitted)}
    for name, (start, learned) in deviations.items():
        print(
            f"{name}: relative deviation of T1 {start:.4f} at the start, {learned:.4f} learned, by {start / learned:.3f}"
        )
    if options.figure:
        draw(np.asarray(t1), least, fitted, options.figure)
    return types.SimpleNamespace(best=designs[1], deviations=deviations)


def _root_mean_squares(of_tissues):
    return [float(np.sqrt(np.mean(one**2))) for one in of_tissues]


def draw(t1, least, fitted, path):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 3.5), layout="constrained")
    axes = figure.subplots()
    for name, color, bound, fits in zip(("start", "learned"), ("0.5", "C0"), least, fitted, strict=True):
        axes.plot(t1, 100 * bound, color=color, label=f"{name}, bound")
        axes.plot(t1, 100 * fits, ".", color=color, label=f"{name}, fits")
    axes.set(xlabel="T1 (s)", ylabel="relative deviation of T1 (%)", ylim=(0, None))
    axes.legend()
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
