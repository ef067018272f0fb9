"""Operations that JAX takes as one: with a transpose of their own, and computed in float64 where that is as fast."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir
from jaxtyping import Array

Operation = Callable[..., Array]


def in_float64_on_cpus(name: str, function: Operation) -> Operation:
    """`function`, as one operation, whose inside is computed in float64 on CPUs; arguments and result keep their dtype.

    All arguments have the shape and dtype of the result; leading axes are a batch. It has no derivatives: give it a rule.
    """
    return _primitive(name, function, wide=True).bind


def with_transpose(name: str, function: Operation, transpose: Operation, wide: bool = False) -> Operation:
    """`function(fixed, change)`, linear in `change`, whose reverse mode is `transpose(fixed, cotangent)`.

    Both arguments have one shape, and so has the result; leading axes are a batch. JAX would transpose the program step by
    step and store what each step needs; a function that knows its transpose stores `fixed` alone. Derivatives in `fixed`
    are those of the program. `wide` computes in float64 on CPUs.
    """
    primitive = _primitive(name, function, wide)

    def call(fixed: Array, change: Array) -> Array:
        return primitive.bind(*jnp.broadcast_arrays(fixed, change))

    def jvp(primals: tuple, tangents: tuple) -> tuple:
        (fixed, change), (of_fixed, of_change) = primals, tangents
        terms = []
        if not isinstance(of_change, ad.Zero):
            terms.append(call(fixed, of_change))
        if not isinstance(of_fixed, ad.Zero):
            terms.append(jax.jvp(lambda fixed: function(fixed, change), (fixed,), (of_fixed,))[1])
        return call(fixed, change), sum(terms[1:], start=terms[0])

    def transposed(cotangent: Any, fixed: Array, change: Any) -> tuple:
        return None, ad.Zero(change.aval) if isinstance(cotangent, ad.Zero) else transpose(fixed, cotangent)

    ad.primitive_jvps[primitive] = jvp
    ad.primitive_transposes[primitive] = transposed
    return call


def _primitive(name: str, function: Operation, wide: bool) -> Primitive:
    primitive = Primitive(name)

    def batched(arguments: tuple, axes: tuple) -> tuple:
        size = next(x.shape[axis] for x, axis in zip(arguments, axes, strict=True) if axis is not None)
        first = lambda x, axis: jnp.broadcast_to(x, (size, *x.shape)) if axis is None else jnp.moveaxis(x, axis, 0)
        return primitive.bind(*map(first, arguments, axes)), 0

    primitive.def_impl(jax.jit(primitive.bind))
    primitive.def_abstract_eval(lambda *arguments: arguments[-1])
    batching.primitive_batchers[primitive] = batched
    mlir.register_lowering(primitive, mlir.lower_fun(function, multiple_results=False))
    if wide:
        mlir.register_lowering(primitive, mlir.lower_fun(_widened(function), multiple_results=False), platform="cpu")
    return primitive


def _widened(function: Operation) -> Operation:
    def widened(*arguments: Array) -> Array:
        # no float64 leaves this program, so whether the user has enabled it does not matter
        with jax.enable_x64(True):
            return function(*(x.astype(jnp.float64) for x in arguments)).astype(arguments[0].dtype)

    return widened
