"""Cosine and sine of angles that differ from voxel to voxel and from pulse to pulse, and their quotients at small angles."""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

# pi/2 in parts whose products with a whole number of quarter turns are exact (Cody and Waite): the first ones have few bits
_QUARTER_TURN = {
    jnp.float32: (1.5703125, 127 / 2**18, math.pi / 2 - 1.5703125 - 127 / 2**18),
    jnp.float64: (
        math.floor(math.pi * 2**31) / 2**32,
        math.pi / 2 - math.floor(math.pi * 2**31) / 2**32 + 6.123233995736766e-17,
    ),
}
SMALL = 1e-4
"""Square of an angle below which series of four terms are exact to rounding."""

_TERMS = {jnp.float32: 5, jnp.float64: 9}


@jax.custom_jvp
def cosine_and_sine(angle: Float[Array, "..."]) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
    r"""$(\cos x, \sin x)$ by Taylor series after reduction to $|x| \le \pi/4$, to two units in the last place of 1.

    On CPU XLA calls a scalar routine for each, 16 ns for the pair in float32; this form runs in vector registers in below 1 ns
    (benchmarks/trigonometry.py). Angles above 1e5 rad are off by as much as their own rounding.
    """
    kind = jnp.float64 if angle.dtype == jnp.float64 else jnp.float32
    quarter = jnp.round(angle * (2 / math.pi))
    rest = angle
    for part in _QUARTER_TURN[kind]:
        rest = rest - quarter * part
    cosine, sine = _taylor(rest, _TERMS[kind])
    quarter = quarter.astype(jnp.int32)
    odd = quarter % 2 == 1
    cosine, sine = jnp.where(odd, sine, cosine), jnp.where(odd, cosine, sine)
    return jnp.where((quarter + 1) & 2 != 0, -cosine, cosine), jnp.where(quarter & 2 != 0, -sine, sine)


@cosine_and_sine.defjvp
def _cosine_and_sine_jvp(primals, tangents):
    cosine, sine = cosine_and_sine(*primals)
    return (cosine, sine), (-sine * tangents[0], cosine * tangents[0])


def _taylor(x: Float[Array, "..."], n_terms: int) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
    square = x * x
    cosine = sine = jnp.zeros_like(x)
    for n in reversed(range(1, n_terms)):
        cosine = (cosine + (-1) ** n / math.factorial(2 * n)) * square
        sine = (sine + (-1) ** n / math.factorial(2 * n + 1)) * square
    return 1 + cosine, x + x * sine


def cosine_and_sinc(square: Float[Array, "..."]) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
    r"""$\cos t$ and $\sin t / t$ of $t^2$, smooth at zero."""
    small = square < SMALL
    t = jnp.sqrt(jnp.where(small, 1.0, square))
    cosine, sine = cosine_and_sine(t)
    near_zero = (1 - square / 2 * (1 - square / 12 * (1 - square / 30)), _sinc_near_zero(square))
    return jnp.where(small, near_zero[0], cosine), jnp.where(small, near_zero[1], sine / t)


def sinc_and_versine(square: Float[Array, "..."]) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
    r"""$\sin t / t$ and $(1 - \cos t) / t^2$ of $t^2$, smooth at zero and without cancellation near it."""
    small = square < SMALL
    t = jnp.sqrt(jnp.where(small, 1.0, square))
    cosine_of_half, sine_of_half = cosine_and_sine(t / 2)
    sinc = 2 * sine_of_half * cosine_of_half / t
    versine = 2 * (sine_of_half / t) ** 2
    near_zero = (_sinc_near_zero(square), (1 - square / 12 * (1 - square / 30)) / 2)
    return jnp.where(small, near_zero[0], sinc), jnp.where(small, near_zero[1], versine)


def _sinc_near_zero(square: Float[Array, "..."]) -> Float[Array, "..."]:
    return 1 - square / 6 * (1 - square / 20 * (1 - square / 42))
