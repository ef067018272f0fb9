"""Pulseq files in and out."""

from mrjax.pulseq.errors import PulseqError as PulseqError
from mrjax.pulseq.events import (
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
from mrjax.pulseq.exporting import from_sequence as from_sequence
from mrjax.pulseq.imaging import to_sequence as to_sequence
from mrjax.pulseq.offsets import m0_measurements as m0_measurements, offsets_ppm as offsets_ppm
from mrjax.pulseq.rasters import Rasters as Rasters
from mrjax.pulseq.reading import read as read
from mrjax.pulseq.saturation import saturation_sequence as saturation_sequence
from mrjax.pulseq.shapes import Shape as Shape
from mrjax.pulseq.writing import write as write
