"""A Pulseq file as text: its bytes, its sections, rows of numbers in them, and the hash at its end."""

import gzip
import hashlib
import io
import re
import warnings
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from mrjax import _checks
from mrjax._decoding import text_of
from mrjax.pulseq.file import PulseqError

LARGEST_FILE = 2**29
"""In bytes, unpacked."""

PIECE = 2**20
"""Bytes read at a time."""

HASHES = ("md5", "sha1", "sha224", "sha256", "sha384", "sha512")

LARGEST_WHOLE = 2**31 - 1

LARGEST_NUMBER = 1e15
"""In any unit of the format; products of two stay far from overflow, in single precision too."""


@dataclass(frozen=True)
class Source:
    """A file being read, to be named in errors."""

    path: Path
    last_line: int
    """The last line that is not blank."""

    def error(self, line: int, cause: str) -> PulseqError:
        """To be raised; a fault where the file ends is probably one of truncation, and the message says so."""
        hint = " The file ends there; it may be truncated." if line >= self.last_line else ""
        return PulseqError(self.path, line, cause + hint)


@dataclass(frozen=True)
class Section:
    """The rows of a section without comments and blank lines, and where they stand."""

    name: str
    line: int
    rows: list[str]
    lines: list[int]


@dataclass(frozen=True)
class Table:
    """Rows of numbers by column name; `lines` says where they stand."""

    columns: dict[str, Float[np.ndarray, " n_rows"]]
    words: dict[str, list[str]]
    lines: list[int]

    def whole(self, name: str) -> list[int]:
        """A column of whole numbers."""
        return self.columns[name].astype(np.int64).tolist()


def unpacked(path: Path) -> bytes:
    """The bytes of a file, plain or packed with gzip.

    **Raises:** `PulseqError` where it is missing, damaged or far too large.
    """
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


def decoded(path: Path, data: bytes) -> str:
    """Bytes as text with lines that end alike.

    **Raises:** `PulseqError` at the line of a byte that is not UTF-8 and stands outside comments.
    """
    try:
        text = text_of(data)
    except UnicodeDecodeError as error:
        line, byte = error.object[: error.start].count(b"\n") + 1, error.object[error.start]
        raise PulseqError(
            path, line, f"byte {byte:#04x} is not UTF-8; save the file as UTF-8, or export it again."
        ) from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def sections_of(text: str, source: Source) -> dict[str, Section]:
    """The sections by name.

    **Raises:** `PulseqError` for text outside sections, a heading without an end, and a section that stands twice.
    """
    sections: dict[str, Section] = {}
    section = None
    for number, line in enumerate(text.split("\n"), 1):
        row = line.strip()
        if not row or row.startswith("#"):
            continue
        if row.startswith("["):
            section = _headed(row, number, sections, source)
            sections[section.name] = section
        elif section is None:
            raise source.error(number, f"a section such as [VERSION] must come first, but got {shortened(row)}.")
        else:
            section.rows.append(row if section.name == "DEFINITIONS" else without_comment(row))
            section.lines.append(number)
    return sections


def without_comment(row: str) -> str:
    """A row up to the `#` that begins a comment, which has a blank before it: a word may hold one."""
    return re.split(r"\s#", row, maxsplit=1)[0].rstrip()


def _headed(row: str, number: int, sections: dict[str, Section], source: Source) -> Section:
    name = row[1:-1].strip().upper()
    if not row.endswith("]") or not name:
        raise source.error(number, f"a heading such as [BLOCKS] is due, but got {shortened(row)}.")
    if name in sections:
        raise source.error(number, f"section [{name}] stands there a second time, after line {sections[name].line}.")
    return Section(name, number, [], [])


def table_of(section: Section, layout: str, source: Source) -> Table:
    """The numbers of a section.

    **Arguments:**

    - `section`: With one event a row.
    - `layout`: Names of the columns. A name that ends with `!` holds whole numbers from 0, with `~` whole numbers from -1,
      with `+` numbers from 0, with `"` a word, and else a number of either sign.

    **Raises:** `PulseqError` for a row with other columns or a value that is none of these.
    """
    names = layout.split()
    rows = [row.partition("#")[0].split() for row in section.rows]
    for row, line in zip(rows, section.lines, strict=True):
        if len(row) != len(names):
            expected = ", ".join(name.rstrip('!~+"') for name in names)
            raise source.error(
                line, f"a row of [{section.name}] must have {len(names)} columns ({expected}), but this has {len(row)}."
            )
    columns, words = {}, {}
    for position, name in enumerate(names):
        column = [row[position] for row in rows]
        if name.endswith('"'):
            words[name[:-1]] = column
        else:
            columns[name.rstrip("!~+")] = _checked(numbers(column, section.lines, source), name, section, source)
    return Table(columns, words, section.lines)


def numbers(words: list[str], lines: list[int], source: Source) -> Float[np.ndarray, " n"]:
    """Words as finite numbers; the error names the line of the first that is none."""
    try:
        values = np.array(list(map(float, words)), dtype=float)
    except ValueError:
        line, word = next((line, word) for line, word in zip(lines, words, strict=True) if not _is_number(word))
        raise source.error(line, f"{shortened(word)} is not a number.") from None
    bad = np.flatnonzero(~(np.abs(values) <= LARGEST_NUMBER))
    if bad.size:
        raise source.error(
            lines[bad[0]],
            f"{shortened(words[bad[0]])} is not finite, or above {LARGEST_NUMBER:g}, too large to be plausible.",
        )
    return values


def _checked(values: Float[np.ndarray, " n"], name: str, section: Section, source: Source) -> Float[np.ndarray, " n"]:
    lowest = {"!": 0, "+": 0, "~": -1}.get(name[-1], -np.inf)
    whole = name[-1] in "!~"
    holds = values >= lowest
    if whole:
        holds &= (values == np.floor(values)) & (values <= LARGEST_WHOLE)
    bad = np.flatnonzero(~holds)
    if bad.size:
        kind = "a whole number" if whole else "a number"
        raise source.error(
            section.lines[bad[0]],
            f"{name[:-1]} in [{section.name}] must be {kind} from {lowest}, but is {values[bad[0]]:.15g}.",
        )
    return values


def shortened(text: str) -> str:
    """A text fit to be quoted in a message."""
    return repr(text if len(text) <= 40 else f"{text[:37]}...")


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def signature_of(section: Section | None, source: Source) -> tuple[str, str] | None:
    """Name of the hash and its value.

    **Raises:** `PulseqError` where one of the two is missing.
    """
    if section is None:
        return None
    found = {row.split()[0].lower(): row.split()[1] for row in section.rows if len(row.split()) == 2}
    if not {"type", "hash"} <= found.keys():
        raise source.error(section.line, "[SIGNATURE] must hold a Type, such as md5, and a Hash.")
    return found["type"].lower(), found["hash"].lower()


def warn_if_changed(data: bytes, signature: tuple[str, str] | None, source: Source) -> None:
    """Warn where the file is not the one that was signed; hashes that Python lacks are not checked.

    Signed is what stands before the heading, without the line end before it. Line ends that were changed on the way from
    one system to another are no change.
    """
    heading = re.search(rb"^[ \t]*\[SIGNATURE\]", data, re.MULTILINE | re.IGNORECASE)
    if signature is None or heading is None or signature[0] not in HASHES:
        return
    signed = re.sub(rb"\r?\n\Z", b"", data[: heading.start()])
    unix = signed.replace(b"\r\n", b"\n")
    variants = {signed, unix, unix.replace(b"\n", b"\r\n")}
    if signature[1] not in {hashlib.new(signature[0], variant).hexdigest() for variant in variants}:
        warnings.warn(
            f"{source.path}: its {signature[0]} is not the one in [SIGNATURE]; the file was changed after it was written.",
            stacklevel=_checks.frames_to_the_caller(),
        )
