"""Functions with two programs of the same values: one for values and forward mode, one for reverse mode.

The fastest program for values may be one that JAX cannot transpose, or of which reverse mode would store too much. JAX
has `custom_jvp` and `custom_vjp`, and a function may have one of them only (https://github.com/jax-ml/jax/issues/3996,
https://github.com/jax-ml/jax/pull/22457), so that a function with a `custom_vjp` has no forward mode.

Reverse mode begins with a linearization: JAX splits a program into what is known and what is linear. An operation of our own
sees that moment and puts the second program in its place. `vmap` and forward mode of any order use the first.
"""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax.core import eval_jaxpr
from jax.custom_batching import custom_vmap
from jax.extend.core import ClosedJaxpr, Primitive, jaxpr_as_fun
from jax.interpreters import ad, batching, mlir
from jax.interpreters.partial_eval import custom_partial_eval_rules, partial_eval_jaxpr_custom_rules

from mrjax.jax_rules.batching import batch_first, batch_size

Program = Callable[..., list]
"""Arrays in, a list of arrays out."""


@dataclass(frozen=True, eq=False)
class WithAdjoint:
    """What is linearized of a function that has an adjoint of its own."""

    plain: Callable
    """A program that JAX differentiates, in any mode and to any order."""
    reverse: Callable
    """One of the same values that is a `jax.custom_vjp`, so that it has no forward mode but that which is transposed at once."""
    n_changes: int | None = None
    """Once forward mode has passed: how many of the last inputs are changes."""

    def __call__(self, *values: Any) -> list:
        return self.plain(*values)

    def mapped(self, transform: Callable) -> "WithAdjoint":
        """Both programs, transformed alike."""
        return WithAdjoint(transform(self.plain), transform(self.reverse), self.n_changes)


Otherwise = Program | WithAdjoint | None
"""What is linearized; None where that is the function itself."""


def program_primitive(name: str, lowered: Callable[[ClosedJaxpr], Program]) -> Primitive:
    """A primitive that computes its parameter `jaxpr`, in the form that `lowered` gives it.

    Its other parameter, `otherwise`, is the program that is linearized; None where that is the same.
    """
    primitive = Primitive(name)
    primitive.multiple_results = True
    primitive.def_impl(lambda *values, **params: jax.jit(lambda *values: primitive.bind(*values, **params))(*values))
    primitive.def_effectful_abstract_eval(lambda *_, jaxpr, otherwise: (jaxpr.out_avals, jaxpr.effects))
    run = lambda *values, jaxpr, otherwise: lowered(jaxpr)(*values)
    mlir.register_lowering(primitive, mlir.lower_fun(run, multiple_results=True))
    # JAX 0.12 takes "high" operations inside, such as those of diffrax's loops, apart before it lowers a program
    primitive.to_lojax = run  # pyright: ignore[reportAttributeAccessIssue]
    batching.primitive_batchers[primitive] = functools.partial(_batched, primitive)
    ad.primitive_jvps[primitive] = functools.partial(_pushed, primitive)
    ad.primitive_transposes[primitive] = _transposed
    custom_partial_eval_rules[primitive] = functools.partial(_linearized, primitive)
    partial_eval_jaxpr_custom_rules[primitive] = _linearized_in_checkpoint
    return primitive


def by_primitive(primitive: Primitive, function: Callable, otherwise: Callable | None = None) -> Callable:
    """`function` of trees of arrays, computed by a `program_primitive`; `otherwise` closes over no traced array."""

    @functools.wraps(function)
    def call(*arguments: Any) -> Any:
        leaves, structure = jax.tree.flatten(arguments)
        of_outputs = []

        def flat(function: Callable) -> Program:
            def outputs(*leaves: Any) -> list:
                results, found = jax.tree.flatten(function(*jax.tree.unflatten(structure, leaves)))
                of_outputs.append(found)
                return results

            return outputs

        results = _bound(primitive, flat(function), _transformed(flat, otherwise), leaves)
        return jax.tree.unflatten(of_outputs[0], results)

    return call


def unless_linearized(fast: Callable, plain: Callable) -> Callable:
    """`fast`, but `plain`, which has the same values, where JAX linearizes; neither closes over a traced array."""
    return by_primitive(_either, fast, plain)


def with_adjoint(
    function: Callable, remembering: Callable, adjoint: Callable, plain: Callable | None = None
) -> Callable:
    """`function`, with the reverse mode that `jax.custom_vjp` takes from the next two, and all other modes by JAX.

    `remembering(*arguments)` gives the values and what `adjoint(remembered, cotangents)` needs. Forward mode passes through
    the adjoint, so that Hessians are `jax.jacfwd` of `jax.jacrev`. Where reverse mode passes through forward mode, JAX
    differentiates `plain`, by default the function itself. Nothing here closes over a traced array.
    """
    reverse = jax.custom_vjp(function)
    reverse.defvjp(remembering, adjoint)
    return by_primitive(_either, function, WithAdjoint(plain or function, reverse))


def _transformed(transform: Callable[[Callable], Program], otherwise: Callable | None) -> Otherwise:
    """What is linearized, after a transformation of each program of it."""
    if otherwise is None:
        return None
    return otherwise.mapped(transform) if isinstance(otherwise, WithAdjoint) else transform(otherwise)


def _bound(primitive: Primitive, function: Program, otherwise: Otherwise, values: Sequence[Any]) -> list:
    """The primitive on these values; what the program has got from around it becomes an argument of its own."""
    jaxpr = jax.make_jaxpr(function)(*values)
    captured = jaxpr.consts
    if not captured:
        return primitive.bind(*values, jaxpr=jaxpr, otherwise=otherwise)
    n = len(captured)
    opened = lambda *given: eval_jaxpr(jaxpr.jaxpr, given[:n], *given[n:])
    without = lambda function: lambda *given: function(*given[n:])
    return _bound(primitive, opened, _transformed(without, otherwise), [*captured, *values])


def _pushed(primitive: Primitive, primals: tuple, tangents: tuple, *, jaxpr: ClosedJaxpr, otherwise: Otherwise):
    """Forward mode: again a program, of the values and of those changes that are not zero."""
    moving = [i for i, tangent in enumerate(tangents) if not isinstance(tangent, ad.Zero)]
    changing = [i for i, aval in enumerate(jaxpr.out_avals) if jnp.issubdtype(aval.dtype, jnp.inexact)]

    def push(function: Program) -> Program:
        def pushed(*values: Any) -> list:
            fixed = list(values[: len(primals)])
            moved = lambda *moved: function(*_replaced(fixed, moving, moved))
            outputs, changes = jax.jvp(moved, tuple(fixed[i] for i in moving), values[len(primals) :])
            return [*outputs, *(changes[i] for i in changing)]

        return pushed

    values = [*primals, *(tangents[i] for i in moving)]
    results = _bound(primitive, push(jaxpr_as_fun(jaxpr)), _otherwise_pushed(push, otherwise, len(moving)), values)
    outputs = results[: len(jaxpr.out_avals)]
    still = [ad.Zero(aval.to_tangent_aval()) for aval in jaxpr.out_avals]
    return outputs, _replaced(still, changing, results[len(outputs) :])


def _otherwise_pushed(push: Callable[[Callable], Program], otherwise: Otherwise, n_changes: int) -> Otherwise:
    """What is linearized after forward mode; an adjoint serves the first time alone, and JAX differentiates beyond."""
    if not isinstance(otherwise, WithAdjoint):
        return _transformed(push, otherwise)
    if otherwise.n_changes is not None:
        return push(otherwise.plain)
    return WithAdjoint(push(otherwise.plain), push(otherwise.reverse), n_changes)


def _batched(primitive: Primitive, values: tuple, axes: tuple, *, jaxpr: ClosedJaxpr, otherwise: Otherwise):
    """`vmap`; what does not depend on its axis stays without."""
    size = batch_size(values, axes)
    values = tuple(x if axis is None else batch_first(x, axis, size) for x, axis in zip(values, axes, strict=True))
    in_axes = tuple(None if axis is None else 0 for axis in axes)
    out_axes = [0 if depends else None for depends in _dependent(jaxpr_as_fun(jaxpr), in_axes, values)]
    over_axis = lambda function: jax.vmap(lambda *values: list(function(*values)), in_axes, out_axes, axis_size=size)
    return _bound(primitive, over_axis(jaxpr_as_fun(jaxpr)), _transformed(over_axis, otherwise), values), out_axes


def _dependent(function: Program, in_axes: tuple, values: tuple) -> list[bool]:
    """Which outputs depend on an axis of `vmap`."""
    found = []

    @custom_vmap
    def noted(*outputs: Any) -> tuple:
        return outputs

    @noted.def_vmap
    def note(size: int, depend: Sequence[bool], *outputs: Any) -> tuple[tuple, tuple]:
        del size
        found.append(list(depend))
        return outputs, tuple(depend)

    outputs = jax.eval_shape(jax.vmap(lambda *values: noted(*function(*values)), in_axes), *values)
    return found[0] if found else [False] * len(outputs)


def _linearized(primitive: Primitive, trace: Any, *tracers: Any, jaxpr: ClosedJaxpr, otherwise: Otherwise) -> list:
    """What JAX calls where some values are known and others are not yet, which it only does to linearize."""
    unknown = [not tracer.is_known() for tracer in tracers]
    if not any(unknown):
        return trace.default_process_primitive(primitive, tracers, {"jaxpr": jaxpr, "otherwise": otherwise})
    call = _jitted(jaxpr, _linearizable(otherwise, unknown))
    return trace.process_primitive(call.primitive, tracers, call.params)


def _linearized_in_checkpoint(saveable: Callable, unknown: Sequence[bool], kept: Sequence[bool], step: Any) -> tuple:
    """The same inside of `jax.checkpoint`."""
    call = _jitted(step.params["jaxpr"], _linearizable(step.params["otherwise"], unknown))
    step = step.replace(primitive=call.primitive, params=call.params)
    return partial_eval_jaxpr_custom_rules[call.primitive](saveable, unknown, kept, step)


def _linearizable(otherwise: Otherwise, unknown: Sequence[bool]) -> Program | None:
    """The program that is linearized: that with an adjoint of its own where it is known at which values, by which it begins."""
    if not isinstance(otherwise, WithAdjoint):
        return otherwise
    if otherwise.n_changes is None or any(unknown[: len(unknown) - otherwise.n_changes]):
        return otherwise.plain
    return otherwise.reverse


def _jitted(jaxpr: ClosedJaxpr, otherwise: Program | None) -> Any:
    """The call of a program that is linearized, as a jitted function, for which JAX has the rules."""
    function = jaxpr_as_fun(jaxpr) if otherwise is None else otherwise
    inputs = [jax.ShapeDtypeStruct(aval.shape, aval.dtype, weak_type=aval.weak_type) for aval in jaxpr.in_avals]
    (call,) = jax.make_jaxpr(jax.jit(lambda *values: function(*values)))(*inputs).eqns
    return call


def _transposed(cotangents: Sequence[Any], *values: Any, jaxpr: ClosedJaxpr, otherwise: Otherwise) -> list:
    """Of a program that was linear from the start, by JAX, step by step."""
    del otherwise
    linear = [i for i, value in enumerate(values) if ad.is_undefined_primal(value)]
    function = lambda *changes: jaxpr_as_fun(jaxpr)(*_replaced(list(values), linear, changes))
    given = [values[i].aval for i in linear]
    inputs = [jax.ShapeDtypeStruct(aval.shape, aval.dtype) for aval in given]
    back = jax.linear_transpose(function, *inputs)(list(map(ad.instantiate_zeros, cotangents)))
    return _replaced([None] * len(values), linear, back)


def _replaced(values: list, places: Sequence[int], by: Sequence[Any]) -> list:
    """A copy with others at some places."""
    new = list(values)
    for place, value in zip(places, by, strict=True):
        new[place] = value
    return new


_either = program_primitive("unless_linearized", jaxpr_as_fun)
