"""Elementwise programs as LLVM instructions on vectors of voxels.

Every array of such a program has the voxels on its last axis, or one entry there, the same for all voxels. That axis becomes the
lanes of vector registers; along all others an array is a NumPy array of values in registers, so that slices, pads and
broadcasts cost nothing.
"""

from typing import Any

import jax
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal

from mrjax.jax_rules.native.elementwise import ELEMENTWISE
from mrjax.jax_rules.native.lanes import KnownNumbers, Lanes, NotElementwise
from mrjax.jax_rules.native.rows import AT_PLACES, ELSEWHERE
from mrjax.jax_rules.programs import all_steps

CALLS = frozenset(
    [
        "checkpoint",
        "closed_call",
        "core_call",
        "custom_jvp_call",
        "jit",
        "one_kernel",
        "pjit",
        "remat",
        "remat2",
        "unless_linearized",
    ]
)
"""Operations that do nothing but call a program."""

SAME = frozenset(["copy", "copy_p", "mrjax_barrier", "optimization_barrier", "reduce_precision", "stop_gradient"])
"""Operations that give what they are given."""


def evaluated(lanes: Lanes, program: Jaxpr, arguments: list, constants: list | None = None) -> list:
    """What a program gives for values in registers."""
    found: dict = dict(zip([*program.constvars, *program.invars], [*(constants or []), *arguments], strict=True))
    read = lambda atom: _known(lanes, atom.val) if isinstance(atom, Literal) else found[atom]
    for step in program.eqns:
        found.update(zip(step.outvars, _results(lanes, step, [read(atom) for atom in step.invars]), strict=True))
    return [read(atom) for atom in program.outvars]


def n_instructions(program: ClosedJaxpr) -> int:
    """About how many instructions a program takes."""
    size = lambda step: int(np.prod(step.outvars[0].aval.shape[:-1], dtype=int))
    return sum(size(step) for step in all_steps(program.jaxpr) if step.primitive.name in ELEMENTWISE)


def require_lanes(program: ClosedJaxpr) -> None:
    """Refuse a program with a step that is not known here, or in which voxels take part in each other."""
    for step in all_steps(program.jaxpr):
        name = step.primitive.name
        if name not in (*CALLS, *SAME, *ELEMENTWISE, *ELSEWHERE, *AT_PLACES):
            raise NotElementwise(f"the operation {name}")
        if name == "reduce_sum" and step.invars[0].aval.ndim - 1 in step.params["axes"]:
            raise NotElementwise("a sum over voxels")


def program_of_call(step: Any) -> ClosedJaxpr | None:
    """The program that a step calls, if that is all it does."""
    if step.primitive.name not in CALLS:
        return None
    inner = step.params.get("jaxpr", step.params.get("call_jaxpr"))
    return inner if isinstance(inner, ClosedJaxpr) else ClosedJaxpr(inner, ())


def _results(lanes: Lanes, step: Any, values: list) -> list:
    name, params, inner = step.primitive.name, step.params, program_of_call(step)
    if inner is not None:
        return evaluated(lanes, inner.jaxpr, values, [_known(lanes, constant) for constant in inner.consts])
    if name in SAME:
        return values
    if all(isinstance(value, KnownNumbers) for value in values):
        return _folded(lanes, step, [value.value for value in values])
    if name in AT_PLACES:
        return [AT_PLACES[name](lanes, step, lanes.in_rows(values[0]), *values[1:])]
    values = [lanes.in_rows(value) for value in values]
    if name in ELSEWHERE:
        return [ELSEWHERE[name](lanes, step, *values)]
    if name not in ELEMENTWISE:
        raise NotElementwise(f"the operation {name}")
    shape = np.broadcast_shapes(*(value.shape for value in values))
    values, result = [np.broadcast_to(value, shape) for value in values], np.empty(shape, object)
    for place in np.ndindex(*shape):
        result[place] = ELEMENTWISE[name](lanes, params, *(value[place] for value in values))
    return [result]


def _known(lanes: Lanes, value: Any) -> Any:
    """A number among a program's literals and constants."""
    value = np.asarray(value)
    if value.dtype.kind not in "fc":
        return KnownNumbers(value)
    if value.ndim:
        raise NotElementwise("an array that is no argument")
    return np.array(lanes.constant(value[()]), object)


def _folded(lanes: Lanes, step: Any, values: list[np.ndarray]) -> list:
    """What is worked out of whole numbers that are known, such as a place that is counted from the end."""
    with jax.ensure_compile_time_eval():
        given = [np.asarray(value, atom.aval.dtype) for value, atom in zip(values, step.invars, strict=True)]
        found = step.primitive.bind(*given, **step.params)
    found = [KnownNumbers(np.asarray(value)) for value in (found if step.primitive.multiple_results else [found])]
    return [x if x.value.dtype.kind in "bi" else lanes.in_rows(x) for x in found]
