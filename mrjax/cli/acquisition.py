"""How the images were acquired: echo times, flip angles and the like, from the command line or from sidecars."""

import argparse
import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from mrjax import units
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


SETTINGS = {
    "te": Setting("--te", ("EchoTime",), "s", 1.0, 3.0, "4ms 8ms 12ms"),
    "ti": Setting("--ti", ("InversionTime",), "s", 1.0, 30.0, "50ms 400ms 1.2s"),
    "flip_angle": Setting("--flip-angle", ("FlipAngle",), "deg", units.deg, 360.0, "2deg 5deg 12deg"),
}
REPETITION_TIME = {
    "vfa": Setting("--tr", ("RepetitionTimeExcitation", "RepetitionTime"), "s", 1.0, 60.0, "5.4ms"),
    "ir": Setting("--tr", ("RepetitionTimePreparation", "RepetitionTime"), "s", 1.0, 60.0, "5s"),
}
"""Between excitations where each is one repetition, between inversions where each is."""


@dataclass(frozen=True)
class Acquisition:
    """Settings of a series of images."""

    samples: np.ndarray
    """What differs from image to image, `(n,)`: times in s or flip angles in rad."""
    tr: np.ndarray
    """Repetition times in s, `(n,)`; infinite where none matters."""
    origin: str
    """Where `samples` are from: an option, or the name in sidecars."""
    remarks: tuple[str, ...]
    """What the user should know about where these numbers are from."""

    def of(self, chosen: np.ndarray) -> "Acquisition":
        """The settings of some of the images, by their indices."""
        return dataclasses.replace(self, samples=self.samples[chosen], tr=self.tr[chosen])

    def as_dict(self, sample_option: str) -> dict[str, Any]:
        """In SI, for a record."""
        tr = {"tr": self.tr.tolist()} if np.isfinite(self.tr).all() else {}
        return {sample_option: self.samples.tolist(), **tr, "remarks": list(self.remarks)}


def read(options: argparse.Namespace, sample_option: str, contrast: str) -> Acquisition:
    """From the options and, where these say nothing, from the sidecars of `options.data`.

    Raises `FileError` where neither knows, or a sidecar holds no number or one that cannot be in its unit.
    """
    sidecars = [(path, read_sidecar(path)) for path in options.data]
    of_samples, given = SETTINGS[sample_option], getattr(options, sample_option)
    samples, remarks = _values(of_samples, given, sidecars)
    if samples is None:
        raise FileError(_nowhere(of_samples, sidecars))
    origin = of_samples.option if given is not None else f"{of_samples.names[0]} in the sidecar"
    tr = np.array([np.inf])
    if contrast in REPETITION_TIME:
        setting = REPETITION_TIME[contrast]
        found, of_tr = _values(setting, None if options.tr is None else [options.tr], sidecars)
        if found is None and contrast == "vfa":
            raise FileError(_nowhere(setting, sidecars))
        tr, remarks = tr if found is None else found, remarks + of_tr
        if len(tr) not in (1, len(samples)):
            raise FileError(f"The sidecars hold {len(tr)} repetition times for {len(samples)} images; pass --tr.")
    return Acquisition(samples, np.broadcast_to(tr, samples.shape), origin, tuple(remarks))


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
    path = next(sidecar_path(path) for path, content in sidecars if not set(setting.names) & set(content))
    why = f"{path} has no {setting.names[-1]}" if path.is_file() else f"there is no {path} with {setting.names[-1]}"
    return f"{setting.option} is not given and {why}; write {setting.option} {setting.example}."
