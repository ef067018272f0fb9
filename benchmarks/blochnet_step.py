"""What does a training step of BlochNet cost, beside its encoder's own step and beside one signal?

    python -m benchmarks.blochnet_step [--small] [--threads 1]

Batch of 1000, 1000 repetitions, 20 states, under `jax.jit`, the batch already simulated. `ratio` is to the encoder's step plus
one signal; the peer does the same step in torch as the published code does, in reverse mode through every state.
"""

from collections.abc import Callable

import jax
from flax import nnx

from benchmarks.measuring import jitted, options, report
from mrjax.zoo import System, TrainingConfig, fingerprints
from mrjax.zoo.systems import blochnet, mrf_autoencoders


def step_of(system: System, config: TrainingConfig) -> tuple[Callable, nnx.State]:
    """Loss and gradient of a network in its weights; and the weights."""
    graph, weights, rest = nnx.split(system.network(config, nnx.Rngs(0)), nnx.Param, ...)
    loss = system.loss(config)
    value = lambda weights, batch: loss(nnx.merge(graph, weights, rest), batch)[0]
    return jax.value_and_grad(value), weights


def main() -> None:
    size = {"batch_size": 100, "n_repetitions": 100} if options(__doc__).small else {}
    config = blochnet.BlochNetConfig(**size)
    batch = fingerprints.stream(config).batch(0)
    decoder = fingerprints.training_decoder(config)
    times = {name: batch[name] for name in ("t1", "t2")}
    signal = jitted(lambda times: fingerprints.decoded(decoder, times), times)
    jobs = []
    for name, system, settings in (
        ("blochnet_step", blochnet.SYSTEM, config),
        ("encoder_step", mrf_autoencoders.SYSTEM, mrf_autoencoders.AutoencoderConfig(**size)),
    ):
        step, weights = step_of(system, settings)
        jobs.append({"job": name, **jitted(step, weights, batch)})
    together = jobs[1]["median_s"] + signal["median_s"]
    jobs[0] |= {"ratio": jobs[0]["median_s"] / together, "signal_s": signal["median_s"]}
    report(*jobs)


if __name__ == "__main__":
    main()
