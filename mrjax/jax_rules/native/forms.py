"""Which loops can be machine code, and making it."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.core import eval_jaxpr
from jax.extend.core import ClosedJaxpr

from mrjax.jax_rules.native.evaluation import n_instructions, require_lanes
from mrjax.jax_rules.native.handler import Work
from mrjax.jax_rules.native.lanes import NotElementwise
from mrjax.jax_rules.native.loops import LoopForm, adjoint, forward
from mrjax.jax_rules.native.machine import registered
from mrjax.jax_rules.native.memory import Leaf

BYTES_OF_VECTOR = 64
"""What a vector register holds; processors with smaller ones take several."""

MOST_INSTRUCTIONS = 16_000
"""Of one step: more take seconds to compile."""


def n_voxels_of(state: list) -> int:
    """The length of the last axis of a loop's state."""
    return max((x.shape[-1] for x in state if x.shape), default=0)


def form_of(opened: ClosedJaxpr, n_fixed: int, n_carried: int, n_voxels: int) -> LoopForm:
    """The form of a loop of steps, programs of constants, state and inputs, where they can be put into lanes."""
    _require_few_instructions(opened)
    given, results = opened.in_avals, opened.out_avals
    real = {jnp.finfo(x.dtype).dtype for x in (*given, *results) if jnp.issubdtype(x.dtype, jnp.inexact)}
    numbers = all(jnp.issubdtype(x.dtype, jnp.inexact) for x in (*given, *results))
    if not numbers or len(real) != 1 or any(x.shape and x.shape[-1] not in (1, n_voxels) for x in (*given, *results)):
        raise NotElementwise("other arrays than numbers of voxels")
    (dtype,) = real
    require_lanes(opened)
    leaves = [Leaf.of(x, n_voxels) for x in given]
    outputs = [Leaf.of(x, n_voxels) for x in results[n_carried:]]
    if not all(leaf.of_voxels for leaf in (*leaves[n_fixed : n_fixed + n_carried], *outputs)):
        raise NotElementwise("a state or outputs that are the same for all voxels")
    fixed, carried, varying = leaves[:n_fixed], leaves[n_fixed : n_fixed + n_carried], leaves[n_fixed + n_carried :]
    return LoopForm(opened, fixed, carried, varying, outputs, dtype, BYTES_OF_VECTOR // dtype.itemsize)


def _require_few_instructions(program: ClosedJaxpr) -> None:
    if n_instructions(program) > MOST_INSTRUCTIONS:
        raise NotElementwise("too many instructions")


def back_of(form: LoopForm) -> ClosedJaxpr:
    """A step back: from constants, state and inputs, and cotangents of the state after the step and of the outputs, to those of
    the three."""
    like = lambda avals: [jax.ShapeDtypeStruct(x.shape, x.dtype) for x in avals]
    call = lambda *values: eval_jaxpr(form.program.jaxpr, form.program.consts, *values)
    given, results = like(form.program.in_avals), like(form.program.out_avals)
    back = jax.make_jaxpr(lambda values, cotangents: jax.vjp(call, *values)[1](cotangents))(given, results)
    _require_few_instructions(back)
    return back


_names: dict[str, str] = {}


def _name_of(work: Work, *of: Any) -> str:
    """What XLA calls machine code, which is made where there is none yet."""
    text = " ".join(map(str, of))
    if text not in _names:
        _names[text] = registered(work)
    return _names[text]


def forward_name(form: LoopForm) -> str:
    """What XLA calls a loop."""
    n_ends = len(form.carry) + len(form.outputs)
    return _name_of(Work(partial(forward, form), len(form.given), n_ends), "forward", *form)


def adjoint_name(form: LoopForm, back: ClosedJaxpr) -> str:
    """What XLA calls its adjoint."""
    n_given, n_ends = len(form.given), len(form.carry) + len(form.outputs)
    return _name_of(Work(partial(adjoint, form, back), n_given + n_ends, n_given + 1), "adjoint", back, *form)
