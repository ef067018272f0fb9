"""Schedules of saturation-transfer fingerprinting: CSV files with one image a row."""

import csv
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from mrjax.io.nifti import FileError

COLUMNS = {
    "TR_s": "tr",
    "B1_T": "b1",
    "offset_ppm": "offset_ppm",
    "flip_deg": "flip_angle",
    "Tsat_s": "saturation_time",
}
"""Of a file, and the arguments of `protocols.cest.fingerprinting` that they are."""


def read_schedule(path: str | Path) -> dict[str, Float[np.ndarray, " n_images"]]:
    """Read a schedule of saturation-transfer fingerprinting from a CSV file.

    **Arguments:**

    - `path`: A CSV file with a header that names the columns `TR_s` (s), `B1_T` (T), `offset_ppm`, `flip_deg` (degrees) and
      `Tsat_s` (s), in any order, and a row for each image.

    **Returns:** `tr`, `b1`, `offset_ppm`, `flip_angle` (rad) and `saturation_time` by name: what
    `protocols.cest.fingerprinting` takes.

    **Raises:** `FileError` that names the column or the row where something is missing or not a finite number.

    !!! example

        ```python
        >>> import pathlib, tempfile
        >>> import mrjax as mr
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "schedule.csv"
        >>> _ = path.write_text("TR_s,B1_T,offset_ppm,flip_deg,Tsat_s\\n3.5,2e-6,3.5,90,2.5\\n3.5,1e-6,3.5,90,2.5\\n")
        >>> scan = mr.protocols.cest.fingerprinting(**mr.io.read_schedule(path), b0=9.4)
        >>> scan.n_samples
        2

        ```
    """
    path = Path(path)
    rows = _rows(path)
    header = [name.strip() for name in rows[0][1]]
    missing = [name for name in COLUMNS if name not in header]
    if missing:
        raise FileError(f"{path} lacks the columns {', '.join(missing)}; a schedule has {', '.join(COLUMNS)}.")
    if len(rows) == 1:
        raise FileError(f"{path} has a header but no rows.")
    schedule = {
        argument: np.array([_number(path, line, row, name, header.index(name)) for line, row in rows[1:]])
        for name, argument in COLUMNS.items()
    }
    return schedule | {"flip_angle": np.deg2rad(schedule["flip_angle"])}


def write_schedule(path: str | Path, schedule: Mapping[str, Any]) -> None:
    """Write a schedule of saturation-transfer fingerprinting as a CSV file that `read_schedule` reads.

    **Arguments:**

    - `path`: Of the file; one that is there is replaced.
    - `schedule`: `tr`, `b1`, `offset_ppm`, `flip_angle` (rad) and `saturation_time` by name, as `protocols.cest.fingerprinting`
      takes them: numbers, or one entry for each image.

    **Raises:** `ValueError` where a name is missing or unknown, lengths differ, or a number is not finite.

    !!! example

        ```python
        >>> import pathlib, tempfile
        >>> import mrjax as mr
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "schedule.csv"
        >>> schedule = {"tr": 3.5, "b1": [2e-6, 1e-6], "offset_ppm": 3.5, "flip_angle": 1.5, "saturation_time": 2.5}
        >>> mr.io.write_schedule(path, schedule)
        >>> mr.io.read_schedule(path)["b1"].tolist()
        [2e-06, 1e-06]

        ```
    """
    if {*schedule} != {*COLUMNS.values()}:
        raise ValueError(f"`schedule` must have {', '.join(COLUMNS.values())}, but has {', '.join(schedule)}.")
    values = {name: np.atleast_1d(np.asarray(schedule[name], float)) for name in COLUMNS.values()}
    n = max(value.size for value in values.values())
    for name, value in values.items():
        if value.shape not in ((1,), (n,)) or not np.all(np.isfinite(value)):
            raise ValueError(f"`{name}` must be one finite number or one for each of {n} images, but got {value}.")
    values["flip_angle"] = np.rad2deg(values["flip_angle"])
    columns = [np.broadcast_to(values[argument], n) for argument in COLUMNS.values()]
    with Path(path).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows([f"{number:.9g}" for number in row] for row in zip(*columns, strict=True))


def _rows(path: Path) -> list[tuple[int, list[str]]]:
    """The rows that are not empty, and where they stand."""
    if not path.is_file():
        raise FileError(f"{path} does not exist or is no file; check the path.")
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            rows = [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    except (UnicodeDecodeError, csv.Error) as error:
        raise FileError(f"{path} is not a text file of comma-separated values ({error}).") from error
    if not rows:
        raise FileError(f"{path} is empty.")
    return rows


def _number(path: Path, line: int, row: list[str], name: str, place: int) -> float:
    if place >= len(row):
        raise FileError(f"{path}, line {line}: no cell for `{name}`; the row has {len(row)} cells.")
    try:
        number = float(row[place])
    except ValueError:
        raise FileError(f"{path}, line {line}: {row[place].strip()!r} for `{name}` is not a number.") from None
    if not math.isfinite(number):
        raise FileError(f"{path}, line {line}: {row[place].strip()!r} for `{name}` is not finite.")
    return number
