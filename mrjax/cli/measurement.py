"""Signals to fit, read from images or a table, and maps written back."""

import argparse
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mrjax.cli import gradient_echoes, grids, known_maps
from mrjax.cli.batches import Result
from mrjax.cli.grids import CountError
from mrjax.inverse import FitStatus
from mrjax.io import FileError, Image, read_nifti, read_signals, require_same_place, write_nifti, write_table

BACKGROUND = 0.1
"""Voxels whose brightest image stays below this fraction of the 99th percentile are not fitted, unless a mask is given."""
WITHOUT_VALUE = (FitStatus.NOT_FINITE, FitStatus.STALLED)
"""Statuses of voxels whose parameters are where the fit began, or where it got stuck: no results."""


@dataclass(frozen=True)
class Measurement:
    """Signals to fit, `(n_voxels, n)`, and where they go in the output."""

    signals: np.ndarray
    maps: dict[str, np.ndarray]
    """What is known of the voxels, `(n_voxels,)`, by the names of options."""
    mask: np.ndarray | None
    """Of the image: where signals are fitted; None for a table."""
    affine: np.ndarray | None
    labels: list[str] | None
    excluded: np.ndarray | None = None
    """Of the image: where a fit was asked for, but is impossible."""
    left_out: dict[str, int] = field(default_factory=dict)
    """Numbers of voxels that are not fitted, by the reason."""
    remarks: tuple[str, ...] = ()
    """What was done to the images."""

    @property
    def n_excluded(self) -> int:
        """How many voxels were asked for, but cannot be fitted."""
        return 0 if self.excluded is None else int(self.excluded.sum())

    def remark(self) -> str:
        """What is not fitted, for the screen; empty if all is."""
        counts = [f"{count:,} {reason}" for reason, count in self.left_out.items() if count]
        return f"not fitted: {', '.join(counts)}" if counts else ""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options that say what is fitted and where results go."""
    parser.add_argument("--mask", type=Path, help="NIfTI; voxels above zero are fitted")
    parser.add_argument("--column", help="column of a CSV whose cells hold all signals of a voxel, separated by blanks")
    parser.add_argument(
        "--noise-std", "--noise", type=float, help="noise standard deviation; estimated from the residual by default"
    )
    parser.add_argument("--out", type=Path, default=Path("mrjax_fit"), help="folder to write to (mrjax_fit)")


def read(options: argparse.Namespace, n: int, option: str, *, complex_images: bool = False) -> Measurement:
    """What `options.data` holds: `n` signals in each voxel, as `option` of the command line says."""
    if options.noise_std is not None and not options.noise_std > 0:
        raise ValueError(f"--noise-std must be positive, but got {options.noise_std:g}.")
    if options.data[0].suffix.lower() == ".csv":
        return read_table(options, n, option)
    return read_images(options, n, option, complex_images=complex_images)


def read_table(options: argparse.Namespace, n: int, option: str) -> Measurement:
    """The rows of a CSV, `n` signals each; `FileError` with options that belong to images, or with another number."""
    given = any(getattr(options, name, None) is not None for name in ("mask", "phase", *known_maps.KNOWN_MAPS))
    if len(options.data) > 1 or given:
        raise FileError("A CSV is fitted alone, without further images, --mask or maps.")
    labels, signals = read_signals(options.data[0], options.column)
    if signals.shape[-1] != n:
        raise CountError(
            f"{options.data[0]} has {signals.shape[-1]} signals in each row, but {option} gives {n} values; give one for "
            "each, in order."
        )
    return Measurement(signals, {}, None, None, labels)


def read_images(options: argparse.Namespace, n: int, option: str, *, complex_images: bool = False) -> Measurement:
    """The voxels of one series of `n` images, or of `n` images, within the mask, or where the brightest image is not dark.

    Raises `FileError` for shapes or places that differ, complex images where they are not wanted, another number of images,
    an empty mask, and known maps of another unit.
    """
    images = grids.series(options.data, [read_nifti(path) for path in options.data], n, option)
    images, scaling = _with_phase(options, images, n, option) if getattr(options, "phase", None) else (images, "")
    if np.iscomplexobj(images.data) and not complex_images:
        raise FileError(f"{options.data[0]} is complex; pass magnitudes.")
    asked = (
        _bright(images.data)
        if options.mask is None
        else grids.on_the_grid("--mask", read_nifti(options.mask), images) > 0
    )
    broken = asked & ~np.all(np.isfinite(images.data), axis=-1)
    maps, usable, unusable = known_maps.read(options, images, asked & ~broken)
    left_out = {
        "outside the mask" if options.mask is not None else "darker than a tenth of the brightest": int((~asked).sum()),
        "with signals that are not finite": int(broken.sum()),
    }
    broken = broken | (asked & ~usable)
    fitted = asked & ~broken
    if not fitted.any():
        raise FileError("No voxel is left to fit: the mask is empty or the data are not finite.")
    of_voxels = {name: values[fitted] for name, values in maps.items()}
    remarks = (scaling,) if scaling else ()
    return Measurement(
        images.data[fitted], of_voxels, fitted, images.affine, None, broken, left_out | unusable, remarks
    )


def _with_phase(options: argparse.Namespace, magnitude: Image, n: int, option: str) -> tuple[Image, str]:
    """Complex images of magnitudes and phases, and what was done to these."""
    if np.iscomplexobj(magnitude.data):
        raise FileError(f"{options.data[0]} is complex already; leave out --phase.")
    phase = grids.series(options.phase, [read_nifti(path) for path in options.phase], n, option)
    name = str(options.phase[0])
    if phase.data.shape != magnitude.data.shape:
        raise FileError(
            f"{name} must have the shape of {options.data[0]}, {magnitude.data.shape}, but has {phase.data.shape}."
        )
    require_same_place(name, phase, str(options.data[0]), magnitude)
    angle, scaling = gradient_echoes.in_radians(options.phase[0], phase.data)
    return Image(magnitude.data * np.exp(1j * angle), magnitude.affine), scaling


def _bright(data: np.ndarray) -> np.ndarray:
    # a voxel without any number is background of a masked series
    size = np.abs(data)
    brightest = np.max(np.where(np.isnan(size), 0.0, size), axis=-1)
    known = brightest[np.isfinite(brightest)]
    return brightest > BACKGROUND * (np.percentile(known, 99) if known.size else 0.0)


def maps_of(result: Result) -> dict[str, np.ndarray]:
    """By the names of their files: parameters, their standard deviations, residual and status, `(n_voxels,)` each.

    Everything but the status is nan in voxels without a result.
    """
    deviations = {f"{name}_std": value for name, value in result.standard_deviation.items()}
    values = {**result.parameters, **deviations, "residual_rms": result.residual_rms}
    known = result.finished & ~np.isin(result.status, WITHOUT_VALUE)
    return {name: np.where(known, value, np.nan) for name, value in values.items()} | {"status": result.status}


def in_images(measurement: Measurement, values: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Maps in the shape of the images, of values `(n_voxels, ...)`.

    Voxels that are not fitted are nan in every map, and `FitStatus.EXCLUDED` or `FitStatus.OUTSIDE_MASK` in the status.
    """
    assert measurement.mask is not None
    maps = {}
    for key, inside in values.items():
        outside = np.nan if key != "status" else float(FitStatus.OUTSIDE_MASK)
        maps[key] = np.full((*measurement.mask.shape, *inside.shape[1:]), outside)
        maps[key][measurement.mask] = inside
    if measurement.excluded is not None:
        maps["status"][measurement.excluded] = FitStatus.EXCLUDED
    return maps


def write_columns(path: Path, measurement: Measurement, values: dict[str, np.ndarray]) -> Path:
    """A table with a row for each voxel."""
    labels = [str(i) for i in range(len(measurement.signals))] if measurement.labels is None else measurement.labels
    return write_table(path, {"voxel": labels, **{name: value.tolist() for name, value in values.items()}})


def write(name: str, out: Path, measurement: Measurement, result: Result) -> list[Path]:
    """Write a table, or maps; returns their paths."""
    values = maps_of(result)
    if measurement.mask is None:
        return [write_columns(out / f"{name}.csv", measurement, values)]
    maps = in_images(measurement, values)
    return [write_nifti(out / f"{key}.nii.gz", image, measurement.affine) for key, image in maps.items()]
