"""On what kind of device a program will run."""

import jax


def on_one_cpu_device() -> bool:
    """Whether what is traced now will run on one CPU device.

    With several devices that is known inside `shard_map` alone: elsewhere the compiler may divide the program, and it must
    find whole voxel axes.
    """
    if jax.default_backend() != "cpu":
        return False
    return jax.device_count() == 1 or bool(jax.sharding.get_abstract_mesh().manual_axes)
