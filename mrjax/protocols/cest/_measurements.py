"""What the saturation protocols share: their arguments, and measurements that each begin anew."""

import math
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Inexact

from mrjax import _checks
from mrjax._checks import Neutral
from mrjax.protocols import _arguments
from mrjax.sequence import AbstractContainer, AbstractEvent, Delay, Repeat, Reset, SampleLongitudinal, Sequence, Spoil
from mrjax.sequence.double_length import multiple_of_advance


def per_measurement(**values: Any) -> list[Float[Array, " n"]]:
    """Each value as one axis of entries: one that serves all measurements, or one for each."""
    arrays = {name: _arguments.entries(value, name) for name, value in values.items()}
    counts = {name: array.size for name, array in arrays.items() if array.size > 1}
    if len(set(counts.values())) > 1:
        names = ", ".join(f"`{name}`" for name in counts)
        listed = ", ".join(f"{name} {count}" for name, count in counts.items())
        raise ValueError(f"{names} must be scalars or have the same number of entries, but got {listed}.")
    return list(arrays.values())


def scalar(value: Any, name: str, unit: str = "") -> Float[Array, ""]:
    """`value` as a finite number."""
    number = _checks.real_array(value, name)
    if number.ndim:
        raise ValueError(f"`{name}` must be a scalar{f' ({unit})' if unit else ''}, but got shape {number.shape}.")
    return _checks.finite(number, name)


def positive_scalar(value: Any, name: str, unit: str = "") -> Float[Array, ""]:
    """`value` as a positive, finite number."""
    number = scalar(value, name, unit)
    return _checks.require(number, number > 0, f"`{name}` must be positive{f' ({unit})' if unit else ''}")


def gamma(value: Any) -> float:
    """`value` as a gyromagnetic ratio in rad/s/T."""
    if isinstance(value, bool) or not isinstance(value, float | int) or not math.isfinite(value):
        raise ValueError(f"`gyromagnetic_ratio` must be a finite Python number (rad/s/T), but got {value!r}.")
    return float(value)


def shape_of_pulse(value: Any) -> Inexact[Array, " n_samples"]:
    """`value` as the samples of one pulse."""
    samples = _checks.number_array(value, "pulse_shape")
    if samples.ndim != 1 or samples.size == 0:
        raise ValueError(
            f"`pulse_shape` must have shape (n_samples,) with at least one sample, but got {samples.shape}; "
            "`mrjax.protocols.cest.pulse_shapes` makes some."
        )
    return _checks.finite(samples, "pulse_shape")


def frequency(offset_ppm: Float[Array, " n"], b0: Any, gyromagnetic_ratio: Any) -> Float[Array, " n"]:
    r"""Offsets in Hz, $10^{-6} \gamma B_0 / 2 \pi$ for each ppm."""
    return offset_ppm * (positive_scalar(b0, "b0", "T") * (1e-6 * gamma(gyromagnetic_ratio) / (2 * math.pi)))


def phase_advance(
    offset: Float[Array, "..."], duration: Float[Array, "..."], times: Float[np.ndarray, "..."]
) -> Float[Array, "..."]:
    """By how much RF at an offset in Hz gets ahead of the scanner so many times over, in rad and less whole turns.

    Of thousands of turns only the digits after the last whole one count, so they are formed in float64 where they are known;
    `times` are whole numbers.
    """
    if _checks.is_concrete(offset) and _checks.is_concrete(duration):
        turns = np.mod(np.asarray(offset, float) * np.asarray(duration, float) * times, 1.0)
        return jnp.asarray(2 * math.pi * turns, offset.dtype)
    return multiple_of_advance(offset, duration, times)


def waiting(duration: Any, name: str) -> tuple[Delay, ...]:
    """A `Delay`, or nothing where the duration is the number zero."""
    if isinstance(_checks.real_leaf(duration, name, Neutral(0.0)), Neutral):
        return ()
    return (Delay(_arguments.time(_arguments.entries(duration, name), name)),)


def measurements(
    *saturation: AbstractEvent | AbstractContainer, magnetisation: Any, recovery: Any, crusher_duration: Any
) -> Sequence:
    """From a given magnetisation: recovery, saturation, crusher and a look at z, for each entry of the leaves.

    They begin with `Reset`, so that an engine can play them side by side.
    """
    return Sequence(
        Repeat(
            Reset(magnetisation),
            *waiting(recovery, "recovery"),
            *saturation,
            *waiting(crusher_duration, "crusher_duration"),
            Spoil(),
            SampleLongitudinal(),
        )
    )
