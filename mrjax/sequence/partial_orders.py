"""Orders of dephasing that are fractions of a cycle."""

import math
from collections.abc import Iterable
from fractions import Fraction
from numbers import Integral, Real
from typing import Any

Order = int | Fraction
"""Cycles across the voxel: whole ones are integers."""

LARGEST_DENOMINATOR = 100
"""Of the fractions that a decimal number may stand for."""

ROUNDING = 1e-6
"""By which a number may miss its fraction: some more than that of float32."""


def as_order(value: Any) -> Order:
    """A number of cycles as an integer or a fraction; decimal numbers are taken for the fraction they stand for."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise ValueError(
            f"`order` must be a Python number (cycles across the voxel: an integer or a fraction), but got {value!r}."
        )
    if isinstance(value, Integral):
        return int(value)
    order = value if isinstance(value, Fraction) else near_fraction(float(value), LARGEST_DENOMINATOR, ROUNDING)
    if order is None:
        raise ValueError(
            f"`order` must be a whole number of cycles or a fraction with a denominator of at most {LARGEST_DENOMINATOR}, but "
            f"got {value!r}; for others pass a `fractions.Fraction`."
        )
    return int(order) if order.denominator == 1 else order


def near_fraction(value: float, largest_denominator: int, tolerance: float) -> Fraction | None:
    """The fraction with the smallest denominator within `tolerance` of a number; None where there is none."""
    if not math.isfinite(value):
        return None
    for denominator in range(1, largest_denominator + 1):
        numerator = round(value * denominator)
        if abs(value - numerator / denominator) <= tolerance:
            return Fraction(numerator, denominator)
    return None


def common_denominator(orders: Iterable[Order]) -> int:
    """Parts of a cycle of which all orders are multiples: one where all are whole."""
    return math.lcm(1, *(Fraction(order).denominator for order in orders))
