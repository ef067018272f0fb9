"""Arguments that the protocols share."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from mrjax import _checks

LONGEST_PLAUSIBLE_ECHO_TIME = 1.0  # s


def entries(value: Any, name: str) -> Float[Array, " n"]:
    """`value` as one axis of entries; a scalar is one entry."""
    array = _checks.real_array(value, name)
    if array.ndim > 1:
        raise ValueError(f"`{name}` must be a scalar or one-dimensional, but got shape {array.shape}.")
    if array.size == 0:
        raise ValueError(f"`{name}` must have at least one entry, but got none.")
    return array.reshape(-1)


def echo_times(value: Any, name: str = "te") -> Float[Array, " n"]:
    """As `entries`, for times that are a second at most."""
    times = entries(value, name)
    _checks.warn_if_milliseconds(times, name, LONGEST_PLAUSIBLE_ECHO_TIME)
    return _checks.non_negative(times, name, "s")


def remainder(whole: Any, part: Any, names: tuple[str, str]) -> Array:
    """`whole - part`, which must not be negative; `names` are what the user calls the two times."""
    left = jnp.asarray(whole) - jnp.asarray(part)
    return _checks.require(left, left >= 0, f"`{names[1]}` must not be longer than `{names[0]}` ({names[0]} - {names[1]} in s)")


def repetition_phases(increment: Any, counts: np.ndarray) -> Float[Array, " n"]:
    """`increment * counts` in rad, wrapped to one turn; in float64 where the increment is known, for long trains."""
    if _checks.is_concrete(increment) and np.ndim(increment) == 0:
        return jnp.asarray(np.mod(float(increment) * counts, 2 * np.pi))
    return jnp.mod(_checks.real_array(increment, "phase_increment") * jnp.asarray(counts, float), 2 * jnp.pi)


def positive_count(value: Any, name: str) -> int:
    """`value` as a Python integer of at least one."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise ValueError(f"`{name}` must be an integer of at least 1, but got {value!r}.")
    return int(value)
