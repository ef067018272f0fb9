"""Values that are possible but not plausible: most often they were given in another unit.

One table says what is plausible, and one function warns, with a category of its own and in the same words each time, so that
Python shows a warning once for each line that causes it.
"""

import math
import warnings
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import jax
import numpy as np
from jaxtyping import Array

from mrjax import _checks


class PlausibilityWarning(UserWarning):
    """A value is possible, but not plausible, as of a T1 of 1000 s: it was probably given in another unit.

    One line silences all of them, as where phantoms of other sizes or nuclei are meant:

    !!! example

        ```python
        >>> import warnings
        >>> import mrjax as mr
        >>> warnings.filterwarnings("ignore", category=mr.PlausibilityWarning)

        ```
    """


@dataclass(frozen=True)
class Plausible:
    """The magnitudes that are plausible of a quantity, in its unit, and what was probably meant by others."""

    unit: str
    highest: float
    advice: str
    lowest: float = 0.0
    reaching: float = 0.0
    """What the largest of them reaches at least, unless all are zero."""


MS = "If you meant milliseconds, multiply by `mrjax.units.ms`."
US = "If you meant microseconds, multiply by `mrjax.units.us`."
DEGREES = "If you meant degrees, multiply by `mrjax.units.deg`."
UT = "If you meant microtesla, multiply by `mrjax.units.uT`."
MT = "If you meant mT/m, multiply by `mrjax.units.mT`."
MM = "If you meant millimetres, multiply by `mrjax.units.mm`."
PERCENT = "If you meant percent, multiply by `mrjax.units.percent`."

# free water is near 4 s, hyperpolarised liquids stay below 30 s
RELAXATION, WAIT, ECHO = Plausible("s", 30.0, MS), Plausible("s", 30.0, MS), Plausible("s", 1.0, MS)
# a turn, and what float32 makes of 360 degrees; a rotation by more is one by less
ANGLE = Plausible("rad", 2 * math.pi * (1 + 1e-5), DEGREES)
# preclinical gradients reach 1 T/m
GRADIENT = Plausible("T/m", 2.0, MT)
# a pulse of 90 degrees takes 1 us at 6 mT, more than coils for animals give
RF = Plausible("T", 10e-3, UT)
LENGTH, VELOCITY = Plausible("m", 2.0, MM), Plausible("m/s", 10.0, "If you meant cm/s, multiply by `mrjax.units.cm`.")

QUANTITIES: Mapping[str, Plausible] = MappingProxyType(
    {
        **dict.fromkeys(("t1", "t2", "t2star", "t2_prime"), RELAXATION),
        **dict.fromkeys(("tr", "inversion_time", "recovery_time", "wait"), WAIT),
        "te": ECHO,
        "echo_spacing": Plausible("s", 0.5, MS),
        "duration": Plausible("s", 60.0, MS),
        # five seconds of waiting are common, but not between a pulse and the sample that follows it
        "delay_before_sample": Plausible("s", 4.0, MS),
        "sampling": Plausible("s", 1.0, US),
        **dict.fromkeys(
            (
                "flip_angle",
                "excitation_angle",
                "refocusing_angle",
                "inversion_angle",
                "saturation_angle",
                "phase_increment",
            ),
            ANGLE,
        ),
        "gradient": GRADIENT,
        "rf": RF,
        "b1": Plausible("relative to nominal", 5.0, PERCENT),
        "fraction": Plausible("relative to water", 1.0, PERCENT),
        # free water has 3e-9 m^2/s, helium in air 9e-5 m^2/s
        "diffusion": Plausible("m^2/s", 2e-4, "If you meant mm^2/s, multiply by `mrjax.units.mm**2`."),
        # 1 s/mm^2 is 1e6 s/m^2, and no gradient system reaches 1e6 s/mm^2
        "bvals": Plausible("s/m^2", 1e12, "If you meant s/mm^2, divide by `mrjax.units.mm**2`.", reaching=1e6),
        "voxel_size": Plausible("m", 0.5, MM),
        **dict.fromkeys(("x", "y", "z"), LENGTH),
        **dict.fromkeys(("velocity_x", "velocity_y", "velocity_z"), VELOCITY),
        "snr": Plausible(
            "signal over noise",
            math.inf,
            "If you meant the standard deviation of the noise, pass `reference / noise`.",
            lowest=0.05,
        ),
    }
)
"""What is plausible, by the names of arguments."""


def warn_if_implausible(value: Any, name: str, quantity: str | None = None) -> None:
    """Warn where a known value is beyond what is plausible of a quantity, by default that of its name."""
    known = _known(value)
    if known is None:
        return
    plausible = QUANTITIES[quantity or name]
    reached = float(known.max())
    if reached > plausible.highest:
        _warn(name, plausible, f"reaches {_about(reached)}", f"more than is plausible ({plausible.highest:.3g})")
    elif 0 < reached < plausible.reaching:
        _warn(name, plausible, f"reaches {_about(reached)}", f"less than is plausible ({plausible.reaching:.3g})")
    elif 0 < (least := float(known.min())) < plausible.lowest:
        _warn(name, plausible, f"falls to {_about(least)}", f"less than is plausible ({plausible.lowest:.3g})")


def optional_length(value: Any) -> Array | None:
    """A voxel size in m, or None where none is given."""
    if value is None:
        return None
    # a number that is known stays known inside of `jit`: engines look at it
    with jax.ensure_compile_time_eval() if _checks.is_concrete(value) else nullcontext():
        size = _checks.real_array(value, "voxel_size")
        if size.ndim:
            raise ValueError(f"`voxel_size` must be a scalar (m), but got shape {size.shape}.")
        warn_if_implausible(size, "voxel_size")
        return _checks.positive(size, "voxel_size", "m") if _checks.is_concrete(size) else size


def warn_if_degrees(value: Any, name: str) -> None:
    """Warn of phases beyond a turn that are all whole numbers: in rad no phase of RF spoiling is, in degrees most are."""
    known = _known(value)
    if known is None or known.max() <= ANGLE.highest:
        return
    if known.max() < 2**20 and np.all(known == np.round(known)):  # float32 has whole numbers alone beyond
        text = f"`{name}` is in rad and holds whole numbers of more than a turn. {DEGREES}"
        warnings.warn(text, PlausibilityWarning, stacklevel=_checks.frames_to_the_caller())


def warn_if_t2_exceeds_twice_t1(t1: Any, t2: Any) -> None:
    """Warn where a finite T2 is longer than two T1, which no spins have."""
    if not (_checks.is_concrete(t1) and _checks.is_concrete(t2)):
        return
    known_t1, known_t2 = (_checks.held_here(value) for value in (t1, t2))
    try:
        known_t1, known_t2 = np.broadcast_arrays(known_t1, known_t2)
    except ValueError:  # parts of arrays that are spread over processes
        return
    # of longer ones the unit is wrong, which has its own warning
    if np.any((known_t2 <= RELAXATION.highest) & (known_t2 > 2 * known_t1 * (1 + 1e-5))):
        warnings.warn(
            "`t2` is longer than two `t1` in some voxels, which no spins have. Were they exchanged?",
            PlausibilityWarning,
            stacklevel=_checks.frames_to_the_caller(),
        )


def warn_if_noise_exceeds_signal(noise_std: Any, data: Any, name: str = "noise_std") -> None:
    """Warn where the noise is larger than every number of the data: a signal-to-noise ratio was probably given."""
    noise, signal = _known(noise_std), _known(data)
    if noise is not None and signal is not None and noise.min() > signal.max() > 0:
        warnings.warn(
            f"`{name}` is in the unit of the data and larger than all of them. If you meant the signal-to-noise ratio, "
            "pass the signal over it.",
            PlausibilityWarning,
            stacklevel=_checks.frames_to_the_caller(),
        )


def _known(value: Any) -> np.ndarray | None:
    """The finite magnitudes of a value; None where it is traced or holds none."""
    if not _checks.is_concrete(value):
        return None
    try:
        numbers = _checks.held_here(value)
    except (TypeError, ValueError):  # not numbers, or a list of traced ones
        return None
    if numbers.dtype.kind not in "iufc":
        return None
    known = np.abs(numbers).ravel()
    known = known[np.isfinite(known)]
    return known if known.size else None


def _about(value: float) -> str:
    """One digit of a value, rounded down: a loop over many values then warns in few ways, of which Python shows each once."""
    scale = 10.0 ** math.floor(math.log10(value) + 1e-9)
    return f"{math.floor(value / scale + 1e-9) * scale:.4g}"


def _warn(name: str, plausible: Plausible, what: str, than: str) -> None:
    unit = plausible.unit if " " in plausible.unit else f"in {plausible.unit}"
    text = f"`{name}` is {unit} and {what}, {than}. {plausible.advice}"
    warnings.warn(text, PlausibilityWarning, stacklevel=_checks.frames_to_the_caller())
