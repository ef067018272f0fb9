"""The functions of this room in plain JAX: slower, with the same values to rounding.

Two things are lost. What would be computed in float64 on CPUs is computed in the precision of its arguments. And where a
number that is known only at run time breaks a requirement, it becomes nan, and no error says which.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int


def as_one_kernel(function: Callable) -> Callable:
    """`function`, compiled as XLA sees fit."""
    return function


def computed_once(function: Callable) -> Callable:
    """`function`, which XLA may compute again wherever its results are used."""
    return function


def loops_are_marked() -> bool:
    """Never."""
    return False


def loops_are_native() -> bool:
    """Never."""
    return False


def unless_linearized(fast: Callable, plain: Callable) -> Callable:
    """`plain`, which JAX can differentiate in every mode."""
    del fast
    return plain


def scan_by_adjoint(body: Callable, carry: Any, inputs: Any, length: int, plain: Callable) -> tuple[Any, Any]:
    """`plain(body, carry, inputs)`, with the derivatives of JAX."""
    del length
    return plain(body, carry, inputs)


def counted_scan(
    body: Callable, carry: Any, inputs: Any, length: int, count: Int[Array, ""], unroll: int = 2
) -> tuple[Any, Any]:
    """`jax.lax.scan` over the first `count` of `length` inputs, a number that is data; outputs of the others mean nothing.

    By default two rounds in each pass, whose state then needs no copy, and a last one where the number is odd; or one in each.
    """
    at = lambda i: jax.tree.map(lambda x: jax.lax.dynamic_index_in_dim(x, i, keepdims=False), inputs)
    output = jax.eval_shape(body, carry, at(0))[1]
    rows = jax.tree.map(lambda row: jnp.zeros((length, *row.shape), row.dtype), output)

    def one(i: Array, passing: tuple) -> tuple:
        carry, row = body(passing[0], at(i))
        return carry, jax.tree.map(lambda x, y: jax.lax.dynamic_update_index_in_dim(x, y, i, 0), passing[1], row)

    if unroll == 1:
        return jax.lax.fori_loop(0, count, one, (carry, rows))
    two = lambda i, passing: one(2 * i + 1, one(2 * i, passing))
    even = jax.lax.fori_loop(0, count // 2, two, (carry, rows))
    return jax.lax.fori_loop(count // 2 * 2, count, one, even)


def operation(name: str, function: Callable, *, plain: Callable | None = None, **rules: Any) -> Callable:
    """`plain`, or `function` where there is no other form, with the derivatives and the `vmap` of JAX."""
    del name, rules
    return plain or function


def linear_pair(first: Any, second: Any) -> tuple[Callable, Callable]:
    """Both functions, with the derivatives and the `vmap` of the library that computes them."""
    on_cpu = jax.default_backend() == "cpu"
    return tuple(linear.on_cpu if on_cpu else linear.function for linear in (first, second))


def in_float64_on_cpu(function: Callable, *arguments: Any) -> Any:
    """`function(*arguments)`, in the precision of the arguments."""
    return function(*arguments)


def required(value: Array, holds: Bool[Array, "..."], message: str) -> Array:
    """`value`, and nan where it breaks the requirement: everywhere, if that is not one for each entry."""
    del message
    return jnp.where(holds if holds.shape == value.shape else jnp.all(holds), value, jnp.nan)


def nan_where_it_does_not_hold(function: Callable) -> Callable:
    """`function`, since broken requirements give nan everywhere."""
    return function
