"""Keeping hot loops inside one compiled function on CPU.

XLA runs a program on CPU as a list of kernels; each costs a microsecond to start, and a loop carries its state through the
second-level cache between them. A loop over a block of voxels that fits the first-level cache should be one function. XLA
compiles small loops so by itself, and any call that is marked; the marks below are hints that change no value and that
other backends never see.

XLA ends the process where a marked function is of a kind it does not expect. So the mark belongs to an operation of our own,
which sets it last of all, when derivatives and `vmap` are taken, on a program that it has looked through. A program that is
linearized, as reverse mode begins, is never marked.
"""

import functools
import os
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np
from jax.experimental.xla_metadata import set_xla_metadata
from jax.extend.core import ClosedJaxpr, Literal, jaxpr_as_fun

from mrjax.physics.jax_rules.barrier import kept_together
from mrjax.physics.jax_rules.linearization import Program, called, program

MARKS_ARE_ALLOWED = os.environ.get("MRJAX_ONE_KERNEL", "1") != "0"
"""Read once, when mrjax is imported: with `MRJAX_ONE_KERNEL=0` in the environment nothing is ever marked."""

MOST_STEPS = 4000
"""Elementary operations of a marked function at most: more take long to compile in one piece, and gain little."""

MOST_ARRAYS = 400
"""Arrays that go in and come out at most."""

ELEMENTWISE = """
abs add add_any and atan2 cbrt ceil clamp complex conj convert_element_type copy copy_p cos cosh div eq erf exp exp2 expm1
floor ge gt imag integer_pow is_finite le log log1p logistic lt max min mul ne neg nextafter not or pow real rem round rsqrt
select_n sign sin sinh sqrt square stop_gradient sub tan tanh xor
"""
ELSEWHERE = """
broadcast_in_dim concatenate dynamic_slice dynamic_update_slice expand_dims pad reshape rev scatter slice split squeeze transpose
"""  # `vmap` makes a `scatter` of an update of a slice
WITHIN = """
checkpoint closed_call core_call custom_jvp_call custom_vjp_call jit kept_together one_kernel optimization_barrier pjit remat
remat2 scan while
"""

UNDERSTOOD = frozenset((ELEMENTWISE + ELSEWHERE + WITHIN).split())
"""Operations that a marked function may consist of, by JAX's names: arithmetic, the same numbers elsewhere, and programs within
the program; no reduction, no FFT, no sorting, no callback, no branch."""

_AS_USUAL = {"xla_cpu_small_call": "false", "inlineable": "true"}
_MARKED = {"xla_cpu_small_call": "true", "inlineable": "false"}
_APART = {"xla_cpu_small_call": "false", "inlineable": "false"}


def on_one_cpu_device() -> bool:
    """Whether what is traced now will run on one CPU device.

    With several devices that is known inside `shard_map` alone: elsewhere the compiler may divide the program, and it must
    find whole voxel axes.
    """
    if jax.default_backend() != "cpu":
        return False
    return jax.device_count() == 1 or bool(jax.sharding.get_abstract_mesh().manual_axes)


def loops_are_marked() -> bool:
    """Whether loops traced now may become one kernel, so that blocking for the first-level cache makes sense."""
    return MARKS_ARE_ALLOWED and on_one_cpu_device()


def as_one_kernel(function: Callable) -> Callable:
    """`function`, compiled on CPU into one machine-code function: for loops over little data.

    Only where it consists of elementwise arithmetic, slices, pads and loops, and where JAX does not linearize it; anything
    else is compiled as usual.
    """
    marked = called(_one_kernel, function)

    @functools.wraps(function)
    def call(*arguments: Any) -> Any:
        return marked(*arguments) if loops_are_marked() else function(*arguments)

    return call


def apart(function: Callable) -> Callable:
    """`function`, compiled on CPU as a function of its own, so that its results are stored and not computed again.

    XLA fuses a value into everything that uses it and computes it anew for each; between two steps of a recursion that
    multiplies the work.
    """
    separate = _as_function(function, _APART)

    @functools.wraps(function)
    def call(*arguments: Any) -> Any:
        return separate(*arguments) if on_one_cpu_device() else function(*arguments)

    return call


def may_be_marked(jaxpr: ClosedJaxpr) -> bool:
    """Whether a program is of the kind and size of which XLA makes one function."""
    arrays = len(jaxpr.in_avals) + len(jaxpr.out_avals)
    if jaxpr.consts or jaxpr.effects or arrays > MOST_ARRAYS:
        return False
    for n_steps, step in enumerate(_steps(jaxpr.jaxpr)):
        literals = [x for x in step.invars if isinstance(x, Literal)]
        if n_steps >= MOST_STEPS or step.primitive.name not in UNDERSTOOD or any(np.shape(x.val) for x in literals):
            return False
    return True


def _steps(jaxpr: Any) -> Iterator[Any]:
    """All operations, also those of programs within the program."""
    for step in jaxpr.eqns:
        yield step
        for inner in _programs(list(step.params.values())):
            yield from _steps(inner)


def _programs(found: Any) -> Iterator[Any]:
    if isinstance(found, tuple | list):
        for each in found:
            yield from _programs(each)
    elif hasattr(found, "eqns"):
        yield getattr(found, "jaxpr", found)


def _marked(jaxpr: ClosedJaxpr) -> Program:
    run = jaxpr_as_fun(jaxpr)
    return _as_function(run, _MARKED) if may_be_marked(jaxpr) else run


def _as_function(function: Callable, marks: dict[str, str]) -> Callable:
    @jax.jit
    def inside(*arguments: Any) -> Any:
        with set_xla_metadata(**_AS_USUAL):
            return function(*arguments), arguments

    @functools.wraps(function)
    def call(*arguments: Any) -> Any:
        # XLA aborts where a marked function does not use an argument. So none may be a constant, which XLA would use in its
        # place, and all are returned, at no cost, to someone who seems to need them
        with set_xla_metadata(**marks):
            return kept_together(inside(*kept_together(arguments)))[0]

    return call


_one_kernel = program("one_kernel", _marked)
