"""The limits of a scanner, as numbers."""

import dataclasses
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What each is, `Scanner` says."""

    max_gradient: float | int = 40e-3
    max_slew: float | int = 150.0
    max_b1: float | int = 20e-6
    rf_raster: float | int = 1e-6
    gradient_raster: float | int = 10e-6
    adc_raster: float | int = 100e-9
    block_raster: float | int = 10e-6
    rf_dead_time: float | int = 100e-6
    rf_ringdown: float | int = 30e-6
    adc_dead_time: float | int = 10e-6

    def __post_init__(self):
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            number = isinstance(value, int | float | np.floating | np.integer) and not isinstance(value, bool)
            if not (number and value >= 0):
                raise ValueError(f"`{field.name}` must be a number, zero or more, but got {value!r}.")
            object.__setattr__(self, field.name, float(value))
