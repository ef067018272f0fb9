"""The functions of this room in plain JAX: slower, with the same values to rounding.

Two things are lost. What would be computed in float64 on CPUs is computed in the precision of its arguments. And where a
number that is known only at run time breaks a requirement, it becomes nan, and no error says which.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool


def as_one_kernel(function: Callable) -> Callable:
    """`function`, compiled as XLA sees fit."""
    return function


def computed_once(function: Callable) -> Callable:
    """`function`, which XLA may compute again wherever its results are used."""
    return function


def loops_are_marked() -> bool:
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
