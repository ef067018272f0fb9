"""Pulseq files in and out.

- The file as data: `file` (records, `PulseqError`), `shapes`.
- The file as text: `text`, `tables` and `reading`; `writing` is the way back.
- From a file to a sequence: `imaging` (any file; its blocks by `block_tracks`, `extensions`, `gradient_points` and
  `rf_events`) and `saturation` (files of Pulseq-CEST; their parts by `measurements`). Both write what is played as
  `plain_events`, in which `loops` are found.
- From a sequence to a file: `exporting` (in `playing_order`, by `instantaneous` and `written_events`, on `rasters`).
"""

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
