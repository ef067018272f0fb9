"""Blocks of a Pulseq file as events in a row, before loops are sought."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from jaxtyping import Inexact

from mrjax.sequence.events import AbstractEvent, Delay, Reset, Sample, SampleLongitudinal, Spoil
from mrjax.sequence.gradients import Gradient
from mrjax.sequence.labels import Annotation, Label
from mrjax.sequence.readout import Readout
from mrjax.sequence.rf import ContinuousWave, ShapedPulse

LEAVES: Mapping[type[AbstractEvent], tuple[str, ...]] = MappingProxyType(
    {
        ContinuousWave: ("b1", "duration", "offset", "phase"),
        ShapedPulse: ("dt", "offset", "phase"),
        Delay: ("duration",),
        Spoil: (),
        Reset: ("magnetisation",),
        Sample: (),
        SampleLongitudinal: (),
        Gradient: (),
        Readout: ("dwell", "phase", "offset"),
        Label: ("value",),
        Annotation: (),
    }
)
"""The single numbers of each kind of event, in the order in which `Played` and `Part` hold them."""

WAVEFORMS: Mapping[type[AbstractEvent], tuple[str, ...]] = MappingProxyType(
    {ShapedPulse: ("waveform",), Gradient: ("waveform", "times"), Readout: ("modulation",)}
)
"""The rows of numbers of each kind of event that has some."""


@dataclass(frozen=True, eq=False, slots=True)
class Played:
    """One playing of an event: its numbers in the order of `LEAVES`, and its waveform in T where it has one.

    Equal waveforms are the same array.
    """

    kind: type[AbstractEvent]
    numbers: tuple[float, ...] = ()
    waveform: Inexact[np.ndarray, " n"] | None = None

    @property
    def form(self) -> tuple[type[AbstractEvent], int]:
        """What two playings must share to be entries of one event: the kind and the number of samples."""
        return self.kind, 0 if self.waveform is None else self.waveform.size
