"""What hardware can play, and what gradient amplifiers and coils make of a sequence."""

from .as_played import as_played as as_played
from .eddy_currents import EddyCurrents as EddyCurrents
from .gradient_delay import GradientDelay as GradientDelay
from .gradient_response import AbstractGradientResponse as AbstractGradientResponse
from .measured_response import MeasuredResponse as MeasuredResponse
