"""Numbers with units, and lists, on the command line."""

import argparse
import math
from collections.abc import Callable
from typing import Any

from mrjax import units

TIMES = {"us": units.us, "ms": units.ms, "s": 1.0}
ANGLES = {"deg": units.deg, "rad": 1.0}
LENGTHS = {"mm": units.mm, "cm": 1e-2, "m": 1.0}
GRADIENTS = {"mT/m": 1e-3, "T/m": 1.0}
SLEW_RATES = {"T/m/s": 1.0}
B_VALUES = {"s/mm2": 1e6, "s/mm^2": 1e6, "s/m^2": 1.0}
DIFFUSIVITIES = {"mm2/s": 1e-6, "mm^2/s": 1e-6, "um2/ms": 1e-9, "um^2/ms": 1e-9, "m^2/s": 1.0}
FIELDS = {"mT": 1e-3, "T": 1.0}
RF_FIELDS = {"uT": 1e-6, "T": 1.0}
FREQUENCIES = {"Hz": 1.0, "kHz": 1e3}


def time(text: str) -> float:
    """`"4ms"` in s; a number without a unit is refused, since it is a mistake of a factor of 1000 half of the time."""
    return _with_unit(text, TIMES, "a time", "4ms or 0.004s")


def angle(text: str) -> float:
    """`"12deg"` in rad."""
    return _with_unit(text, ANGLES, "an angle", "12deg or 0.2rad")


def length(text: str) -> float:
    """`"220mm"` in m."""
    return _with_unit(text, LENGTHS, "a length", "220mm or 0.22m")


def gradient(text: str) -> float:
    """`"80mT/m"` in T/m."""
    return _with_unit(text, GRADIENTS, "a gradient", "80mT/m or 0.08T/m")


def field(text: str) -> float:
    """`"3T"` in T."""
    return _with_unit(text, FIELDS, "a field", "3T")


def rf_field(text: str) -> float:
    """`"2uT"` in T."""
    return _with_unit(text, RF_FIELDS, "an RF field", "2uT")


def frequency(text: str) -> float:
    """`"3kHz"` in Hz."""
    return _with_unit(text, FREQUENCIES, "a frequency", "3kHz or 3000Hz")


def slew_rate(text: str) -> float:
    """`"200T/m/s"` in T/m/s."""
    return _with_unit(text, SLEW_RATES, "a slew rate", "200T/m/s")


def b_value(text: str) -> float:
    """`"1000s/mm2"` in s/m²."""
    return _with_unit(text, B_VALUES, "a b-value", "1000s/mm2")


def diffusivity(text: str) -> float:
    """`"0.7um2/ms"` in m²/s."""
    return _with_unit(text, DIFFUSIVITIES, "a diffusion coefficient", "0.7um2/ms or 0.0007mm2/s")


def plain(text: str) -> Any:
    """What stands behind NAME=: a whole number, `true` or `false`, a number, or a quantity with its unit, in SI."""
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return _with_unit(text, TIMES | ANGLES | LENGTHS, "a number or a quantity", "4, 0.75, true, 5mm, 30ms or 15deg")


def numbers(text: str) -> list[int]:
    """`"2-4"` as 2, 3, 4; `"5"` as 5: images counted from 1."""
    first, _, last = text.partition("-")
    if not (first.isdecimal() and (last.isdecimal() or text == first)) or not 1 <= int(first) <= int(last or first):
        raise argparse.ArgumentTypeError(f"{text!r} is no number or range of images, counted from 1; write 2 or 2-6")
    return list(range(int(first), int(last or first) + 1))


def listed(kind: Callable[[str], Any]) -> Callable[[str], list]:
    """Entries of `kind` separated by commas, as in `"10ms,20ms"`; for options with `action=Listed`."""

    def entries(text: str) -> list:
        values = [kind(entry.strip()) for entry in text.split(",") if entry.strip()] or [kind(text)]
        return [one for value in values for one in (value if isinstance(value, list) else [value])]

    return entries


class Listed(argparse.Action):
    """Joins the lists that `listed` makes of each word, so that blanks and commas both separate entries."""

    def __call__(
        self, parser: Any, namespace: argparse.Namespace, values: Any, option_string: str | None = None
    ) -> None:
        setattr(namespace, self.dest, [one for value in values for one in value])


def _with_unit(text: str, known: dict[str, float], kind: str, example: str) -> float:
    for unit in sorted(known, key=len, reverse=True):
        if text.endswith(unit):
            try:
                value = float(text.removesuffix(unit)) * known[unit]
            except ValueError:
                break
            if math.isfinite(value):
                return value
            break
    raise argparse.ArgumentTypeError(f"{text!r} is not {kind} with a unit; write {example}")
