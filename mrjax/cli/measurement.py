"""Signals to fit, read from images or a table, and maps written back."""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.table import Table

from mrjax.cli.batches import Result
from mrjax.inverse import FitStatus
from mrjax.io import FileError, Image, read_nifti, read_signals, write_nifti, write_table

BACKGROUND = 0.1
"""Voxels whose brightest image stays below this fraction of the 99th percentile are not fitted, unless a mask is given."""


class CountError(FileError):
    """A file holds another number of signals than it should."""


@dataclass(frozen=True)
class Measurement:
    """Signals to fit, `(n_voxels, n)`, and where they go in the output."""

    signals: np.ndarray
    b1: np.ndarray | None
    mask: np.ndarray | None
    """Of the image; None for a table."""
    affine: np.ndarray | None
    labels: list[str] | None


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options that say what is fitted and where results go."""
    parser.add_argument("--mask", type=Path, help="NIfTI; voxels above zero are fitted")
    parser.add_argument("--column", help="column of a CSV whose cells hold all signals of a voxel, separated by blanks")
    parser.add_argument(
        "--noise-std", type=float, help="noise standard deviation; estimated from the residual by default"
    )
    parser.add_argument("--out", type=Path, default=Path("mrjax_fit"), help="folder to write to (mrjax_fit)")


def read(options: argparse.Namespace, n: int, option: str) -> Measurement:
    """What `options.data` holds: `n` signals in each voxel, as `option` of the command line says."""
    if options.noise_std is not None and not options.noise_std > 0:
        raise ValueError(f"--noise-std must be positive, but got {options.noise_std:g}.")
    from_file = read_table if options.data[0].suffix.lower() == ".csv" else read_images
    return from_file(options, n, option)


def read_table(options: argparse.Namespace, n: int, option: str) -> Measurement:
    """The rows of a CSV, `n` signals each; `FileError` with options that belong to images, or with another number."""
    if len(options.data) > 1 or options.mask is not None or getattr(options, "b1", None) is not None:
        raise FileError("A CSV is fitted alone, without further images, --mask or --b1.")
    labels, signals = read_signals(options.data[0], options.column)
    _require_count(options.data[0], signals.shape[-1], n, option, "signals in each row")
    return Measurement(signals, None, None, None, labels)


def read_images(options: argparse.Namespace, n: int, option: str) -> Measurement:
    """The voxels of one series of `n` images, or of `n` images, within the mask, or where the brightest image is not dark.

    Raises `FileError` for shapes that differ, complex images, another number of images and an empty mask.
    """
    images = [read_nifti(path) for path in options.data]
    if len(images) > 1:
        images = [_volume(path, image) for path, image in zip(options.data, images, strict=True)]
    shapes = {image.data.shape for image in images}
    if len(shapes) > 1:
        raise FileError(f"All images must have the same shape, but got {', '.join(map(str, sorted(shapes)))}.")
    data = images[0].data if len(images) == 1 else np.stack([image.data for image in images], axis=-1)
    if np.iscomplexobj(data):
        raise FileError(f"{options.data[0]} is complex; pass magnitudes.")
    _require_count(options.data[0], data.shape[-1] if data.ndim > 3 or len(images) > 1 else 1, n, option, "images")
    mask = _bright(data) if options.mask is None else read_nifti(options.mask).data > 0
    b1 = read_nifti(options.b1).data if getattr(options, "b1", None) is not None else None
    for name, image in (("--mask", mask), ("--b1", b1)):
        if image is not None and image.shape != data.shape[:-1]:
            raise FileError(f"{name} must have the shape of the images, {data.shape[:-1]}, but got {image.shape}.")
    mask = mask & np.all(np.isfinite(data), axis=-1)
    if not mask.any():
        raise FileError("No voxel is left to fit: the mask is empty or the data are not finite.")
    return Measurement(data[mask], None if b1 is None else b1[mask], mask, images[0].affine, None)


def _volume(path: Path, image: Image) -> Image:
    """One of several images: without the axis of length one that some converters append."""
    data = image.data[..., 0] if image.data.ndim == 4 and image.data.shape[-1] == 1 else image.data
    if data.ndim > 3:
        raise FileError(f"{path} is a series, {data.shape}; pass one series alone, or three-dimensional images.")
    return Image(data, image.affine)


def _require_count(path: Path, found: int, n: int, option: str, what: str) -> None:
    if found != n:
        raise CountError(f"{path} has {found} {what}, but {option} gives {n} values; give one for each, in order.")


def _bright(data: np.ndarray) -> np.ndarray:
    brightest = np.max(np.abs(data), axis=-1)
    known = brightest[np.isfinite(brightest)]
    return brightest > BACKGROUND * (np.percentile(known, 99) if known.size else 0.0)


def maps_of(result: Result) -> dict[str, np.ndarray]:
    """By the names of their files: parameters, their standard deviations, residual and status, `(n_voxels,)` each."""
    deviations = {f"{name}_std": value for name, value in result.standard_deviation.items()}
    return {**result.parameters, **deviations, "residual_rms": result.residual_rms, "status": result.status}


def write(name: str, out: Path, measurement: Measurement, result: Result) -> tuple[list[Path], dict[str, np.ndarray]]:
    """Write a table, or maps; returns their paths and the maps, in the shape of the images."""
    values = maps_of(result)
    if measurement.mask is None:
        columns = {"voxel": measurement.labels, **{name: value.tolist() for name, value in values.items()}}
        return [write_table(out / f"{name}.csv", columns)], values
    paths, maps = [], {}
    for key, inside in values.items():
        maps[key] = np.zeros(measurement.mask.shape)
        maps[key][measurement.mask] = inside
        paths.append(write_nifti(out / f"{key}.nii.gz", maps[key], measurement.affine))
    return paths, maps


def summary(name: str, result: Result) -> Table:
    """Quartiles of each parameter over the voxels that converged, and how many did not."""
    table = Table(title=f"{name}: {result.finished.sum():,} voxels")
    for column in ("", "25 %", "median", "75 %", "median std"):
        table.add_column(column, justify="right")
    good = result.finished & (result.status == FitStatus.CONVERGED)
    for parameter, values in result.parameters.items():
        if good.any():
            quartiles = np.nanpercentile(values[good], [25, 50, 75])
            spread = np.nanmedian(result.standard_deviation[parameter][good])
            table.add_row(parameter, *(f"{value:.4g}" for value in (*quartiles, spread)))
    counts = [
        f"{(result.status[result.finished] == status).sum():,} {status.name.lower().replace('_', ' ')}"
        for status in FitStatus
    ]
    table.caption = ", ".join(count for count in counts if not count.startswith("0 ")) + "; times in s"
    return table
