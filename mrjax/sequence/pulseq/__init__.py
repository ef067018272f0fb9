"""Pulseq files in and out."""

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
from .exporting import from_sequence as from_sequence
from .imaging import to_sequence as to_sequence
from .offsets import m0_measurements as m0_measurements, offsets_ppm as offsets_ppm
from .rasters import Rasters as Rasters
from .reading import read as read
from .saturation import saturation_sequence as saturation_sequence
from .shapes import Shape as Shape
from .writing import write as write
