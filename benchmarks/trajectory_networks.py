"""What a step costs in which a trajectory and a network are learned together, relative to the value of its loss.

    python -m benchmarks.trajectory_networks

Prints one line of JSON for each reconstruction, 64 x 64 pixels, 8 spokes of 256 samples, 6 coils, 4 images, 6 iterations: the
least time of seven in s on one core, of the loss alone and with its derivative in trajectory and weights; their ratio; and the
temporary memory of both in MiB as XLA plans it.
"""

import json
import os
import time
from typing import Any

SETTINGS = {"start": "radial", "matrix": 64, "n_shots": 8, "dwell_time": 10e-6}


def main() -> None:
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1])  # before JAX counts cores
    os.environ["OMP_NUM_THREADS"] = "1"
    for reconstruction in ("nc_pdnet", "modl"):
        print(json.dumps({"reconstruction": reconstruction} | measured(reconstruction)), flush=True)


def measured(reconstruction: str) -> dict[str, float]:
    """Times and memory of one reconstruction."""
    import jax
    from flax import nnx

    import mrjax as mr

    with jax.enable_x64(True):
        model, batch = problem(reconstruction)
        graph, state = nnx.split(model)
        loss = lambda state: mr.design.trajectory_loss()(nnx.merge(graph, state), batch)[0]
        programs = [jax.jit(one).lower(state).compile() for one in (loss, jax.value_and_grad(loss))]
        value_s, gradient_s = (least_of_seven(program, state) for program in programs)
        sizes: list[Any] = [one.memory_analysis() for one in programs]
    value_mib, gradient_mib = (one.temp_size_in_bytes / 2**20 for one in sizes)
    times = {"value_s": value_s, "gradient_s": gradient_s, "ratio": gradient_s / value_s}
    return times | {"value_MiB": value_mib, "gradient_MiB": gradient_mib}


def problem(reconstruction: str) -> tuple[Any, dict[str, Any]]:
    """The model and a batch, as `mrjax design trajectory` makes them."""
    import mrjax as mr
    from mrjax.cli.designs import trajectory, trajectory_network

    defaults = {one.name: one.default for one in trajectory.ENTRIES}
    quantities = {"fov": 0.22, "echo_time": 50e-3, "max_gradient": 30e-3, "max_slew": 120.0}
    settings = {**defaults, **quantities, **SETTINGS, "reconstruction": reconstruction}
    scanner = mr.Scanner(max_gradient=settings["max_gradient"], max_slew=settings["max_slew"])
    task = trajectory.task_of(settings, scanner)
    parts = (task.start(), trajectory_network.network_of(settings), trajectory_network.coils_of(settings))
    model = trajectory_network.model_of(settings, task, *parts, learned=True)
    images = trajectory.images_of(settings, list(settings["train"]))
    n_samples = task.trajectory(task.start()).shape[0]
    return model, trajectory_network.batch_of(settings, images, n_samples, 0, 0)


def least_of_seven(program: Any, state: Any) -> float:
    """Its time in s."""
    import jax

    times = []
    for _ in range(7):
        before = time.perf_counter()
        jax.block_until_ready(program(state))
        times.append(time.perf_counter() - before)
    return min(times)


if __name__ == "__main__":
    main()
