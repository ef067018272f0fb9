"""The limits of a scanner, as numbers."""

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np

from mrjax.sequence.hardware.nerve_stimulation import AbstractStimulation
from mrjax.sequence.hardware.resonances import Resonance

OBJECTS = ("stimulation", "resonances")
"""Fields that are no numbers."""


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
    max_gradient_magnitude: float | int = np.inf
    max_slew_magnitude: float | int = np.inf
    max_b1_rms: float | int = np.inf
    b1_rms_window: float | int = 10.0
    max_sar: float | int = np.inf
    sar_per_squared_b1: float | int = 0.0
    sar_window: float | int = 360.0
    stimulation: Any = None
    max_stimulation: float | int = 1.0
    resonances: Any = ()
    resonance_window: float | int = 50e-3
    max_resonance: float | int = 1.0
    max_duration: float | int = np.inf

    def __post_init__(self):
        for field in dataclasses.fields(self):
            if field.name in OBJECTS:
                continue
            value = getattr(self, field.name)
            number = isinstance(value, int | float | np.floating | np.integer) and not isinstance(value, bool)
            if not (number and value >= 0):
                raise ValueError(f"`{field.name}` must be a number, zero or more, but got {value!r}.")
            object.__setattr__(self, field.name, float(value))
        self._check_objects()

    def _check_objects(self) -> None:
        if not isinstance(self.stimulation, AbstractStimulation | None):
            raise ValueError(
                "`stimulation` must be a model such as mr.hardware.SafeStimulation(...), or None, but got "
                f"{type(self.stimulation).__name__}."
            )
        bands = tuple(self.resonances) if isinstance(self.resonances, tuple | list) else (self.resonances,)
        for band in bands:
            if not isinstance(band, Resonance):
                raise ValueError(f"`resonances` must hold mr.hardware.Resonance(...), but got {type(band).__name__}.")
        object.__setattr__(self, "resonances", bands)
        if (self.stimulation is not None or bands) and not self.gradient_raster > 0:
            raise ValueError("`gradient_raster` must be positive (s) for `stimulation` and `resonances`, but is 0.")
