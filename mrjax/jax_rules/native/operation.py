"""Machine code as an operation of JAX, which takes derivatives from a plain form."""

from collections.abc import Callable
from typing import Any

import jax
from jax.core import ShapedArray
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir
from jaxtyping import Array

from mrjax.jax_rules.batching import batch_first, batch_size


def _native_primitive() -> Primitive:
    """An operation in machine code on CPUs; its derivatives are those of its plain form."""
    primitive = Primitive("native_loop")
    primitive.multiple_results = True
    primitive.def_impl(lambda *values, **params: jax.jit(lambda *values: primitive.bind(*values, **params))(*values))
    primitive.def_abstract_eval(lambda *values, native, plain, results, spread: results)
    by_jax = lambda *values, native, plain, results, spread: plain(*values)
    by_itself = lambda *values, native, plain, results, spread: native(*values)
    mlir.register_lowering(primitive, mlir.lower_fun(by_jax, multiple_results=True))
    mlir.register_lowering(primitive, mlir.lower_fun(by_itself, multiple_results=True), platform="cpu")

    def pushed(primals: tuple, tangents: tuple, *, plain: Callable, **_: Any) -> tuple:
        return jax.jvp(lambda *values: list(plain(*values)), primals, tuple(map(ad.instantiate_zeros, tangents)))

    def batched(values: tuple, axes: tuple, *, plain: Callable, spread: Spread, results: tuple, **_: Any) -> tuple:
        if spread is None:
            found = jax.vmap(lambda *values: list(plain(*values)), axes)(*values)
            return found, [0] * len(found)
        size = batch_size(values, axes)
        values = tuple(batch_first(x, axis, size) for x, axis in zip(values, axes, strict=True))
        over_axis = jax.vmap(lambda *values: list(plain(*values)))
        shapes = [jax.ShapeDtypeStruct((size, *x.shape), x.dtype) for x in results]
        return native_operation(spread(size), over_axis, list(values), shapes), [0] * len(results)

    ad.primitive_jvps[primitive] = pushed
    batching.primitive_batchers[primitive] = batched
    return primitive


Spread = Callable[[int], Callable] | None
"""From the length of an axis of `vmap` to machine code for arrays that have it in front; None where JAX maps the plain form."""

_native = _native_primitive()


def native_operation(
    native: Callable, plain: Callable, arrays: list[Array], results: list[Any], spread: Spread = None
) -> list[Array]:
    """What both functions of these arrays give, by the first where values are computed on a CPU, by the other elsewhere.

    `results` have the shapes and dtypes of what they give.
    """
    primitive, params = native_operation_of(native, plain, results, spread)
    return primitive.bind(*arrays, **params)


def native_operation_of(
    native: Callable, plain: Callable, results: list[Any], spread: Spread = None
) -> tuple[Primitive, dict[str, Any]]:
    """The same as an operation, and its parameters."""
    shapes = tuple(ShapedArray(x.shape, x.dtype) for x in results)
    return _native, {"native": native, "plain": plain, "results": shapes, "spread": spread}
