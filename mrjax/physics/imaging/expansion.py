r"""What spins do within a short time, as a sum over few instants of it.

$e^{\delta t} \approx \sum_l \ell_l(t)\, e^{\delta t_l}$ for $|t| \le h$, interpolated between the Chebyshev points $t_l$; the
error is at most $4\,(|\delta| h / 2)^n / n!$ of the largest value for $n$ points (L. N. Trefethen, Approximation Theory and
Approximation Practice (2013), chapter 8: the coefficients of an exponential are Bessel functions).
"""

import math

import numpy as np
from jaxtyping import Float

MOST_POINTS = 40
"""Beyond that readouts are cut into shorter ones."""


def points_needed(reach: float, error: float) -> int:
    """How many points keep an error, where no spin gets further than by `reach`, that is by the largest |delta| times h."""
    n, bound = 1, 2 * reach
    if reach == 0:
        return 1
    while bound * math.exp(min(reach, 50.0)) ** 0.5 > error or n < reach / 2:
        n += 1
        bound *= reach / 2 / n
    return n


def chebyshev_points(half_width: float, n: int) -> Float[np.ndarray, " n"]:
    """Instants between minus and plus half of a width."""
    return half_width * np.cos(np.pi * (np.arange(n) + 0.5) / n)


def interpolation(times: Float[np.ndarray, "*time"], half_width: float, n: int) -> Float[np.ndarray, "*time n"]:
    """How much each point counts at some times."""
    if n == 1 or half_width == 0:
        return np.ones((*times.shape, n)) / n
    turned = np.arccos(np.clip(times / half_width, -1.0, 1.0))
    orders = np.arange(n)
    at_points = (
        np.cos(orders[:, None] * np.pi * (np.arange(n) + 0.5)[None] / n) * np.where(orders == 0, 1, 2)[:, None] / n
    )
    return np.cos(turned[..., None] * orders) @ at_points
