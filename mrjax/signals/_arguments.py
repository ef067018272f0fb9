"""From what users pass to arrays of one dtype and rank, checked: samples on the last axis, voxels before it.

Arrays keep their own shape, padded with axes of length one, so that nothing is computed more often than it
varies.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike

from mrjax import _checks, _plausibility
from mrjax._shapes import with_rank

Numbers: TypeAlias = ArrayLike | Sequence[Any]  # a number, an array, or a (nested) list of numbers


def align(samples: dict[str, Numbers], voxels: dict[str, Numbers]) -> tuple[Array, ...]:
    """The arguments in the given order, checked; they broadcast to `(*voxels, n_samples)`, all of that rank.

    An argument in `samples` is a scalar or has shape `(n_samples,)`; one in `voxels` broadcasts to
    `(*voxels)`.
    """
    arrays = _checked(samples | voxels)
    rank = len(_checks.broadcast_shape({name: arrays[name] for name in voxels}))
    sample_axes = {name: sample_axis(arrays[name], name) for name in samples}
    _require_one_length(sample_axes)
    aligned = {name: with_rank(array, rank + 1) for name, array in sample_axes.items()}
    aligned |= {name: with_rank(arrays[name][..., None], rank + 1) for name in voxels}
    return tuple(aligned.values())


def checked(values: dict[str, Numbers]) -> dict[str, Array]:
    """The named values as arrays of one precision, each within the range that its name calls for.

    Python numbers take the precision of the arrays beside them; `m0` and `offset` alone may be complex.
    """
    return _checked(values)


def sample_axis(array: Array, name: str) -> Array:
    """`array` with the one axis that an argument of the sequence has."""
    if array.ndim > 1:
        raise ValueError(
            f"`{name}` must be a number or have one axis, that of the samples, but got shape {array.shape}."
        )
    return array.reshape(-1)


def not_longer(time: Array, name: str, longest: Array, name_of_longest: str) -> Array:
    """`time`, checked not to exceed `longest`."""
    return _checks.require(time, time <= longest, f"`{name}` must not exceed `{name_of_longest}` (s)")


def _checked(values: dict[str, Numbers]) -> dict[str, Array]:
    arrays = {
        name: _checks.number_array(value, name) if name in ("m0", "offset") else _checks.real_array(value, name)
        for name, value in values.items()
    }
    dtype = jnp.result_type(float, *(_with_dtype(value) for value in values.values()))
    real = jnp.finfo(dtype).dtype
    arrays = {name: array.astype(dtype if jnp.iscomplexobj(array) else real) for name, array in arrays.items()}
    for name in arrays.keys() & _plausibility.QUANTITIES.keys():
        _plausibility.warn_if_implausible(arrays[name], name)
    return {name: _RANGES[name](array, name) for name, array in arrays.items()}


def _with_dtype(value: Numbers) -> Any:
    # A Python number must reach `result_type` as such: as an array it would count as float64 under
    # `enable_x64`.
    return value if type(value) in (int, float, complex) or hasattr(value, "dtype") else np.asarray(value)


def _require_one_length(sample_axes: dict[str, Array]) -> None:
    lengths = {name: array.shape[0] for name, array in sample_axes.items() if array.shape[0] != 1}
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise ValueError(f"Arguments along the sample axis must have one length (or be numbers), but got {listed}.")


def _instant(value: Array, name: str) -> Array:
    return _checks.finite(_wait(value, name), name)


def _wait(value: Array, name: str) -> Array:
    return _checks.non_negative(value, name, "s")


def _period(value: Array, name: str) -> Array:
    return _checks.positive(value, name, "s")


def _transmit_field(value: Array, name: str) -> Array:
    return _checks.finite(_checks.non_negative(value, name, "relative to nominal"), name)


def _efficiency(value: Array, name: str) -> Array:
    return _checks.require(
        value, jnp.abs(value) <= 1, f"`{name}` must be between -1 and 1, where 1 is a perfect inversion"
    )


def _b_value(value: Array, name: str) -> Array:
    return _checks.finite(_checks.non_negative(value, name, "s/m^2"), name)


_RANGES: dict[str, Callable[[Array, str], Array]] = (
    dict.fromkeys(("te", "inversion_time"), _instant)
    | {"recovery_time": _wait}
    | dict.fromkeys(("tr", "t1", "t2", "t2star", "t2_prime", "echo_spacing"), _period)
    | dict.fromkeys(("m0", "offset", "fractions", "off_resonance", "phase_increment"), _checks.finite)
    | dict.fromkeys(
        ("flip_angle", "excitation_angle", "refocusing_angle", "inversion_angle", "saturation_angle"),
        _checks.finite,
    )
    | {"b1": _transmit_field, "inversion_efficiency": _efficiency, "bvals": _b_value}
    | dict.fromkeys(("s0", "diffusion", "pseudo_diffusion", "perfusion_fraction"), _checks.finite)
)
