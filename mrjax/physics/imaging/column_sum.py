"""Sums over columns of products of two arrays, of which XLA on CPU makes slow kernels if it is asked directly."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex

from mrjax.jax_rules import on_one_cpu_device

During = Complex[Array, "column point place"]
Weighted = Complex[Array, "column coil place"]
Summed = Complex[Array, "coil point place"]


@jax.custom_jvp
def sum_over_columns(during: During, weighted: Weighted) -> Summed:
    """For each coil, instant and place."""
    if not on_one_cpu_device():
        return _at_once(during, weighted)
    n = during.shape[0]
    product = lambda column: during[column][None] * weighted[column][:, None]
    # two at a time, so that the sum is read and written half as often
    add = lambda pair, total: total + product(2 * pair) + product(2 * pair + 1)
    first = product(n - 1) if n % 2 else jnp.zeros((weighted.shape[1], *during.shape[1:]), during.dtype)
    return jax.lax.fori_loop(0, n // 2, add, first)


@sum_over_columns.defjvp
def _jvp(primals: tuple[During, Weighted], tangents: tuple[During, Weighted]) -> tuple[Summed, Summed]:
    during, weighted = primals
    change = _at_once(tangents[0], weighted) + _at_once(during, tangents[1])
    return sum_over_columns(during, weighted), change


def _at_once(during: During, weighted: Weighted) -> Summed:
    return jnp.sum(during[:, None] * weighted[:, :, None], axis=0)
