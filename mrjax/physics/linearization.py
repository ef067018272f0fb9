"""Two programs for the same numbers, of which JAX takes one where it linearizes."""

import functools
from typing import Any

import jax
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir
from jax.interpreters.partial_eval import custom_partial_eval_rules

from mrjax.physics.primitives import batch_first, batch_size


def unless_linearized(joint: Any, apart: Any) -> Any:
    """`joint`, but `apart` where values are known and their changes are not yet: in reverse mode.

    Trees of the same arrays. `joint` computes values and changes at once; `apart` lets JAX tell one from the other. What is not
    taken, the compiler drops.
    """
    leaves, structure = jax.tree.flatten(joint)
    return jax.tree.unflatten(structure, _either.bind(*leaves, *jax.tree.leaves(apart)))


@functools.cache
def custom_rules_are_opened() -> bool:
    """Whether JAX, where it linearizes, looks into functions with derivatives of their own; from 0.12 it does not."""
    value = jax.custom_jvp(lambda x: x)
    pushed = jax.custom_jvp(lambda x, change: (x, change))
    pushed.defjvp(lambda primals, tangents: (pushed(*primals), tangents))
    value.defjvp(lambda primals, tangents: pushed(*primals, *tangents))
    with jax.ensure_compile_time_eval():
        try:
            jax.linearize(value, 1.0)
        except ValueError:
            return False
    return True


def _choice() -> Primitive:
    primitive = Primitive("unless_linearized")
    primitive.multiple_results = True
    first = lambda *values: values[: len(values) // 2]
    primitive.def_impl(first)
    primitive.def_abstract_eval(first)
    mlir.register_lowering(primitive, mlir.lower_fun(first, multiple_results=True))
    ad.primitive_jvps[primitive] = lambda primals, tangents: (primitive.bind(*primals), list(first(*tangents)))
    custom_partial_eval_rules[primitive] = lambda trace, *values: list(values[len(values) // 2 :])

    def batched(values: tuple, axes: tuple) -> tuple:
        n, size = len(values) // 2, batch_size(values, axes)
        together = [one is not None or other is not None for one, other in zip(axes[:n], axes[n:], strict=True)]
        moved = lambda x, axis, is_batched: batch_first(x, axis, size) if is_batched else x
        results = primitive.bind(*map(moved, values, axes, together * 2))
        return results, [0 if is_batched else None for is_batched in together]

    batching.primitive_batchers[primitive] = batched
    return primitive


_either = _choice()
