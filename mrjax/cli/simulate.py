"""`mrjax simulate`: a Pulseq file or a protocol, played on a phantom: raw data and an image."""

import argparse
import dataclasses
import json
import math
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from rich.console import Console

from mrjax import __version__
from mrjax.cli import quantities, spin_counts, workload
from mrjax.cli.imaging_protocols import PROTOCOLS, Scan, is_file, scan_called
from mrjax.cli.scene import PHANTOMS, Scene, scene
from mrjax.cli.steps import bars, step
from mrjax.io import RawData, raw_data, write_ismrmrd, write_nifti
from mrjax.physics import acquire
from mrjax.sequence import Scanner, Sequence

OF_OBJECT = 0.1
"""Share of the brightest pixel from which on a pixel counts as object, where a signal-to-noise ratio is asked for."""

Result = TypeVar("Result")


def add_to(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "simulate",
        description="Play a sequence on a phantom whose middle lies at the isocentre. Writes raw.h5 (ISMRMRD), image.nii.gz, "
        "phantom.nii.gz, simulate.png and simulate.json.",
    )
    parser.add_argument("sequence", help=f"a Pulseq file, or one of {', '.join(PROTOCOLS)}")
    parser.add_argument("--out", type=Path, default=Path("mrjax_simulate"), help="folder to write to (mrjax_simulate)")
    _add_scan(parser)
    _add_object(parser)
    parser.add_argument(
        "--tolerance",
        type=float,
        default=1e-5,
        help="largest error of a sample relative to the largest one; 0 computes spin by spin (1e-5)",
    )
    parser.set_defaults(run=run)


def _add_scan(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--matrix", type=int, nargs="+", metavar="N", help="pixels along x, y (and z); 64, or of the file"
    )
    parser.add_argument(
        "--fov",
        type=quantities.length,
        nargs="+",
        metavar="LENGTH",
        help="field of view, such as 220mm; of the phantom",
    )
    parser.add_argument("--te", type=quantities.time, help="echo time of a protocol, such as 30ms")
    parser.add_argument("--tr", type=quantities.time, help="repetition time, such as 500ms")
    parser.add_argument("--flip-angle", type=quantities.angle, help="such as 15deg")
    parser.add_argument(
        "--set", nargs="+", default=[], metavar="NAME=VALUE", help="more of the protocol, such as n_shots=4 n_echoes=16"
    )
    for name, of, example in (("gradient", quantities.gradient, "40mT/m"), ("slew", quantities.slew_rate, "150T/m/s")):
        parser.add_argument(f"--max-{name}", type=of, help=f"of the scanner; {example}")


def _add_object(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--phantom", choices=tuple(PHANTOMS), default="brain", help="brain, shepp_logan or tubes (brain)"
    )
    parser.add_argument("--slice", type=int, help="axial slice of the brain; through the ventricles by default")
    parser.add_argument("--field-strength", type=float, default=3.0, help="in T (3)")
    parser.add_argument("--fields", action="store_true", help="off-resonance and transmit field of the brain")
    parser.add_argument(
        "--sub-spins", type=int, nargs="+", metavar="N", help="spins along each axis of a voxel; as many as it needs"
    )
    parser.add_argument("--coils", type=int, default=1, help="of a birdcage; 1 sees all alike (1)")
    parser.add_argument(
        "--noise", type=float, metavar="SNR", help="signal of the object over noise, in a pixel of the image"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the noise")


def run(options: argparse.Namespace) -> int:
    """Build, say what it will take, play, reconstruct, write and tell."""
    _check(options)
    console = Console()
    with bars(console=console) as progress:
        scan = step(progress, "reading", lambda: _told(lambda: _scan(options)))
        there = step(progress, "building", lambda: _scene(options, scan))
        along = step(progress, "counting spins", lambda: _sub_spins(options, scan, there))
        if said := _work(options, scan, there, along).said(workload.free_memory()):
            print(f"mrjax simulate: {said}", file=sys.stderr)
        start = time.perf_counter()
        signal = step(progress, "acquiring", lambda: _told(lambda: _signal(options, scan, there, along)))
        seconds = time.perf_counter() - start
        raw = step(progress, "sorting", lambda: _raw(options, scan, signal))
        images = step(progress, "reconstructing", lambda: _images(raw))
        paths = step(
            progress,
            "writing",
            lambda: _written(
                options, scan, there, raw, images, {"sub_spins": list(along), "seconds_of_acquire": round(seconds, 3)}
            ),
        )
    for path in paths:
        console.print(f"wrote {path}", soft_wrap=True)
    return 0


def _check(options: argparse.Namespace) -> None:
    for name, value in (("--coils", [options.coils]), ("--sub-spins", options.sub_spins), ("--matrix", options.matrix)):
        if value is not None and min(value) < 1:
            raise ValueError(f"{name} must be at least 1, but got {min(value)}.")
    if options.fov is not None and not min(options.fov) > 0:
        raise ValueError(f"--fov must be positive, but got {min(options.fov):g} m.")
    if options.noise is not None and not options.noise > 0:
        raise ValueError(f"--noise must be a positive signal-to-noise ratio, but got {options.noise:g}.")


def _told(work: Callable[[], Result]) -> Result:
    """What `work` gives, with its warnings in the words of the command line."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        result = work()
    for message in dict.fromkeys(str(warning.message) for warning in said):
        here = message.replace("`phantom.spins(sub_spins=...)`", "--sub-spins")
        print(f"mrjax simulate: {here}", file=sys.stderr)
    return result


def _scan(options: argparse.Namespace) -> Scan:
    settings = {name: value for name in ("te", "tr", "flip_angle") if (value := getattr(options, name)) is not None}
    for pair in options.set:
        name, _, value = pair.partition("=")
        if not value:
            raise ValueError(f"--set takes NAME=VALUE, but got {pair!r}.")
        try:
            settings[name] = quantities.plain(value)
        except argparse.ArgumentTypeError as error:
            raise ValueError(f"--set {name}: {error}.") from error
    limits = {"max_gradient": options.max_gradient, "max_slew": options.max_slew}
    scanner = Scanner(**{name: value for name, value in limits.items() if value is not None})
    fov = None if options.fov is None else tuple(options.fov)
    if fov is None and not is_file(options.sequence):
        fov = PHANTOMS[options.phantom]
        fov = fov if len(fov) == 3 else (*fov, fov[0])
    matrix = None if options.matrix is None else tuple(options.matrix)
    return scan_called(options.sequence, matrix, fov, settings, scanner)


def _scene(options: argparse.Namespace, scan: Scan) -> Scene:
    return scene(options.phantom, scan.matrix, options.slice, options.field_strength, options.fields)


def _sub_spins(options: argparse.Namespace, scan: Scan, there: Scene) -> tuple[int, ...]:
    if options.sub_spins is None:
        return spin_counts.enough(scan.sequence, there)
    n_axes = len(there.phantom.shape)
    along = tuple(options.sub_spins) * (n_axes if len(options.sub_spins) == 1 else 1)
    if len(along) != n_axes:
        raise ValueError(f"--sub-spins must be one number or {n_axes}, but got {len(along)}.")
    return along


def _work(options: argparse.Namespace, scan: Scan, there: Scene, along: tuple[int, ...]) -> workload.Workload:
    phantom = there.phantom
    n_spins = workload.n_spins(phantom.shape, along)
    n_pulses = len(np.asarray(Sequence(scan.sequence).timeline().rf_centers))
    counts = (n_spins, len(phantom.names), n_pulses, scan.sequence.n_samples, options.coils)
    return workload.Workload(*counts, is_exact=options.tolerance == 0)


def _signal(options: argparse.Namespace, scan: Scan, there: Scene, along: tuple[int, ...]) -> np.ndarray:
    spins = there.spins(along)
    coils = there.coils(spins, options.coils)
    signal = acquire(scan.sequence, spins, coils=coils, tolerance=options.tolerance)
    pixel = math.prod(length / n for length, n in zip(scan.fov, scan.matrix, strict=True))
    # so that a pixel of water at rest is 1, whatever the voxels of the phantom
    voxel = math.prod(there.phantom.voxel_size[: len(scan.fov)])
    return np.atleast_2d(np.asarray(signal)) * np.float32(voxel / pixel)


def _raw(options: argparse.Namespace, scan: Scan, signal: np.ndarray) -> RawData:
    clean = raw_data(scan.sequence, signal, fov=scan.fov, matrix=scan.matrix, kind=scan.kind)
    if options.noise is None:
        return clean
    n_coils, _, n_samples = clean.signal.shape
    rng, narrow = np.random.default_rng(options.seed), clean.signal.dtype
    white = lambda *shape: (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(narrow)
    unit = white(*clean.signal.shape)
    size = narrow.type(_noise_std(clean, unit, options.noise))
    return dataclasses.replace(clean, signal=clean.signal + size * unit, noise=size * white(n_coils, n_samples))


def _noise_std(clean: RawData, unit: np.ndarray, snr: float) -> float:
    """Of each part of a sample, such that the object is `snr` times as bright as one part of the noise in a pixel."""
    from mrjax.cli import raw_images

    first = lambda raw: raw_images.coil_data(raw, raw_images.contrasts(raw)[0][1])
    data, noise = first(clean), first(dataclasses.replace(clean, signal=unit))
    weights = None if data.trajectory is None else raw_images.density(data)
    bright = np.linalg.norm(np.asarray(raw_images.of_coils(data, weights)), axis=0)
    signal = float(np.median(bright[bright > OF_OBJECT * bright.max()]))
    return signal / (snr * float(np.std(np.real(raw_images.of_coils(noise, weights)))))


def _images(raw: RawData) -> np.ndarray:
    from mrjax.cli import raw_images

    return raw_images.images(raw, "adjoint")[0]


def _written(
    options: argparse.Namespace, scan: Scan, there: Scene, raw: RawData, images: np.ndarray, more: dict[str, Any]
) -> list[Path]:
    from mrjax.cli import raw_figure, raw_images  # with matplotlib, which help need not wait for

    out = options.out
    paths = [
        write_ismrmrd(out / "raw.h5", raw, b0=options.field_strength),
        raw_images.write_images(out / "image.nii.gz", raw, images),
        write_nifti(out / "phantom.nii.gz", there.reference, np.array(there.phantom.affine)),
    ]
    if there.fields is not None:
        affine = np.array(there.phantom.affine)
        paths.append(write_nifti(out / "off_resonance_hz.nii.gz", there.fields.off_resonance, affine))
    paths.append(raw_figure.draw(out / "simulate.png", raw, images, there))
    record = out / "simulate.json"
    record.write_text(json.dumps(_record(options, scan, there) | more, indent=2) + "\n", encoding="utf-8")
    return [*paths, record]


def _record(options: argparse.Namespace, scan: Scan, there: Scene) -> dict[str, Any]:
    """What was done, in SI."""
    return {
        "command_line": options.command_line,
        "mrjax_version": __version__,
        "sequence": scan.name,
        "settings": dict(scan.settings),
        "duration": float(scan.sequence.duration),
        "n_samples": scan.sequence.n_samples,
        "fov": list(scan.fov),
        "matrix": list(scan.matrix),
        "phantom": there.name,
        "phantom_shape": list(there.phantom.shape),
        "phantom_moved_by": [round(length, 6) for length in there.moved],
        "field_strength": options.field_strength,
        "fields": options.fields,
        "coils": options.coils,
        "snr": options.noise,
        "seed": options.seed,
        "tolerance": options.tolerance,
    }
