"""Numbers as text, with their units."""

from typing import Any

import jax
import numpy as np

from mrjax import _checks

Unit = tuple[float, str]
"""A factor from SI to the unit in which a number is shown, and the name of that unit."""

BARE: Unit = (1.0, "")
"""Of a number as it is."""

DEGREES: Unit = (180 / np.pi, "deg")
MILLISECONDS: Unit = (1e3, "ms")
MICROSECONDS: Unit = (1e6, "us")
HERTZ: Unit = (1.0, "Hz")
MICROTESLA: Unit = (1e6, "uT")
MILLITESLA_PER_METRE: Unit = (1e3, "mT/m")

MAYBE_DERIVATIVES = "as JAX returned it: numbers in SI units, or derivatives by them"
"""What heads the text of an object that was not built by its constructor."""


def quantity(value: Any, factor: float, unit: str) -> str:
    """A leaf as text, such as '3 ... 5 ms (3,)'; of complex arrays the magnitudes.

    **Arguments:**

    - `value`: A number, an array, or what stands in its place in a PyTree.
    - `factor`, `unit`: From SI to the unit shown.
    """
    if not _checks.is_concrete(value):
        return f"traced {np.shape(value)} {unit}".rstrip() if np.shape(value) else f"traced {unit}".rstrip()
    if not isinstance(value, int | float | complex | np.ndarray | np.generic | jax.Array):
        return type(value).__name__
    numbers = _checks.held_here(value)
    if not np.issubdtype(numbers.dtype, np.number):
        return f"{numbers.dtype} {numbers.shape}"
    numbers = (np.abs(numbers) if np.iscomplexobj(numbers) else numbers.astype(float)) * factor
    if numbers.size == 0:
        return f"none {np.shape(value)}"
    if numbers.size == 1 or np.all(numbers == numbers.flat[0]):
        return f"{numbers.flat[0]:.6g} {unit}".rstrip()
    return f"{numbers.min():.6g} ... {numbers.max():.6g} {unit} {np.shape(value)}".replace("  ", " ")
