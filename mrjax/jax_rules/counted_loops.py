"""Loops over the first of their inputs, as many as data say.

To derivatives and to `vmap` such a loop is a `jax.lax.scan` over all inputs, for which JAX has the rules; only what runs in the
end stops earlier. It has no reverse mode: that would store what steps need that are not played.
"""

import contextlib
from collections.abc import Callable
from typing import Any

import jax
from jax.extend.core import ClosedJaxpr, Jaxpr, jaxpr_as_fun
from jaxtyping import Array, Int

from mrjax.jax_rules import native, plain
from mrjax.jax_rules.devices import on_one_cpu_device
from mrjax.jax_rules.linearization import Program, by_primitive, program_primitive
from mrjax.jax_rules.programs import rewritten, sizes_of_scan, step_as_program, step_of


def counted_scan(
    body: Callable, carry: Any, inputs: Any, length: int, count: Int[Array, ""], unroll: int = 2
) -> tuple[Any, Any]:
    """`jax.lax.scan` over the first `count` of `length` inputs, a number that is data; outputs of the others mean nothing."""
    program, of_outputs = step_as_program(body, carry, inputs)
    state, numbers = jax.tree.leaves(carry), jax.tree.leaves(inputs)

    def run(count: Array, constants: list, state: list, numbers: list) -> tuple[list, list]:
        # every step takes part in derivatives
        return jax.lax.scan(step_of(program, len(state), constants), state, numbers, length=length, unroll=unroll)

    after, outputs = by_primitive(_counted, run)(count, list(program.consts), state, numbers)
    return jax.tree.unflatten(jax.tree.structure(carry), after), jax.tree.unflatten(of_outputs, outputs)


def by_counting(step: Any) -> Callable[..., list]:
    """The function that a `scan` becomes: of the count, and of what goes into the `scan`."""
    params = step.params
    n_fixed, n_carried = sizes_of_scan(step)

    def run(count: Array, *values: Any) -> list:
        constants, state, inputs = values[:n_fixed], values[n_fixed:][:n_carried], values[n_fixed + n_carried :]
        body = jaxpr_as_fun(params["jaxpr"])

        def play(state: list, now: list) -> tuple[list, list]:
            found = body(*constants, *state, *now)
            return found[:n_carried], found[n_carried:]

        unroll = params["unroll"]
        after, outputs = plain.counted_scan(play, list(state), list(inputs), params["length"], count, unroll)
        return [*after, *outputs]

    return run


def by_counting_within(program: Jaxpr) -> Jaxpr:
    """A program whose counted loops are loops of JAX."""
    return _with_counted(program, _counting_step, lambda step: None)


def with_loops(program: Jaxpr, make: Callable[[Any, Any], Any]) -> Jaxpr:
    """A program with what `make(step, count)` makes of each `scan`; the count is None where all steps are played."""
    return _with_counted(program, make, lambda step: make(step, None) if step.primitive.name == "scan" else None)


def _with_counted(program: Jaxpr, make: Callable[[Any, Any], Any], change: Callable[[Any], Any]) -> Jaxpr:
    counted = lambda step: step.replace(params=step.params | {"jaxpr": _made(step.params["jaxpr"], make)})
    return rewritten(program, lambda step: counted(step) if step.primitive is _counted else change(step))


def _made(program: ClosedJaxpr, make: Callable[[Any, Any], Any]) -> ClosedJaxpr:
    count = program.jaxpr.invars[0]
    if count.aval.shape:
        raise ValueError(f"`count` must be one number, also under `vmap`, but has shape {count.aval.shape}.")
    change = lambda step: make(step, count) if step.primitive.name == "scan" else step
    return ClosedJaxpr(rewritten(program.jaxpr, change), program.consts)


def _counting_step(step: Any, count: Any) -> Any:
    given = [jax.ShapeDtypeStruct(x.aval.shape, x.aval.dtype) for x in (count, *step.invars)]
    (call,) = jax.make_jaxpr(jax.jit(by_counting(step)))(*given).eqns
    return step.replace(primitive=call.primitive, params=call.params, invars=[count, *step.invars])


def _lowered(program: ClosedJaxpr) -> Program:
    if native.IS_AVAILABLE and on_one_cpu_device():
        from mrjax.jax_rules.native.lanes import NotElementwise
        from mrjax.jax_rules.native.values import native_steps

        with contextlib.suppress(NotElementwise):
            return jaxpr_as_fun(_made(program, native_steps([program.jaxpr])))
    return jaxpr_as_fun(_made(program, _counting_step))


_counted = program_primitive("counted_scan", _lowered)
