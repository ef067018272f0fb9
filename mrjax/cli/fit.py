"""`mrjax fit`: parameter maps from measured images or tables."""

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from mrjax.cli import quantities
from mrjax.cli.batches import COLUMNS, Result, fit_in_batches
from mrjax.cli.contrasts import CONTRASTS, Contrast
from mrjax.inverse import Dictionary, FitStatus
from mrjax.io import FileError, Image, read_nifti, read_signals, write_nifti, write_table
from mrjax.plot import parameter_map

BACKGROUND = 0.1
"""Voxels whose brightest image stays below this fraction of the 99th percentile are not fitted, unless a mask is given."""


@dataclass(frozen=True)
class Measurement:
    """Signals to fit, `(n_voxels, n)`, and where they go in the output."""

    signals: np.ndarray
    b1: np.ndarray | None
    mask: np.ndarray | None
    """Of the image; None for a table."""
    affine: np.ndarray | None
    labels: list[str] | None


def add_to(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("fit", help="fit T1, T2 or T2* to images (NIfTI) or tables (CSV)")
    contrasts = parser.add_subparsers(dest="contrast", required=True, metavar="|".join(CONTRASTS))
    for contrast in CONTRASTS.values():
        add_contrast(contrasts, contrast)


def add_contrast(contrasts: Any, contrast: Contrast) -> None:
    """Add the subcommand of one contrast."""
    parser = contrasts.add_parser(contrast.name, help=contrast.help, description=f"Fit {contrast.help}.")
    parser.add_argument(
        "data", nargs="+", type=Path, help="one NIfTI with the images on its last axis, one per image, or a CSV"
    )
    samples = {
        "te": ("--te", quantities.time, "echo times, such as 4ms 8ms 12ms"),
        "ti": ("--ti", quantities.time, "inversion times, such as 50ms 400ms 1.2s"),
        "flip_angle": ("--flip-angle", quantities.angle, "nominal flip angles, such as 2deg 5deg 12deg"),
    }
    option, kind, explanation = samples[contrast.sample_option]
    parser.add_argument(option, nargs="+", type=kind, required=True, metavar="X", help=explanation)
    if contrast.name == "vfa":
        parser.add_argument("--tr", type=quantities.time, required=True, help="repetition time, such as 5.4ms")
        parser.add_argument("--b1", type=Path, help="NIfTI map of B1 relative to nominal")
    if contrast.name == "ir":
        parser.add_argument("--tr", type=quantities.time, default=np.inf, help="repetition time; long by default")
    parser.add_argument("--mask", type=Path, help="NIfTI; voxels above zero are fitted")
    parser.add_argument("--column", help="column of a CSV whose cells hold all signals of a voxel, separated by blanks")
    parser.add_argument(
        "--noise-std", type=float, help="noise standard deviation; estimated from the residual by default"
    )
    parser.add_argument("--out", type=Path, default=Path("mrjax_fit"), help="folder to write to (mrjax_fit)")
    parser.set_defaults(run=lambda options: run(contrast, options))


def run(contrast: Contrast, options: argparse.Namespace) -> int:
    """Read, fit, write and tell."""
    console = Console()
    n = len(getattr(options, contrast.sample_option))
    n_parameters = 1 + len(contrast.bounds)
    option = f"--{contrast.sample_option.replace('_', '-')}"
    if n < n_parameters:
        raise ValueError(
            f"{contrast.name} fits {n_parameters} parameters and needs as many images, but {option} has {n} values."
        )
    if options.noise_std is not None and not options.noise_std > 0:
        raise ValueError(f"--noise-std must be positive, but got {options.noise_std:g}.")
    read = _read_table if options.data[0].suffix.lower() == ".csv" else _read_images
    measurement = read(options, n, option)
    console.print(f"fitting {len(measurement.signals):,} voxels with {n} images each")
    with Progress(*COLUMNS, console=console) as progress:
        result = _fit(contrast, options, measurement, progress)
    if not result.finished.any():
        return 130
    if measurement.mask is None:
        paths = _write_table(contrast, options.out, measurement, result)
    else:
        paths = _write_maps(contrast, options.out, measurement.mask, measurement.affine, result)
    console.print(_summary(contrast, result))
    for path in paths:
        console.print(f"wrote {path}", soft_wrap=True)
    return 0 if result.finished.all() else 130


def _read_table(options: argparse.Namespace, n: int, option: str) -> Measurement:
    if len(options.data) > 1 or options.mask is not None or getattr(options, "b1", None) is not None:
        raise FileError("A CSV is fitted alone, without further images, --mask or --b1.")
    labels, signals = read_signals(options.data[0], options.column)
    _require_count(options.data[0], signals.shape[-1], n, option, "signals in each row")
    return Measurement(signals, None, None, None, labels)


def _read_images(options: argparse.Namespace, n: int, option: str) -> Measurement:
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
        raise FileError(f"{path} has {found} {what}, but {option} gives {n} values; give one for each, in order.")


def _bright(data: np.ndarray) -> np.ndarray:
    brightest = np.max(np.abs(data), axis=-1)
    known = brightest[np.isfinite(brightest)]
    return brightest > BACKGROUND * (np.percentile(known, 99) if known.size else 0.0)


def _fit(contrast: Contrast, options: argparse.Namespace, measurement: Measurement, progress: Progress) -> Result:
    # scaled to about one, so that float32 and the bounds suit images of any unit
    scale = float(np.percentile(np.abs(measurement.signals), 99)) or 1.0
    data = (measurement.signals / scale).astype(np.float32)
    b1 = None if measurement.b1 is None else jnp.asarray(measurement.b1, jnp.float32)
    model_of = lambda here: contrast.model(options, measurement.signals, None if b1 is None else b1[here])
    nominal = contrast.model(options, measurement.signals, None)
    dictionary = Dictionary.build(lambda p: nominal({**p, "m0": jnp.ones_like(p[contrast.parameter])}), contrast.grid)
    start = dictionary.match(data, batch_size=4096)
    init = {**{name: np.asarray(value) for name, value in start.parameters.items()}, "m0": np.asarray(start.m0)}
    bounds = contrast.bounds | {"m0": (0.0, np.inf)}
    lower, upper = ({name: limits[i] for name, limits in bounds.items()} for i in (0, 1))
    noise_std = None if options.noise_std is None else options.noise_std / scale
    result = fit_in_batches(model_of, data, init, (lower, upper), progress, noise_std=noise_std)
    for values in (result.parameters, result.standard_deviation):
        values["m0"] *= scale
    result.residual_rms[:] *= scale
    return result


def _maps(result: Result) -> dict[str, np.ndarray]:
    deviations = {f"{name}_std": value for name, value in result.standard_deviation.items()}
    return {**result.parameters, **deviations, "residual_rms": result.residual_rms, "status": result.status}


def _write_table(contrast: Contrast, out: Path, measurement: Measurement, result: Result) -> list[Path]:
    columns = {"voxel": measurement.labels, **{name: value.tolist() for name, value in _maps(result).items()}}
    return [write_table(out / f"{contrast.name}.csv", columns)]


def _write_maps(contrast: Contrast, out: Path, mask: np.ndarray, affine: Any, result: Result) -> list[Path]:
    paths, maps = [], {}
    for name, values in _maps(result).items():
        maps[name] = np.zeros(mask.shape)
        maps[name][mask] = values
        paths.append(write_nifti(out / f"{name}.nii.gz", maps[name], affine))
    return [*paths, _draw(contrast, out / "maps.png", mask, maps)]


def _draw(contrast: Contrast, path: Path, mask: np.ndarray, maps: dict[str, np.ndarray]) -> Path:
    """The fullest slice of the parameter, its standard deviation and M0."""
    while mask.ndim < 3:
        mask, maps = mask[..., None], {name: value[..., None] for name, value in maps.items()}
    z = int(np.argmax(mask.sum(axis=(0, 1))))
    figure = Figure(figsize=(13, 4), layout="constrained")
    panels = figure.subplots(1, 3)
    parameter = contrast.parameter
    parameter_map(maps[parameter][:, :, z], parameter, mask=mask[:, :, z], axes=panels[0])
    title = f"{panels[0].get_title()}, one standard deviation"
    parameter_map(maps[f"{parameter}_std"][:, :, z], parameter, mask=mask[:, :, z], title=title, axes=panels[1])
    parameter_map(maps["m0"][:, :, z], "m0", mask=mask[:, :, z], axes=panels[2])
    figure.savefig(path, dpi=150)
    return path


def _summary(contrast: Contrast, result: Result) -> Table:
    table = Table(title=f"{contrast.name}: {result.finished.sum():,} voxels")
    for column in ("", "25 %", "median", "75 %", "median std"):
        table.add_column(column, justify="right")
    good = result.finished & (result.status == FitStatus.CONVERGED)
    for name, values in result.parameters.items():
        if good.any():
            quartiles = np.nanpercentile(values[good], [25, 50, 75])
            spread = np.nanmedian(result.standard_deviation[name][good])
            table.add_row(name, *(f"{value:.4g}" for value in (*quartiles, spread)))
    counts = [
        f"{(result.status[result.finished] == status).sum():,} {status.name.lower().replace('_', ' ')}"
        for status in FitStatus
    ]
    table.caption = ", ".join(count for count in counts if not count.startswith("0 ")) + "; times in s"
    return table
