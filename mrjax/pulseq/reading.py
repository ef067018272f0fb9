"""Reading Pulseq files."""

import dataclasses
import gzip
import io
import zlib
from pathlib import Path

from mrjax._decoding import text_of
from mrjax.pulseq import blocks, content, references, sections, signature, tables
from mrjax.pulseq.errors import PulseqError, Source
from mrjax.pulseq.events import PulseqFile
from mrjax.pulseq.sections import Section

LARGEST_FILE = 2**29
"""In bytes, unpacked."""

PIECE = 2**20
"""Bytes read at a time."""

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
    data = _unpacked(path)
    text = _decoded(path, data)
    source = Source(path, len(text.rstrip().split("\n")))
    file = _parsed(sections.sections_of(text, source), source)
    signature.warn_if_changed(data, file.signature, source)
    return file


def _unpacked(path: Path) -> bytes:
    try:
        if not path.is_file():
            raise PulseqError(path, None, "it does not exist or is no file; check the path.")
        with path.open("rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
        with gzip.open(path, "rb") if packed else path.open("rb") as file:
            data = _at_most(file, LARGEST_FILE + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise PulseqError(
            path, None, f"it cannot be read: it is truncated or damaged ({error}). Copy or export it again."
        ) from error
    if len(data) > LARGEST_FILE:
        raise PulseqError(path, None, f"it has more than {LARGEST_FILE >> 20} MiB, too many for a Pulseq file.")
    return data


def _at_most(file: io.BufferedIOBase, n: int) -> bytes:
    """The first `n` bytes or all, piece by piece: asked for at once, they would be allocated whatever the file's size."""
    pieces, left = [], n
    while left > 0 and (piece := file.read(min(left, PIECE))):
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)


def _decoded(path: Path, data: bytes) -> str:
    try:
        text = text_of(data)
    except UnicodeDecodeError as error:
        line, byte = error.object[: error.start].count(b"\n") + 1, error.object[error.start]
        raise PulseqError(
            path, line, f"byte {byte:#04x} is not UTF-8; save the file as UTF-8, or export it again."
        ) from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _parsed(found: dict[str, Section], source: Source) -> PulseqFile:
    version = content.version(_required(found, "VERSION", source), source)
    minor = version.minor
    part = lambda name: found.get(name) or Section(name, source.last_line, [], [])
    definitions = content.definitions(part("DEFINITIONS"), minor, source)
    shapes = content.shapes(part("SHAPES"), minor >= 4, source)
    rf, rf_table = tables.rf_events(part("RF"), minor, source)
    gradients, gradient_table = tables.gradients(part("GRADIENTS"), minor, source)
    trapezoids, trapezoid_table = tables.trapezoids(part("TRAP"), source)
    adc, adc_table = tables.adc_events(part("ADC"), minor, source)
    references.check_distinct(trapezoid_table, gradients, source)
    for table in (rf_table, gradient_table, adc_table):
        for column in ("magnitude_shape", "phase_shape", "time_shape", "shape"):
            references.check(table, column, shapes, "SHAPES", found, source)
    references.check_samples(rf_table, shapes, source)
    extensions, specifications = content.extensions(part("EXTENSIONS"), source)
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
        signature=signature.signature_of(found.get("SIGNATURE"), source),
        other={name: "\n".join(section.rows) for name, section in found.items() if name not in SECTIONS},
    )
    return dataclasses.replace(file, blocks=blocks.blocks_of(file, _required(found, "BLOCKS", source), found, source))


def _required(found: dict[str, Section], name: str, source: Source) -> Section:
    if name not in found:
        raise source.error(source.last_line, f"section [{name}] is missing; every Pulseq file has one.")
    if not found[name].rows:
        raise source.error(found[name].line, f"section [{name}] is empty.")
    return found[name]
