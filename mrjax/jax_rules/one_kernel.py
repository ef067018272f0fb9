"""Loops that a CPU runs as one function of machine code.

XLA runs a program on a CPU as a list of small functions, called kernels. Each takes about a microsecond to start, and a loop
writes its state to memory after one kernel and reads it again in the next
(https://github.com/jax-ml/jax/issues/26145, https://github.com/jax-ml/jax/issues/26021). A loop whose data fit into the
first-level cache runs several times faster as a single kernel. XLA does that by itself with very small loops, and with every
call that bears a certain mark. A mark changes no value, and GPUs and TPUs ignore it.

XLA ends the process where it finds something that it does not expect in a marked function. So the mark belongs to an operation
of our own: it sets the mark last of all, when derivatives and `vmap` are taken, and only on a program that it has looked
through. A program that is linearized, as reverse mode begins, is never marked.
"""

import contextlib
import functools
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.experimental.xla_metadata import set_xla_metadata
from jax.extend.core import ClosedJaxpr, Literal, jaxpr_as_fun

from mrjax.jax_rules import native
from mrjax.jax_rules.barrier import optimization_barrier
from mrjax.jax_rules.counted_loops import by_counting_within, with_loops
from mrjax.jax_rules.devices import on_one_cpu_device
from mrjax.jax_rules.linearization import Program, by_primitive, program_primitive
from mrjax.jax_rules.programs import all_steps

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
checkpoint closed_call core_call counted_scan custom_jvp_call custom_vjp_call jit mrjax_barrier one_kernel optimization_barrier
pjit remat remat2 scan while
"""

UNDERSTOOD = frozenset((ELEMENTWISE + ELSEWHERE + WITHIN).split())
"""Operations that a marked function may consist of, by JAX's names: arithmetic, the same numbers elsewhere, and programs within
the program; no reduction, no FFT, no sorting, no callback, no branch."""

_AS_USUAL = {"xla_cpu_small_call": "false", "inlineable": "true"}
_MARKED = {"xla_cpu_small_call": "true", "inlineable": "false"}
_BY_ITSELF = {"xla_cpu_small_call": "false", "inlineable": "false"}


def loops_are_marked() -> bool:
    """Whether loops traced now may become one kernel, so that blocking for the first-level cache makes sense."""
    return on_one_cpu_device()


def loops_are_native() -> bool:
    """Whether they may become machine code of our own."""
    return native.IS_AVAILABLE and on_one_cpu_device()


def as_one_kernel(function: Callable) -> Callable:
    """`function`, compiled on CPU into one function of machine code: for loops over little data.

    Only where it consists of elementwise arithmetic, slices, pads and loops, and where JAX does not linearize it; anything
    else is compiled as usual.
    """
    marked = by_primitive(_one_kernel, function)

    @functools.wraps(function)
    def call(*arguments: Any) -> Any:
        return marked(*arguments) if loops_are_marked() else function(*arguments)

    return call


def computed_once(function: Callable) -> Callable:
    """`function`, compiled on CPU as a kernel of its own, so that its results are stored and not computed again.

    XLA merges a value into each kernel that uses it, where it is computed anew; from one step of a recursion to the next that
    multiplies the work.
    """
    separate = _as_function(function, _BY_ITSELF)

    @functools.wraps(function)
    def call(*arguments: Any) -> Any:
        return separate(*arguments) if on_one_cpu_device() else function(*arguments)

    return call


def may_be_marked(jaxpr: ClosedJaxpr) -> bool:
    """Whether a program is of the kind and size of which XLA makes one function."""
    arrays = len(jaxpr.in_avals) + len(jaxpr.out_avals)
    if jaxpr.consts or jaxpr.effects or arrays > MOST_ARRAYS:
        return False
    for n_steps, step in enumerate(all_steps(jaxpr.jaxpr)):
        literals = [x for x in step.invars if isinstance(x, Literal)]
        if n_steps >= MOST_STEPS or step.primitive.name not in UNDERSTOOD or any(np.shape(x.val) for x in literals):
            return False
    return True


def _fastest(jaxpr: ClosedJaxpr) -> Program:
    """With loops in machine code of our own where that can be, else marked where that may be."""
    if loops_are_native():
        from mrjax.jax_rules.native.lanes import NotElementwise
        from mrjax.jax_rules.native.values import native_steps

        with contextlib.suppress(NotElementwise):
            return jaxpr_as_fun(ClosedJaxpr(with_loops(jaxpr.jaxpr, native_steps([jaxpr.jaxpr])), jaxpr.consts))
    jaxpr = ClosedJaxpr(by_counting_within(jaxpr.jaxpr), jaxpr.consts)
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
            return optimization_barrier(inside(*optimization_barrier(arguments)))[0]

    return call


_one_kernel = program_primitive("one_kernel", _fastest)
