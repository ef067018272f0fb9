"""Numbers with units on the command line."""

import argparse
import math

from mrjax import units

TIMES = {"us": units.us, "ms": units.ms, "s": 1.0}
ANGLES = {"deg": units.deg, "rad": 1.0}


def time(text: str) -> float:
    """`"4ms"` in s; a number without a unit is refused, since it is a mistake of a factor of 1000 half of the time."""
    return _with_unit(text, TIMES, "a time", "4ms or 0.004s")


def angle(text: str) -> float:
    """`"12deg"` in rad."""
    return _with_unit(text, ANGLES, "an angle", "12deg or 0.2rad")


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
