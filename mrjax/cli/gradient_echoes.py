"""Magnitude and phase of gradient echoes from files, with what sidecars and headers say of them."""

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mrjax.cli import acquisition, grids
from mrjax.io import FileError, Image, read_nifti, read_sidecar, require_same_place, sidecar_path
from mrjax.units import mm

RADIANS = 1e-3
"""By which phases in rad may lie beyond half a turn, by rounding."""
OBLIQUE = 1e-3
"""Cosine between axes of voxels that are not at right angles."""
FIELDS = (0.05, 25.0)
"""Of magnets, in T."""


@dataclass(frozen=True)
class GradientEchoes:
    """A scan, echoes last and in the order of their times."""

    magnitude: np.ndarray
    phase: np.ndarray
    """In rad."""
    te: np.ndarray
    b0: float
    b0_direction: np.ndarray
    """Along the axes of the volume."""
    voxel_size: tuple[float, ...]
    """In m."""
    mask: np.ndarray | None
    affine: np.ndarray
    remarks: tuple[str, ...]


def read(options: argparse.Namespace) -> GradientEchoes:
    """The scan that `options.images` holds; `FileError` with a sentence for everything that does not fit."""
    options.data, phases = _halves(options.images)
    played = acquisition.read(options, acquisition.TE)
    n = len(played.samples)
    magnitude = grids.series(options.data, [read_nifti(path) for path in options.data], n, played.origin)
    phase = grids.series(phases, [read_nifti(path) for path in phases], n, played.origin)
    _require_alike(options.data[0], magnitude, phases[0], phase)
    order = np.argsort(played.samples)
    te = played.samples[order]
    if not (te[0] > 0 and np.all(np.diff(te) > 0)):
        raise FileError(f"Echo times must be positive and differ, but {played.origin} gives {_listed(te)} s.")
    angle, scaling = in_radians(phases[0], phase.data)
    size, holes = _without_holes(magnitude.data)
    b0, of_b0 = _b0(options)
    direction, of_direction = _direction(options, magnitude.affine)
    mask = None
    if options.mask is not None:
        mask = grids.on_the_grid("--mask", read_nifti(options.mask), magnitude) > 0
        if not mask.any():
            raise FileError(f"{options.mask} holds no voxel above zero; pass a mask of the object.")
    sides = tuple((np.linalg.norm(magnitude.affine[:3, :3], axis=0) * mm).tolist())
    remarks = tuple(filter(None, (*played.remarks, scaling, holes, of_b0, of_direction)))
    return GradientEchoes(
        size[..., order], angle[..., order], te, b0, direction, sides, mask, magnitude.affine, remarks
    )


def _halves(paths: list[Path]) -> tuple[list[Path], list[Path]]:
    if len(paths) % 2:
        raise FileError(
            f"Magnitudes and phases must be as many, magnitudes first, but there are {len(paths)} images; pass one series of "
            "each, or one volume of each for every echo."
        )
    return paths[: len(paths) // 2], paths[len(paths) // 2 :]


def _require_alike(name: Path, magnitude: Image, other_name: Path, phase: Image) -> None:
    if magnitude.data.ndim != 4 or min(magnitude.data.shape[:3]) < 2:
        raise FileError(f"{name} must hold volumes, but has shape {magnitude.data.shape}; a slice has no dipole in it.")
    if np.iscomplexobj(magnitude.data) or np.iscomplexobj(phase.data):
        raise FileError(f"{name} and {other_name} must be magnitude and phase, but one is complex; split it.")
    if magnitude.data.shape != phase.data.shape:
        raise FileError(
            f"{other_name} must have the shape of {name}, {magnitude.data.shape}, but has {phase.data.shape}."
        )
    require_same_place(str(other_name), phase, str(name), magnitude)


def in_radians(path: Path, phase: np.ndarray) -> tuple[np.ndarray, str]:
    """The phase in rad, zero where it is no number, and what was done to it."""
    known = np.isfinite(phase)
    if not known.any():
        raise FileError(f"{path} holds no finite number.")
    values = np.where(known, phase, 0.0)
    low, high = float(phase[known].min()), float(phase[known].max())
    if low == high:
        raise FileError(f"{path} is {low:g} everywhere, which is no phase.")
    beyond = np.pi * (1 + RADIANS)
    if read_sidecar(path).get("Units") == "rad" or (high - low > np.pi and -beyond <= low and high <= 2 * beyond):
        return values, ""
    scaled = (values - low) / (high - low) * 2 * np.pi - np.pi
    return np.where(known, scaled, 0.0), f"the phase runs from {low:.6g} to {high:.6g}; it is rescaled to -pi..pi"


def _without_holes(magnitude: np.ndarray) -> tuple[np.ndarray, str]:
    broken = ~np.isfinite(magnitude)
    if broken.all():
        raise FileError("The magnitude holds no finite number.")
    if np.min(magnitude[~broken]) < 0:
        raise FileError("The magnitude must not be negative; pass magnitudes first, then phases.")
    told = f"{broken.any(-1).sum():,} voxels are not finite and have no signal" if broken.any() else ""
    return np.where(broken, 0.0, magnitude), told


def _b0(options: argparse.Namespace) -> tuple[float, str]:
    if options.b0 is not None:
        return _plausible(options.b0, "--b0"), ""
    path = options.data[0]
    stated = read_sidecar(path).get("MagneticFieldStrength")
    if isinstance(stated, bool) or not isinstance(stated, int | float):
        raise FileError(
            f"--b0 is not given, and {sidecar_path(path)} states no MagneticFieldStrength; write --b0 3T, for example."
        )
    return _plausible(float(stated), "MagneticFieldStrength"), f"--b0 is that of the sidecar, {stated:g} T"


def _plausible(b0: float, name: str) -> float:
    low, high = FIELDS
    if not low <= b0 <= high:
        raise FileError(f"{name} must be from {low:g} to {high:g} T, but is {b0:g}.")
    return b0


def _direction(options: argparse.Namespace, affine: np.ndarray) -> tuple[np.ndarray, str]:
    """That of the scanner's z axis along the axes of the volume."""
    if options.b0_direction is not None:
        given = np.array(options.b0_direction, float)
        if not np.linalg.norm(given) > 0:
            raise FileError("--b0-direction must not be zero.")
        return given / np.linalg.norm(given), ""
    axes: Any = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    if not np.all(np.isfinite(axes)) or np.abs(axes.T @ axes - np.eye(3)).max() > OBLIQUE:
        raise FileError("The axes of the images are not at right angles, so pass --b0-direction.")
    direction = axes.T @ np.array([0.0, 0.0, 1.0])
    return direction, f"--b0-direction is {_listed(direction)}, by the headers of the images"


def _listed(values: np.ndarray) -> str:
    return " ".join(f"{value + 0.0:.4g}" for value in values)
