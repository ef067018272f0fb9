"""Functions that CPUs compute in float64, though what goes in and comes out is float32.

`jax.enable_x64` does not serve inside of a program that is traced in float32: operations within are traced again when JAX
lowers them, and fail or become float32 (https://github.com/jax-ml/jax/issues/5982,
https://github.com/jax-ml/jax/issues/27602). So the function is an operation of its own, which is widened while it is lowered.
"""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.core import ShapedArray
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir
from jaxtyping import Array

from mrjax.jax_rules.batching import batch_size

Function = Callable[..., tuple[Array, ...]]
Forms = tuple[tuple[tuple[int, ...], Any], ...]
"""Shape and dtype of each output."""


def in_float64_on_cpu(function: Callable, *arguments: Any) -> Any:
    """`function(*arguments)`, computed in float64 on CPUs and rounded at the end; no float64 leaves it.

    A long product of float32 factors, each of which is rounded, thus keeps its digits. Derivatives, of either mode and any
    order, are those of `function` in the dtype of its arguments. Where that is float64, and on other devices, nothing changes.

    **Arguments:**

    - `function`: Of PyTrees, to a PyTree of arrays; it closes over no array.
    - `arguments`: PyTrees whose arrays are real.
    """
    arrays, rest = eqx.partition(arguments, eqx.is_array)
    flat, structure = jax.tree.flatten(arrays)
    if not any(leaf.dtype == jnp.float32 for leaf in flat):
        return function(*arguments)
    plain = lambda *flat: function(*eqx.combine(jax.tree.unflatten(structure, flat), rest))
    outputs, of_outputs = jax.tree.flatten(jax.eval_shape(plain, *flat))
    flattened = lambda *flat: tuple(jax.tree.leaves(plain(*flat)))
    forms = tuple((leaf.shape, leaf.dtype) for leaf in outputs)
    return jax.tree.unflatten(of_outputs, _double.bind(*flat, function=flattened, forms=forms))


def _lowered(context: Any, *arguments: Any, function: Function, forms: Forms) -> Any:
    del forms
    return mlir.lower_fun(function, multiple_results=True)(context, *arguments)


def _lowered_on_cpu(context: Any, *arguments: Any, function: Function, forms: Forms) -> Any:
    def widened(*flat: Array) -> tuple[Array, ...]:
        outputs = function(*(leaf.astype(jnp.float64) for leaf in flat))
        return tuple(output.astype(dtype) for output, (_, dtype) in zip(outputs, forms, strict=True))

    # around the lowering too: operations inside are traced again there, which would make float32 of them
    with jax.enable_x64(True):
        return mlir.lower_fun(widened, multiple_results=True)(context, *arguments)


def _batched(arguments: tuple, axes: tuple, *, function: Function, forms: Forms) -> tuple[list[Array], tuple[int, ...]]:
    size = batch_size(arguments, axes)
    batch = tuple(((size, *shape), dtype) for shape, dtype in forms)
    outputs = _double.bind(*arguments, function=jax.vmap(function, in_axes=axes), forms=batch)
    return outputs, (0,) * len(outputs)


def _derivative(
    primals: tuple, tangents: tuple, *, function: Function, forms: Forms
) -> tuple[list[Array], tuple[Array, ...]]:
    moving = [place for place, tangent in enumerate(tangents) if not isinstance(tangent, ad.Zero)]

    def of_moving(*moved: Array) -> tuple[Array, ...]:
        arguments = list(primals)
        for place, argument in zip(moving, moved, strict=True):
            arguments[place] = argument
        return function(*arguments)

    pick = lambda values: tuple(values[place] for place in moving)
    changes = jax.jvp(of_moving, pick(primals), pick(tangents))[1]
    return _double.bind(*primals, function=function, forms=forms), changes


_double = Primitive("in_float64_on_cpu")
_double.multiple_results = True
_double.def_impl(lambda *flat, **how: jax.jit(lambda *flat: _double.bind(*flat, **how))(*flat))
_double.def_abstract_eval(lambda *flat, function, forms: [ShapedArray(shape, dtype) for shape, dtype in forms])
mlir.register_lowering(_double, _lowered)
mlir.register_lowering(_double, _lowered_on_cpu, platform="cpu")
batching.primitive_batchers[_double] = _batched
ad.primitive_jvps[_double] = _derivative
