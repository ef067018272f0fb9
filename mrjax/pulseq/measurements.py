"""A Pulseq-CEST file cut at its readouts, each part as events in a row."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from jaxtyping import Inexact, Int

from mrjax.conventions import Conventions
from mrjax.pulseq.file import Block, PulseqFile, RfEvent
from mrjax.pulseq.plain_events import PlainEvent
from mrjax.pulseq.rf_events import RfSamples, rf_samples, total_frequency, total_phase
from mrjax.sequence.events import Delay, Spoil
from mrjax.sequence.rf import ContinuousWave, ShapedPulse

PICOSECOND = 12
"""Digits after the point of a second to which differences of times are rounded."""

LONGEST_ZEROS = 100
"""A pulse goes on through zeros that last less than one part in so many of it, such as those where a sinc changes its sign."""


@dataclass(frozen=True, eq=False)
class RfPiece:
    """Samples of an RF event without long zeros among them.

    **Arguments:**

    - `samples`: In Hz; one where the field is constant, however long.
    - `dt`: Duration of one in s.
    - `phase`: Of a constant field, in rad; None for others, where it is part of the samples.
    - `start`: In s, from the start of the stored waveform.
    - `end`: In s, of what is stored; samples that were picked out may last longer.
    """

    samples: Inexact[np.ndarray, " n"]
    dt: float
    phase: float | None
    start: float
    end: float

    @property
    def duration(self) -> float:
        """Of what is played, in s."""
        return self.samples.size * self.dt


Resampling = Callable[[RfSamples, int], tuple[Inexact[np.ndarray, " n"], float]]
"""At most so many samples in Hz for those of a pulse, and how long each lasts in s."""


def rf_pieces(stored: RfSamples, max_samples: int, resample: Resampling) -> tuple[RfPiece, ...]:
    """The pieces of an RF event in playing order, none where all is zero; together of at most `max_samples` samples."""
    ends = np.cumsum(stored.counts)
    found = []
    pieces = _cut(stored, max_samples)
    n_shaped = sum(int(part.counts.sum()) for _, part in pieces if not part.is_constant)
    # a constant piece is one sample
    left = max(1, max_samples - sum(part.is_constant for _, part in pieces))
    for first, part in pieces:
        start = int(ends[first] - stored.counts[first]) * stored.dt
        end = start + part.duration
        if part.is_constant:
            found.append(RfPiece(part.magnitude[:1], part.duration, float(part.phase[0]), start, end))
        else:
            share = max(1, left * int(part.counts.sum()) // n_shaped)
            found.append(RfPiece(*resample(part, share), None, start, end))
    return tuple(found)


def _cut(stored: RfSamples, max_samples: int) -> list[tuple[int, RfSamples]]:
    """Parts between long zeros, each with the number of its first run."""
    playing = np.flatnonzero(stored.magnitude)
    if playing.size == 0:
        return []
    first, last = int(playing[0]), int(playing[-1]) + 1
    n = int(stored.counts[first:last].sum())
    longest = max(n // LONGEST_ZEROS, -(-n // max_samples))
    gaps = _long_zeros(stored, first, last, longest)
    starts, stops = [first, *(stop for _, stop in gaps)], [*(start for start, _ in gaps), last]
    return [(start, stored.between(start, stop)) for start, stop in zip(starts, stops, strict=True)]


def _long_zeros(stored: RfSamples, first: int, last: int, longest: int) -> list[tuple[int, int]]:
    """Where rows of runs of zeros begin and end that last more than `longest` samples; their phases may differ."""
    silent = np.concatenate([[False], stored.magnitude[first:last] == 0, [False]])
    begins, ends = first + np.flatnonzero(~silent[:-1] & silent[1:]), first + np.flatnonzero(silent[:-1] & ~silent[1:])
    before = np.concatenate([[0], np.cumsum(stored.counts)])
    long = before[ends] - before[begins] > longest
    return list(zip(begins[long].tolist(), ends[long].tolist(), strict=True))


def means(part: RfSamples, n: int) -> tuple[Inexact[np.ndarray, " n"], float]:
    """The means over `n` equal intervals: duration and complex area are those of the samples."""
    total = int(part.counts.sum())
    if total <= n:
        return _at(part, np.arange(total)), part.dt
    ends = np.concatenate([[0], np.cumsum(part.counts)])
    area = np.concatenate([[0.0], np.cumsum(_values(part) * part.counts)])
    edges = total * np.arange(n + 1) / n
    return np.diff(np.interp(edges, ends, area)) * (n / total), part.dt * total / n


def every_nth(part: RfSamples, n: int) -> tuple[Inexact[np.ndarray, " n"], float]:
    """Every so many-th sample, lasting so many times as long: where they do not divide, the pulse lasts longer."""
    total = int(part.counts.sum())
    step = math.ceil(total / n)
    return _at(part, np.arange(0, total, step)), part.dt * step


def _at(part: RfSamples, index: Int[np.ndarray, " n"]) -> Inexact[np.ndarray, " n"]:
    return _values(part)[np.searchsorted(np.cumsum(part.counts), index, side="right")]


def _values(part: RfSamples) -> Inexact[np.ndarray, " n_runs"]:
    """Of the runs in Hz; real where no phase is turned."""
    return part.magnitude * np.exp(1j * part.phase) if np.any(part.phase) else part.magnitude


@dataclass(frozen=True)
class SaturationSettings:
    """How RF is played: see `saturation_sequence`. The Larmor frequency is in Hz, NaN where it is not known."""

    conventions: Conventions
    max_pulse_samples: int
    larmor: float


@dataclass(frozen=True, eq=False)
class StoredPulse:
    """The pieces of an RF event that are no zeros, in Hz, and the duration of all that is stored in s.

    `fields` are the samples of the pieces in T; equal ones are the same array.
    """

    pieces: tuple[RfPiece, ...]
    fields: tuple[Inexact[np.ndarray, "_"], ...]
    stored: float


def measurements_of(file: PulseqFile, settings: SaturationSettings) -> list[list[PlainEvent]]:
    """The events before each readout, without it; what follows the last is left out.

    **Raises:** `ValueError` where the file has no ADC, or a block plays what is no part of a saturation experiment.
    """
    measurements: list[list[PlainEvent]] = []
    events: list[PlainEvent] = []
    waveforms: dict[tuple[float, int, int, int], StoredPulse] = {}
    pulses: dict[tuple[int, float], list[PlainEvent]] = {}
    fields: dict[bytes, np.ndarray] = {}
    for number, block in enumerate(file.blocks, 1):
        _require_saturation(file, number, block)
        if block.adc:
            measurements.append(events)
            events = []
        elif block.gz:
            events += [PlainEvent(Delay, (), (block.duration,)), PlainEvent(Spoil)]
        elif block.rf:
            again = (block.rf, block.duration)
            if again not in pulses:
                event = file.rf[block.rf]
                key = (event.amplitude, event.magnitude_shape, event.phase_shape, event.time_shape)
                if key not in waveforms:
                    waveforms[key] = _waveform(file, event, settings, fields)
                pulses[again] = _played(file, block, event, waveforms[key], settings)
            events += pulses[again]
        else:
            events.append(PlainEvent(Delay, (), (block.duration,)))
    if not measurements:
        raise ValueError(f"{file.path} has no ADC, so there is nothing to simulate; a measurement must end with one.")
    return measurements


def delays_joined(events: list[PlainEvent]) -> list[PlainEvent]:
    """Delays that adjoin as one, and those of no length left out."""
    joined: list[PlainEvent] = []
    for event in events:
        if event.kind is not Delay:
            joined.append(event)
        elif event.numbers[0] > 0:
            follows = bool(joined) and joined[-1].kind is Delay
            joined.append(PlainEvent(Delay, (), (joined.pop().numbers[0] + event.numbers[0],)) if follows else event)
    return joined


def _require_saturation(file: PulseqFile, number: int, block: Block) -> None:
    if bool(block.rf) + any(block.gradients) + bool(block.adc) > 1:
        plays = [name for name in ("rf", "gx", "gy", "gz", "adc") if getattr(block, name)]
        raise ValueError(
            f"{file.path}: block {number} plays {', '.join(plays)} at once; in a saturation experiment a block is a pulse, a "
            "spoiler, a readout or a delay. `to_sequence` converts imaging sequences."
        )
    if (block.gx or block.gy) and not block.gz:
        gradients = [name for name in ("gx", "gy") if getattr(block, name)]
        raise ValueError(
            f"{file.path}: block {number} plays {', '.join(gradients)} without gz; in a saturation experiment gradients spoil, "
            "and a spoiler has a z gradient."
        )


def _played(
    file: PulseqFile, block: Block, event: RfEvent, waveform: StoredPulse, settings: SaturationSettings
) -> list[PlainEvent]:
    """The pulses of an RF event, and the free evolution before, between and after them."""
    conventions, pieces = settings.conventions, waveform.pieces
    in_place = conventions.edge_zeros == "in_place"
    beyond = max(0.0, block.duration - waveform.stored) if conventions.plays_rf_delay else 0.0
    if not pieces:
        return [_delay(beyond + waveform.stored)]
    offset = total_frequency(event, settings.larmor, file)
    phase = total_phase(event, settings.larmor, file)
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


def _pulse(piece: RfPiece, field: np.ndarray, offset: float, phase: float, conventions: Conventions) -> PlainEvent:
    if piece.phase is None:
        return PlainEvent(ShapedPulse, (), (piece.dt, offset, phase), (field,))
    phase += conventions.shape_phase_sign * piece.phase
    return PlainEvent(ContinuousWave, (), (field[0].item(), piece.dt, offset, phase))


def _delay(duration: float) -> PlainEvent:
    return PlainEvent(Delay, (), (max(0.0, round(duration, PICOSECOND)),))


def _waveform(
    file: PulseqFile, event: RfEvent, settings: SaturationSettings, fields: dict[bytes, np.ndarray]
) -> StoredPulse:
    stored = rf_samples(file, event)
    resample = means if settings.conventions.pulse_samples == "means" else every_nth
    pieces = rf_pieces(stored, settings.max_pulse_samples, resample)
    to_tesla = 2 * math.pi / settings.conventions.gyromagnetic_ratio
    fields_of = [to_tesla * _of_stored_duration(piece.dt) * piece.samples for piece in pieces]
    return StoredPulse(pieces, tuple(fields.setdefault(field.tobytes(), field) for field in fields_of), stored.duration)


def _of_stored_duration(dt: float) -> float:
    """By how much a field must be stronger where its duration is rounded when it becomes a leaf: in float32 by up to 6e-8,
    the same in each sample, which would add up over the thousand radians of a train."""
    return dt / float(np.asarray(dt, jnp.result_type(float)))
