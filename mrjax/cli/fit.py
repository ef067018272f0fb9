"""`mrjax fit`: parameter maps from measured images or tables."""

import argparse
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure
from rich.console import Console
from rich.progress import Progress

from mrjax.cli import measurement, quantities
from mrjax.cli.batches import COLUMNS, Result, fit_in_batches
from mrjax.cli.contrasts import CONTRASTS, Contrast
from mrjax.cli.measurement import Measurement
from mrjax.inverse import Dictionary
from mrjax.plot import parameter_map


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
    measurement.add_options(parser)
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
    measured = measurement.read(options, n, option)
    console.print(f"fitting {len(measured.signals):,} voxels with {n} images each")
    with Progress(*COLUMNS, console=console) as progress:
        result = _fit(contrast, options, measured, progress)
    if not result.finished.any():
        return 130
    paths, maps = measurement.write(contrast.name, options.out, measured, result)
    if measured.mask is not None:
        paths.append(_draw(contrast, options.out / "maps.png", measured.mask, maps))
    console.print(measurement.summary(contrast.name, result))
    for path in paths:
        console.print(f"wrote {path}", soft_wrap=True)
    return 0 if result.finished.all() else 130


def _fit(contrast: Contrast, options: argparse.Namespace, measured: Measurement, progress: Progress) -> Result:
    # scaled to about one, so that float32 and the bounds suit images of any unit
    scale = float(np.percentile(np.abs(measured.signals), 99)) or 1.0
    data = (measured.signals / scale).astype(np.float32)
    b1 = None if measured.b1 is None else jnp.asarray(measured.b1, jnp.float32)
    model_of = lambda here: contrast.model(options, measured.signals, None if b1 is None else b1[here])
    nominal = contrast.model(options, measured.signals, None)
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
