"""Arguments that the protocols share."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from mrjax import _checks, _plausibility
from mrjax.sequence.double_length import multiple_of_angle


def entries(value: Any, name: str) -> Float[Array, " n"]:
    """`value` as one axis of entries; a scalar is one entry."""
    array = _checks.real_array(value, name)
    if array.ndim > 1:
        raise ValueError(f"`{name}` must be a scalar or one-dimensional, but got shape {array.shape}.")
    if array.size == 0:
        raise ValueError(f"`{name}` must have at least one entry, but got none.")
    return array.reshape(-1)


def time(value: Any, name: str, quantity: str = "wait") -> Float[Array, "..."]:
    """`value` as a time in s, not negative; warns where it is longer than is plausible of a quantity."""
    times = _checks.real_array(value, name)
    _plausibility.warn_if_implausible(times, name, quantity)
    return _checks.non_negative(times, name, "s")


def echo_time(value: Any, name: str = "te") -> Float[Array, "..."]:
    """As `time`, for times that are a second at most."""
    return time(value, name, "te")


def echo_times(value: Any, name: str = "te") -> Float[Array, " n"]:
    """As `echo_time` and `entries`."""
    return echo_time(entries(value, name), name)


def remainder(whole: Any, part: Any, names: tuple[str, str]) -> Array:
    """`whole - part`, which must not be negative; `names` are what the user calls the two times."""
    whole, part = jnp.asarray(whole), jnp.asarray(part)
    if 1 not in (whole.size, part.size) and whole.shape != part.shape:
        raise ValueError(
            f"`{names[0]}` and `{names[1]}` must be scalars or have the same number of entries, but got "
            f"{names[0]} {whole.shape}, {names[1]} {part.shape}."
        )
    left = whole - part
    return _checks.require(
        left, left >= 0, f"`{names[1]}` must not be longer than `{names[0]}` ({names[0]} - {names[1]} in s)"
    )


def repetition_phases(increment: Any, counts: np.ndarray) -> Float[Array, " n"]:
    """`increment * counts` in rad, less whole turns; counts are whole numbers, and thousands of turns keep their digits."""
    checked = _checks.finite(_checks.real_array(increment, "phase_increment"), "phase_increment")
    _plausibility.warn_if_implausible(increment, "phase_increment")
    if checked.ndim:
        raise ValueError(f"`phase_increment` must be a scalar (rad), but got shape {checked.shape}.")
    if _checks.is_concrete(increment):
        return jnp.asarray(np.mod(float(increment) * counts, 2 * np.pi))
    return multiple_of_angle(checked, counts)
