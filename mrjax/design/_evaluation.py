"""The objective at a point, and what is checked of it before anything is minimised."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from mrjax.design._variables import Variables

Objective = Callable[..., Any]
"""Takes a design, and perhaps a batch, and returns a scalar, or a scalar and a dictionary of its terms."""

Evaluated = Callable[..., tuple[Array, dict[str, Array]]]


def at_points(objective: Objective, variables: Variables) -> Evaluated:
    """The objective as a function of a point, and of a batch where it takes one: its value and its terms."""

    def evaluated(point: list[Array], *batch: Any) -> tuple[Array, dict[str, Array]]:
        returned = objective(variables.design(point), *batch)
        value, terms = returned if isinstance(returned, tuple) and len(returned) == 2 else (returned, {})
        if not isinstance(terms, dict):
            raise ValueError(f"The terms of `objective` must be a dictionary, but got {type(terms).__name__}.")
        return _scalar(value, "objective"), {name: _scalar(term, name) for name, term in terms.items()}

    return evaluated


def _scalar(value: Any, name: str) -> Array:
    try:
        array = jnp.asarray(value)
    except (TypeError, ValueError):
        raise ValueError(f"`{name}` must be a real scalar, but got {type(value).__name__}.") from None
    if array.shape != () or not jnp.issubdtype(array.dtype, jnp.floating):
        raise ValueError(
            f"`{name}` must be a real scalar, but got {array.dtype} of shape {array.shape}; sum or average it, and take the "
            "magnitude of complex numbers."
        )
    return array


def check_finite(value: Any, terms: dict[str, Any]) -> None:
    """Refuse a start whose objective is no number."""
    if not np.isfinite(value):
        listed = ", ".join(f"{name} {float(term):.6g}" for name, term in terms.items())
        raise ValueError(
            f"`objective` must be finite at the start, but is {float(value):.6g}{f' ({listed})' if listed else ''}; start "
            "where the signal depends on every parameter."
        )


def check_start(value: Any, terms: dict[str, Any], slope: list[Array], variables: Variables) -> None:
    """Refuse a start from which no step can be taken."""
    check_finite(value, terms)
    for place, derivative in zip(variables.places, slope, strict=True):
        if not np.all(np.isfinite(derivative)):
            raise ValueError(
                f"The derivative of `objective` in {place.name} is not finite at the start; start elsewhere."
            )
        if not np.any(derivative):
            raise ValueError(
                f"`objective` does not depend on {place.name} at the start: its derivative is zero. Leave it out of `free`, "
                "look for what cuts it off (integers, NumPy, `stop_gradient`), or start elsewhere."
            )


def another_design(folder: Path) -> ValueError:
    """What to raise where a folder is of another start or other bounds."""
    return ValueError(
        f"The folder {folder.absolute()} holds a design from another start or within other bounds; take an empty folder."
    )
