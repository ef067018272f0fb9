"""What a file asks of a schedule of saturation transfer: YAML with units, read into numbers in SI."""

import argparse
import dataclasses
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from mrjax._names import did_you_mean
from mrjax.cli import quantities


def plain(text: str) -> float:
    """A number without a unit."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number; write 0.005 or 5.0e-3")
    return value


Read = Callable[[str], float]

WATER: Mapping[str, Read] = {
    "t1": quantities.time,
    "t2": quantities.time,
    "b1": plain,
    "off_resonance": quantities.frequency,
}
POOL: Mapping[str, Read] = {
    "fraction": plain,
    "exchange_rate": plain,
    "t1": quantities.time,
    "t2": quantities.time,
    "shift_ppm": plain,
}
SCHEDULE: Mapping[str, Read] = {
    "b1": quantities.rf_field,
    "offset_ppm": plain,
    "saturation_time": quantities.time,
    "recovery": quantities.time,
    "flip_angle": quantities.angle,
}
READOUT: Mapping[str, Read] = {
    "flip_duration": quantities.time,
    "crusher_duration": quantities.time,
    "te": quantities.time,
}
RINGDOWN = 30e-6
"""In s, from a readout pulse that lasts to its sample, unless it is said: scanners cannot sample before."""

NETWORK: Mapping[str, Any] = {
    **dict.fromkeys(("steps", "batch_size", "hidden", "seed", "checkpoint_every"), int),
    **dict.fromkeys(("learning_rate", "schedule_rate"), float),
}
PARTS = ("field", "water", "pool", "estimate", "noise", "readout", "schedule", "network")
NEEDED = ("field", "water", "pool", "estimate", "noise", "schedule")


@dataclasses.dataclass(frozen=True)
class SaturationFile:
    """What a file says."""

    question: dict[str, Any]
    """As `mrjax.zoo.saturation_transfer.scheduling_of` takes it."""
    training: dict[str, Any]
    """Settings of the training, by name."""


def read(path: Path) -> SaturationFile:
    """The question and the training that a file describes.

    **Raises:** `ValueError` that names the file and the key, what is due there and what stands there.
    """
    content = _content(path)
    _require(path, "", content, PARTS, NEEDED)
    schedule = _part(path, "schedule", content, (*SCHEDULE, "images", "start", "most_time"), (*SCHEDULE, "images"))
    pool = _part(path, "pool", content, (*POOL, "lineshape"), tuple(POOL))
    water = _part(path, "water", content, tuple(WATER), ("t1", "t2"))
    readout = _part(path, "readout", content, tuple(READOUT), ())
    of_pool = {"t1": "pool_t1", "t2": "pool_t2"}
    tissue = _numbers(path, "water", water, WATER)
    tissue |= {of_pool.get(name, name): value for name, value in _numbers(path, "pool", pool, POOL).items()}
    question = {
        "b0": _number(path, "field", content["field"], quantities.field),
        "tissue": tissue,
        "estimate": [of_pool_or_water(name) for name in _listed(path, "estimate", content["estimate"])],
        "noise": _number(path, "noise", content["noise"], plain),
        "schedule": _schedule(path, schedule),
        **_readout(path, readout),
        **({"lineshape": str(pool["lineshape"])} if "lineshape" in pool else {}),
    }
    network = _part(path, "network", content, tuple(NETWORK), ())
    training = {name: _number(path, f"network.{name}", value, NETWORK[name]) for name, value in network.items()}
    return SaturationFile(question, training)


def _readout(path: Path, given: Mapping[str, Any]) -> dict[str, Any]:
    found = _numbers(path, "readout", given, READOUT)
    return found | ({"te": RINGDOWN} if "flip_duration" in found and "te" not in found else {})


def of_pool_or_water(name: str) -> str:
    """`pool.t2` as parameters are called; those of the water and those that the pool alone has are as they stand."""
    part, _, rest = name.rpartition(".")
    return f"pool_{rest}" if part == "pool" and rest in ("t1", "t2") else rest


def _schedule(path: Path, given: Mapping[str, Any]) -> dict[str, Any]:
    found = _numbers(path, "schedule", {name: given[name] for name in SCHEDULE}, SCHEDULE)
    found["images"] = _number(path, "schedule.images", given["images"], int)
    if found["images"] < 1:
        raise ValueError(f"{path}: schedule.images must be at least 1, but is {found['images']}.")
    found["start"] = str(given.get("start", "random"))
    if found["start"].endswith(".csv"):
        found["start"] = str((path.parent / found["start"]).resolve())
    if "most_time" in given:
        found["most_time"] = _number(path, "schedule.most_time", given["most_time"], quantities.time)
    if not any(isinstance(found[name], list) for name in SCHEDULE):
        raise ValueError(
            f"{path}: nothing of the schedule is left to design; give one of {', '.join(SCHEDULE)} a pair of bounds, such as "
            "`b1: [0uT, 6uT]`."
        )
    return found


def _content(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not a text file in UTF-8.") from None
    except yaml.YAMLError as error:
        raise ValueError(f"{path} is no valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict):
        raise ValueError(f"{path} must hold {', '.join(NEEDED)} at its top level.")
    return content


def _part(
    path: Path, name: str, content: Mapping[str, Any], known: tuple[str, ...], needed: tuple[str, ...]
) -> dict[str, Any]:
    part = content.get(name, {})
    if not isinstance(part, dict):
        raise ValueError(f"{path}: {name} must hold {', '.join(needed or known)}, but is {part!r}.")
    _require(path, f"{name}.", part, known, needed)
    return part


def _require(path: Path, where: str, given: Mapping[str, Any], known: tuple[str, ...], needed: tuple[str, ...]) -> None:
    for key in given:
        if key not in known:
            raise ValueError(f"{path}: there is no {where}{key}.{did_you_mean(str(key), known)}")
    if missing := [key for key in needed if key not in given]:
        raise ValueError(f"{path} lacks {', '.join(where + key for key in missing)}.")


def _numbers(path: Path, where: str, given: Mapping[str, Any], kinds: Mapping[str, Read]) -> dict[str, Any]:
    """Each a number, or a pair as a list."""
    found = {}
    for name, kind in kinds.items():
        if name in given:
            found[name] = _value(path, f"{where}.{name}", given[name], kind)
    return found


def _value(path: Path, where: str, given: Any, kind: Read) -> float | list[float]:
    if not isinstance(given, list):
        return _number(path, where, given, kind)
    pair = [_number(path, where, one, kind) for one in given]
    if len(pair) != 2 or not pair[0] < pair[1]:
        raise ValueError(f"{path}: {where} must be one value, or a pair with the lower first, but is {given}.")
    return pair


def _number(path: Path, where: str, given: Any, kind: Callable[[str], Any]) -> Any:
    try:
        return kind(str(given))
    except argparse.ArgumentTypeError as error:
        raise ValueError(f"{path}: {where}: {error}.") from None
    except ValueError:
        wanted = "a whole number" if kind is int else "a number"
        raise ValueError(f"{path}: {where} must be {wanted}, but is {given!r}.") from None


def _listed(path: Path, where: str, given: Any) -> list[str]:
    if not isinstance(given, list) or not given:
        raise ValueError(f"{path}: {where} must list parameters, such as [fraction, exchange_rate], but is {given!r}.")
    return [str(name) for name in given]
