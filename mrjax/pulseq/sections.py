"""The text of a Pulseq file: its sections, and tables of numbers in them."""

import re
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from mrjax.pulseq.errors import Source

LARGEST_WHOLE = 2**31 - 1

LARGEST_NUMBER = 1e15
"""In any unit of the format; products of two stay far from overflow, in single precision too."""


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


def table(section: Section, layout: str, source: Source) -> Table:
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
