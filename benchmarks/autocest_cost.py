"""What does a step of learning a schedule cost, beside the images and the network alone?

    python -m benchmarks.autocest_cost

CPU seconds of one process on one core, the least of several, for a batch of `auto_cest` and of `loas`; and the memory that the
compiled programs take beside arguments and results.
"""

import time
from collections.abc import Callable
from typing import Any

import jax
from flax import nnx

from mrjax import zoo


def cpu_seconds(function: Callable[..., Any], *arguments: Any) -> float:
    """The least of five."""
    times = []
    for _ in range(5):
        begun = time.process_time()
        jax.block_until_ready(function(*arguments))
        times.append(time.process_time() - begun)
    return min(times)


def main() -> None:
    """Measure and print."""
    print("| system | batch | value, ms | value, MiB | value and gradient, ms | value and gradient, MiB | ratio |")
    print("|---|---|---|---|---|---|---|")
    for name in ("auto_cest", "loas"):
        system = zoo.system_called(name)
        config = zoo.configured(system, "paper", {})
        graph, weights = nnx.split(system.network(config, nnx.Rngs(0)))
        batch, loss = system.data(config).batch(0), system.loss(config)
        value = lambda weights, batch, graph=graph, loss=loss: loss(nnx.merge(graph, weights), batch)[0]
        programs = [jax.jit(f).lower(weights, batch).compile() for f in (value, jax.value_and_grad(value))]
        seconds = [cpu_seconds(program, weights, batch) for program in programs]
        memory = [program.memory_analysis().temp_size_in_bytes / 2**20 for program in programs]
        cells = [name, f"{config.batch_size}"]
        cells += [
            cell for pair in zip(seconds, memory, strict=True) for cell in (f"{1e3 * pair[0]:.1f}", f"{pair[1]:.1f}")
        ]
        print(f"| {' | '.join(cells)} | {seconds[1] / seconds[0]:.1f} |")


if __name__ == "__main__":
    main()
