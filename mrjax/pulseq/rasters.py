"""The rasters of time on which a scanner begins and ends what it plays."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

ROUNDING = 1e-3
"""Of a raster, by which a time may miss it."""

SINGLE = 2.0**-22
"""Rounding of times that were computed in single precision, relative to their length."""

FINE_ADC_RASTERS = (1e-8, 1e-9)
"""In s, the coarsest first; the format counts dwell times in nanoseconds."""


@dataclass(frozen=True, kw_only=True)
class Rasters:
    """In s: steps of time of RF samples, gradient samples, readout dwell times and block durations.

    **Arguments:**

    - `rf`, `gradient`, `adc`, `block`: 1 us, 10 us, 100 ns and 10 us by default.

    **Raises:** `ValueError` where one is not positive.
    """

    rf: float = 1e-6
    gradient: float = 1e-5
    adc: float = 1e-7
    block: float = 1e-5

    def __post_init__(self):
        for name in ("rf", "gradient", "adc", "block"):
            value = getattr(self, name)
            if not (isinstance(value, float | int) and 0 < value < 1):
                raise ValueError(f"`{name}` raster must be a positive time in s, but got {value!r}.")

    @classmethod
    def of(cls, scanner: Any | None) -> "Rasters":
        """Those of a `Scanner`, a `PulseqFile`, or whatever names them `rf_raster`, `gradient_raster`, `adc_raster` and
        `block_raster`.

        The usual ones stand for those that it lacks, or that are zero: a file needs rasters.
        """
        names = ("rf", "gradient", "adc", "block")
        given = {name: getattr(scanner, f"{name}_raster", None) for name in names}
        return cls(**{name: float(value) for name, value in given.items() if value})


def steps(time: float, raster: float, what: str, name: str) -> int:
    """How many rasters a time lasts.

    **Raises:** `ValueError` that says `what` it is of, where it is none of them.
    """
    n = round(time / raster)
    if not abs(time - n * raster) <= ROUNDING * raster + SINGLE * abs(time):
        raise ValueError(
            f"{what} of {time:.9g} s is no multiple of the {name} raster, {raster:g} s; the nearest are {nearest(time, raster)}."
        )
    return n


def dwell_steps(dwell: float, raster: float) -> int:
    """How many ADC rasters a dwell time lasts.

    **Raises:** `ValueError` where it is none of them, with a raster that would hold it, if whole nanoseconds do.
    """
    try:
        return steps(dwell, raster, "a dwell time", "ADC")
    except ValueError as error:
        finer = next((fine for fine in FINE_ADC_RASTERS if fine < raster and on_raster(np.array([dwell]), fine)), None)
        if finer is None:
            raise
        raise ValueError(
            f"{error} For a scanner that can play it, pass `rasters=Rasters(adc={finer:g})`, which the file then states."
        ) from None


def on_raster(times: Float[np.ndarray, " n"], raster: float) -> bool:
    """Whether all times are multiples of a raster."""
    misses = np.abs(times - np.round(times / raster) * raster)
    return bool(np.all(misses <= ROUNDING * raster + SINGLE * np.abs(times)))


def nearest(time: float, raster: float) -> str:
    """The multiples around a time, as text."""
    below = int(np.floor(time / raster))
    return f"{below * raster:.9g} s and {(below + 1) * raster:.9g} s"
