"""The tables of a Pulseq file, whose columns depend on the version, as blocks and events in SI units."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from mrjax.pulseq.file import AdcEvent, ArbitraryGradient, Block, Extension, PulseqFile, RfEvent, Trapezoid
from mrjax.pulseq.shapes import Shape
from mrjax.pulseq.text import Section, Source, Table, table_of

Event = TypeVar("Event")

NANOSECONDS, MICROSECONDS = 1e9, 1e6
"""In a second; times are divided by them, which rounds once."""

BLOCKS = {
    2: "number! delay! rf! gx! gy! gz! adc!",
    3: "number! delay! rf! gx! gy! gz! adc! extension!",
    4: "number! duration+ rf! gx! gy! gz! adc! extension!",
}
RF = {
    2: "id! amplitude magnitude_shape! phase_shape! delay+ frequency phase",
    4: "id! amplitude magnitude_shape! phase_shape! time_shape! delay+ frequency phase",
    5: "id! amplitude magnitude_shape! phase_shape! time_shape~ center+ delay+ frequency_ppm phase_per_megahertz "
    'frequency phase use"',
}
GRADIENTS = {
    2: "id! amplitude shape! delay+",
    4: "id! amplitude shape! time_shape! delay+",
    5: "id! amplitude first last shape! time_shape~ delay+",
}
TRAP = {2: "id! amplitude rise+ flat+ fall+ delay+"}
ADC = {
    2: "id! n_samples! dwell+ delay+ frequency phase",
    5: "id! n_samples! dwell+ delay+ frequency_ppm phase_per_megahertz frequency phase phase_shape!",
}
DELAYS = {2: "id! delay+"}

EVENTS = ("delay", "rf", "gx", "gy", "gz", "adc", "extension")
"""The ids that a block consists of."""

SECTIONS_OF = {
    "delay": "DELAYS",
    "rf": "RF",
    "gx": "GRADIENTS or TRAP",
    "gy": "GRADIENTS or TRAP",
    "gz": "GRADIENTS or TRAP",
    "adc": "ADC",
    "extension": "EXTENSIONS",
}
"""The sections in which each of them stands."""


def layout_of(layouts: dict[int, str], minor: int) -> str:
    """The columns in a minor version: those of the last version that changed them."""
    return layouts[max(since for since in layouts if since <= minor)]


def events_by_id(read: Table, make: Callable[..., Event], source: Source) -> dict[int, Event]:
    """One event for each row by id, made of the other columns by name.

    **Raises:** `PulseqError` for id 0, which stands for no event, and for an id that stands twice.
    """
    ids = read.whole("id")
    seen: dict[int, int] = {}
    for identifier, line in zip(ids, read.lines, strict=True):
        if identifier == 0:
            raise source.error(line, "an id must be 1 or more; 0 stands for no event.")
        if identifier in seen:
            raise source.error(line, f"id {identifier} stands there a second time, after line {seen[identifier]}.")
        seen[identifier] = line
    columns: dict[str, Sequence[Any]] = {name: _of_its_kind(read, name) for name in (*read.columns, *read.words)}
    names = [name for name in columns if name != "id"]
    rows = zip(*(columns[name] for name in names), strict=True)
    return {identifier: make(**dict(zip(names, row, strict=True))) for identifier, row in zip(ids, rows, strict=True)}


def rf_events(section: Section, minor: int, source: Source) -> tuple[dict[int, RfEvent], Table]:
    """The RF pulses, and the table for further checks."""
    read = table_of(section, layout_of(RF, minor), source)
    for use, line in zip(read.words.get("use", []), read.lines, strict=False):
        if len(use) != 1 or use not in "erispou":
            raise source.error(line, f"use must be one of the letters e, r, i, s, p, o, u, but is {use!r}.")
    return events_by_id(read, _rf_event, source), read


def gradients(section: Section, minor: int, source: Source) -> tuple[dict[int, ArbitraryGradient], Table]:
    """The gradients of any shape, and the table for further checks."""
    read = table_of(section, layout_of(GRADIENTS, minor), source)
    return events_by_id(read, _gradient, source), read


def trapezoids(section: Section, source: Source) -> tuple[dict[int, Trapezoid], Table]:
    """The trapezoidal gradients, and the table for further checks."""
    read = table_of(section, layout_of(TRAP, 2), source)
    return events_by_id(read, _trapezoid, source), read


def adc_events(section: Section, minor: int, source: Source) -> tuple[dict[int, AdcEvent], Table]:
    """The readouts, and the table for further checks."""
    read = table_of(section, layout_of(ADC, minor), source)
    return events_by_id(read, _adc_event, source), read


def delays(section: Section, source: Source) -> dict[int, float]:
    """The delays in s."""
    read = table_of(section, layout_of(DELAYS, 2), source)
    return events_by_id(read, lambda delay: delay / MICROSECONDS, source)


def _of_its_kind(read: Table, name: str) -> Sequence[Any]:
    if name in read.words:
        return read.words[name]
    whole = name in ("n_samples", "shape") or name.endswith("_shape")
    return read.whole(name) if whole else read.columns[name].tolist()


def _rf_event(*, delay: float, center: float | None = None, time_shape: int = 0, **others: Any) -> RfEvent:
    in_seconds = None if center is None else center / MICROSECONDS
    return RfEvent(delay=delay / MICROSECONDS, center=in_seconds, time_shape=time_shape, **others)


def _gradient(*, delay: float, time_shape: int = 0, **others: Any) -> ArbitraryGradient:
    return ArbitraryGradient(delay=delay / MICROSECONDS, time_shape=time_shape, **others)


def _trapezoid(*, amplitude: float, **times: float) -> Trapezoid:
    return Trapezoid(amplitude, **{name: time / MICROSECONDS for name, time in times.items()})


def _adc_event(*, dwell: float, delay: float, **others: Any) -> AdcEvent:
    return AdcEvent(dwell=dwell / NANOSECONDS, delay=delay / MICROSECONDS, **others)


def require_known(
    read: Table, column: str, known: Collection[int], target: str, present: Collection[str], source: Source
) -> None:
    """Every id in a column must be known; 0 and less stand for none.

    **Arguments:**

    - `read`, `column`: Where the ids stand.
    - `known`: The ids that there are.
    - `target`: Name of the section that holds them; where it is missing from `present`, the message says so.

    **Raises:** `PulseqError` at the line of the first that is not known.
    """
    if column not in read.columns:
        return
    for identifier, line in zip(read.whole(column), read.lines, strict=True):
        if identifier > 0 and identifier not in known:
            missing = "" if any(name in present for name in target.split(" or ")) else ", a section that is missing"
            listed = " or ".join(f"[{name}]" for name in target.split(" or "))
            raise source.error(line, f"{column} refers to id {identifier}, which is not in {listed}{missing}.")


def require_samples(read: Table, shapes: Mapping[int, Shape], source: Source) -> None:
    """An RF pulse needs a magnitude; its phase and its times may be left out, or have as many samples."""
    for identifier, line in zip(read.whole("magnitude_shape"), read.lines, strict=True):
        if identifier == 0:
            raise source.error(line, "magnitude_shape of an RF event must be the id of a shape, but is 0.")
    lengths = {identifier: shape.n_samples for identifier, shape in shapes.items()}
    for column in ("phase_shape", "time_shape"):
        if column not in read.columns:
            continue
        for magnitude, other, line in zip(read.whole("magnitude_shape"), read.whole(column), read.lines, strict=True):
            if other > 0 and lengths[other] != lengths[magnitude]:
                raise source.error(
                    line,
                    f"magnitude_shape {magnitude} has {lengths[magnitude]} samples, but {column} {other} has "
                    f"{lengths[other]}; they must have as many.",
                )


def require_distinct(trapezoids: Table, gradients: Collection[int], source: Source) -> None:
    """Trapezoids and other gradients share their ids."""
    for identifier, line in zip(trapezoids.whole("id"), trapezoids.lines, strict=True):
        if identifier in gradients:
            raise source.error(line, f"id {identifier} of [TRAP] is in [GRADIENTS] too; they share their ids.")


def require_ends(links: Mapping[int, Extension], section: Section, source: Source) -> None:
    """Lists of extensions must end."""
    ends = {0}
    for first in links:
        passed: dict[int, None] = {}
        link = first
        while link not in ends:
            if link in passed:
                raise source.error(section.line, f"the list of extensions that starts at id {first} never ends.")
            passed[link] = None
            link = links[link].next
        ends.update(passed)


def blocks_of(file: PulseqFile, section: Section, present: Collection[str], source: Source) -> tuple[Block, ...]:
    """The blocks in playing order, as the rows stand.

    From version 1.4 the file says how long each lasts, in block rasters; before, it lasts as long as its longest event.

    **Arguments:**

    - `file`: All but its blocks.
    - `section`: [BLOCKS].
    - `present`: Names of the sections that the file has.

    **Raises:** `PulseqError` where a block refers to an event that is not there.
    """
    read = table_of(section, layout_of(BLOCKS, file.version.minor), source)
    gradients = {*file.gradients, *file.trapezoids}
    known = {"delay": file.delays, "rf": file.rf, "adc": file.adc, "extension": file.extensions} | dict.fromkeys(
        ("gx", "gy", "gz"), gradients
    )
    for column, sections in SECTIONS_OF.items():
        require_known(read, column, known[column], sections, present, source)
    none = [0] * len(read.lines)
    ids = {name: read.whole(name) if name in read.columns else none for name in EVENTS}
    rows = zip(_durations(file, read, ids), *ids.values(), strict=True)
    return tuple(Block(*row) for row in rows)


def _durations(file: PulseqFile, read: Table, ids: Mapping[str, list[int]]) -> list[float]:
    if "duration" in read.columns:
        return (read.columns["duration"] * file.block_raster).tolist()
    lasts = _event_durations(file)
    columns = [[lasts[name].get(identifier, 0.0) for identifier in ids[name]] for name in EVENTS[:-1]]
    return np.max(columns, axis=0).tolist()


def _event_durations(file: PulseqFile) -> dict[str, dict[int, float]]:
    """How long each event lasts in s with its delay, by id; of versions before 1.4, which have no time shapes."""
    samples = {identifier: shape.n_samples for identifier, shape in file.shapes.items()}
    rf = {i: event.delay + samples[event.magnitude_shape] * file.rf_raster for i, event in file.rf.items()}
    gradients = {i: g.delay + samples.get(g.shape, 0) * file.gradient_raster for i, g in file.gradients.items()}
    gradients |= {i: trap.delay + trap.rise + trap.flat + trap.fall for i, trap in file.trapezoids.items()}
    adc = {i: event.delay + event.n_samples * event.dwell for i, event in file.adc.items()}
    return {"delay": dict(file.delays), "rf": rf, "gx": gradients, "gy": gradients, "gz": gradients, "adc": adc}
