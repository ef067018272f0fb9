"""Operations that JAX takes as one, with rules of their own; on CPUs computed in float64 and in the cache."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir
from jaxtyping import Array

from mrjax._batching import batch_first, batch_size
from mrjax.physics.execution.chunks import in_rows

Operation = Callable[..., Array]


def operation(name: str, function: Operation, batch: Callable | None = None, wide: bool = False) -> Primitive:
    """A primitive that computes `function`, whose result is like its last argument.

    All arguments begin with the same axes, those of a batch; `batch(primitive, arguments, axes)` may treat an axis of `vmap`
    otherwise. `wide` says that on CPUs it is computed in float64, whatever the dtype: no float64 leaves it, so whether the
    user has enabled it does not matter. Derivatives are for the caller to define.
    """
    primitive = Primitive(name)
    primitive.def_impl(jax.jit(primitive.bind))
    primitive.def_abstract_eval(lambda *arguments: arguments[-1])
    mlir.register_lowering(primitive, mlir.lower_fun(function, multiple_results=False))
    if wide:
        mlir.register_lowering(primitive, mlir.lower_fun(_on_cpu(function), multiple_results=False), platform="cpu")
    rule = batch or _all_batched
    batching.primitive_batchers[primitive] = lambda arguments, axes: rule(primitive, arguments, axes)
    return primitive


def with_transpose(primitive: Primitive, transpose: Operation, plain: Operation) -> None:
    """Define the derivatives of a primitive of two arguments that is linear in the second.

    Reverse mode in that is `transpose(first, cotangent)`, where JAX would transpose the program step by step and store what
    each step needs. Derivatives in the first argument are those of `plain`, the same function in a form for JAX.
    """

    def jvp(primals: tuple, tangents: tuple) -> tuple:
        (fixed, change), (of_fixed, of_change) = primals, tangents
        terms = []
        if not isinstance(of_change, ad.Zero):
            terms.append(primitive.bind(fixed, of_change))
        if not isinstance(of_fixed, ad.Zero):
            terms.append(jax.jvp(lambda fixed: plain(fixed, change), (fixed,), (of_fixed,))[1])
        return primitive.bind(fixed, change), sum(terms[1:], start=terms[0])

    def transposed(cotangent: Any, fixed: Array, change: Any) -> tuple:
        return None, ad.Zero(change.aval) if isinstance(cotangent, ad.Zero) else transpose(fixed, cotangent)

    ad.primitive_jvps[primitive] = jvp
    ad.primitive_transposes[primitive] = transposed


def _all_batched(primitive: Primitive, arguments: tuple, axes: tuple) -> tuple[Array, int]:
    size = batch_size(arguments, axes)
    return primitive.bind(*(batch_first(x, axis, size) for x, axis in zip(arguments, axes, strict=True))), 0


def _on_cpu(function: Operation) -> Operation:
    def computed(*arguments: Array) -> Array:
        with jax.enable_x64(True):
            wide = [x.astype(jnp.float64) for x in arguments]
            return in_rows(function, wide).astype(arguments[-1].dtype)

    return computed
