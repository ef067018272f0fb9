"""`mrjax fit`: parameter maps from measured images or tables."""

import argparse
import dataclasses
import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Console
from rich.progress import Progress

from mrjax.cli import fitted_signals, map_files, measurement, outcome, polarity, quantities, unfinished
from mrjax.cli.acquisition import Acquisition
from mrjax.cli.batches import Result, fit_in_batches
from mrjax.cli.contrasts import CONTRASTS, Contrast, Known
from mrjax.cli.known_maps import KNOWN_MAPS
from mrjax.cli.measurement import Measurement
from mrjax.cli.model_help import ContrastHelp
from mrjax.cli.steps import bars
from mrjax.inverse import Fit, recovery_polarities
from mrjax.signals.models import SignalModel


def add_to(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "fit",
        add_help=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Fit a model to every voxel. `mrjax fit MODEL --help` lists the options of one.",
    )
    parser.add_argument("-h", "--help", action=ContrastHelp, contrasts=CONTRASTS, parser_of=contrast_parser)
    contrasts = parser.add_subparsers(dest="contrast", required=True, metavar="MODEL", title="one of the models below")
    for contrast in CONTRASTS.values():
        of_one = contrast_parser(contrast)
        # what a parser is made of, with the name of the command before it
        made = contrasts.add_parser(
            contrast.name, aliases=contrast.aliases, parents=[of_one], add_help=False, **_form(contrast)
        )
        made.set_defaults(run=functools.partial(run, contrast))


def _form(contrast: Contrast) -> dict[str, Any]:
    return {
        "description": f"Fit {contrast.help}.",
        "formatter_class": argparse.RawDescriptionHelpFormatter,
    }


def contrast_parser(contrast: Contrast) -> argparse.ArgumentParser:
    """The options of one contrast."""
    parser = argparse.ArgumentParser(add_help=False, **_form(contrast))
    helped = {contrast.name: contrast}
    parser.add_argument("-h", "--help", action=ContrastHelp, contrasts=helped, parser_of=contrast_parser)
    parser.add_argument(
        "data", nargs="+", type=Path, help="one NIfTI with the images on its last axis, one per image, or a CSV"
    )
    settings = ([] if contrast.samples is None else [contrast.samples]) + [*contrast.needed, *contrast.optional]
    for one in settings:
        example = f", such as {one.example}" if one.example else ""
        source = "; by default from the JSON sidecars of the images" if one.names else ""
        _add_list(parser, one.option, one.kind, f"{one.meaning}{example}{source}")
    for name in (*contrast.maps, *contrast.needed_maps):
        needed = name in contrast.needed_maps
        parser.add_argument(f"--{name}", type=Path, required=needed, help=f"NIfTI map of {KNOWN_MAPS[name].meaning}")
    if contrast.add_options is not None:
        contrast.add_options(parser)
    if contrast.signals == "magnitude" and contrast.takes_noise:
        parser.add_argument(
            "--magnitude",
            choices=("gaussian", "rician"),
            default="gaussian",
            help="noise of the magnitudes: rician, with its floor, needs --noise, of real or imaginary part",
        )
    measurement.add_options(parser)
    return parser


def _add_list(parser: argparse.ArgumentParser, option: str, kind: Any, explanation: str) -> None:
    parser.add_argument(
        option, nargs="+", type=quantities.listed(kind), action=quantities.Listed, metavar="X", help=explanation
    )


def run(contrast: Contrast, options: argparse.Namespace) -> int:
    """Read, fit, write and tell."""
    console = Console()
    _require_what_is_needed(contrast, options)
    played = contrast.acquired(options)
    chosen = _chosen(contrast, options, played)
    n = contrast.n_images or len(played.samples)
    measured = measurement.read(options, n, played.origin, complex_images=True)
    played, measured = played.of(chosen), dataclasses.replace(measured, signals=measured.signals[:, chosen[:n]])
    measured, signs, how = fitted_signals.prepared(contrast, options, played, measured)
    for remark in filter(None, (*played.remarks, *measured.remarks, how, measured.remark())):
        console.print(remark, soft_wrap=True)
    console.print(f"fitting {len(measured.signals):,} voxels with {measured.signals.shape[-1]} images each")
    if unfinished.count(options.out):
        console.print(
            f"{options.out / unfinished.FOLDER} holds what a fit that was stopped has done; that is not done again"
        )
    model = contrast.model(Known(played, options, _in_single(measured.maps), measured.affine))
    options.out.mkdir(parents=True, exist_ok=True)  # before a long fit, not after it
    with bars(console=console) as progress:
        result = _fit(contrast, options, model, played, measured, signs, progress)
    if not result.finished.any():
        return 130
    settings = played.as_dict() | {"images": (chosen + 1).tolist(), "signals": how}
    derived = {} if contrast.derive is None else contrast.derive(result.parameters)
    paths = _written(contrast, model, Known(played, options, measured.maps, measured.affine), measured, result, derived)
    units = {name: unit for name, (unit, _) in map_files.described(contrast, model).items()}
    paths.append(outcome.write_record(options, measured, result, units, settings))
    if result.finished.all():
        unfinished.forget(options.out)
    console.print(outcome.summary(contrast.name, result, derived))
    for path in paths:
        console.print(f"wrote {path}", soft_wrap=True)
    return outcome.exit_status("fit", measured, result)


def _written(
    contrast: Contrast,
    model: SignalModel,
    known: Known,
    measured: Measurement,
    result: Result,
    derived: Mapping[str, np.ndarray],
) -> list[Path]:
    """Maps or a table, a figure of maps, and the report."""
    from mrjax.cli import fit_figure, report  # with matplotlib, which help need not wait for

    data, out = known.options.data, known.options.out
    paths, maps = map_files.write(contrast, model, data, out, measured, result, derived)
    if measured.mask is not None:
        figure = fit_figure.draw(contrast.parameter, measured.mask, maps)
        figure.savefig(out / "maps.png", dpi=150)
        paths.append(out / "maps.png")
    told = map_files.described(contrast, model)
    return [*paths, report.write(contrast, known, model, measured, result, maps, told)]


def _require_what_is_needed(contrast: Contrast, options: argparse.Namespace) -> None:
    """`ValueError` where options do not go together."""
    if getattr(options, "magnitude", None) == "rician" and options.noise_std is None:
        raise ValueError(
            "--magnitude rician needs --noise, the standard deviation of the noise in real or imaginary part."
        )
    if options.noise_std is not None and not contrast.takes_noise:
        raise ValueError(f"{contrast.name} finds the noise from what the fit leaves; leave out --noise.")
    if contrast.signals == "uniform" and options.mask is None and options.data[0].suffix.lower() != ".csv":
        raise ValueError(f"{contrast.name} needs --mask: a uniform image does not tell where there is tissue.")


def _chosen(contrast: Contrast, options: argparse.Namespace, played: Acquisition) -> np.ndarray:
    """Indices of the images to fit; `ValueError` where they are too few or not there."""
    numbers, n, origin = getattr(options, "echoes", None), len(played.samples), played.origin
    chosen = np.arange(n) if numbers is None else np.unique(numbers) - 1
    if chosen[-1] >= n:
        raise ValueError(
            f"--echoes must lie between 1 and {n}, the number of values of {origin}, but got {chosen[-1] + 1}."
        )
    model = contrast.model(Known(played.of(chosen), options, {}))
    n_parameters = len(model.parameters)
    # real and imaginary part count
    if len(chosen) * (2 if contrast.signals == "complex" else 1) < n_parameters:
        what = f"{origin} has {n} values" if numbers is None else f"--echoes has {len(chosen)}"
        of_two = ", with two numbers each" if contrast.signals == "complex" else ""
        raise ValueError(
            f"{contrast.name} fits {n_parameters} parameters and needs as many images{of_two}, but {what}."
        )
    return chosen


def _in_single(maps: Mapping[str, np.ndarray]) -> dict[str, jax.Array]:
    return {name: jnp.asarray(value, jnp.float32) for name, value in maps.items()}


def _fit(
    contrast: Contrast,
    options: argparse.Namespace,
    model: SignalModel,
    played: Acquisition,
    measured: Measurement,
    signs: polarity.Signs,
    progress: Progress,
) -> Result:
    """With parameters and residual in the unit of the images."""
    amplitudes = [one.name for one in model.parameters if one.is_amplitude]
    # scaled to about one, so that float32 and the bounds suit images of any unit
    scale = (float(np.percentile(np.abs(measured.signals), 99)) or 1.0) if amplitudes else 1.0
    narrow = np.complex64 if np.iscomplexobj(measured.signals) else np.float32
    noise_std = None if options.noise_std is None else options.noise_std / scale
    how: dict[str, Any] = {"likelihood": getattr(options, "magnitude", None) or "gaussian"}
    if contrast.estimator is not None:
        how = {"estimator": _estimator(contrast.estimator, how if contrast.takes_noise else None)}
    else:
        how["polarities"] = recovery_polarities(played.samples) if signs == "magnitude" else None
    said = f"{contrast.name} {getattr(options, 'magnitude', None)} {signs}"
    keeping = functools.partial(unfinished.keeping, folder=options.out / unfinished.FOLDER, settings=said)
    data = (measured.signals / scale).astype(narrow)
    result = fit_in_batches(model, data, progress, noise_std=noise_std, keeping=keeping, **how)
    for values in (result.parameters, result.standard_deviation):
        for name in amplitudes:
            values[name] *= scale
    result.residual_rms[:] *= scale
    return result


def _estimator(fit: Callable[..., Fit], of_noise: Mapping[str, Any] | None) -> Callable[..., Fit]:
    """Called as `least_squares`; `of_noise` are options of one that takes the noise, None of one that does not."""
    if of_noise is None:
        return lambda model, data, start, bounds, noise_std: fit(model, data)
    return lambda model, data, start, bounds, noise_std: fit(model, data, noise_std, **of_noise)
