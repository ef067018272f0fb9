"""What the pulses share: arguments, the places of samples, and the scale of a shape."""

import math
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Inexact

from mrjax import _checks
from mrjax.sequence.rf import ShapedPulse
from mrjax.units import GAMMA

GAMMA_PROTON = GAMMA["1H"]  # rad/s/T


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


def known_positive(value: Any, name: str) -> float:
    """`value` as a positive Python number, known when the pulse is designed."""
    try:
        number = float(value)
    except (TypeError, ValueError) as error:  # also of traced numbers
        got = type(value).__name__ if _checks.is_concrete(value) else "a traced one"
        raise ValueError(f"`{name}` must be a plain number, known before tracing, but got {got}.") from error
    if not 0 < number < math.inf:
        raise ValueError(f"`{name}` must be positive and finite, but got {number:g}.")
    return number


def below_sampling(frequency: Float[Array, ""], dt: Float[Array, ""], name: str, largest: float) -> Float[Array, ""]:
    """`frequency` in Hz, checked to be below `largest` sampling rates, beyond which samples stand for another pulse."""
    message = f"`{name}` must be below {largest:g} * n_samples / duration (Hz); take more samples"
    return _checks.require(frequency, frequency * dt < largest, message)


def places(n_samples: Any) -> Float[Array, " n_samples"]:
    """The middles of the samples, from the middle of the pulse and relative to its duration."""
    n_samples = _checks.positive_integer(n_samples, "n_samples")
    return jnp.asarray((np.arange(n_samples) + 0.5) / n_samples - 0.5)


def calibrated(
    shape: Float[Array, " n_samples"], flip_angle: Any, duration: Float[Array, ""], offset: Any, phase: Any
) -> ShapedPulse:
    """The pulse of a real shape whose integral is the flip angle."""
    dt = duration / shape.size
    area = GAMMA_PROTON * dt * jnp.sum(shape)
    return ShapedPulse(scalar(flip_angle, "flip_angle", "rad") / area * shape, dt, offset, phase)


def one_pulse(pulse: Any) -> tuple[Inexact[Array, " n_samples"], Float[Array, ""]]:
    """The samples of one shaped pulse in T and the duration of each in s, checked."""
    if not isinstance(pulse, ShapedPulse):
        raise ValueError(f"`pulse` must be a `ShapedPulse`, but got {type(pulse).__name__}.")
    checked = pulse.checked("pulse")
    waveform, dt = jnp.asarray(checked.waveform), jnp.asarray(checked.dt)
    if waveform.ndim != 1 or dt.ndim:
        raise ValueError(
            "`pulse` must be one pulse, of `waveform` (n,) and scalar `dt`, but got "
            f"waveform {waveform.shape}, dt {dt.shape}; map over repetitions with `jax.vmap`."
        )
    return waveform, dt
