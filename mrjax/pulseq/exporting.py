"""Sequences as Pulseq files."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mrjax.pulseq.file import Block, PulseqFile, Version
from mrjax.pulseq.instantaneous import made_lasting, require_lasting
from mrjax.pulseq.playing_order import Playing, playings
from mrjax.pulseq.rasters import Rasters, steps
from mrjax.pulseq.written_events import EventLibrary, EventWriter
from mrjax.sequence.base import AbstractContainer
from mrjax.sequence.events import Delay
from mrjax.sequence.gradients import AXES, Gradient
from mrjax.sequence.labels import AbstractNote, Annotation
from mrjax.sequence.precision import in_double_precision
from mrjax.sequence.readout import Readout
from mrjax.sequence.rf import AbstractRF
from mrjax.sequence.tracks import AbstractChannelEvent, AbstractScannerEvent

WRITTEN_VERSIONS = ("1.4", "1.5")


def from_sequence(
    sequence: AbstractContainer,
    *,
    version: str = "1.5.0",
    scanner: Any | None = None,
    rasters: Rasters | None = None,
    definitions: Mapping[str, Any] | None = None,
    pulse_duration: Any = None,
    readout: Any = None,
) -> PulseqFile:
    """A sequence as a Pulseq file: each event at its top level, and each `Together`, is a block.

    Repeats are written out; equal events and shapes are stored once. Gradients of four points that make a trapezoid are
    written as such, those sampled at the middles of rasters as samples, others by their points. `Label`s and `Annotation`s
    go with the block that follows.

    **Arguments:**

    - `sequence`: Of `Delay`, `ShapedPulse`, `ContinuousWave`, `Gradient`, `Readout`, `Together`, `Label` and `Annotation`,
      with known numbers.
    - `version`: Of the format, 1.4 or 1.5 with any revision. Only 1.5 holds what pulses are for, when they act, and the edges
      of sampled gradients.
    - `scanner`: If given, its `check(sequence)` is called first, and its rasters are used.
    - `rasters`: In place of the usual ones, or those of the scanner; `Rasters.of(file)` for those of a file.
    - `definitions`: More of them by name, such as `{"FOV": (0.256, 0.256, 0.005)}`; numbers in SI units, or text.
    - `pulse_duration`: In s, of block pulses in place of `Pulse`s.
    - `readout`: In place of each `Sample`, such as `Readout(64, dwell=10e-6)`; the phase of the sample is added to its own.

    **Returns:** A `PulseqFile`, for `write`.

    **Raises:** `ValueError` that names the event, where it takes no time, misses a raster, leaves no time for a pulse or a
    readout, or a block holds two pulses or two readouts.
    """
    found = _version(version)
    if pulse_duration is not None or readout is not None:
        sequence = made_lasting(sequence, pulse_duration, readout)
    if scanner is not None:
        scanner.check(sequence)
    rasters = rasters or Rasters.of(scanner)
    library = EventLibrary()
    blocks = tuple(_blocks(playings(sequence), _BlockWriter(library, rasters, found.minor)))
    if not blocks:
        raise ValueError("`sequence` must hold at least one event to be written, but holds none.")
    return PulseqFile(
        path=Path("sequence"),
        version=found,
        definitions=_definitions(blocks, rasters, definitions or {}),
        blocks=blocks,
        rf=library.rf,
        gradients=library.gradients,
        trapezoids=library.trapezoids,
        adc=library.adc,
        delays={},
        shapes=library.shapes,
        extensions=library.extensions,
        extension_specifications=library.extension_specifications,
        signature=None,
        other={},
    )


def _version(version: str) -> Version:
    major, _, rest = str(version).partition(".")
    minor, _, revision = rest.partition(".")
    if f"{major}.{minor}" not in WRITTEN_VERSIONS or not revision:
        raise ValueError(f'`version` must be one such as "1.4.1" or "1.5.0", but got {version!r}.')
    return Version(1, int(minor), revision)


def _definitions(blocks: tuple[Block, ...], rasters: Rasters, more: Mapping[str, Any]) -> dict[str, Any]:
    own: dict[str, Any] = {
        "AdcRasterTime": (rasters.adc,),
        "BlockDurationRaster": (rasters.block,),
        "GradientRasterTime": (rasters.gradient,),
        "RadiofrequencyRasterTime": (rasters.rf,),
        "TotalDuration": (round(sum(block.duration for block in blocks), 9),),
    }
    return own | definitions_of(more)


def definitions_of(given: Mapping[str, Any]) -> dict[str, tuple[float, ...] | str]:
    """Definitions as a file holds them.

    **Raises:** `ValueError` for names with spaces, and values that are neither text nor numbers.
    """
    found: dict[str, tuple[float, ...] | str] = {}
    for name, value in given.items():
        if len(name.split()) != 1:
            raise ValueError(f"`definitions` must have names without spaces, but got {name!r}.")
        try:
            found[name] = value if isinstance(value, str) else tuple(np.ravel(value).astype(float).tolist())
        except (TypeError, ValueError):
            raise ValueError(f"`definitions` must be numbers or text, but {name} is {value!r}.") from None
        if "\n" in str(value):
            raise ValueError(f"`definitions` must be one line each, but {name} is {value!r}.")
    return found


def _blocks(played: Iterable[Playing], writer: "_BlockWriter") -> Iterator[Block]:
    """A block for each event that lasts, with the notes before it; notes at the end have one of their own.

    Of one block, labels are set before any counts up: where they come in another order, those before have a block too.
    """
    notes: list[tuple[str, tuple[str, ...]]] = []
    for one in played:
        if isinstance(one.located.event, AbstractNote):
            note = _note(one)
            if notes and not _may_follow(note[0], [name for name, _ in notes]):
                yield writer.empty(tuple(notes))
                notes = []
            notes.append(note)
            continue
        yield writer.block(one, tuple(notes))
        notes = []
    if notes:
        yield writer.empty(tuple(notes))


def _may_follow(name: str, before: list[str]) -> bool:
    """Whether notes of one block are read in this order."""
    rank = lambda other: ("LABELSET", "LABELINC").index(other) if other in ("LABELSET", "LABELINC") else 2
    return name == before[-1] or (name not in before and rank(name) >= rank(before[-1]))


def _note(played: Playing) -> tuple[str, tuple[str, ...]]:
    """Name and words of an extension."""
    event: Any = played.located.event
    if isinstance(event, Annotation):
        return event.name, event.words
    value = float(played.values["value"])
    if value != round(value):
        raise ValueError(f"`value` of {played.name} must be a whole number to be written, but is {value:g}.")
    return "LABELINC" if event.increment else "LABELSET", (str(round(value)), event.name)


@dataclass
class _BlockContents:
    """What is to be written of a block, in s from its start: events of RF and readout, and gradients by axis."""

    rf: list[tuple[float, AbstractRF]]
    adc: list[tuple[float, Readout]]
    gradients: dict[str, list[tuple[np.ndarray, np.ndarray]]]
    duration: float


class _BlockWriter:
    """Writes blocks; those that come again are made once."""

    def __init__(self, library: EventLibrary, rasters: Rasters, minor: int):
        self._library = library
        self._rasters = rasters
        self._events = EventWriter(library, rasters, minor)
        self._known: dict[tuple, Block] = {}

    def block(self, played: Playing, notes: tuple) -> Block:
        key = (played.key, notes)
        if key not in self._known:
            require_lasting(played)
            try:
                self._known[key] = self._made(_contents_of(played), notes)
            except ValueError as error:
                raise ValueError(f"{played.name} cannot be written: {error}") from None
        return self._known[key]

    def empty(self, notes: tuple) -> Block:
        """A block of nothing but notes."""
        return Block(0.0, 0, 0, 0, 0, 0, 0, self._library.extension_id(notes))

    def _made(self, contents: _BlockContents, notes: tuple) -> Block:
        for name, several in (("pulses", contents.rf), ("readouts", contents.adc)):
            if len(several) > 1:
                raise ValueError(
                    f"a block holds one at most, but it has {len(several)} {name}; write a block for each."
                )
        rf = [self._events.rf(pulse, start) for start, pulse in contents.rf]
        adc = [self._events.adc(readout, start) for start, readout in contents.adc]
        gx, gy, gz = (
            self._events.gradient(*_summed(contents.gradients[axis])) if axis in contents.gradients else 0
            for axis in AXES
        )
        duration = steps(contents.duration, self._rasters.block, "a duration", "block") * self._rasters.block
        extension = self._library.extension_id(notes)
        return Block(duration, 0, rf[0] if rf else 0, gx, gy, gz, adc[0] if adc else 0, extension)


def _contents_of(played: Playing) -> _BlockContents:
    event = played.located.event.with_leaves(played.values)
    if not isinstance(event, AbstractScannerEvent):
        raise ValueError(f"a {type(event).__name__} is no event of a scanner.")
    found = _BlockContents([], [], {}, 0.0)
    for track in event.tracks:
        start = 0.0
        for part in track:
            _place(found, part, start)
            start += _duration(part)
        found.duration = max(found.duration, start)
    return found


def _place(found: _BlockContents, part: AbstractChannelEvent, start: float) -> None:
    match part:
        case AbstractRF():
            found.rf.append((start, part))
        case Readout():
            found.adc.append((start, part))
        case Gradient():
            found.gradients.setdefault(part.axis, []).append(
                (start + np.asarray(part.times), np.asarray(part.waveform))
            )
        case Delay():
            pass
        case _:
            raise ValueError(f"the format knows no {type(part).__name__}, but RF, gradients, readouts and delays.")


def _duration(part: AbstractChannelEvent) -> float:
    exact = part.with_leaves({name: in_double_precision(value) for name, value in part.leaves().items()})
    duration = float(exact.duration)
    if not np.isfinite(duration):
        raise ValueError("it never ends.")
    return duration


def _summed(gradients: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """Gradients along one axis as one."""
    if len(gradients) == 1:
        return gradients[0]
    times = np.unique(np.round(np.concatenate([times for times, _ in gradients]), 12))
    return times, sum(np.interp(times, at, values, left=0.0, right=0.0) for at, values in gradients)  # type: ignore
