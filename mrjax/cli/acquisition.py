"""How the images were acquired: echo times, flip angles and the like, from the command line or from sidecars."""

import argparse
import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from mrjax import units
from mrjax.cli import quantities
from mrjax.io import FileError, read_sidecar, sidecar_path

AGREE = 1e-3
"""Relative difference up to which command line and sidecar say the same."""


@dataclass(frozen=True)
class Setting:
    """One setting of the sequence, with an option and with names in sidecars."""

    option: str
    names: tuple[str, ...]
    """In sidecars; the first that is there counts."""
    in_sidecars: str
    """The unit that BIDS prescribes."""
    factor: float
    """From that unit to SI."""
    largest: float
    """Value beyond which a sidecar is in another unit, in the unit of sidecars."""
    example: str
    kind: Callable[[str], float]
    """Reads a value on the command line, in SI."""
    meaning: str

    @property
    def name(self) -> str:
        """Of the option among those that are parsed."""
        return self.option.removeprefix("--").replace("-", "_")


def _time(option: str, names: tuple[str, ...], largest: float, example: str, meaning: str) -> Setting:
    return Setting(option, names, "s", 1.0, largest, example, quantities.time, meaning)


TE = _time("--te", ("EchoTime",), 3.0, "4ms 8ms 12ms", "echo times")
TI = _time("--ti", ("InversionTime",), 30.0, "50ms 400ms 1.2s", "inversion times")
TSL = _time("--tsl", ("SpinLockTime",), 3.0, "1ms 20ms 40ms 60ms", "durations of the spin lock")
PLD = _time("--pld", ("PostLabelingDelay",), 30.0, "0.5s 1s 1.5s 2s 2.5s", "post-labelling delays")
LABEL = _time(
    "--labelling-duration", ("LabelingDuration", "BolusCutOffDelayTime"), 30.0, "1.8s", "duration of the label"
)
FRAMES = _time("--time", ("VolumeTiming",), 7200.0, "0s 5s 10s 15s 20s", "times of the images")
TR_OF_EXCITATIONS = _time("--tr", ("RepetitionTimeExcitation", "RepetitionTime"), 60.0, "5.4ms", "repetition time")
TR_OF_INVERSIONS = _time("--tr", ("RepetitionTimePreparation", "RepetitionTime"), 60.0, "5s", "repetition time")
FLIP_ANGLE = Setting(
    *("--flip-angle", ("FlipAngle",), "deg", units.deg, 360.0, "2deg 5deg 12deg"),
    quantities.angle,
    "nominal flip angles",
)
OFFSET_FREQUENCY = Setting(
    *("--offset-frequency", ("MTOffsetFrequency",), "Hz", 1.0, 1e6, "1kHz 3kHz 10kHz 1kHz 3kHz 10kHz"),
    *(quantities.frequency, "offsets of the RF from the frequency of the scanner"),
)
RF_AMPLITUDE = Setting(
    *("--rf-amplitude", (), "T", 1.0, 1e-3, "2uT 2uT 2uT 6uT 6uT 6uT"),
    *(quantities.rf_field, "amplitude of the continuous wave of equal power, for each image or for all"),
)


@dataclass(frozen=True)
class Acquisition:
    """Settings of a series of images."""

    values: dict[str, np.ndarray]
    """By the names of options in SI, an entry for each image. The first differs from image to image."""
    origin: str
    """Where the first is from: an option, or the name in sidecars."""
    remarks: tuple[str, ...]
    """What the user should know about where these numbers are from."""

    @property
    def samples(self) -> np.ndarray:
        """What differs from image to image, `(n,)`: times in s or flip angles in rad, say."""
        return next(iter(self.values.values()))

    @property
    def tr(self) -> np.ndarray:
        """Repetition times in s, `(n,)`; infinite where none is known."""
        return self.values.get("tr", np.full(self.samples.shape, np.inf))

    def of(self, chosen: np.ndarray) -> "Acquisition":
        """The settings of some of the images, by their indices."""
        return dataclasses.replace(self, values={name: value[chosen] for name, value in self.values.items()})

    def as_dict(self) -> dict[str, Any]:
        """In SI, for a record."""
        return {name: value.tolist() for name, value in self.values.items()} | {"remarks": list(self.remarks)}


def read(
    options: argparse.Namespace, samples: Setting, needed: Sequence[Setting] = (), optional: Sequence[Setting] = ()
) -> Acquisition:
    """From the options and, where these say nothing, from the sidecars of `options.data`.

    `needed` and `optional` settings hold for all images, or have a value for each.

    Raises `FileError` where neither knows, or a sidecar holds no number or one that cannot be in its unit.
    """
    sidecars = [(path, read_sidecar(path)) for path in options.data]
    given = getattr(options, samples.name)
    found, remarks = _values(samples, given, sidecars)
    if found is None:
        raise FileError(_nowhere(samples, sidecars))
    origin, values = (
        samples.option if given is not None else f"{samples.names[0]} in the sidecar",
        {samples.name: found},
    )
    for setting in (*needed, *optional):
        further, said = _values(setting, _listed(getattr(options, setting.name)), sidecars)
        if further is None and setting in needed:
            raise FileError(_nowhere(setting, sidecars))
        if further is None:
            continue
        if len(further) not in (1, len(found)):
            where = "The sidecars hold" if getattr(options, setting.name) is None else f"{setting.option} has"
            raise FileError(
                f"{where} {len(further)} values of {setting.meaning} for {len(found)} images; pass {setting.option}."
            )
        values[setting.name], remarks = np.broadcast_to(further, found.shape), remarks + said
    return Acquisition(values, origin, tuple(remarks))


def _listed(given: Any) -> list[float] | None:
    return given if given is None or isinstance(given, list) else [given]


def _values(
    setting: Setting, given: list[float] | None, sidecars: list[tuple[Path, dict[str, Any]]]
) -> tuple[np.ndarray | None, list[str]]:
    """The values in SI, and what is to be said; None where neither the command line nor every sidecar knows."""
    found = [_stated(setting, path, content, strict=given is None) for path, content in sidecars]
    known = [entry for entry in found if entry is not None]
    if len(known) < len(found):
        return (None if given is None else np.array(given)), []
    stated = np.concatenate([values for _, values in known])
    text = f"{known[0][0]} of the sidecars ({', '.join(f'{value:g}' for value in stated)} {setting.in_sidecars})"
    if given is None:
        if not np.all((stated >= 0) & (stated <= setting.largest)):
            raise FileError(
                f"{text} must be in {setting.in_sidecars}, from 0 to {setting.largest:g}; correct it or pass {setting.option}."
            )
        return stated * setting.factor, [f"{setting.option} is {text}"]
    told = np.array(given) / setting.factor
    # the sidecar of a series often holds one value alone, that of its first image
    pairs = np.isclose(told[:, None], stated, rtol=AGREE, atol=0.0)
    agrees = np.diagonal(pairs).all() if pairs.shape[0] == pairs.shape[1] else pairs.any(axis=0).all()
    listing = ", ".join(f"{value:g}" for value in told)
    differs = f"{setting.option} ({listing} {setting.in_sidecars}) differs from {text}; the command line is used"
    return np.array(given), [] if agrees else [differs]


def _stated(
    setting: Setting, path: Path, content: dict[str, Any], *, strict: bool
) -> tuple[str, Float[np.ndarray, " n"]] | None:
    """What one sidecar says, and by which name; None where it has none, or no number unless `strict`."""
    name = next((name for name in setting.names if name in content), None)
    if name is None:
        return None
    values = content[name] if isinstance(content[name], list) else [content[name]]
    if values and all(isinstance(one, int | float) and not isinstance(one, bool) for one in values):
        return name, np.array(values, float)
    if strict:
        raise FileError(
            f"{sidecar_path(path)}: {name} must be a number or a list of numbers, but is {content[name]!r}."
        )
    return None


def _nowhere(setting: Setting, sidecars: list[tuple[Path, dict[str, Any]]]) -> str:
    remedy = f"write {setting.option} {setting.example}."
    if not setting.names:
        return f"{setting.option} is not given, and sidecars have no name for it; {remedy}"
    path = next(sidecar_path(path) for path, content in sidecars if not set(setting.names) & set(content))
    why = f"{path} has no {setting.names[-1]}" if path.is_file() else f"there is no {path} with {setting.names[-1]}"
    return f"{setting.option} is not given and {why}; {remedy}"
