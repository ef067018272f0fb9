"""How long does a slice-selective pulse of 1000 steps take for 100,000 spins, in float32 and float64, and its gradient?

    python -m benchmarks.bloch [--small] [--threads 1]

The gradient of a loss in all samples of B1 is reverse mode under `jax.jit`, in float32; `ratio` is to the magnetisation
alone under `jax.jit`.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import mrjax as mr
from benchmarks import tasks
from benchmarks.measuring import Numbers, compiled, jitted, measured, ns_per, on_device, options, report

NAMES = ("b1", "gradient", "step", "positions", "frequencies", "t1", "t2")


def magnetisation(b1, gradient, step, positions, frequencies, t1, t2) -> Any:
    tissue = mr.Tissue(t1, t2, off_resonance=frequencies[None])
    place = {"field_gradient": gradient, "position": positions[:, None]}
    return mr.bloch(b1, step, tissue, **place, gyromagnetic_ratio=tasks.GAMMA)


def loss(b1: jax.Array, *others: jax.Array) -> jax.Array:
    difference = magnetisation(b1, *others).transverse - 0.1
    return jnp.sum(jnp.square(difference.real) + jnp.square(difference.imag))


def inputs(small: bool, dtype: Any) -> list[jax.Array]:
    task = tasks.bloch(*((20, 25) if small else (1000, 100)))
    return on_device(*(task[name] for name in NAMES), dtype=dtype)


def work(arguments: list[jax.Array]) -> int:
    """Spins times steps."""
    b1, _, _, positions, frequencies, *_ = arguments
    return b1.size * positions.size * frequencies.size


def forward(job: str, arguments: list[jax.Array]) -> Numbers:
    """Outside `jax.jit`, where mrjax uses all cores."""
    times = measured(lambda: magnetisation(*arguments))
    _, cost = compiled(magnetisation, *arguments)
    return {"job": job, **times, **cost, **ns_per(times, work(arguments))}


def gradient(arguments: list[jax.Array]) -> Numbers:
    numbers, signal = jitted(jax.value_and_grad(loss), *arguments), jitted(magnetisation, *arguments)
    own = {"ratio": numbers["median_s"] / signal["median_s"], "signal_s": signal["median_s"]}
    return {"job": "bloch_gradient", **numbers, **ns_per(numbers, work(arguments)), **own}


def main() -> None:
    small = options(__doc__).small
    jobs = [forward("bloch_float32", inputs(small, np.float32)), gradient(inputs(small, np.float32))]
    with jax.enable_x64(True):
        jobs.append(forward("bloch_float64", inputs(small, np.float64)))
    report(*jobs)


if __name__ == "__main__":
    main()
