"""Exponentials of many small matrices, less the identity."""

import math

import equinox.internal as eqxi
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from mrjax.physics.primitives import in_float64_on_cpus, with_transpose

MOST_SQUARINGS = 63
"""Enough for any norm below 1e18."""


@jax.custom_jvp
def exponential_less_one(matrix: Float[Array, "*batch n n"]) -> Float[Array, "*batch n n"]:
    r"""$e^A - I$, by a polynomial of degree eight in $A / 2^s$ and $s$ squarings.

    The difference from the identity is carried, $D \leftarrow 2 D + D^2$, so that what is near zero keeps its digits. Each
    squaring doubles the error that came before: in float32 that is some 3e-8 of the angle by which anything turns. On CPUs
    products of small matrices take as long in float64, so there float32 matrices are squared in float64.

    The number of squarings follows from the largest norm of the batch, when the program runs; it is one number for all, so
    under `vmap` too nothing is computed in vain.

    The polynomial takes three products (Taylor's would take seven). Its relative error in the exponent is 1e-13 in float64
    and 1e-8 in float32.

    Derivatives are carried through the same squarings, three products for each, in forward mode; reverse mode is forward
    mode at the transposed matrix, and stores that alone.

    **Source:** P. Bader, S. Blanes, F. Casas, Mathematics 7 (2019) 1174 (the polynomial of degree eight).
    """
    return _exponential(matrix)


@exponential_less_one.defjvp
def _rule(primals: tuple, tangents: tuple) -> tuple:
    (matrix,), (change,) = primals, tangents
    return exponential_less_one(matrix), _pushed_forward(matrix, change)


_exponential = in_float64_on_cpus("exponential_less_one", lambda matrix: _squared(matrix, _squarings(matrix)))


def _derivative(matrix: Float[Array, "*batch n n"], change: Float[Array, "*batch n n"]) -> Float[Array, "*batch n n"]:
    squarings = _squarings(matrix)
    return jax.jvp(lambda matrix: _squared(matrix, squarings), (matrix,), (change,))[1]


def _transposed(
    matrix: Float[Array, "*batch n n"], cotangent: Float[Array, "*batch n n"]
) -> Float[Array, "*batch n n"]:
    return _pushed_forward(jnp.swapaxes(matrix, -1, -2), cotangent)


_pushed_forward = with_transpose("derivative_of_exponential", _derivative, _transposed, wide=True)


def padded(matrix: Float[Array, "*batch n n"]) -> Float[Array, "*batch m m"]:
    """With rows and columns of zeros up to a size whose products are fast: on CPUs those of 4 to 7 take five times those of 8.

    They stay zeros in the exponential less one, which is cut to size when all products are formed.
    """
    n = matrix.shape[-1]
    missing = 8 - n if 4 <= n < 8 else 16 - n if 14 <= n < 16 else 0
    return jnp.pad(matrix, [(0, 0)] * (matrix.ndim - 2) + [(0, missing)] * 2) if missing else matrix


def times(second: Float[Array, "*batch n n"], first: Float[Array, "*batch n n"]) -> Float[Array, "*batch n n"]:
    """What `first` and then `second` do together, all three less the identity."""
    return second + first + _product(second, first)


# XLA on CPUs multiplies a transposed left factor five times slower than one that is laid out again before
_product = with_transpose(
    "product_of_matrices",
    lambda second, first: second @ first,
    lambda second, cotangent: jax.lax.optimization_barrier(jnp.swapaxes(second, -1, -2)) @ cotangent,
)


def _squarings(matrix: Float[Array, "*batch n n"]) -> Int[Array, ""]:
    small = 0.125 if matrix.dtype == jnp.float64 else 0.5
    largest = jnp.max(jnp.sum(jnp.abs(jax.lax.stop_gradient(matrix)), axis=-1), initial=0.0)
    needed = jnp.ceil(jnp.log2(jnp.maximum(largest, small) / small))
    return eqxi.unvmap_max(jnp.clip(jnp.nan_to_num(needed), 0, MOST_SQUARINGS).astype(jnp.int32))


def _squared(matrix: Float[Array, "*batch n n"], squarings: Int[Array, ""]) -> Float[Array, "*batch n n"]:
    less_one = _polynomial(matrix * jnp.exp2(-squarings.astype(matrix.dtype)))
    square = lambda d: 2 * d + d @ d
    many = lambda n: lambda d: jax.lax.scan(lambda d, _: (square(d), None), d, None, length=n)[0]
    # by the binary digits of their number, so that what is not needed is skipped in one step
    for digit in range(MOST_SQUARINGS.bit_length()):
        due = (squarings >> digit) & 1 == 1
        less_one = jax.lax.cond(due, many(2**digit) if digit else square, lambda d: d, less_one)
    return less_one


def _polynomial(a: Float[Array, "*batch n n"]) -> Float[Array, "*batch n n"]:
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
