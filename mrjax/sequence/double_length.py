"""Numbers in two parts, and turns without whole ones: what keeps digits that single precision loses over many repetitions.

In single precision two neighbouring times after ten minutes lie 60 us apart, and angles after a thousand turns 0.5 mrad.

T. J. Dekker, Numer Math 18 (1971) 224-242 (double-length numbers, exact products); D. E. Knuth, The Art of Computer
Programming 2, section 4.2.2 (the rounding error of a sum).
"""

import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Real

from mrjax.sequence.precision import Numbers
from mrjax.sequence.prefixes import prefixes


class DoubleLength(eqx.Module):
    """A number as the sum of its nearest in working precision and what that lacks.

    Its derivatives, forward and reverse, are numbers of the same kind, since all that is done with the parts is linear.
    """

    high: Float[Array, "..."]
    low: Float[Array, "..."]

    @classmethod
    def of(cls, value: Any) -> "DoubleLength":
        """A number as exactly as it is given: Python's and NumPy's in double precision, others as they are."""
        if isinstance(value, jax.Array):
            return cls(value, jnp.zeros_like(value))
        exact = np.asarray(value, float)
        high = jnp.asarray(exact)
        rounded = np.asarray(exact, high.dtype)
        with np.errstate(invalid="ignore"):
            lacks = np.where(np.isfinite(exact), exact - rounded, 0.0)
        return cls(high, jnp.asarray(lacks, high.dtype))

    def __add__(self, other: "DoubleLength | Array") -> "DoubleLength":
        other = other if isinstance(other, DoubleLength) else DoubleLength.of(other)
        high, rest = _exact_sum(self.high, other.high)
        return DoubleLength(*_exact_sum(high, rest + self.low + other.low))

    def __neg__(self) -> "DoubleLength":
        return DoubleLength(-self.high, -self.low)

    def __getitem__(self, index: Any) -> "DoubleLength":
        return DoubleLength(self.high[index], self.low[index])

    @property
    def rounded(self) -> Float[Array, "..."]:
        """The number in working precision."""
        return self.high + self.low


def running_sum(values: DoubleLength) -> DoubleLength:
    """The sums of the first one, two, ... entries along the last axis; of double precision in that alone, which is enough."""
    if values.high.dtype == jnp.float64:
        return DoubleLength.of(jnp.cumsum(values.rounded, axis=-1))
    front = jax.tree.map(lambda x: jnp.moveaxis(x, -1, 0), values)
    return jax.tree.map(lambda x: jnp.moveaxis(x, 0, -1), prefixes(lambda one, other: one + other, front))


def count_until(
    keys: tuple[Real[Numbers, " n"], Real[Numbers, " n"]], at: tuple[Real[Numbers, "*places"], Real[Numbers, "*places"]]
) -> Int[Array, "*places"]:
    """How many keys are not above each place; both are pairs, compared by their second parts where the first are equal."""
    keys, at = jax.lax.stop_gradient((keys, at))
    n = keys[0].shape[0]
    low, high = jnp.zeros(at[0].shape, int), jnp.full(at[0].shape, n)
    if n == 0:
        return low

    def halved(_: Any, bounds: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = bounds
        middle = (low + high) // 2
        key = jnp.minimum(middle, n - 1)
        past = (low < high) & _not_above((keys[0][key], keys[1][key]), at)
        return jnp.where(past, middle + 1, low), jnp.where(past, high, middle)

    return jax.lax.fori_loop(0, n.bit_length(), halved, (low, high))[0]


def _not_above(key: tuple[Numbers, Numbers], at: tuple[Numbers, Numbers]) -> Bool[Numbers, "..."]:
    return (key[0] < at[0]) | ((key[0] == at[0]) & (key[1] <= at[1]))


def angle(frequency: Any, time: Any) -> Float[Array, "..."]:
    r"""$2 \pi f t$ in rad, less whole turns: of many turns only the digits after the last whole one count."""
    turns, rest = _exact_product(jnp.asarray(frequency), jnp.asarray(time))
    return 2 * math.pi * ((turns - jnp.round(turns)) + rest)


def multiple_of_angle(once: Float[Array, ""], counts: np.ndarray) -> Float[Array, " n"]:
    """So many times an angle in rad, less whole turns, for any whole numbers below 2^48."""
    known = jnp.asarray(jax.lax.stop_gradient(once))  # NumPy's, where it was and is differentiated
    # the second term is zero, but its derivative is that of the product
    return _multiple(_in_turns(known), counts) + _as(once, counts) * (once - known)


def multiple_of_advance(
    frequency: Float[Array, "..."], time: Float[Array, "..."], counts: np.ndarray
) -> Float[Array, "..."]:
    r"""So many times $2 \pi f t$ in rad, less whole turns, for any whole numbers below 2^48."""
    f, t = jax.lax.stop_gradient((frequency, time))
    # zero, but its derivatives are those of the product
    change = frequency * (time - t) + t * (frequency - f)
    return _multiple(DoubleLength(*_exact_product(f, t)), counts) + 2 * math.pi * _as(f, counts) * change


def _multiple(turns: DoubleLength, counts: np.ndarray) -> Float[Array, "..."]:
    """The angle in rad of so many times some turns, digit by digit of the counts, for they may exceed working precision."""
    remaining = np.asarray(counts).astype(np.int64)
    turns, total = _less_whole(turns), DoubleLength.of(jnp.zeros_like(turns.high))
    while np.any(remaining):
        digit = _as(turns.high, remaining % DIGIT)
        high, rest = _exact_product(digit, turns.high)
        total = _less_whole(total + _less_whole(DoubleLength(high, rest + digit * turns.low)))
        turns = _less_whole(DoubleLength(DIGIT * turns.high, DIGIT * turns.low))
        remaining = remaining // DIGIT
    return 2 * math.pi * total.rounded


DIGIT = 2**12
"""Of which working precision holds the product with a digit exactly in two parts."""


def _as(like: Array, counts: np.ndarray) -> Array:
    return jnp.asarray(np.asarray(counts), like.dtype)


def _in_turns(angle: Float[Array, ""]) -> DoubleLength:
    """An angle in rad over a turn, whose inverse single precision holds in two parts."""
    inverse = 1 / (2 * math.pi)
    coarse = np.asarray(inverse, angle.dtype)
    high, rest = _exact_product(angle, jnp.asarray(coarse))
    return DoubleLength(high, rest + angle * (inverse - float(coarse)))


def _less_whole(turns: DoubleLength) -> DoubleLength:
    whole = jnp.round(turns.high)
    return DoubleLength(*_exact_sum(turns.high - whole, turns.low))


def _exact_sum(a: Array, b: Array) -> tuple[Array, Array]:
    """The sum and what rounding took from it; nothing of an infinite one."""
    total = a + b
    of_b = total - a
    rest = (a - (total - of_b)) + (b - of_b)
    return total, jnp.where(jnp.isfinite(total), rest, 0.0)


def _exact_product(a: Array, b: Array) -> tuple[Array, Array]:
    """The product and what rounding took from it, which has no derivative."""
    dtype = jnp.result_type(a, b)
    product = a * b
    (a_high, a_low), (b_high, b_low), whole = jax.lax.stop_gradient(
        (_halves(a.astype(dtype)), _halves(b.astype(dtype)), product)
    )
    return product, ((a_high * b_high - whole) + a_high * b_low + a_low * b_high) + a_low * b_low


def _halves(x: Array) -> tuple[Array, Array]:
    shifted = x * (2.0 ** math.ceil(jnp.finfo(x.dtype).nmant / 2 + 0.5) + 1)
    high = shifted - (shifted - x)
    return high, x - high
