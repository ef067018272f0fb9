"""Signs of the images of an inversion recovery."""

from typing import Literal

import numpy as np

NEGATIVE = 0.05
"""A voxel has a negative sample where one lies below zero by more than this fraction of its largest."""
OFTEN = 0.1
"""Fraction of voxels with a negative sample from which images count as signed."""

Signs = Literal["signed", "magnitude"]


def guess(signals: np.ndarray) -> tuple[Signs, str]:
    """Whether real signals `(n_voxels, n)` are signed or magnitudes, and why.

    Magnitudes have no negative samples, but interpolated ones have a few small ones; in signed images most voxels have a
    large one, at the shortest inversion time. In doubt they are magnitudes: those of signed signals are fitted rightly,
    too, while magnitudes that are taken as signed give a wrong T1 everywhere.
    """
    negative = signals.min(axis=-1) < -NEGATIVE * np.abs(signals).max(axis=-1)
    signs: Signs = "signed" if negative.mean() > OFTEN else "magnitude"
    return signs, f"{negative.sum():,} of {len(signals):,} voxels have a clearly negative sample"


def restored(signals: np.ndarray, inversion_time: np.ndarray) -> np.ndarray:
    """Complex signals `(n_voxels, n)` as signed ones: their parts along the phase of the largest, rising with time."""
    largest = np.argmax(np.abs(signals), axis=-1)
    reference = np.take_along_axis(signals, largest[:, None], axis=-1)
    size = np.abs(reference)
    along = np.real(signals * np.where(size > 0, np.conj(reference) / np.where(size > 0, size, 1.0), 1.0))
    rises = along[:, np.argmax(inversion_time)] >= along[:, np.argmin(inversion_time)]
    return np.where(rises[:, None], along, -along)
