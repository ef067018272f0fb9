"""Functions that JAX takes as one operation, with rules of their own.

JAX differentiates a program step by step, and reverse mode stores what each step needs. A function whose transpose is known,
such as the derivative of the matrix exponential, needs neither; but JAX lets a function have a rule for forward mode or one
for reverse mode, not both (https://github.com/jax-ml/jax/issues/3447, https://github.com/jax-ml/jax/issues/3996). An operation
has both. It may also say how `vmap` enlarges it, and that CPUs compute it in float64.
"""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir
from jaxtyping import Array

from mrjax.jax_rules.batching import batch_first, batch_size

Operation = Callable[..., Array]

CACHE = 2**18
"""Bytes of the matrices that are computed at once in float64: they stay in the second-level cache."""

FEWEST = 16
"""Matrices at least that are computed at once."""


def operation(
    name: str,
    function: Operation,
    *,
    plain: Operation | None = None,
    transpose: Operation | None = None,
    batch: Callable | None = None,
    wide: bool = False,
) -> Operation:
    """`function`, whose result is like its last argument, as an operation of its own.

    **Arguments:**

    - `name`: Of the operation in what JAX prints.
    - `function`: All its arguments begin with the same axes, those of a batch.
    - `plain`: The same function in a form that JAX can differentiate in both modes; `function` by default.
    - `transpose`: Of a function of two arguments that is linear in the second: `transpose(first, cotangent)` is its reverse mode
      in the second, and derivatives in the first are those of `plain`. Without it, derivatives are for the caller to define.
    - `batch`: `batch(operation, arguments, axes)` may treat an axis of `vmap` otherwise than as a larger batch.
    - `wide`: Whether CPUs compute it in float64, whatever the dtype: no float64 leaves it, so it does not matter whether the
      user has enabled that.
    """
    primitive = Primitive(name)
    primitive.def_impl(jax.jit(primitive.bind))
    primitive.def_abstract_eval(lambda *arguments: arguments[-1])
    mlir.register_lowering(primitive, mlir.lower_fun(function, multiple_results=False))
    if wide:
        mlir.register_lowering(primitive, mlir.lower_fun(_widened(function), multiple_results=False), platform="cpu")
    rule = batch or _larger_batch
    batching.primitive_batchers[primitive] = lambda arguments, axes: rule(primitive.bind, arguments, axes)
    if transpose is not None:
        _with_transpose(primitive, transpose, plain or function)
    return lambda *arguments: primitive.bind(*arguments)


def _with_transpose(primitive: Primitive, transpose: Operation, plain: Operation) -> None:
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


def _larger_batch(bound: Operation, arguments: tuple, axes: tuple) -> tuple[Array, int]:
    size = batch_size(arguments, axes)
    return bound(*(batch_first(x, axis, size) for x, axis in zip(arguments, axes, strict=True))), 0


def _widened(function: Operation) -> Operation:
    def computed(*arguments: Array) -> Array:
        with jax.enable_x64(True):
            wide = [x.astype(jnp.float64) for x in arguments]
            return _part_by_part(function, wide).astype(arguments[-1].dtype)

    return computed


def _part_by_part(function: Operation, matrices: list[Array]) -> Array:
    """`function(*matrices)`, for as many matrices at once as stay in the cache; the result is like the last argument.

    All have the same leading axes, and two of their own, or more after those of the first.
    """
    batch = matrices[0].shape[:-2]
    n = math.prod(batch)
    size = max(FEWEST, CACHE * n // max(1, sum(x.size * x.dtype.itemsize for x in matrices)))
    if n <= size:
        return function(*matrices)
    rows = [x.reshape(n, *x.shape[len(batch) :]) for x in matrices]
    whole = n // size * size
    parts = [x[:whole].reshape(n // size, size, *x.shape[1:]) for x in rows]
    result = jax.lax.map(lambda part: function(*part), parts).reshape(whole, *rows[-1].shape[1:])
    if whole < n:
        result = jnp.concatenate([result, function(*(x[whole:] for x in rows))])
    return result.reshape(matrices[-1].shape)
