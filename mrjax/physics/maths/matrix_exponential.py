"""Exponentials of many small matrices, less the identity."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import equinox.internal as eqxi
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from mrjax.jax_rules import operation

MOST_SQUARINGS = 63
"""Enough for any norm below 1e18."""

full_precision = partial(jax.default_matmul_precision, "highest")
"""A context in which products of float32 matrices are not rounded to fewer digits, as they are on GPUs by default."""

Matrices = Float[Array, "*batch n n"]
Changes = Float[Array, "*batch n change n"]
"""Several changes of each matrix, between its rows and its columns: products from either side are then products of two
matrices, whatever the number of changes."""


@jax.custom_jvp
def exponential_less_one(matrix: Matrices) -> Matrices:
    r"""$e^A - I$, by a polynomial of degree eight in $A / 2^s$ and $s$ squarings.

    The difference from the identity is carried, $D \leftarrow 2 D + D^2$, so that what is near zero keeps its digits. Each
    squaring doubles the error that came before: in float32 that is some 3e-8 of the angle by which anything turns. On CPUs
    products of small matrices take as long in float64, so there float32 matrices are squared in float64.

    The number of squarings follows from the largest norm of the batch, when the program runs; it is one number for all, so
    under `vmap` too nothing is computed in vain.

    The polynomial takes three products (Taylor's would take seven). Its relative error in the exponent is 1e-13 in float64
    and 1e-8 in float32.

    Forward mode carries derivatives through the same squarings, two products for each; reverse mode is forward mode at the
    transposed matrix, and stores that alone.

    **Source:** P. Bader, S. Blanes, F. Casas, Mathematics 7 (2019) 1174 (the polynomial of degree eight).
    """
    return _exponential(matrix)


@exponential_less_one.defjvp
def _rule(primals: tuple, tangents: tuple) -> tuple:
    (matrix,), (change,) = primals, tangents
    return exponential_less_one(matrix), _changed(matrix, change[..., None, :])[..., 0, :]


def padded(matrix: Matrices) -> Float[Array, "*batch m m"]:
    """With rows and columns of zeros up to a size whose products are fast: on CPUs those of 4 to 7 take five times those of 8.

    They stay zeros in the exponential less one, which is cut to size when all products are formed.
    """
    n = matrix.shape[-1]
    missing = 8 - n if 4 <= n < 8 else 16 - n if 14 <= n < 16 else 0
    return jnp.pad(matrix, [(0, 0)] * (matrix.ndim - 2) + [(0, missing)] * 2) if missing else matrix


def times(second: Matrices, first: Matrices) -> Matrices:
    """What `first` and then `second` do together, all three less the identity."""
    return second + first + _product(*jnp.broadcast_arrays(second, first))


def _value(matrix: Matrices) -> Matrices:
    with full_precision():
        squarings = _squarings(matrix)
        less_one = _polynomial(_halved(matrix, squarings))
        # how often is known when the program runs alone: no form for reverse mode, and less to compile than `_squared`
        return jax.lax.fori_loop(0, squarings, lambda _, less_one: _square(less_one), less_one)


def _derivative(matrix: Matrices, changes: Changes) -> Changes:
    """How the exponential changes with the matrix, for all changes at once."""
    with full_precision():
        return _derivative_by_squarings(matrix, changes, _squarings(matrix))


def _derivative_by_squarings(matrix: Matrices, changes: Changes, squarings: Int[Array, ""]) -> Changes:
    scale = jnp.exp2(-squarings.astype(matrix.dtype))
    push = lambda function, at, changes: jax.vmap(
        lambda change: jax.jvp(function, (at,), (change,)), in_axes=-2, out_axes=(None, -2)
    )(changes)
    less_one, changed = push(_polynomial, matrix * scale, changes * scale)

    def square(_: Any, pair: tuple[Matrices, Changes]) -> tuple[Matrices, Changes]:
        less_one, changed = pair
        return 2 * less_one + less_one @ less_one, 2 * changed + _left(less_one, changed) + _right(changed, less_one)

    return jax.lax.fori_loop(0, squarings, square, (less_one, changed))[1]


def _plain_derivative(matrix: Matrices, changes: Changes) -> Changes:
    """The same in a form that can be differentiated in either mode."""
    squarings = _squarings(matrix)
    push = lambda change: jax.jvp(lambda matrix: _squared(matrix, squarings), (matrix,), (change,))[1]
    with full_precision():
        return jax.vmap(push, in_axes=-2, out_axes=-2)(changes)


def _left(matrix: Matrices, changes: Changes) -> Changes:
    *batch, n, n_changes, _ = changes.shape
    return (matrix @ changes.reshape(*batch, n, n_changes * n)).reshape(changes.shape)


def _right(changes: Changes, matrix: Matrices) -> Changes:
    *batch, n, n_changes, _ = changes.shape
    return (changes.reshape(*batch, n * n_changes, n) @ matrix).reshape(changes.shape)


def _with_more_changes(changed: Callable, arguments: tuple, axes: tuple) -> tuple[Array, int]:
    """`vmap` over changes of one matrix makes more changes, `vmap` over matrices a larger batch."""
    (matrix, changes), (of_matrix, of_changes) = arguments, axes
    if of_matrix is not None:
        size = matrix.shape[of_matrix]
        matrix = jnp.moveaxis(matrix, of_matrix, 0)
        spread = lambda x: jnp.broadcast_to(x, (size, *x.shape))
        changes = spread(changes) if of_changes is None else jnp.moveaxis(changes, of_changes, 0)
        return changed(matrix, changes), 0
    changes = jnp.moveaxis(changes, of_changes, -2)
    *batch, n, n_changes, size, _ = changes.shape
    together = changes.reshape(*batch, n, n_changes * size, n)
    return changed(matrix, together).reshape(changes.shape), changes.ndim - 2


def _multiplied(second: Matrices, first: Matrices) -> Matrices:
    with full_precision():
        return second @ first


_exponential = operation("exponential_less_one", _value, wide=True)
_transposed = lambda matrix: jnp.swapaxes(matrix, -1, -2)
_changed = operation(
    "change_of_exponential",
    _derivative,
    plain=_plain_derivative,
    transpose=lambda matrix, cotangents: _changed(_transposed(matrix), cotangents),
    batch=_with_more_changes,
    wide=True,
)
# XLA on CPUs multiplies a transposed left factor five times slower than one that is laid out again before
_laid_out = jax.lax.optimization_barrier
_product = operation(
    "product_of_matrices",
    _multiplied,
    transpose=lambda second, cotangent: _multiplied(_laid_out(_transposed(second)), cotangent),
)


def _squarings(matrix: Matrices) -> Int[Array, ""]:
    small = 0.125 if matrix.dtype == jnp.float64 else 0.5
    largest = jnp.max(jnp.sum(jnp.abs(jax.lax.stop_gradient(matrix)), axis=-1), initial=0.0)
    needed = jnp.ceil(jnp.log2(jnp.maximum(largest, small) / small))
    return eqxi.unvmap_max(jnp.clip(jnp.nan_to_num(needed), 0, MOST_SQUARINGS).astype(jnp.int32))


def _halved(matrix: Matrices, times: Int[Array, ""]) -> Matrices:
    return matrix * jnp.exp2(-times.astype(matrix.dtype))


def _square(less_one: Matrices) -> Matrices:
    return 2 * less_one + less_one @ less_one


def _squared(matrix: Matrices, squarings: Int[Array, ""]) -> Matrices:
    less_one = _polynomial(_halved(matrix, squarings))
    many = lambda n: lambda d: jax.lax.scan(lambda d, _: (_square(d), None), d, None, length=n)[0]
    # by the binary digits of their number, so that what is not needed is skipped in one step
    for digit in range(MOST_SQUARINGS.bit_length()):
        due = (squarings >> digit) & 1 == 1
        less_one = jax.lax.cond(due, many(2**digit) if digit else _square, lambda d: d, less_one)
    return less_one


def _polynomial(a: Matrices) -> Matrices:
    """The exponential series up to degree eight, less one."""
    root = math.sqrt(177)
    x3 = 2 / 3
    x1, x2 = (1 + root) / 88 * x3, (1 + root) / 352 * x3
    x4, x5 = (-271 + 29 * root) / (315 * x3), 11 * (-1 + root) / (1260 * x3)
    x6, x7 = 11 * (-9 + root) / (5040 * x3), (89 - root) / (5040 * x3**2)
    y2 = (857 - 58 * root) / 630
    a2 = a @ a
    a4 = a2 @ (x1 * a + x2 * a2)
    identity = jnp.eye(a.shape[-1], dtype=a.dtype).reshape((1,) * (a.ndim - 2) + a.shape[-2:])
    return a + y2 * a2 + (x3 * a2 + a4) @ (x4 * identity + x5 * a + x6 * a2 + x7 * a4)
