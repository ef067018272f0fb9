"""Two linear functions, each the transpose of the other, that JAX takes as operations of its own.

A library's fast transform comes with its transpose, but not with the `vmap` of `vmap`, and JAX lets a function have a rule
for forward mode or one for reverse mode, not both (https://github.com/jax-ml/jax/issues/3996); `linear_call`, which has both,
has no `vmap`. A pair of operations has all of them, to any order.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
from jax.core import ShapedArray
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir
from jaxtyping import Array

from mrjax.jax_rules.batching import batch_first, batch_size


class Linear(NamedTuple):
    """`function(fixed, values, **options)`, linear in `values`.

    `fixed` has an axis of groups in front, `values` two: groups, and within each what shares one `fixed`. So has the result,
    whose other axes are `shape(fixed, values, **options)` and whose dtype is that of `values`. On CPUs `on_cpu` is computed
    instead. `change(apply, fixed, tangent, values)` is the derivative in `fixed`, where `apply(fixed, values)` is the function.
    """

    name: str
    function: Callable[..., Array]
    on_cpu: Callable[..., Array]
    shape: Callable[..., tuple[int, ...]]
    change: Callable[..., Array]


def linear_pair(first: Linear, second: Linear) -> tuple[Callable[..., Array], Callable[..., Array]]:
    """Both as operations; under the same options each is the transpose of the other."""
    forward, backward = _primitive(first), _primitive(second)
    _with_transpose(forward, backward)
    _with_transpose(backward, forward)
    return functools.partial(_bound, forward), functools.partial(_bound, backward)


def _bound(primitive: Primitive, fixed: Array, values: Array, **options: Any) -> Array:
    return primitive.bind(fixed, values, **options)


def _primitive(linear: Linear) -> Primitive:
    primitive = Primitive(linear.name)

    @functools.lru_cache(maxsize=64)
    def compiled(**options: Any) -> Callable:
        return jax.jit(functools.partial(primitive.bind, **options))

    def abstract(fixed: Any, values: Any, **options: Any) -> ShapedArray:
        return ShapedArray((*values.shape[:2], *linear.shape(fixed, values, **options)), values.dtype)

    def differentiated(primals: tuple, tangents: tuple, **options: Any) -> tuple:
        apply = functools.partial(primitive.bind, **options)
        (fixed, values), (of_fixed, of_values) = primals, tangents
        terms = [] if isinstance(of_values, ad.Zero) else [apply(fixed, of_values)]
        if not isinstance(of_fixed, ad.Zero):
            terms.append(linear.change(apply, fixed, of_fixed, values))
        return apply(fixed, values), sum(terms[1:], start=terms[0])

    primitive.def_impl(lambda fixed, values, **options: compiled(**options)(fixed, values))
    primitive.def_abstract_eval(abstract)
    mlir.register_lowering(primitive, mlir.lower_fun(linear.function, multiple_results=False))
    mlir.register_lowering(primitive, mlir.lower_fun(linear.on_cpu, multiple_results=False), platform="cpu")
    ad.primitive_jvps[primitive] = differentiated
    batching.primitive_batchers[primitive] = functools.partial(_batched, primitive)
    return primitive


def _with_transpose(primitive: Primitive, transpose: Primitive) -> None:
    def transposed(cotangent: Any, fixed: Array, values: Any, **options: Any) -> tuple:
        is_zero = isinstance(cotangent, ad.Zero)
        return None, ad.Zero(values.aval) if is_zero else transpose.bind(fixed, cotangent, **options)

    ad.primitive_transposes[primitive] = transposed


def _batched(primitive: Primitive, arguments: tuple, axes: tuple, **options: Any) -> tuple[Array, int]:
    """More groups where `fixed` has the axis of `vmap`, and larger ones where it does not."""
    fixed, values = arguments
    size = batch_size(arguments, axes)
    values = batch_first(values, axes[1], size)
    n_groups, n_each = values.shape[1:3]
    if axes[0] is None:
        larger = values.swapaxes(0, 1).reshape(n_groups, size * n_each, *values.shape[3:])
        result = primitive.bind(fixed, larger, **options)
        return result.reshape(n_groups, size, n_each, *result.shape[2:]), 1
    fixed = batch_first(fixed, axes[0], size)
    fixed = fixed.reshape(size * n_groups, *fixed.shape[2:])
    result = primitive.bind(fixed, values.reshape(size * n_groups, *values.shape[2:]), **options)
    return result.reshape(size, n_groups, *result.shape[1:]), 0
