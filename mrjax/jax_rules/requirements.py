"""What must hold of numbers that are known only at run time: an error, or nan where a search is free to try.

JAX's own errors that depend on values do not work under `vmap` (https://github.com/jax-ml/jax/issues/27483); those of
`equinox.error_if` do, but a caller cannot turn them into nan. So a check
is an operation of its own in what JAX traces, and does not say what happens where it does not hold. Where the program runs as it
is, it raises. A fit takes the traced program and lets its checks give nan in place of raising; so it does not matter whether a
model was compiled before the fit, during it or after it: the same trace serves.
"""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.extend.core import ClosedJaxpr, Jaxpr, Primitive, jaxpr_as_fun
from jax.interpreters import ad, batching, mlir
from jaxtyping import Array, Bool

from mrjax.jax_rules.batching import batch_first, batch_size


def required(value: Array, holds: Bool[Array, "..."], message: str) -> Array:
    """`value`; at run time an error with this message where `holds` is not true everywhere."""
    return _required.bind(value, holds, message=message, raises=True)


def nan_where_it_does_not_hold(function: Callable) -> Callable:
    """`function` of trees of arrays, in which values that break a requirement become nan.

    A requirement that is not one for each entry of its value still raises.
    """

    def searching(*arguments: Any) -> Any:
        leaves, structure = jax.tree.flatten(arguments)
        flat = lambda *leaves: function(*jax.tree.unflatten(structure, leaves))
        traced, shapes = jax.make_jaxpr(flat, return_shape=True)(*leaves)
        return jax.tree.unflatten(jax.tree.structure(shapes), jaxpr_as_fun(_tolerant(traced))(*leaves))

    return searching


def _tolerant(part: Any) -> Any:
    """A traced program, or whatever parameter of one, without checks that raise; itself where it has none."""
    if isinstance(part, tuple | list):
        changed = [_tolerant(each) for each in part]
        return part if all(new is old for new, old in zip(changed, part, strict=True)) else type(part)(changed)
    if isinstance(part, ClosedJaxpr) and part.jaxpr is not part:  # they are one from JAX 0.12
        inner = _tolerant(part.jaxpr)
        return part if inner is part.jaxpr else ClosedJaxpr(inner, part.consts)
    if not isinstance(part, Jaxpr):
        return part
    steps = [_tolerant_step(step) for step in part.eqns]
    return part if all(new is old for new, old in zip(steps, part.eqns, strict=True)) else part.replace(eqns=steps)


def _tolerant_step(step: Any) -> Any:
    if step.primitive is _required:
        value, holds = step.invars
        return step if value.aval.shape != holds.aval.shape else step.replace(params=step.params | {"raises": False})
    changed = {name: new for name, old in step.params.items() if (new := _tolerant(old)) is not old}
    return step.replace(params=step.params | changed) if changed else step


def _checked(value: Array, holds: Array, *, message: str, raises: bool) -> Array:
    if not raises:
        return jnp.where(holds, value, jnp.nan)
    # the zero carries the check, not the value, which may be spread over devices and would be gathered on one
    zero = eqx.error_if(jnp.zeros((), value.dtype), jnp.logical_not(jnp.all(holds)), f"{message}.")
    return value + zero


def _requirement() -> Primitive:
    primitive = Primitive("required")
    primitive.def_impl(lambda *values, **params: jax.jit(lambda *values: primitive.bind(*values, **params))(*values))
    primitive.def_abstract_eval(lambda value, holds, **params: value)
    mlir.register_lowering(primitive, mlir.lower_fun(_checked, multiple_results=False))

    def batched(values: tuple, axes: tuple, **params: Any) -> tuple[Array, int]:
        size = batch_size(values, axes)
        moved = (batch_first(x, axis, size) for x, axis in zip(values, axes, strict=True))
        return primitive.bind(*moved, **params), 0

    batching.primitive_batchers[primitive] = batched
    ad.primitive_jvps[primitive] = lambda values, tangents, **params: (primitive.bind(*values, **params), tangents[0])
    return primitive


_required = _requirement()
