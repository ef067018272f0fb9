"""Signals as a model has them: magnitudes, with their signs, or complex."""

import argparse
import dataclasses

import numpy as np

from mrjax.cli import polarity
from mrjax.cli.acquisition import Acquisition
from mrjax.cli.contrasts import Contrast
from mrjax.cli.measurement import Measurement
from mrjax.io import FileError

HIGHEST_OF_SCANNERS = 4095
"""Of a uniform image as scanners store it: 0 to this for -0.5 to 0.5."""


def prepared(
    contrast: Contrast, options: argparse.Namespace, played: Acquisition, measured: Measurement
) -> tuple[Measurement, polarity.Signs, str]:
    """The signals to fit, whether they are signed, and what was done to them in words.

    Raises `FileError` where images are complex and should not be, or the other way round.
    """
    signals, is_complex = measured.signals, np.iscomplexobj(measured.signals)
    signs: polarity.Signs = "signed"
    how = ""
    if contrast.signals == "complex":
        if not is_complex:
            raise FileError(
                f"{contrast.name} needs complex images, but {options.data[0]} is real; pass magnitudes and --phase."
            )
    elif contrast.signals in ("real", "uniform"):
        if is_complex:
            raise FileError(f"{contrast.name} needs real images, but {options.data[0]} is complex.")
        if contrast.signals == "uniform":
            signals, how = _uniform(str(options.data[0]), signals)
    elif contrast.signals == "magnitude":
        if is_complex:
            signals, how = np.abs(signals), "the images are complex; their magnitudes are fitted"
    else:
        signals, signs, how = _with_signs(options, played, signals)
    return dataclasses.replace(measured, signals=signals), signs, how


def _with_signs(
    options: argparse.Namespace, played: Acquisition, signals: np.ndarray
) -> tuple[np.ndarray, polarity.Signs, str]:
    """Real signals of a recovery, signed or not."""
    if np.iscomplexobj(signals):
        if options.signs == "magnitude":
            return np.abs(signals), "magnitude", "the images are complex; their magnitudes are fitted"
        restored = polarity.restored(signals, played.samples)
        return restored, "signed", "the images are complex; signs are taken from their phase"
    if options.signs is not None:
        signs, how = options.signs, f"the images are {options.signs}, as the command line says"
    else:
        signs, why = polarity.guess(signals)
        how = f"the images are taken as {signs}: {why} (--signed or --magnitude decides otherwise)"
    return (np.abs(signals) if signs == "magnitude" else signals), signs, how


def _uniform(name: str, signals: np.ndarray) -> tuple[np.ndarray, str]:
    """A uniform image between -0.5 and 0.5."""
    low, high = float(signals.min()), float(signals.max())
    if low >= -0.5 and high <= 0.5:
        return signals, ""
    if low >= 0 and 1 < high <= HIGHEST_OF_SCANNERS:
        scaled = signals / HIGHEST_OF_SCANNERS - 0.5
        return scaled, f"{name} runs from {low:g} to {high:g}; 0 to {HIGHEST_OF_SCANNERS} is taken for -0.5 to 0.5"
    raise FileError(
        f"{name} must be a uniform image, from -0.5 to 0.5 or 0 to {HIGHEST_OF_SCANNERS}, but runs from {low:g} to {high:g}."
    )
