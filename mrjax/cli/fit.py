"""`mrjax fit`: parameter maps from measured images or tables."""

import argparse
import dataclasses
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
from rich.console import Console
from rich.progress import Progress

from mrjax.cli import acquisition, measurement, outcome, polarity, quantities
from mrjax.cli.acquisition import Acquisition
from mrjax.cli.batches import Result, fit_in_batches
from mrjax.cli.contrasts import CONTRASTS, Contrast
from mrjax.cli.measurement import Measurement
from mrjax.cli.steps import bars
from mrjax.inverse import recovery_polarities


def add_to(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("fit")
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
    _add_list(parser, option, kind, f"{explanation}; by default from the JSON sidecars of the images")
    if contrast.sample_option == "te":
        _add_decay_options(parser)
    if contrast.name == "vfa":
        parser.add_argument("--tr", type=quantities.time, help="repetition time, such as 5.4ms; or from the sidecars")
        parser.add_argument("--b1", type=Path, help="NIfTI map of B1 relative to nominal, about 1")
    if contrast.name == "ir":
        _add_recovery_options(parser)
    measurement.add_options(parser)
    parser.set_defaults(run=lambda options: run(contrast, options))


def _add_decay_options(parser: argparse.ArgumentParser) -> None:
    _add_list(
        parser, "--echoes", quantities.numbers, "which images to fit, counted from 1, such as 2-6; all by default"
    )
    parser.add_argument("--offset", action="store_true", help="fit a constant below the decay, too")
    parser.add_argument(
        "--rician",
        action="store_true",
        help="magnitudes with a noise floor; needs --noise, of real or imaginary part",
    )


def _add_recovery_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--tr", type=quantities.time, help="repetition time; from the sidecars, or long by default")
    signs = parser.add_mutually_exclusive_group()
    for name, explanation in (("signed", "images with signs"), ("magnitude", "images that have lost their signs")):
        signs.add_argument(f"--{name}", dest="signs", action="store_const", const=name, help=explanation)


def _add_list(parser: argparse.ArgumentParser, option: str, kind: Any, explanation: str) -> None:
    parser.add_argument(
        option, nargs="+", type=quantities.listed(kind), action=quantities.Listed, metavar="X", help=explanation
    )


def run(contrast: Contrast, options: argparse.Namespace) -> int:
    """Read, fit, write and tell."""
    console = Console()
    played = acquisition.read(options, contrast.sample_option, contrast.name)
    n = len(played.samples)
    chosen = _chosen(contrast, options, played)
    measured = measurement.read(options, n, played.origin, complex_images=True)
    played, measured = played.of(chosen), dataclasses.replace(measured, signals=measured.signals[:, chosen])
    measured, signs, how = _real(contrast, options, played, measured)
    for remark in filter(None, (*played.remarks, how, measured.remark())):
        console.print(remark, soft_wrap=True)
    console.print(f"fitting {len(measured.signals):,} voxels with {len(chosen)} images each")
    with bars(console=console) as progress:
        result = _fit(contrast, options, played, measured, signs, progress)
    if not result.finished.any():
        return 130
    paths, maps = measurement.write(contrast.name, options.out, measured, result)
    if measured.mask is not None:
        from mrjax.cli import fit_figure  # with matplotlib, which help and tables need not wait for

        figure = fit_figure.draw(contrast.parameter, measured.mask, maps)
        figure.savefig(options.out / "maps.png", dpi=150)
        paths.append(options.out / "maps.png")
    settings = played.as_dict(contrast.sample_option) | {"images": (chosen + 1).tolist(), "signals": how}
    paths.append(outcome.write_record(options, measured, result, settings))
    console.print(outcome.summary(contrast.name, result))
    for path in paths:
        console.print(f"wrote {path}", soft_wrap=True)
    return outcome.exit_status("fit", measured, result)


def _chosen(contrast: Contrast, options: argparse.Namespace, played: Acquisition) -> np.ndarray:
    """Indices of the images to fit; `ValueError` where they are too few or not there, or the noise they need is unknown."""
    if getattr(options, "rician", False) and options.noise_std is None:
        raise ValueError("--rician needs --noise, the standard deviation of the noise in real or imaginary part.")
    numbers, n, origin = getattr(options, "echoes", None), len(played.samples), played.origin
    chosen = np.arange(n) if numbers is None else np.unique(numbers) - 1
    if chosen[-1] >= n:
        raise ValueError(
            f"--echoes must lie between 1 and {n}, the number of values of {origin}, but got {chosen[-1] + 1}."
        )
    n_parameters = len(contrast.model(played, getattr(options, "offset", False), None).parameters)
    if len(chosen) < n_parameters:
        what = f"{origin} has {n} values" if numbers is None else f"--echoes has {len(chosen)}"
        raise ValueError(f"{contrast.name} fits {n_parameters} parameters and needs as many images, but {what}.")
    return chosen


def _real(
    contrast: Contrast, options: argparse.Namespace, played: Acquisition, measured: Measurement
) -> tuple[Measurement, polarity.Signs, str]:
    """Real signals, whether they are signed, and what was done to them in words."""
    signals, is_complex = measured.signals, np.iscomplexobj(measured.signals)
    signs, how = "signed", ""
    if contrast.name != "ir":
        if is_complex:
            signals, how = np.abs(signals), "the images are complex; their magnitudes are fitted"
    elif is_complex and options.signs != "magnitude":
        signals, how = (
            polarity.restored(signals, played.samples),
            "the images are complex; signs are taken from their phase",
        )
    elif is_complex:
        signs, how = "magnitude", "the images are complex; their magnitudes are fitted"
    elif options.signs is not None:
        signs, how = options.signs, f"the images are {options.signs}, as the command line says"
    else:
        signs, why = polarity.guess(signals)
        how = f"the images are taken as {signs}: {why} (--signed or --magnitude decides otherwise)"
    signals = np.abs(signals) if signs == "magnitude" else signals
    return dataclasses.replace(measured, signals=signals), signs, how


def _fit(
    contrast: Contrast,
    options: argparse.Namespace,
    played: Acquisition,
    measured: Measurement,
    signs: polarity.Signs,
    progress: Progress,
) -> Result:
    # scaled to about one, so that float32 and the bounds suit images of any unit
    scale = float(np.percentile(np.abs(measured.signals), 99)) or 1.0
    data = (measured.signals / scale).astype(np.float32)
    b1 = None if measured.b1 is None else jnp.asarray(measured.b1, jnp.float32)
    model = contrast.model(played, getattr(options, "offset", False), b1)
    noise_std = None if options.noise_std is None else options.noise_std / scale
    result = fit_in_batches(
        model,
        data,
        progress,
        noise_std=noise_std,
        likelihood="rician" if getattr(options, "rician", False) else "gaussian",
        polarities=recovery_polarities(played.samples) if signs == "magnitude" else None,
    )
    for values in (result.parameters, result.standard_deviation):
        for name in {"m0", "offset"} & set(values):
            values[name] *= scale
    result.residual_rms[:] *= scale
    return result
