"""Tables of signals: CSV files with one voxel a row."""

import csv
import math
from pathlib import Path

import numpy as np

from mrjax.io.nifti import FileError

NAMES_OF_LABELS = ("", "voxel", "label", "name", "id", "roi", "sample")


def read_signals(path: str | Path, column: str | None = None) -> tuple[list[str], np.ndarray]:
    """Read signals from a CSV file, one row a voxel.

    **Arguments:**

    - `path`: A CSV file, with a header or without.
    - `column`: Name of the column whose cells hold all signals of a voxel, separated by blanks. Without it, every column
      is one signal, but for a first column of text, which names the voxels.

    **Returns:** The names of the voxels (a first column of text, or their numbers) and the signals, `(n_voxels, n)`.

    **Raises:** `FileError` that names row and cell where something is missing or not a finite number.
    """
    path = Path(path)
    if not path.is_file():
        raise FileError(f"{path} does not exist or is no file; check the path.")
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = [row for row in csv.reader(file) if any(cell.strip() for cell in row)]
    except (UnicodeDecodeError, csv.Error) as error:
        raise FileError(f"{path} is not a text file of comma-separated values ({error}).") from error
    if not rows:
        raise FileError(f"{path} is empty.")
    header = rows[0] if _is_header(rows) else None
    body = rows[1:] if header else rows
    if not body:
        raise FileError(f"{path} has a header but no rows.")
    first_line = 2 if header else 1
    for line, row in enumerate(body, first_line):
        if len(row) != len(body[0]):
            raise FileError(f"{path}, row {line}: {len(row)} cells, but the first row has {len(body[0])}.")
    labels = [row[0] for row in body] if not _is_number(body[0][0]) else [str(i) for i in range(len(body))]
    if column is not None:
        return labels, _from_cells(path, header, body, column)
    start = 0 if _is_number(body[0][0]) else 1
    return labels, np.array(
        [[_number(path, line, cell) for cell in row[start:]] for line, row in enumerate(body, first_line)]
    )


def write_table(path: str | Path, columns: dict[str, list]) -> Path:
    """Write columns of equal length as CSV with a header; folders are made."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
    return path


def _from_cells(path: Path, header: list[str] | None, body: list[list[str]], column: str) -> np.ndarray:
    if header is None or column not in header:
        raise FileError(f"{path} has no column {column!r}; it has {', '.join(header) if header else 'no header'}.")
    place = header.index(column)
    signals = [[_number(path, line, word) for word in row[place].split()] for line, row in enumerate(body, 2)]
    lengths = {len(row) for row in signals}
    if len(lengths) > 1:
        raise FileError(
            f"{path}, column {column!r}: rows hold {min(lengths)} to {max(lengths)} numbers; all need the same."
        )
    return np.array(signals)


def _is_header(rows: list[list[str]]) -> bool:
    """Whether the first row names the columns: no numbers, a text where others have one, or a usual name of labels."""
    first = rows[0]
    if not any(_is_number(cell) for cell in first) or first[0].strip().lower() in NAMES_OF_LABELS:
        return True
    return not _is_number(first[0]) and len(rows) > 1 and all(_is_number(row[0]) for row in rows[1:])


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _number(path: Path, line: int, cell: str) -> float:
    if not _is_number(cell):
        raise FileError(f"{path}, row {line}: {cell.strip()!r} is not a number.")
    if not math.isfinite(float(cell)):
        raise FileError(f"{path}, row {line}: {cell.strip()!r} is not finite.")
    return float(cell)
