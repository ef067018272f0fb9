"""Programs whose loops are machine code, for values and for forward mode, which is a program of the same kind."""

from collections.abc import Callable
from typing import Any

from jax.extend.core import Jaxpr

from mrjax.jax_rules.native.calls import ForwardLoop
from mrjax.jax_rules.native.evaluation import n_instructions
from mrjax.jax_rules.native.forms import form_of, forward_name, n_voxels_of
from mrjax.jax_rules.native.lanes import NotElementwise
from mrjax.jax_rules.native.operation import native_operation_of
from mrjax.jax_rules.programs import all_steps, opened, sizes_of_scan

SHORTEST_LOOP = 4
"""Steps: fewer are written out faster."""

MOST_INSTRUCTIONS = 4000
"""Of one step of all loops of a program together: more take longer to compile than they gain."""


def native_steps(programs: list[Jaxpr]) -> Callable[[Any, Any], Any]:
    """What makes machine code of a `scan`, and of the number of its steps to be played or None for all of them.

    Raises `NotElementwise` where the programs have no loop, or one that cannot be machine code.
    """
    steps = [step for program in programs for step in all_steps(program)]
    if any(step.primitive.name == "while" for step in steps):
        raise NotElementwise("a loop whose length is not known")
    loops = [_loop_of(step) for step in steps if step.primitive.name == "scan"]
    if not 0 < sum(n_instructions(loop.form.program) for loop in loops) <= MOST_INSTRUCTIONS:
        raise NotElementwise("no loop, or too many instructions")
    for loop in loops:
        forward_name(loop.form)
    return _native_step


def _loop_of(step: Any) -> ForwardLoop:
    params = step.params
    (n_fixed, n_carried), constants = sizes_of_scan(step), params["jaxpr"].consts
    n_voxels = n_voxels_of([x.aval for x in step.invars[n_fixed : n_fixed + n_carried]])
    form = form_of(opened(params["jaxpr"]), len(constants) + n_fixed, n_carried, n_voxels)
    if params["reverse"] or params["length"] < SHORTEST_LOOP or n_voxels < form.n_lanes:
        raise NotElementwise("a loop that gains nothing")
    return ForwardLoop(form, params["length"], n_voxels)


def _native_step(step: Any, count: Any) -> Any:
    loop, constants, scan = _loop_of(step), step.params["jaxpr"].consts, step.primitive
    given = step.invars if count is None else [count, *step.invars]

    def native(*values: Any) -> list:
        n_played, values = (None, values) if count is None else (values[0], values[1:])
        return loop(*constants, *values, n_played=n_played)

    plain = lambda *values: scan.bind(*values[len(given) - len(step.invars) :], **step.params)
    primitive, params = native_operation_of(native, plain, [x.aval for x in step.outvars])
    return step.replace(primitive=primitive, params=params, invars=given)
