"""Checks of what users pass in: each names the argument, what it must be and what it got.

Shapes, dtypes and options are checked when Python sees them. Values are checked at once where they are known; inside
`jax.jit` they are known only at run time, and `mrjax.jax_rules` raises the same sentence there.
"""

import math
import sys
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, ArrayLike, Bool, Shaped

from mrjax.jax_rules import required

TURN = 2 * math.pi


def real_array(value: Any, name: str) -> Array:
    """`value` as a floating-point array; integers become floats, complex numbers and non-numbers are refused."""
    array = _numeric(value, name)
    if jnp.issubdtype(array.dtype, jnp.complexfloating):
        raise ValueError(f"`{name}` must be real, but got {array.dtype}; pass its magnitude or its real part.")
    return array


def number_array(value: Any, name: str) -> Array:
    """`value` as a floating-point or complex array."""
    return _numeric(value, name)


@jax.tree_util.register_static
class Neutral(float):
    """A number at which an effect is absent: a float to the user, no leaf to JAX, so that no transformation traces it.

    Engines can then see, before compiling, that they need not compute the effect.
    """


def real_leaf(value: Any, name: str, neutral: Neutral) -> Array | Neutral:
    """As `real_array`, but a Python number equal to `neutral` becomes `neutral`; arrays never do, whatever they hold."""
    return neutral if type(value) in (int, float, Neutral) and value == neutral else real_array(value, name)


def angle_array(value: Any, name: str) -> Array:
    """As `real_array`, of an angle in rad: whole turns are left out while Python's and NumPy's digits are all there."""
    return real_array(less_whole_turns(value), name)


def angle_leaf(value: Any, name: str, neutral: Neutral) -> Array | Neutral:
    """As `real_leaf`, of an angle in rad (see `angle_array`)."""
    return real_leaf(less_whole_turns(value), name, neutral)


def less_whole_turns(value: Any) -> Any:
    """A known angle in double precision that is beyond a turn as one within, of the same sign; anything else as it is.

    So is all where JAX works in double precision, and nothing is cast.
    """
    if jax.config.jax_enable_x64 or isinstance(value, jax.Array | bool):  # pyright: ignore[reportAttributeAccessIssue]
        return value
    try:
        known = np.asarray(value)
    except (ValueError, TypeError):
        return value
    if known.dtype not in (np.float64, np.int64):
        return value
    beyond = np.isfinite(known) & (np.abs(known) > TURN)
    if not np.any(beyond):
        return value
    within = np.where(beyond, np.fmod(np.where(beyond, known, 0.0), TURN), known)
    return within if isinstance(value, np.ndarray) else within.tolist()


def _numeric(value: Any, name: str) -> Array:
    if isinstance(value, int | float | complex) and not isinstance(value, bool):
        # weakly typed, so that a plain number never widens float32 arrays where float64 is enabled
        return jnp.asarray(value if isinstance(value, complex) else float(value))
    refuse_masked(value, name)
    try:
        array = value if isinstance(value, jax.Array) else np.asarray(value)
        kind = array.dtype
    except (ValueError, TypeError) as error:
        raise ValueError(f"`{name}` must be a number or a rectangular array, but got {_shorten(value)}.") from error
    if not jnp.issubdtype(kind, jnp.number):
        raise ValueError(f"`{name}` must be a number or an array of numbers, but got {_shorten(value)}.")
    if not jnp.issubdtype(kind, jnp.inexact):
        array = array.astype(jnp.result_type(float))
    if isinstance(array, jax.Array):
        return array
    # of a copy, which nobody changes; `jnp.asarray` would compile for each new shape, but serves where something is traced
    held = jax.device_put(np.array(array))
    return held if isinstance(held, jax.Array) and is_concrete(held) else jnp.asarray(array)


def refuse_masked(value: Any, name: str) -> None:
    """Refuse a masked array, or a list of them, with entries masked: JAX has no masks, and what they hide is no data."""
    entries = value if isinstance(value, list | tuple) else (value,)
    hidden = sum(int(np.ma.count_masked(entry)) for entry in entries if isinstance(entry, np.ma.MaskedArray))
    if hidden:
        size = sum(np.size(entry) for entry in entries)
        raise ValueError(
            f"`{name}` must not be masked, but {hidden} of its {size} entries are; pass those that are not, as "
            "`x.compressed()` gives them, or `x.filled(value)` with a value that you choose."
        )


def is_concrete(value: Any) -> bool:
    """Whether the numbers are known now, that is, not traced by jit, grad or vmap."""
    return not isinstance(value, Tracer)


def held_here(array: Any) -> np.ndarray:
    """The numbers of a concrete array; of one spread over processes the part that lies here, flattened."""
    if not isinstance(array, jax.Array) or array.is_fully_addressable:
        return np.asarray(array)
    return np.concatenate([np.ravel(shard.data) for shard in array.addressable_shards])


def _seen(value: Array) -> Any:
    """A known array as NumPy's, which compares without compiling for each new size; a traced one as it is."""
    return held_here(value) if is_concrete(value) else value


def require(value: Array, holds: Bool[ArrayLike, "..."], message: str) -> Array:
    """`value`, after a check that `holds` is true everywhere; the message gets the offending values appended."""
    if is_concrete(holds):
        if not np.all(held_here(holds)):
            raise ValueError(f"{message}, but got {_offenders(held_here(value), held_here(holds))}.")
        return value
    return required(value, jnp.asarray(holds), message)


def positive(value: Array, name: str, unit: str) -> Array:
    """`value`, checked to be above zero; NaN fails, infinity passes."""
    return require(value, _seen(value) > 0, f"`{name}` must be positive ({unit})")


def non_negative(value: Array, name: str, unit: str) -> Array:
    """`value`, checked to be zero or more; NaN fails, infinity passes."""
    return require(value, _seen(value) >= 0, f"`{name}` must not be negative ({unit})")


def positive_integer(value: Any, name: str) -> int:
    """`value`, checked to be a Python or NumPy integer of at least 1."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise ValueError(f"`{name}` must be an integer of at least 1, but got {value!r}.")
    return int(value)


def finite(value: Array, name: str) -> Array:
    """`value`, checked to hold no NaN and no infinity."""
    is_finite = np.isfinite if is_concrete(value) else jnp.isfinite
    return require(value, is_finite(_seen(value)), f"`{name}` must be finite")


def finite_angle(value: Any, name: str) -> Array:
    """An angle in rad, checked as by `finite`, with whole turns left out as by `angle_array`."""
    return finite(angle_array(value, name), name)


def frames_to_the_caller() -> int:
    """`stacklevel` for a warning that points at the first line outside the package and its class machinery."""
    frame, level = sys._getframe(1), 1
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] in (
        "mrjax",
        "equinox",
        "jaxtyping",
    ):
        frame, level = frame.f_back, level + 1
    return level


def broadcast_shape(arrays: dict[str, Shaped[ArrayLike, "..."]]) -> tuple[int, ...]:
    """The common shape of the named arrays; the error lists every name with its shape."""
    shapes = {name: np.shape(array) for name, array in arrays.items()}
    try:
        return np.broadcast_shapes(*shapes.values())
    except ValueError:
        listed = ", ".join(f"{name} {shape}" for name, shape in shapes.items() if shape)
        raise ValueError(f"Shapes must broadcast to one voxel shape, but got {listed}.") from None


def _offenders(value: Shaped[ArrayLike, "..."], holds: Bool[ArrayLike, "..."]) -> str:
    broken = np.broadcast_to(np.asarray(value), np.broadcast_shapes(np.shape(value), np.shape(holds)))
    broken = broken[~np.broadcast_to(np.asarray(holds), broken.shape)]
    if np.size(holds) == 1:
        return f"{broken.ravel()[0]:.6g}"
    return f"{broken.ravel()[0]:.6g} ({broken.size} of {np.size(holds)} values)"


def _shorten(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
