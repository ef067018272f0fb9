"""What the keys of a pool file hold: which there must be, and what each number must be."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mrjax.io.nifti import FileError

WATER_KEYS = ("f", "t1", "t2")
CEST_KEYS = ("f", "t1", "t2", "k", "dw")
MT_KEYS = (*CEST_KEYS, "lineshape")

RATES = {"t1": "r1", "t2": "r2"}
"""What may stand in place of a relaxation time."""

NUMBERS: dict[str, tuple[Callable[[float], bool], str]] = {
    "f": (lambda x: x >= 0, "a fraction of the water's size, zero or more"),
    "t1": (lambda x: x > 0, "a positive time in s"),
    "t2": (lambda x: x > 0, "a positive time in s"),
    "r1": (lambda x: x > 0, "a positive rate in 1/s"),
    "r2": (lambda x: x > 0, "a positive rate in 1/s"),
    "k": (lambda x: x >= 0, "a rate in 1/s, zero or more"),
    "dw": (lambda x: True, "a shift in ppm"),
    "b0": (lambda x: x > 0, "a positive field in T"),
    "gamma": (lambda x: x > 0, "a positive gyromagnetic ratio in rad/s/uT"),
    "b0_inhom": (lambda x: True, "a field offset in ppm"),
    "rel_b1": (lambda x: x >= 0, "the B1 relative to nominal, zero or more"),
    "scale": (lambda x: True, "the magnetisation after a reset, relative to equilibrium"),
    "max_pulse_samples": (lambda x: x >= 1 and x == int(x), "a whole number from 1"),
}
"""What each number must be."""


def mapping(path: Path, value: Any, where: str, keys: tuple[str, ...] | None = None) -> dict[str, Any]:
    """A value that must hold these keys and no others, with `r1` and `r2` in place of `t1` and `t2` or not."""
    if value is None:
        raise FileError(f"{path}: {where} is missing; give it {', '.join(keys or ('its pools',))}.")
    if not isinstance(value, dict):
        raise FileError(f"{path}: {where} must hold keys and their values, but is the {kind(value)} {value!r}.")
    if keys is None:
        return value
    listed = ", ".join(keys)
    for time, rate in RATES.items():
        if time in value and rate in value:
            raise FileError(
                f"{path}: {where} has both {time} and {rate}; give one of them, a time in s or a rate in 1/s."
            )
    unknown = [key for key in value if key not in keys and key not in RATES.values()]
    lacking = [key for key in keys if key not in value and RATES.get(key) not in value]
    if unknown:
        raise FileError(f"{path}: {where} has the unknown key {unknown[0]!r}; it may have {listed}.")
    if lacking:
        raise FileError(f"{path}: {where} lacks {lacking[0]}; it must have {listed}.")
    return value


def number(path: Path, where: str, value: Any, key: str) -> float:
    """A finite number of the kind that the key asks for; YAML takes some, such as 69e-3, for text."""
    holds, due = NUMBERS[key]
    if value is None:
        raise FileError(f"{path}: {where} is missing; it must be {due}.")
    if isinstance(value, list):
        raise FileError(f"{path}: {where} is a list; this must be {due}. `read_grid` reads lists.")
    try:
        found = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        found = math.nan
    if not (math.isfinite(found) and holds(found)):
        raise FileError(f"{path}: {where} must be {due}, but is {value!r}.")
    return found


def relaxation_time(path: Path, where: str, parameters: dict[str, Any], key: str) -> float:
    """`t1` or `t2` of a pool in s, which may be given by its rate."""
    if key in parameters:
        return number(path, f"{where}.{key}", parameters[key], key)
    rate = RATES[key]
    return 1 / number(path, f"{where}.{rate}", parameters[rate], rate)


def truth(path: Path, value: Any, where: str) -> bool:
    """A value that must be true or false."""
    if value not in (True, False, 0, 1):
        raise FileError(f"{path}: {where} must be True or False, but is {value!r}.")
    return bool(value)


def kind(value: Any) -> str:
    """What a value is, in a word for messages."""
    return {list: "list", str: "text", dict: "mapping"}.get(type(value), "number")
