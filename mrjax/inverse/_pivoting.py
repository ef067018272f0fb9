"""Non-negative least squares of one voxel by exchanges of single columns, in a tableau that arithmetic alone turns over.

A tableau holds the products of all columns with each other and, in its last row, with the data, swept by the columns that are
in use: those rows then hold the inverse of their products, and the last row their coefficients and the gradients of all
others. Sweeping a column in or out is an update of rank one. So nothing is ever solved, and a CPU runs the whole search of a
voxel as one kernel; there is therefore no reduction and no constant array here, of which such a kernel cannot consist.
"""

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

from mrjax.jax_rules.one_kernel import as_one_kernel

DEPENDENT = 1e-13
"""What of the square of a column must be left outside the span of those in use, for it to come in."""

EXCHANGES_PER_COLUMN = 10

State = tuple[Array, Array, Array, Array, Array, Array]


def place_count(n_columns: int) -> int:
    """How many numbers from zero on `non_negative` needs."""
    return max(2, 1 << n_columns.bit_length())


@as_one_kernel
def non_negative(
    tableau: Float[Array, "rows m"], tolerance: Float[Array, ""], places: Int[Array, " places"]
) -> tuple[Float[Array, " m"], Float[Array, " m"]]:
    """Coefficients, and 1 for the columns in use and 0 for others, after C. L. Lawson and R. J. Hanson.

    **Arguments:**

    - `tableau`: Products of columns of unit length, and of the data with them in the last row.
    - `tolerance`: The largest product of an unused column with the residual.
    - `places`: The numbers from 0 to `place_count(m)` - 1.
    """
    m = tableau.shape[1]
    nothing = _row(tableau, m) * 0
    state = (tableau, nothing, nothing, nothing + 1, places[0] * 0, tolerance == tolerance)
    most = EXCHANGES_PER_COLUMN * m
    state = lax.while_loop(lambda it: it[5] & (it[4] < most), lambda it: _exchanged(it, tolerance, places), state)
    return state[1], state[2]


def _exchanged(state: State, tolerance: Array, places: Array) -> State:
    """One column more, or one less where the best coefficients of those in use are not all positive."""
    tableau, x, used, outside, n, _ = state
    m = tableau.shape[1]
    last, is_used = _row(tableau, m), used > 0
    best = jnp.where(is_used, last, 0.0)
    negative = is_used & (best <= 0)
    # the way from x, where none is negative, to the best ends where the first of them would become so
    way, leaving = _largest(jnp.where(negative, -x / jnp.where(negative, x - best, 1.0), -2.0), places)
    leaves = way > -1.5
    gradient, entering = _largest(jnp.where(is_used | (outside < DEPENDENT), -1.0, last), places)
    x = jnp.where(leaves, x - way * (best - x), best)
    column, goes_on = jnp.where(leaves, leaving, entering), leaves | (gradient > tolerance)
    sign = jnp.where(leaves, -1.0, 1.0).astype(x.dtype)
    here = jnp.where((lax.slice(places, (0,), (m,)) == column) & goes_on, sign, 0.0)
    tableau, outside = _swept(tableau, outside, (column, sign, here), goes_on)
    used = used + here
    return tableau, jnp.where(used > 0, x, 0.0), used, outside, n + 1, goes_on


def _swept(tableau: Array, outside: Array, pivot: tuple[Array, Array, Array], goes_on: Array) -> tuple[Array, Array]:
    """The tableau and its diagonal with one column swept in (sign 1) or out (-1); as they are where it does not go on."""
    (column, sign, here), (m,) = pivot, outside.shape
    row = lax.dynamic_slice(tableau, (column, column * 0), (1, m)).reshape(m)
    of_data = lax.dynamic_slice(tableau, (column * 0 + m, column), (1, 1)).reshape(1)
    diagonal = lax.dynamic_slice(row, (column,), (1,)).reshape(())
    down = row - here
    across = down * jnp.where(goes_on, 1 / diagonal, 0.0)
    change = lax.concatenate([down, of_data], 0)
    outer = lax.broadcast_in_dim(change, tableau.shape, (0,)) * lax.broadcast_in_dim(across, tableau.shape, (1,))
    # the element in the corner of row and column comes out as 2 or -2 too much
    corner = lax.broadcast_in_dim(lax.pad(2 * here, here[0] * 0, [(0, 1, 0)]), tableau.shape, (0,))
    both = lax.broadcast_in_dim(here * sign, tableau.shape, (1,))
    return tableau - outer - corner * both, outside - down * across - 2 * here


def _row(tableau: Array, number: int) -> Array:
    return lax.slice(tableau, (number, 0), (number + 1, tableau.shape[1])).reshape(tableau.shape[1])


def _largest(values: Array, places: Array) -> tuple[Array, Array]:
    """The largest value and its place: by halves, as nothing may be reduced."""
    width = places.shape[0]
    values = lax.pad(values, values[0] * 0 - jnp.inf, [(0, width - values.shape[0], 0)])
    while width > 1:
        width //= 2
        halves = lambda x, width=width: (lax.slice(x, (0,), (width,)), lax.slice(x, (width,), (2 * width,)))
        (low, high), (low_place, high_place) = halves(values), halves(places)
        is_high = high > low
        values, places = jnp.where(is_high, high, low), jnp.where(is_high, high_place, low_place)
    return values.reshape(()), places.reshape(())
