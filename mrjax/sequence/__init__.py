"""What the scanner plays."""

from . import hardware as hardware, moments as moments, pulses as pulses
from .base import (
    AbstractContainer as AbstractContainer,
    AbstractEvent as AbstractEvent,
    AbstractIdealEvent as AbstractIdealEvent,
    AbstractInstant as AbstractInstant,
)
from .containers import Repeat as Repeat, Sequence as Sequence
from .events import (
    AbstractSample as AbstractSample,
    Delay as Delay,
    Dephase as Dephase,
    Pulse as Pulse,
    Reset as Reset,
    Sample as Sample,
    SampleLongitudinal as SampleLongitudinal,
    Spoil as Spoil,
)
from .gradients import Gradient as Gradient
from .hardware.scanner import Scanner as Scanner
from .labels import AbstractNote as AbstractNote, Annotation as Annotation, Label as Label
from .readout import Readout as Readout
from .readout_table import ReadoutTable as ReadoutTable, readout_table as readout_table
from .rf import AbstractRF as AbstractRF, ContinuousWave as ContinuousWave, ShapedPulse as ShapedPulse
from .text import describe as describe
from .timeline import Timeline as Timeline
from .together import Together as Together
from .tracks import AbstractChannelEvent as AbstractChannelEvent, AbstractScannerEvent as AbstractScannerEvent
