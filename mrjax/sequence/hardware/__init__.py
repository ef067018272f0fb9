"""What hardware can play, and what gradient amplifiers and coils make of a sequence."""

from .as_played import as_played as as_played
from .eddy_currents import EddyCurrents as EddyCurrents
from .gradient_delay import GradientDelay as GradientDelay
from .gradient_response import AbstractGradientResponse as AbstractGradientResponse
from .measured_response import MeasuredResponse as MeasuredResponse
from .nerve_stimulation import (
    AbstractStimulation as AbstractStimulation,
    ChronaxieStimulation as ChronaxieStimulation,
    SafeStimulation as SafeStimulation,
)
from .resonances import Resonance as Resonance, gradient_spectrum as gradient_spectrum
from .rf_power import b1_plus_rms as b1_plus_rms
