"""The tables of a Pulseq file, whose columns depend on the version, as events in SI units."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from mrjax.pulseq import sections
from mrjax.pulseq.errors import Source
from mrjax.pulseq.events import AdcEvent, ArbitraryGradient, RfEvent, Trapezoid
from mrjax.pulseq.sections import Section, Table

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
    read = sections.table(section, layout_of(RF, minor), source)
    for use, line in zip(read.words.get("use", []), read.lines, strict=False):
        if len(use) != 1 or use not in "erispou":
            raise source.error(line, f"use must be one of the letters e, r, i, s, p, o, u, but is {use!r}.")
    return events_by_id(read, _rf_event, source), read


def gradients(section: Section, minor: int, source: Source) -> tuple[dict[int, ArbitraryGradient], Table]:
    """The gradients of any shape, and the table for further checks."""
    read = sections.table(section, layout_of(GRADIENTS, minor), source)
    return events_by_id(read, _gradient, source), read


def trapezoids(section: Section, source: Source) -> tuple[dict[int, Trapezoid], Table]:
    """The trapezoidal gradients, and the table for further checks."""
    read = sections.table(section, layout_of(TRAP, 2), source)
    return events_by_id(read, _trapezoid, source), read


def adc_events(section: Section, minor: int, source: Source) -> tuple[dict[int, AdcEvent], Table]:
    """The readouts, and the table for further checks."""
    read = sections.table(section, layout_of(ADC, minor), source)
    return events_by_id(read, _adc_event, source), read


def delays(section: Section, source: Source) -> dict[int, float]:
    """The delays in s."""
    read = sections.table(section, layout_of(DELAYS, 2), source)
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
