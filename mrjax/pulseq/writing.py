"""Writing Pulseq files."""

import dataclasses
import hashlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mrjax.pulseq import tables
from mrjax.pulseq.exporting import definitions_of, from_sequence
from mrjax.pulseq.file import Block, PulseqFile
from mrjax.pulseq.rasters import Rasters
from mrjax.pulseq.shapes import compressed
from mrjax.sequence.base import AbstractContainer

MICRO, NANO = 1e6, 1e9

UNITS = {"delay": MICRO, "center": MICRO, "rise": MICRO, "flat": MICRO, "fall": MICRO, "dwell": NANO}
"""In what part of a second times stand there."""


def write(
    what: PulseqFile | AbstractContainer,
    path: str | Path,
    *,
    version: str | None = None,
    scanner: Any | None = None,
    rasters: Rasters | None = None,
    definitions: Mapping[str, Any] | None = None,
    pulse_duration: Any = None,
    readout: Any = None,
) -> None:
    """Write a Pulseq file, with its signature; it stands there whole or not at all.

    **Arguments:**

    - `what`: A `PulseqFile`, of which nothing is lost, or a sequence as for `from_sequence`.
    - `path`: Of the file; one that is there is replaced.
    - `version`: Of the format: 1.5.0 by default for sequences. A `PulseqFile` keeps its own.
    - `scanner`, `rasters`: As for `from_sequence`; for sequences alone.
    - `definitions`: Put in place of those of the same name, or added.
    - `pulse_duration`, `readout`: As for `from_sequence`: in place of pulses and samples that take no time.

    **Raises:** `ValueError` as `from_sequence`, and for a `PulseqFile` of another version.

    **Source:** Pulseq file format specification, versions 1.2 to 1.5 (pulseq.github.io).

    !!! example

        ```python
        >>> import pathlib, tempfile
        >>> import mrjax as mr
        >>> from mrjax.units import ms, mT, us
        >>> gradient = mr.Gradient.trapezoid(5 * mT, rise=100 * us, flat=3.2 * ms, axis="x")
        >>> readout = mr.Sequence(mr.Delay(100 * us), mr.Readout(64, dwell=50 * us))
        >>> fid = mr.Sequence(
        ...     mr.ContinuousWave(5.871e-6, duration=1 * ms, use="excitation"), mr.Together(readout, gradient)
        ... )
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "line.seq"
        >>> mr.pulseq.write(fid, path)
        >>> len(mr.pulseq.read(path).blocks)
        2

        ```
    """
    if isinstance(what, PulseqFile):
        others = (scanner, rasters, pulse_duration, readout)
        if version not in (None, str(what.version)) or any(other is not None for other in others):
            raise ValueError(
                f"A `PulseqFile` is written as it is, in version {what.version}; for another `version`, `scanner` or `rasters` "
                "write `to_sequence(file)`."
            )
        file = dataclasses.replace(what, definitions=dict(what.definitions) | definitions_of(definitions or {}))
    elif isinstance(what, AbstractContainer):
        file = from_sequence(
            what,
            version=version or "1.5.0",
            scanner=scanner,
            rasters=rasters,
            definitions=definitions,
            pulse_duration=pulse_duration,
            readout=readout,
        )
    else:
        raise ValueError(f"`what` must be a PulseqFile or a Sequence, but got {type(what).__name__}.")
    _replace(Path(path), _text_of(file))


def _replace(path: Path, text: str) -> None:
    """Put a text in the place of a file, at once."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        # temporary files are for their owner alone; this one is to be as any other
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(name, 0o666 & ~mask)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def _text_of(file: PulseqFile) -> str:
    """All of a file, with a signature of its own at the end."""
    body = "\n".join(_lines(file))
    return f"{body}\n[SIGNATURE]\nType md5\nHash {hashlib.md5(body.encode()).hexdigest()}\n"


def _lines(file: PulseqFile) -> Iterator[str]:
    minor = file.version.minor
    yield from ("# Pulseq sequence file", "# Written by mrjax", "")
    words = zip(("major", "minor", "revision"), str(file.version).split(".", 2), strict=True)
    yield from _section("VERSION", (f"{name} {word}" for name, word in words))
    yield from _section("DEFINITIONS", (f"{name} {_definition(value)}" for name, value in file.definitions.items()))
    yield from _section("BLOCKS", _blocks(file), f"# {_named(tables.BLOCKS, minor)}")
    tabled: list[tuple[str, Mapping[int, Any], dict[int, str]]] = [
        ("RF", file.rf, tables.RF),
        ("GRADIENTS", file.gradients, tables.GRADIENTS),
        ("TRAP", file.trapezoids, tables.TRAP),
        ("ADC", file.adc, tables.ADC),
    ]
    for name, events, layouts in tabled:
        columns = _names(layouts, minor)[1:]
        rows = (" ".join([str(i), *(_column(event, column) for column in columns)]) for i, event in events.items())
        yield from _section(name, rows, f"# {_named(layouts, minor)}")
    yield from _section("DELAYS", (f"{i} {_scaled(delay, MICRO)}" for i, delay in file.delays.items()))
    yield from _section("EXTENSIONS", _extensions(file), "# id type reference next")
    yield from _section("SHAPES", _shapes(file))
    for name, text in file.other.items():
        yield from _section(name, iter(text.split("\n")))


def _section(name: str, rows: Iterator[str], *comments: str) -> Iterator[str]:
    first = next(rows, None)
    if first is not None:
        yield from (*comments, f"[{name}]", first, *rows, "")


def _names(layouts: Mapping[int, str], minor: int) -> list[str]:
    return [name.rstrip('!~+"') for name in tables.layout_of(dict(layouts), minor).split()]


def _named(layouts: Mapping[int, str], minor: int) -> str:
    """The columns with their units, as a comment."""
    units = {MICRO: " (us)", NANO: " (ns)"}
    named = [f"{name}{units[UNITS[name]] if name in UNITS else ''}" for name in _names(layouts, minor)]
    return ", ".join("duration (block rasters)" if name == "duration" else name for name in named)


def _definition(value: tuple[float, ...] | str) -> str:
    return value if isinstance(value, str) else " ".join(map(_number, value))


def _blocks(file: PulseqFile) -> Iterator[str]:
    columns = _names(tables.BLOCKS, file.version.minor)[1:]
    for number, block in enumerate(file.blocks, 1):
        yield " ".join([str(number), *(_block_column(file, block, column) for column in columns)])


def _block_column(file: PulseqFile, block: Block, column: str) -> str:
    if column != "duration":
        return str(getattr(block, column))
    return str(round(block.duration / file.block_raster))


def _column(event: Any, name: str) -> str:
    value = getattr(event, name)
    if isinstance(value, str | int):
        return str(value)
    return _number(value) if name not in UNITS else _scaled(value, UNITS[name])


def _scaled(seconds: float, per_second: float) -> str:
    """A time in microseconds or nanoseconds such that reading it gives the same number of seconds."""
    scaled = seconds * per_second
    near = (round(scaled, 6), scaled, np.nextafter(scaled, np.inf).item(), np.nextafter(scaled, -np.inf).item())
    return _number(next((number for number in near if number / per_second == seconds), scaled))


def _number(value: float) -> str:
    """The shortest text that gives the same number."""
    return str(int(value)) if value == np.floor(value) and abs(value) < 1e15 else repr(float(value))


def _extensions(file: PulseqFile) -> Iterator[str]:
    for identifier, link in file.extensions.items():
        yield f"{identifier} {link.type} {link.reference} {link.next}"
    for kind, specification in file.extension_specifications.items():
        yield ""
        yield f"extension {specification.name} {kind}"
        for identifier, words in specification.rows.items():
            yield " ".join([str(identifier), *words])


def _shapes(file: PulseqFile) -> Iterator[str]:
    for identifier, shape in file.shapes.items():
        yield f"shape_id {identifier}"
        yield f"num_samples {shape.n_samples}"
        yield from map(_number, compressed(shape, file.version.minor >= 4).tolist())
        yield ""
