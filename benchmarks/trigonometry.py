"""How long do a cosine and a sine take, by XLA and by mrjax, and how wrong are they?

    python -m benchmarks.trigonometry [--small] --threads 1

Times are per pair; errors are absolute, in units of the machine epsilon. On one core, because XLA divides such
programs over threads.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import tasks
from benchmarks.measuring import Numbers, jitted, on_device, options, report
from mrjax.physics.maths.trigonometry import cosine_and_sine

LARGEST_ANGLE = 100.0

Pair = Callable[[jax.Array], tuple[jax.Array, jax.Array]]


def of_xla(angle: jax.Array) -> tuple[jax.Array, jax.Array]:
    return jnp.cos(angle), jnp.sin(angle)


def error_in_eps(function: Pair, angle: jax.Array) -> float:
    """Against the extended precision of NumPy, where the machine has it."""
    exact = np.asarray(angle).astype(np.longdouble)
    differences = [
        np.abs(np.asarray(value).astype(np.longdouble) - right).max()
        for value, right in zip(jax.jit(function)(angle), (np.cos(exact), np.sin(exact)), strict=True)
    ]
    return float(max(differences) / np.finfo(angle.dtype).eps)


def pair(job: str, function: Pair, n_angles: int, dtype: Any) -> Numbers:
    angles = np.random.default_rng(tasks.SEED).uniform(-LARGEST_ANGLE, LARGEST_ANGLE, n_angles)
    (angle,) = on_device(angles, dtype=dtype)
    numbers = jitted(function, angle, repeats=20)
    per_pair = 1e9 * numbers["median_s"] / n_angles
    return {"job": job, **numbers, "ns_per": per_pair, "error_eps": error_in_eps(function, angle)}


def both(n_angles: int, dtype: Any) -> list[Numbers]:
    name = np.dtype(dtype).name
    return [
        pair(f"trigonometry_{name}", cosine_and_sine, n_angles, dtype),
        pair(f"trigonometry_{name}_xla", of_xla, n_angles, dtype),
    ]


def main() -> None:
    n_angles = 10_000 if options(__doc__).small else 1_000_000
    jobs = both(n_angles, np.float32)
    with jax.enable_x64(True):
        jobs += both(n_angles, np.float64)
    report(*jobs)


if __name__ == "__main__":
    main()
