"""b-values and directions of diffusion weighting from the files of FSL, as BIDS has them."""

from pathlib import Path
from typing import Any

import numpy as np

from mrjax.io import FileError
from mrjax.units import mm

PER_MM2 = 1 / mm**2
"""From s/mm^2 to s/m^2."""
PLAUSIBLE = (50.0, 50_000.0)
"""Between which the largest b-value lies, in s/mm^2."""


def beside(image: Path, ending: str) -> Path:
    """Where the file of an image belongs: `dwi.bval` beside `dwi.nii.gz`."""
    return image.with_name(image.name.removesuffix(".gz")).with_suffix(ending)


def read_b_values(path: Path) -> np.ndarray:
    """In s/m^2, `(n,)`; `FileError` where the file is missing, holds something else, or is in another unit."""
    values = _numbers(path, "--bval").ravel()
    if not np.all(np.isfinite(values) & (values >= 0)):
        raise FileError(f"{path} must hold b-values of zero or more, but one is {values[~(values >= 0)][0]:g}.")
    highest, (low, high) = float(values.max()), PLAUSIBLE
    if not low <= highest <= high:
        raise FileError(
            f"{path} must hold b-values in s/mm^2, the largest from {low:g} to {high:,.0f}, but it is {highest:g}; multiply "
            "those in ms/um^2 by 1000."
        )
    return values * PER_MM2


def read_directions(path: Path, b_values: np.ndarray) -> np.ndarray:
    """Unit vectors along the axes of the image as FSL has them, `(n, 3)`; zero where there is no weighting.

    The file has three rows, or three columns. Raises `FileError` where it fits neither the b-values nor unit vectors.
    """
    table, n = _numbers(path, "--bvec"), len(b_values)
    if table.shape not in ((3, n), (n, 3)):
        raise FileError(
            f"{path} must hold three rows of {n} numbers, one for each b-value, but holds {table.shape[0]} rows of "
            f"{table.shape[1]}."
        )
    vectors = table.T if table.shape == (3, n) else table
    length = np.linalg.norm(vectors, axis=1)
    weighted = b_values > 0
    missing = weighted & ~((length > 0.9) & (length < 1.1))
    # some tools write small weightings without a direction
    missing &= b_values > 0.05 * b_values.max()
    if missing.any():
        i = int(np.flatnonzero(missing)[0])
        raise FileError(
            f"{path} must hold unit vectors, but that of image {i + 1} (b = {b_values[i] / PER_MM2:g} s/mm^2) has length "
            f"{length[i]:.4g}."
        )
    known = weighted & (length > 0.9)
    return np.where(known[:, None], vectors / np.where(known, length, 1.0)[:, None], 0.0)


def in_scanner_axes(directions: np.ndarray, affine: np.ndarray | None) -> np.ndarray:
    """Directions along the axes of an image as along those of the scanner, x to the right, y to the front, z to the head.

    FSL counts x from right to left where the image is stored from left to right (a positive determinant of the affine), and
    BIDS does as FSL.
    """
    if affine is None:
        return directions
    axes = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    # the nearest rotation, of the header of a sheared image too
    left, _, right = np.linalg.svd(axes)
    flip = np.array([-1.0 if np.linalg.det(axes) > 0 else 1.0, 1.0, 1.0])
    return (directions * flip) @ (left @ right).T


def _numbers(path: Path, option: str) -> np.ndarray:
    if not path.is_file():
        raise FileError(f"{path} does not exist or is no file; put it beside the image, or name it by {option}.")
    try:
        rows: Any = [line.replace(",", " ").split() for line in path.read_text(encoding="utf-8-sig").splitlines()]
        table = np.array([[float(word) for word in row] for row in rows if row], float)
    except (UnicodeDecodeError, ValueError) as error:
        raise FileError(f"{path} must hold rows of as many numbers each, but does not ({error}).") from error
    if table.size == 0:
        raise FileError(f"{path} is empty.")
    return table
