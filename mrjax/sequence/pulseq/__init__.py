"""Pulseq files in."""

from .errors import PulseqError as PulseqError
from .events import (
    AdcEvent as AdcEvent,
    ArbitraryGradient as ArbitraryGradient,
    Block as Block,
    Extension as Extension,
    ExtensionSpecification as ExtensionSpecification,
    PulseqFile as PulseqFile,
    RfEvent as RfEvent,
    Trapezoid as Trapezoid,
    Version as Version,
)
from .offsets import m0_measurements as m0_measurements, offsets_ppm as offsets_ppm
from .reading import read as read
from .saturation import saturation_sequence as saturation_sequence
from .shapes import Shape as Shape
