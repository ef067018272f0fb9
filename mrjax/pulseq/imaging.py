"""Pulseq files of any kind as sequences of waveforms."""

import math
from collections.abc import Iterator, Mapping

import numpy as np

from mrjax import units
from mrjax.pulseq.block_tracks import BlockConverter
from mrjax.pulseq.extensions import NOTHING, Notes, notes_of, warn_of_unknown
from mrjax.pulseq.file import Block, PulseqError, PulseqFile
from mrjax.pulseq.gradient_points import edges_of
from mrjax.pulseq.loops import built, folded
from mrjax.pulseq.plain_events import Entries, PlainEvent, Tracks
from mrjax.pulseq.rf_events import larmor_frequency, uses_of
from mrjax.sequence.containers import Sequence
from mrjax.sequence.events import Delay


def to_sequence(
    file: PulseqFile,
    *,
    b0: float | None = None,
    soft_delays: Mapping[str, float] | None = None,
    uses: Mapping[int, str] | None = None,
) -> Sequence:
    r"""What a Pulseq file plays, with its waveforms and timing, as nested repeats.

    Each block that lasts becomes a `Together` of its pulse, its gradients and its readout, or a `Delay` where it holds
    nothing; a `Delay` beside them keeps its duration. RF in Hz becomes $B_1 = f / \gamma\!\!\!^-$ and gradients in Hz/m
    likewise, of protons. A pulse whose samples are all equal is a `ContinuousWave`.

    **Gradients** are straight between their points: the corners of a trapezoid, the samples in the middles of the rasters and
    the edges `first` and `last`. Files before version 1.5 do not store these edges; they are then zero where no gradient adjoins,
    the first or last value of a neighbour that is known, and between two sampled gradients the lesser of the two values to which
    lines through the samples on either side lead, no farther from zero than these samples. Rotations are applied.

    **Pulses** act at the center that the file states (version 1.5), else in the middle of where they are strongest. What they
    are for is stated too, from version 1.5. Where it is not, those that turn by more than 120 degrees on resonance are taken for
    refocusing ones, and all others for excitations; `uses` says otherwise.

    **Loops:** blocks that differ in numbers alone are repetitions of one, which has leaves with an entry for each; patterns
    are found at every level, so that ten thousand blocks become a few events.

    **Labels** and triggers stand before their block as `Label` and `Annotation`, which engines pass over.

    **Arguments:**

    - `file`: From `read`.
    - `b0`: In T, for offsets in ppm (version 1.5); that of the file's DEFINITIONS by default.
    - `soft_delays`: Inputs in s by name, such as `{"TE": 8e-3}`, from which soft delays (version 1.5) are computed; those
      that are not named last as long as the file says.
    - `uses`: What RF events are for, by their ids in the file, such as `{2: "refocusing"}`; in place of what the file states.

    **Returns:** A `Sequence` of the same duration, with a sample for each of the file's. Phases of receiver and pulses begin
    with their events.

    **Raises:** `PulseqError` for what cannot be played, `ValueError` for soft delays that the file does not have or that
    become negative, and for `uses` of events that it does not have. Warns of extensions that are not known, and where the
    trajectory in k-space depends on what a pulse is for and its angle leaves doubt: a readout follows one that is taken for
    refocusing, or the excitations do not all turn by one angle of at most 90 degrees.

    **Source:** Pulseq file format specification, versions 1.2 to 1.5 (pulseq.github.io).

    !!! example

        ```python
        >>> import mrjax as mr
        >>> from mrjax.units import mT, ms, us
        >>> gradient = mr.Gradient.trapezoid(5 * mT, rise=100 * us, flat=3.2 * ms, axis="x")
        >>> line = mr.Together(gradient, mr.Sequence(mr.Delay(100 * us), mr.Readout(64, dwell=50 * us)))
        >>> file = mr.pulseq.from_sequence(mr.Sequence(line, line, line, line))
        >>> sequence = mr.pulseq.to_sequence(file)
        >>> sequence[0].n_repetitions, sequence.n_samples
        (4, 256)

        ```
    """
    larmor = larmor_frequency(file, 2 * math.pi * units.GAMMA_BAR["1H"], b0)
    warn_of_unknown(file)
    notes = {block.extension: notes_of(file, block.extension) for block in file.blocks if block.extension}
    inputs = dict(soft_delays or {})
    _require_known(inputs, notes)
    converter = BlockConverter(file, larmor, uses_of(file, uses or {}))
    entries = Entries(_played(file, converter, {0: NOTHING} | notes, inputs))
    begins_well = np.array([entries.begins_with_rf(form) for form in range(entries.n_forms)], bool)
    return Sequence(*built(folded(entries.forms, begins_well[entries.forms]), entries.event))


def _played(
    file: PulseqFile, converter: BlockConverter, notes: Mapping[int, Notes], inputs: Mapping[str, float]
) -> Iterator[Tracks | PlainEvent]:
    """Entry after entry; what comes again is the same object."""
    known: dict[tuple, Tracks | PlainEvent | None] = {}
    edges = edges_of(file)
    for number, block in enumerate(file.blocks, 1):
        said = notes[block.extension]
        yield from said.parts
        duration = _soft_duration(file, number, block, said, inputs)
        between = None if edges is None else edges[number - 1]
        turned = None if said.rotation is None else block.extension
        key = (duration, block.rf, block.gx, block.gy, block.gz, block.adc, between, turned)
        if key not in known:
            known[key] = _entry(converter, number, block, duration, between, said)
        if (entry := known[key]) is not None:
            yield entry


def _entry(
    converter: BlockConverter, number: int, block: Block, duration: float, edges: tuple | None, said: Notes
) -> Tracks | PlainEvent | None:
    """What a block plays; None where it takes no time."""
    if not any((block.rf, block.gx, block.gy, block.gz, block.adc)):
        return PlainEvent(Delay, (), (duration,)) if duration > 0 else None
    return converter.tracks(number, block, edges, said.rotation)


def _soft_duration(file: PulseqFile, number: int, block: Block, said: Notes, inputs: Mapping[str, float]) -> float:
    """The duration of a block in s, after what was asked for."""
    soft = said.soft_delay
    if soft is None or soft.hint not in inputs:
        return block.duration
    if any((block.rf, block.gx, block.gy, block.gz, block.adc)):
        raise PulseqError(file.path, None, f"block {number} has a soft delay, {soft.hint}, but plays events.")
    duration = inputs[soft.hint] / soft.factor + soft.offset
    duration = round(duration / file.block_raster) * file.block_raster
    if duration < 0:
        raise ValueError(
            f"`soft_delays` must leave no delay negative, but {soft.hint} of {inputs[soft.hint]:g} s makes block {number} last "
            f"{duration:g} s."
        )
    return duration


def _require_known(inputs: Mapping[str, float], notes: Mapping[int, Notes]) -> None:
    hints = {said.soft_delay.hint for said in notes.values() if said.soft_delay is not None}
    for name, value in inputs.items():
        if name not in hints:
            listed = ", ".join(sorted(hints)) or "none"
            raise ValueError(f"`soft_delays` must name soft delays of the file ({listed}), but got {name!r}.")
        if not (isinstance(value, float | int) and math.isfinite(value)):
            raise ValueError(f"`soft_delays` must be times in s, but {name} is {value!r}.")
