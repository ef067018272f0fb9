"""Settings of a design from a YAML file: names, units and lists, with a sentence for each mistake."""

import argparse
import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from mrjax._names import did_you_mean


@dataclasses.dataclass(frozen=True)
class Entry:
    """A line of a configuration."""

    name: str
    read: Callable[[str], Any]
    """From its text; a quantity with its unit, as on the command line."""
    default: Any
    """As it would be written; None where it may be left out."""
    meaning: str
    n: int | None = 1
    """How many values it has; None for any number, at least one."""
    is_positive: bool = False
    """Whether all of them must be above zero."""


def configured(path: Path, entries: tuple[Entry, ...]) -> dict[str, Any]:
    """All settings of a file in SI units, defaults for those that it leaves out.

    **Raises:** `ValueError` for what is no YAML, for unknown names, and for values of another kind.
    """
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(
            f"{path} must be YAML, such as `flip_angle: 90deg`, but cannot be read: {_line(error)}."
        ) from error
    found = {} if found is None else found
    if not isinstance(found, Mapping):
        raise ValueError(f"{path} must hold names and values, such as `flip_angle: 90deg`, but holds {found!r}.")
    known = {one.name: one for one in entries}
    for name in found:
        if name not in known:
            raise ValueError(
                f"{path} has an unknown name {name!r}; it takes {', '.join(known)}.{did_you_mean(str(name), known)}"
            )
    return {name: _value(path, one, found.get(name, one.default)) for name, one in known.items()}


def described(entries: tuple[Entry, ...]) -> str:
    """All entries with their defaults, as a file that may be edited."""
    lines = [f"{one.name}: {_written(one.default)}  # {one.meaning}" for one in entries]
    return "\n".join(lines)


def _written(value: Any) -> str:
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(str, value))}]"
    return "null" if value is None else str(value)


def _value(path: Path, entry: Entry, value: Any) -> Any:
    if value is None:
        return None
    several = list(value) if isinstance(value, tuple | list) else [value]
    if (entry.n is not None and len(several) != entry.n) or not several:
        wanted = "at least one value" if entry.n is None else f"{entry.n} value{'s' * (entry.n > 1)}"
        raise ValueError(f"{path}: {entry.name} must have {wanted}, but got {_written(value)}.")
    try:
        read = [entry.read(str(one)) for one in several]
    except (ValueError, argparse.ArgumentTypeError) as error:
        raise ValueError(f"{path}: {entry.name} cannot be read: {error}.") from error
    if entry.is_positive and not all(one > 0 for one in read):
        raise ValueError(f"{path}: {entry.name} must be positive, but got {_written(value)}.")
    return read[0] if entry.n == 1 else read


def one_of(*choices: str) -> Callable[[str], str]:
    """A reader of one of several words."""

    def read(text: str) -> str:
        if text not in choices:
            raise ValueError(f"it must be one of {', '.join(choices)}, but got {text!r}.{did_you_mean(text, choices)}")
        return text

    return read


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
