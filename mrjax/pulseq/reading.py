"""Reading Pulseq files."""

import dataclasses
import itertools
from pathlib import Path

from mrjax.pulseq import tables
from mrjax.pulseq.file import RASTERS, Extension, ExtensionSpecification, PulseqFile, Version
from mrjax.pulseq.shapes import Shape, decompressed
from mrjax.pulseq.text import (
    Section,
    Source,
    decoded,
    numbers,
    sections_of,
    shortened,
    signature_of,
    table_of,
    unpacked,
    warn_if_changed,
    without_comment,
)

KNOWN_MINOR = (2, 3, 4, 5)

SHORTEST_RASTER = 1e-12
"""In s."""

SECTIONS = (
    "VERSION", "DEFINITIONS", "BLOCKS", "RF", "GRADIENTS", "TRAP", "ADC", "DELAYS", "EXTENSIONS", "SHAPES", "SIGNATURE",
)  # fmt: skip


def read(path: str | Path) -> PulseqFile:
    """Read a Pulseq file of version 1.2 to 1.5; waveforms stay run-length coded.

    **Arguments:**

    - `path`: A `.seq` file, plain or packed with gzip (`.seq.gz`).

    **Returns:** A `PulseqFile`: blocks and the events they refer to, in SI units. A signature that does not fit the content
    is a warning: some published files were edited by hand.

    **Raises:** `PulseqError`, a `ValueError` that names file, line and cause, for whatever is wrong with the file.

    **Source:** Pulseq file format specification, versions 1.2 to 1.5 (pulseq.github.io).

    !!! example

        ```python
        >>> import pathlib, tempfile
        >>> import mrjax as mr
        >>> text = '''
        ... [VERSION]
        ... major 1
        ... minor 3
        ... revision 1
        ... [BLOCKS]
        ... 1 1 0 0 0 0 0 0
        ... [DELAYS]
        ... 1 5000
        ... '''
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "wait.seq"
        >>> _ = path.write_text(text)
        >>> file = mr.pulseq.read(path)
        >>> str(file.version), file.blocks[0].duration
        ('1.3.1', 0.005)

        ```
    """
    path = Path(path)
    data = unpacked(path)
    text = decoded(path, data)
    source = Source(path, len(text.rstrip().split("\n")))
    file = _parsed(sections_of(text, source), source)
    warn_if_changed(data, file.signature, source)
    return file


def _parsed(found: dict[str, Section], source: Source) -> PulseqFile:
    version = _version(_required(found, "VERSION", source), source)
    minor = version.minor
    part = lambda name: found.get(name) or Section(name, source.last_line, [], [])
    definitions = _definitions(part("DEFINITIONS"), minor, source)
    shapes = _shapes(part("SHAPES"), minor >= 4, source)
    rf, rf_table = tables.rf_events(part("RF"), minor, source)
    gradients, gradient_table = tables.gradients(part("GRADIENTS"), minor, source)
    trapezoids, trapezoid_table = tables.trapezoids(part("TRAP"), source)
    adc, adc_table = tables.adc_events(part("ADC"), minor, source)
    tables.require_distinct(trapezoid_table, gradients, source)
    for table in (rf_table, gradient_table, adc_table):
        for column in ("magnitude_shape", "phase_shape", "time_shape", "shape"):
            tables.require_known(table, column, shapes, "SHAPES", found, source)
    tables.require_samples(rf_table, shapes, source)
    extensions, specifications = _extensions(part("EXTENSIONS"), source)
    file = PulseqFile(
        path=source.path,
        version=version,
        definitions=definitions,
        blocks=(),
        rf=rf,
        gradients=gradients,
        trapezoids=trapezoids,
        adc=adc,
        delays=tables.delays(part("DELAYS"), source),
        shapes=shapes,
        extensions=extensions,
        extension_specifications=specifications,
        signature=signature_of(found.get("SIGNATURE"), source),
        other={name: "\n".join(section.rows) for name, section in found.items() if name not in SECTIONS},
    )
    return dataclasses.replace(file, blocks=tables.blocks_of(file, _required(found, "BLOCKS", source), found, source))


def _required(found: dict[str, Section], name: str, source: Source) -> Section:
    if name not in found:
        raise source.error(source.last_line, f"section [{name}] is missing; every Pulseq file has one.")
    if not found[name].rows:
        raise source.error(found[name].line, f"section [{name}] is empty.")
    return found[name]


def _version(section: Section, source: Source) -> Version:
    """Of the format.

    **Raises:** `PulseqError` where it is not complete, or not one of 1.2 to 1.5.
    """
    words = {row.split()[0].lower(): row.split()[1:] for row in section.rows}
    for name in ("major", "minor", "revision"):
        if len(words.get(name, [])) != 1:
            raise source.error(section.line, f"[VERSION] must hold {name} and its number, as in '{name} 1'.")
    (major,), (minor,), (revision,) = words["major"], words["minor"], words["revision"]
    if major != "1" or minor not in map(str, KNOWN_MINOR):
        raise source.error(
            section.line, f"version {major}.{minor}.{revision} of the format is not known; known are 1.2 to 1.5."
        )
    return Version(1, int(minor), revision)


def _definitions(section: Section, minor: int, source: Source) -> dict[str, tuple[float, ...] | str]:
    """By name; what is not all numbers is text. NaN is allowed: files write it for what they leave open.

    Numbers may be followed by a comment; a text is taken as it stands, since it may hold a `#`.

    **Raises:** `PulseqError` where a raster time that the version needs is missing, or is no time.
    """
    found: dict[str, tuple[float, ...] | str] = {}
    lines: dict[str, int] = {}
    for row, line in zip(section.rows, section.lines, strict=True):
        name, *values = row.split(maxsplit=1)
        text = values[0] if values else ""
        lines[name] = line
        try:
            found[name] = tuple(map(float, without_comment(f" {text}").split())) or ""
        except ValueError:
            found[name] = text
    for name in RASTERS:
        value = found.get(name)
        if value is None and minor >= 4:
            raise source.error(
                section.line, f"[DEFINITIONS] lacks {name}, which version 1.{minor} of the format requires."
            )
        if value is not None and (isinstance(value, str) or len(value) != 1 or not SHORTEST_RASTER <= value[0] < 1):
            raise source.error(lines[name], f"{name} must be one positive time in s, but is {value}.")
    return found


def _shapes(section: Section, plain_allowed: bool, source: Source) -> dict[int, Shape]:
    """The shapes by id; `plain_allowed` as in `decompressed`.

    **Raises:** `PulseqError` where one does not decompress to the number of samples that it says.
    """
    starts = [i for i, row in enumerate(section.rows) if row.lower().startswith("shape_id")]
    if section.rows and (not starts or starts[0] > 0):
        raise source.error(section.lines[0], f"'shape_id' is due, but got {shortened(section.rows[0])}.")
    found: dict[int, Shape] = {}
    for start, end in itertools.pairwise([*starts, len(section.rows)]):
        line = section.lines[start]
        identifier = _named_number(section, start, "shape_id", 1, source)
        n_samples = _named_number(section, start + 1, "num_samples", 1, source)
        if identifier in found:
            raise source.error(line, f"shape {identifier} stands there a second time.")
        stored = numbers(section.rows[start + 2 : end], section.lines[start + 2 : end], source)
        try:
            found[identifier] = decompressed(stored, n_samples, plain_allowed)
        except ValueError as error:
            raise source.error(section.lines[end - 1], f"shape {identifier} (line {line}): {error}.") from None
    return found


def _extensions(section: Section, source: Source) -> tuple[dict[int, Extension], dict[int, ExtensionSpecification]]:
    """Links of the lists of extensions by id, and what they link to by type.

    **Raises:** `PulseqError` for rows that are neither, links to what is not there, and lists without an end.
    """
    starts = [i for i, row in enumerate(section.rows) if row.split()[0].lower() == "extension"]
    end = starts[0] if starts else len(section.rows)
    head = Section(section.name, section.line, section.rows[:end], section.lines[:end])
    read = table_of(head, "id! type! reference! next!", source)
    links = tables.events_by_id(read, lambda **link: Extension(**{name: int(n) for name, n in link.items()}), source)
    found: dict[int, ExtensionSpecification] = {}
    for start, end in itertools.pairwise([*starts, len(section.rows)]):
        kind, specification = _specification(section, start, end, source)
        found[kind] = specification
    tables.require_known(read, "type", found, "EXTENSIONS", ("EXTENSIONS",), source)
    tables.require_known(read, "next", links, "EXTENSIONS", ("EXTENSIONS",), source)
    for link, line in zip(links.values(), read.lines, strict=True):
        if link.type in found and link.reference not in found[link.type].rows:
            name = found[link.type].name
            raise source.error(line, f"reference is {link.reference}, which extension {name} does not have.")
    tables.require_ends(links, section, source)
    return links, found


def _specification(section: Section, start: int, end: int, source: Source) -> tuple[int, ExtensionSpecification]:
    """The type and the rows below a heading such as `extension LABELSET 1`."""
    words = section.rows[start].split()
    if len(words) != 3 or not _is_id(words[2]):
        raise source.error(
            section.lines[start],
            f"'extension', a name and the number of its type are due, but got {shortened(section.rows[start])}.",
        )
    rows = {}
    for row, line in zip(section.rows[start + 1 : end], section.lines[start + 1 : end], strict=True):
        first, *others = row.split()
        if not _is_id(first):
            raise source.error(line, f"a row of extension {words[1]} must begin with its id, but is {shortened(row)}.")
        rows[int(first)] = tuple(others)
    return int(words[2]), ExtensionSpecification(words[1], rows)


def _is_id(word: str) -> bool:
    return word.isdecimal() and len(word) < 10


def _named_number(section: Section, row: int, name: str, lowest: int, source: Source) -> int:
    """The whole number in a row such as `num_samples 200`."""
    if row >= len(section.rows):
        raise source.error(section.lines[-1], f"'{name}' and a number are due after this line.")
    words = section.rows[row].split()
    if len(words) != 2 or words[0].lower() != name or not words[1].isdecimal() or len(words[1]) > 15:
        raise source.error(
            section.lines[row], f"'{name}' and a whole number are due, but got {shortened(section.rows[row])}."
        )
    if int(words[1]) < lowest:
        raise source.error(section.lines[row], f"{name} must be {lowest} or more, but is {words[1]}.")
    return int(words[1])
