"""Keeping hot loops inside one compiled function on CPU.

XLA runs a program on CPU as a list of kernels; each costs a microsecond to start, and a loop carries its state through the
second-level cache between them. A loop over a block of voxels that fits the first-level cache should be one function. XLA
compiles small loops so by itself, and any call that is marked; the marks below are hints that change no value and that
other backends never see.
"""

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import equinox as eqx
import jax
from jax.experimental.xla_metadata import set_xla_metadata

from mrjax.physics.barrier import kept_together

_AS_USUAL = {"xla_cpu_small_call": "false", "inlineable": "true"}

_UNMARKED = ContextVar("loops are compiled as usual", default=False)


@contextmanager
def unmarked() -> Iterator[None]:
    """Within, no loop becomes one kernel: for what will be transposed, since XLA has no reductions for such loops."""
    token = _UNMARKED.set(True)
    try:
        yield
    finally:
        _UNMARKED.reset(token)


def loops_are_marked() -> bool:
    """Whether loops traced now become one kernel, so that blocking for the first-level cache makes sense."""
    return on_one_cpu_device() and not _UNMARKED.get()


def on_one_cpu_device() -> bool:
    """Whether what is traced now will run on one CPU device.

    With several devices that is known inside `shard_map` alone: elsewhere the compiler may divide the program, and it must
    find whole voxel axes.
    """
    if jax.default_backend() != "cpu":
        return False
    return jax.device_count() == 1 or bool(jax.sharding.get_abstract_mesh().manual_axes)


def as_one_kernel(function: Callable) -> Callable:
    """`function`, compiled on CPU into one machine-code function: for loops over little data.

    What it calls must be elementwise arithmetic, slices, pads and loops over its arguments: no reduction, no constant array
    of more than 128 bytes, no FFT, no sorting, no callback. XLA refuses such programs or aborts.
    """

    @functools.wraps(function)
    def call(*arguments: Any) -> Any:
        if not loops_are_marked():
            return function(*arguments)
        # what the function has got from around it becomes an argument too: it may turn out to be a constant
        with set_xla_metadata(**_AS_USUAL):
            converted = eqx.filter_closure_convert(function, *arguments)
        captured, rest = eqx.partition(converted, eqx.is_array)
        marks = {"xla_cpu_small_call": "true", "inlineable": "false"}
        inside = lambda captured, *arguments: eqx.combine(captured, rest)(*arguments)
        return _called(inside, marks, loops_are_marked)(captured, *arguments)

    return call


def apart(function: Callable) -> Callable:
    """`function`, compiled on CPU as a function of its own, so that its results are stored and not computed again.

    XLA fuses a value into everything that uses it and computes it anew for each; between two steps of a recursion that
    multiplies the work.
    """
    return _called(function, {"xla_cpu_small_call": "false", "inlineable": "false"}, on_one_cpu_device)


def _called(function: Callable, marks: dict[str, str], wanted: Callable[[], bool]) -> Callable:
    @jax.jit
    def inside(*arguments: Any) -> Any:
        with set_xla_metadata(**_AS_USUAL):
            return function(*arguments), arguments

    @functools.wraps(function)
    def call(*arguments: Any) -> Any:
        if not wanted():
            return function(*arguments)
        # XLA aborts where a marked function does not use an argument. So none may be a constant, which XLA would use in its
        # place, and all are returned, at no cost, to someone who seems to need them
        with set_xla_metadata(**marks):
            return kept_together(inside(*kept_together(arguments)))[0]

    return call
