"""`mrjax demo`: fingerprinting of a brain slice, from the schedule to quantitative maps with error bars."""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from mrjax.cli import fingerprinting
from mrjax.cli.fingerprinting import FingerprintingExperiment
from mrjax.cli.steps import bars, step
from mrjax.io import write_nifti
from mrjax.phantoms import brain

SHAPE = (109, 109)
PURE = 0.95
"""Volume fraction from which a voxel counts as of one tissue in the table of errors."""


def add_to(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("demo")
    parser.add_argument(
        "--shape", type=int, nargs=2, default=SHAPE, metavar=("NX", "NY"), help="voxels of the slice (109 109)"
    )
    parser.add_argument("--slice", type=int, help="axial slice of the phantom; through the ventricles by default")
    parser.add_argument("--field-strength", type=float, default=3.0, help="1.5 or 3, in T (3)")
    parser.add_argument("--noise-std", type=float, default=0.005, help="of each part, relative to M0 of water (0.005)")
    parser.add_argument("--seed", type=int, default=0, help="of the noise")
    parser.add_argument("--out", type=Path, default=Path("mrjax_demo"), help="folder to write to (mrjax_demo)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Scan, match, refine, write and tell."""
    if not options.noise_std > 0:
        raise ValueError(f"--noise-std must be positive, but got {options.noise_std:g}.")
    phantom = brain(tuple(options.shape), slice=options.slice, field_strength=options.field_strength)
    console = Console()
    with bars(console=console) as progress:
        experiment = step(progress, "simulating", lambda: fingerprinting.scan(phantom, options.noise_std, options.seed))
        matched = step(progress, "matching", lambda: fingerprinting.match(experiment))
        refined = fingerprinting.refine(experiment, matched, progress)
        if not refined.finished.any():
            return 130
        maps = step(progress, "mapping", lambda: fingerprinting.maps(experiment, refined))
        paths = step(progress, "writing", lambda: write(experiment, maps, options.out))
    console.print(errors_by_tissue(experiment, maps))
    for path in paths:
        console.print(f"wrote {path}", soft_wrap=True)
    return 0 if refined.finished.all() else 130


def errors_by_tissue(experiment: FingerprintingExperiment, maps: dict[str, np.ndarray]) -> Table:
    """Median errors and the coverage of the error bars, for pure voxels of each tissue and for mixed ones."""
    table = Table(title=f"noise {experiment.noise_std:g} of M0 of water in real and imaginary part")
    table.add_column("tissue")
    for column in ("voxels", "T1", "error", "in 95 %", "T2", "error", "in 95 %"):
        table.add_column(column, justify="right")
    fractions = np.asarray(experiment.phantom.fractions)
    pure = {name: fraction >= PURE for name, fraction in zip(experiment.phantom.names, fractions, strict=True)}
    groups = pure | {"mixed": experiment.mask & ~np.any(list(pure.values()), axis=0)}
    for name, group in groups.items():
        voxels = group & np.isfinite(maps["t1"])
        if voxels.any():
            cells = [cell for parameter in ("t1", "t2") for cell in _cells(maps, parameter, voxels, name in pure)]
            table.add_row(name, f"{voxels.sum():,}", *cells)
    table.caption = (
        f"medians; 'error' is that of the magnitude; 'in 95 %': truth inside the 95 % interval; pure from {PURE:.0%} on; "
        "mixed against the proton-weighted geometric mean"
    )
    return table


def _cells(maps: dict[str, np.ndarray], parameter: str, voxels: np.ndarray, one_tissue: bool) -> list[str]:
    estimate, truth, deviation = (maps[f"{parameter}{suffix}"][voxels] for suffix in ("", "_true", "_std"))
    covered = f"{np.mean(np.abs(estimate - truth) < 1.96 * deviation):.0%}" if one_tissue else ""
    return [f"{np.median(estimate) * 1e3:.0f} ms", f"{np.median(np.abs(estimate / truth - 1)):.2%}", covered]


def write(experiment: FingerprintingExperiment, maps: dict[str, np.ndarray], out: Path) -> list[Path]:
    """NIfTI maps and the figure."""
    from mrjax.cli import demo_figure  # with matplotlib, which help need not wait for

    affine = np.array(experiment.phantom.affine)
    saved = [name for name in maps if not name.endswith("_error")]
    paths = [write_nifti(out / f"{name}.nii.gz", maps[name], affine) for name in saved]
    figure = demo_figure.draw(experiment, maps)
    figure.savefig(out / "demo.png", dpi=130)
    return [*paths, out / "demo.png"]
