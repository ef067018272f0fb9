"""The small tables in `data/`."""

import csv
from collections.abc import Sequence
from importlib import resources

from mrjax import _checks


def data_file(name: str):
    """A file of the package's data, to be opened."""
    return resources.files("mrjax.phantoms") / "data" / name


def read_table(name: str) -> list[dict[str, str]]:
    """The rows of a CSV file with a header."""
    with data_file(name).open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def column(rows: Sequence[dict[str, str]], name: str, unit: float = 1.0) -> list[float]:
    """One column as numbers, times `unit`."""
    return [float(row[name]) * unit for row in rows]


def checked_field_strength(field_strength: float | int, available: Sequence[float]) -> float:
    """`field_strength` (T), which has to be one of those that a table is `available` for."""
    if field_strength not in available:
        known = " or ".join(f"{value:g}" for value in available)
        raise ValueError(f"`field_strength` must be {known} (T), but got {field_strength!r}.")
    return float(field_strength)


def positive_number(value: float | int, name: str, unit: str) -> float:
    """A known number that has to be positive."""
    return float(_checks.positive(_checks.real_array(value, name), name, unit))
