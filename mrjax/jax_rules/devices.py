"""On what kind of device a program will run."""

import os

import jax


def on_one_cpu_device() -> bool:
    """Whether what is traced now will run on one CPU device.

    With several devices that is known inside `shard_map` alone: elsewhere the compiler may divide the program, and it must
    find whole voxel axes.
    """
    if jax.default_backend() != "cpu":
        return False
    return jax.device_count() == 1 or bool(jax.sharding.get_abstract_mesh().manual_axes)


def available_cores() -> int:
    """Cores this process may use on the one CPU device; 1 where there are several devices, or another kind."""
    if jax.default_backend() != "cpu" or jax.local_device_count() > 1:
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
