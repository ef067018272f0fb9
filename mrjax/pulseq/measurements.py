"""A Pulseq-CEST file cut at its readouts, each part as events in a row."""

import math
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from jaxtyping import Inexact

from mrjax.conventions import Conventions
from mrjax.pulseq.events import Block, PulseqFile, RfEvent
from mrjax.pulseq.larmor import of_larmor
from mrjax.pulseq.played import Played
from mrjax.pulseq.rf_pieces import PICOSECOND, RfPiece, every_nth, means, rf_pieces
from mrjax.pulseq.rf_samples import rf_samples
from mrjax.sequence.events import Delay, Spoil
from mrjax.sequence.rf import ContinuousWave, ShapedPulse


@dataclass(frozen=True)
class Rules:
    """How RF is played: see `saturation_sequence`. The Larmor frequency is in Hz, NaN where it is not known."""

    conventions: Conventions
    max_pulse_samples: int
    larmor: float


@dataclass(frozen=True, eq=False)
class Waveform:
    """The pieces of an RF event that are no zeros, in Hz, and the duration of all that is stored in s.

    `fields` are the samples of the pieces in T; equal ones are the same array.
    """

    pieces: tuple[RfPiece, ...]
    fields: tuple[Inexact[np.ndarray, "_"], ...]
    stored: float


def measurements_of(file: PulseqFile, rules: Rules) -> list[list[Played]]:
    """The events before each readout, without it; what follows the last is left out.

    **Raises:** `ValueError` where the file has no ADC, or a block plays what is no part of a saturation experiment.
    """
    measurements: list[list[Played]] = []
    events: list[Played] = []
    waveforms: dict[tuple[float, int, int, int], Waveform] = {}
    fields: dict[bytes, np.ndarray] = {}
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
                waveforms[key] = _waveform(file, event, rules, fields)
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
    """The pulses of an RF event, and the free evolution before, between and after them."""
    conventions, pieces = rules.conventions, waveform.pieces
    in_place = conventions.edge_zeros == "in_place"
    beyond = max(0.0, block.duration - waveform.stored) if conventions.plays_rf_delay else 0.0
    if not pieces:
        return [_delay(beyond + waveform.stored)]
    offset = full_frequency(event, rules.larmor, file)
    phase = event.phase + of_larmor(event.phase_per_megahertz * 1e-6, rules.larmor, file)
    origin = 0.0 if in_place else pieces[0].start
    before = min(event.delay, beyond) if in_place else 0.0
    events, now, irradiated = [_delay(before)], origin, 0.0
    for piece, field in zip(pieces, waveform.fields, strict=True):
        # the frame of the offset gets ahead from the first sample on, where engines do not see to that themselves
        known = irradiated if conventions.rf_phase == "accumulated" else 0.0
        ahead = 2 * math.pi * offset * round(piece.start - origin - known, PICOSECOND)
        events += [_delay(piece.start - now), _pulse(piece, field, offset, phase + ahead, conventions)]
        now, irradiated = piece.start + piece.duration, irradiated + piece.duration
    if in_place:
        return [*events, _delay(waveform.stored - now + beyond - before)]
    zeros = pieces[0].start + waveform.stored - pieces[-1].end
    return [*events, _delay(beyond if conventions.plays_rf_delay else zeros)]


def _pulse(piece: RfPiece, field: np.ndarray, offset: float, phase: float, conventions: Conventions) -> Played:
    if piece.phase is None:
        return Played(ShapedPulse, (piece.dt, offset, phase), field)
    phase += conventions.shape_phase_sign * piece.phase
    return Played(ContinuousWave, (field[0].item(), piece.dt, offset, phase))


def _delay(duration: float) -> Played:
    return Played(Delay, (max(0.0, round(duration, PICOSECOND)),))


def _waveform(file: PulseqFile, event: RfEvent, rules: Rules, fields: dict[bytes, np.ndarray]) -> Waveform:
    stored = rf_samples(file, event)
    resample = means if rules.conventions.pulse_samples == "means" else every_nth
    pieces = rf_pieces(stored, rules.max_pulse_samples, resample)
    to_tesla = 2 * math.pi / rules.conventions.gyromagnetic_ratio
    fields_of = [to_tesla * _of_stored_duration(piece.dt) * piece.samples for piece in pieces]
    return Waveform(pieces, tuple(fields.setdefault(field.tobytes(), field) for field in fields_of), stored.duration)


def _of_stored_duration(dt: float) -> float:
    """By how much a field must be stronger where its duration is rounded when it becomes a leaf: in float32 by up to 6e-8,
    the same in each sample, which would add up over the thousand radians of a train."""
    return dt / float(np.asarray(dt, jnp.result_type(float)))
