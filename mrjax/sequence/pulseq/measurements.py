"""A Pulseq-CEST file cut at its readouts, each part as events in a row."""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Inexact

from mrjax.conventions import Conventions
from mrjax.sequence.events import Delay, Spoil
from mrjax.sequence.pulseq.events import Block, PulseqFile, RfEvent
from mrjax.sequence.pulseq.larmor import of_larmor
from mrjax.sequence.pulseq.played import Played
from mrjax.sequence.pulseq.rf_samples import RfSamples, rf_samples
from mrjax.sequence.rf import ContinuousWave, ShapedPulse

PICOSECOND = 12
"""Digits after the point of a second to which differences of times are rounded."""


@dataclass(frozen=True)
class Rules:
    """How RF is played: see `saturation_sequence`. The Larmor frequency is in Hz, NaN where it is not known."""

    conventions: Conventions
    max_pulse_samples: int
    larmor: float


@dataclass(frozen=True, eq=False)
class Waveform:
    """The samples of an RF event that are played, and what was left out of those that are stored.

    **Arguments:**

    - `samples`: In T, every so many-th of those that are not zero; one for a block pulse, none where all are zero.
    - `dt`: Duration of one in s.
    - `zeros`: Duration of what was left out because it is zero, in s.
    - `stored`: Duration of all that is stored, in s.
    - `phase`: Of a block pulse, in rad; None for others, where it is part of the samples.
    """

    samples: Inexact[np.ndarray, " n"]
    dt: float
    zeros: float
    stored: float
    phase: float | None


def measurements_of(file: PulseqFile, rules: Rules) -> list[list[Played]]:
    """The events before each readout, without it; what follows the last is left out.

    **Raises:** `ValueError` where the file has no ADC, or a block plays what is no part of a saturation experiment.
    """
    measurements: list[list[Played]] = []
    events: list[Played] = []
    waveforms: dict[tuple[float, int, int, int], Waveform] = {}
    for number, block in enumerate(file.blocks, 1):
        _require_saturation(file, number, block)
        if block.adc:
            measurements.append(events)
            events = []
        elif block.gz:
            events += [Played(Delay, (block.duration,)), Played(Spoil)]
        elif block.rf:
            event = file.rf[block.rf]
            key = (event.amplitude, event.magnitude_shape, event.phase_shape, event.time_shape)
            if key not in waveforms:
                waveforms[key] = _waveform(file, event, rules)
            events += _played(file, block, event, waveforms[key], rules)
        else:
            events.append(Played(Delay, (block.duration,)))
    if not measurements:
        raise ValueError(f"{file.path} has no ADC, so there is nothing to simulate; a measurement must end with one.")
    return measurements


def delays_joined(events: list[Played]) -> list[Played]:
    """Delays that adjoin as one, and those of no length left out."""
    joined: list[Played] = []
    for event in events:
        if event.kind is not Delay:
            joined.append(event)
        elif event.numbers[0] > 0:
            before = joined.pop().numbers[0] if joined and joined[-1].kind is Delay else 0.0
            joined.append(Played(Delay, (before + event.numbers[0],)))
    return joined


def full_frequency(event: RfEvent, larmor: float, file: PulseqFile) -> float:
    """The offset of an RF event in Hz with its part in ppm."""
    return event.frequency + of_larmor(event.frequency_ppm * 1e-6, larmor, file)


def _require_saturation(file: PulseqFile, number: int, block: Block) -> None:
    plays = [name for name in ("rf", "gx", "gy", "gz", "adc") if getattr(block, name)]
    gradients = [name for name in plays if name.startswith("g")]
    if len(plays) > max(1, len(gradients)):
        raise ValueError(
            f"{file.path}: block {number} plays {', '.join(plays)} at once; in a saturation experiment a block is a pulse, a "
            "spoiler, a readout or a delay. `to_sequence` converts imaging sequences."
        )
    if gradients and not block.gz:
        raise ValueError(
            f"{file.path}: block {number} plays {', '.join(gradients)} without gz; in a saturation experiment gradients spoil, "
            "and a spoiler has a z gradient."
        )


def _played(file: PulseqFile, block: Block, event: RfEvent, waveform: Waveform, rules: Rules) -> list[Played]:
    """The pulse and the free evolution after it."""
    rest = waveform.zeros
    if rules.conventions.plays_rf_delay:
        rest = max(0.0, round(block.duration - waveform.stored, PICOSECOND))
        rest += 0.0 if waveform.samples.size else waveform.zeros
    if not waveform.samples.size:
        return [Played(Delay, (rest,))]
    offset = full_frequency(event, rules.larmor, file)
    phase = event.phase + of_larmor(event.phase_per_megahertz * 1e-6, rules.larmor, file)
    if waveform.phase is None:
        pulse = Played(ShapedPulse, (waveform.dt, offset, phase), waveform.samples)
    else:
        phase += rules.conventions.shape_phase_sign * waveform.phase
        pulse = Played(ContinuousWave, (waveform.samples[0].item(), waveform.dt, offset, phase))
    return [pulse, Played(Delay, (rest,))]


def _waveform(file: PulseqFile, event: RfEvent, rules: Rules) -> Waveform:
    stored = rf_samples(file, event)
    kept = stored.without_zeros()
    zeros = round(stored.duration - kept.duration, PICOSECOND)
    to_tesla = 2 * math.pi / rules.conventions.gyromagnetic_ratio
    if kept.counts.size == 0 or kept.is_constant:
        phase = float(kept.phase[0]) if kept.phase.size else 0.0
        return Waveform(to_tesla * kept.magnitude[:1], kept.duration, zeros, stored.duration, phase)
    every = math.ceil(int(kept.counts.sum()) / rules.max_pulse_samples)
    return Waveform(to_tesla * _sampled(kept, every), kept.dt * every, zeros, stored.duration, None)


def _sampled(samples: RfSamples, every: int) -> Inexact[np.ndarray, " n"]:
    """Every so many-th sample in Hz; real where no phase is turned."""
    taken = np.searchsorted(np.cumsum(samples.counts), np.arange(0, int(samples.counts.sum()), every), side="right")
    magnitude, phase = samples.magnitude[taken], samples.phase[taken]
    return magnitude * np.exp(1j * phase) if np.any(phase) else magnitude
