"""How long does a call of mrjax take, how long its compilation, and how much memory does it need?"""

import argparse
import os
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.peers import measuring

REPEATS = 5
MIB = 2**20
PACKAGES = ("mrjax", "jax", "jaxlib", "numpy")

Numbers = dict[str, Any]


def options(question: str | None) -> argparse.Namespace:
    """What every script takes; `threads` has had its effect when the package was imported."""
    return parser(question).parse_args()


def parser(question: str | None) -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(description=question, formatter_class=argparse.RawDescriptionHelpFormatter)
    result.add_argument("--small", action="store_true", help="a job of seconds, to see that the script runs")
    result.add_argument("--threads", type=int, help="cores to use; all by default")
    return result


def measured(call: Callable[[], Any], repeats: int = REPEATS) -> Numbers:
    """Wall times in s: of the first call, and the median and least of those after it."""
    jax.clear_caches()  # what an earlier job compiled would shorten the first call
    return measuring.measured(lambda: jax.block_until_ready(call()), repeats)[1]


def compiled(function: Callable[..., Any], *arguments: Any) -> tuple[Callable[..., Any], Numbers]:
    """The program of `jax.jit(function)`, and what it costs but for running it."""
    jax.clear_caches()
    start = time.perf_counter()
    program = jax.jit(function).lower(*arguments).compile()
    elapsed = time.perf_counter() - start
    memory = program.memory_analysis()
    return program, {
        "compile_s": elapsed,
        "temp_mib": memory.temp_size_in_bytes / MIB,
        "output_mib": memory.output_size_in_bytes / MIB,
    }


def jitted(function: Callable[..., Any], *arguments: Any, repeats: int = REPEATS) -> Numbers:
    """Everything about one call under `jax.jit`, of which the first one compiles."""
    program, cost = compiled(function, *arguments)
    times = measured(lambda: program(*arguments), repeats)
    return times | cost | {"first_s": cost["compile_s"] + times["first_s"]}


def ns_per(numbers: Numbers, work: float) -> Numbers:
    """Nanoseconds for each piece of work, by the median."""
    return {"ns_per": 1e9 * numbers["median_s"] / work}


def on_device(*arrays: Any, dtype: Any = np.float32) -> list[jax.Array]:
    return [jnp.asarray(array, dtype) for array in arrays]


def cores() -> int:
    """Cores that the process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def report(*jobs: Numbers, **others: Any) -> None:
    """One line of JSON: what was run on, and a list with one entry for each job."""
    versions = {name: version(name) for name in PACKAGES}
    measuring.report(jobs=list(jobs), cores=cores(), backend=jax.default_backend(), versions=versions, **others)
