"""Machine code as an operation of JAX, which takes derivatives and `vmap` from a plain form."""

from collections.abc import Callable
from typing import Any

import jax
from jax.core import ShapedArray
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir
from jaxtyping import Array


def _native_primitive() -> Primitive:
    """An operation in machine code on CPUs; derivatives and `vmap` are those of its plain form."""
    primitive = Primitive("native_loop")
    primitive.multiple_results = True
    primitive.def_impl(lambda *values, **params: jax.jit(lambda *values: primitive.bind(*values, **params))(*values))
    primitive.def_abstract_eval(lambda *values, native, plain, results: results)
    by_jax = lambda *values, native, plain, results: plain(*values)
    by_itself = lambda *values, native, plain, results: native(*values)
    mlir.register_lowering(primitive, mlir.lower_fun(by_jax, multiple_results=True))
    mlir.register_lowering(primitive, mlir.lower_fun(by_itself, multiple_results=True), platform="cpu")

    def pushed(primals: tuple, tangents: tuple, *, plain: Callable, **_: Any) -> tuple:
        return jax.jvp(lambda *values: list(plain(*values)), primals, tuple(map(ad.instantiate_zeros, tangents)))

    def batched(values: tuple, axes: tuple, *, plain: Callable, **_: Any) -> tuple:
        results = jax.vmap(lambda *values: list(plain(*values)), axes)(*values)
        return results, [0] * len(results)

    ad.primitive_jvps[primitive] = pushed
    batching.primitive_batchers[primitive] = batched
    return primitive


_native = _native_primitive()


def native_operation(native: Callable, plain: Callable, arrays: list[Array], results: list[Any]) -> list[Array]:
    """What both functions of these arrays give, by the first where values are computed on a CPU, by the other elsewhere.

    `results` have the shapes and dtypes of what they give.
    """
    primitive, params = native_operation_of(native, plain, results)
    return primitive.bind(*arrays, **params)


def native_operation_of(native: Callable, plain: Callable, results: list[Any]) -> tuple[Primitive, dict[str, Any]]:
    """The same as an operation, and its parameters."""
    shapes = tuple(ShapedArray(x.shape, x.dtype) for x in results)
    return _native, {"native": native, "plain": plain, "results": shapes}
