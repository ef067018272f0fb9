"""Pulseq files in and out."""

from mrjax.pulseq.exporting import from_sequence as from_sequence
from mrjax.pulseq.file import (
    AdcEvent as AdcEvent,
    ArbitraryGradient as ArbitraryGradient,
    Block as Block,
    Extension as Extension,
    ExtensionSpecification as ExtensionSpecification,
    PulseqError as PulseqError,
    PulseqFile as PulseqFile,
    RfEvent as RfEvent,
    Trapezoid as Trapezoid,
    Version as Version,
)
from mrjax.pulseq.imaging import to_sequence as to_sequence
from mrjax.pulseq.rasters import Rasters as Rasters
from mrjax.pulseq.reading import read as read
from mrjax.pulseq.saturation import (
    m0_measurements as m0_measurements,
    offsets_ppm as offsets_ppm,
    saturation_sequence as saturation_sequence,
)
from mrjax.pulseq.shapes import Shape as Shape
from mrjax.pulseq.writing import write as write
