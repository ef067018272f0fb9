"""Functions that are linear in one argument, with a transpose of their own."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir
from jaxtyping import Array

Operation = Callable[[Array, Array], Array]


def with_transpose(name: str, function: Operation, transpose: Operation) -> Operation:
    """`function(fixed, change)`, linear in `change`, whose reverse mode is `transpose(fixed, cotangent)`.

    Both arguments have one shape, and so has the result; leading axes are a batch. JAX would transpose the program step by
    step and store what each step needs; a function that knows its transpose stores `fixed` alone. Derivatives in `fixed`
    are those of the program.
    """
    primitive = Primitive(name)

    def call(fixed: Array, change: Array) -> Array:
        return primitive.bind(*jnp.broadcast_arrays(fixed, change))

    def jvp(primals: tuple, tangents: tuple) -> tuple:
        (fixed, change), (of_fixed, of_change) = primals, tangents
        output = call(fixed, change)
        terms = []
        if not isinstance(of_change, ad.Zero):
            terms.append(call(fixed, of_change))
        if not isinstance(of_fixed, ad.Zero):
            terms.append(jax.jvp(lambda fixed: function(fixed, change), (fixed,), (of_fixed,))[1])
        return output, sum(terms[1:], start=terms[0])

    def transposed(cotangent: Any, fixed: Array, change: Any) -> tuple:
        if isinstance(cotangent, ad.Zero):
            return None, ad.Zero(change.aval)
        return None, transpose(fixed, cotangent)

    def batched(arguments: tuple, axes: tuple) -> tuple:
        size = next(x.shape[axis] for x, axis in zip(arguments, axes, strict=True) if axis is not None)
        first = lambda x, axis: jnp.broadcast_to(x, (size, *x.shape)) if axis is None else jnp.moveaxis(x, axis, 0)
        return primitive.bind(*map(first, arguments, axes)), 0

    primitive.def_impl(jax.jit(function))
    primitive.def_abstract_eval(lambda fixed, change: change)
    ad.primitive_jvps[primitive] = jvp
    ad.primitive_transposes[primitive] = transposed
    batching.primitive_batchers[primitive] = batched
    mlir.register_lowering(primitive, mlir.lower_fun(function, multiple_results=False))
    return call
