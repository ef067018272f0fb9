"""`mrjax qsm`: a susceptibility map of a gradient-echo scan."""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from mrjax import __version__
from mrjax.cli import gradient_echoes, quantities
from mrjax.cli.gradient_echoes import GradientEchoes
from mrjax.cli.steps import bars, step
from mrjax.inverse.qsm import SusceptibilityMap, qsm
from mrjax.inverse.qsm.pipeline import BACKGROUNDS, INVERSIONS, UNWRAPPINGS
from mrjax.io import sidecar_path, write_nifti
from mrjax.units import GAMMA_BAR, ppm

ENTITIES = ("part-", "echo-")
"""Of names after BIDS, that tell the images of a scan apart; maps have none."""


def add_to(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "qsm",
        description="Map susceptibility from magnitude and phase of a gradient-echo scan. Writes NAME_Chimap, the total and the "
        "local field, the mask, a figure and a record.",
    )
    parser.add_argument(
        "images",
        nargs="+",
        type=Path,
        metavar="IMAGE",
        help="magnitude, then phase: one NIfTI of each with the echoes on its last axis, or first the magnitudes and then the "
        "phases of all echoes",
    )
    parser.add_argument(
        "--te",
        nargs="+",
        type=quantities.listed(quantities.time),
        action=quantities.Listed,
        metavar="X",
        help="echo times, such as 4ms 8ms 12ms; by default from the JSON sidecars of the magnitudes",
    )
    parser.add_argument("--mask", type=Path, help="NIfTI, such as of the brain, above zero; by default one is found")
    parser.add_argument("--b0", type=quantities.field, help="field of the magnet, such as 3T; or from the sidecar")
    parser.add_argument(
        "--b0-direction",
        nargs=3,
        type=float,
        metavar=("X", "Y", "Z"),
        help="along the axes of the images; by default from their headers",
    )
    _add_methods(parser)
    parser.add_argument("--out", type=Path, default=Path("mrjax_qsm"), help="folder to write to (mrjax_qsm)")
    parser.set_defaults(run=run)


def _add_methods(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--unwrapping", choices=UNWRAPPINGS, default="laplacian", help="of the phase (laplacian)")
    parser.add_argument("--background", choices=(*BACKGROUNDS, "none"), default="v_sharp", help="its removal (v_sharp)")
    parser.add_argument("--inversion", choices=INVERSIONS, default="tv", help="of the dipole (tv)")
    parser.add_argument("--strength", type=float, help="of the inversion, see the docs; by default that of the method")
    parser.add_argument("--reverse-phase", action="store_true", help="the phase falls where the field is higher")


def run(options: argparse.Namespace) -> int:
    """Read, map, write and tell."""
    console = Console()
    with bars(console=console) as progress:
        scan = step(progress, "reading", lambda: gradient_echoes.read(options))
        for remark in scan.remarks:
            console.print(remark, soft_wrap=True)
        result = step(progress, "mapping", lambda: _mapped(options, scan))
        paths = step(progress, "writing", lambda: _written(options, scan, result))
    console.print(_summary(result))
    for path in paths:
        console.print(f"wrote {path}", soft_wrap=True)
    return 0


def _mapped(options: argparse.Namespace, scan: GradientEchoes) -> SusceptibilityMap:
    sign = -1.0 if options.reverse_phase else 1.0
    try:
        return qsm(
            scan.magnitude.astype(np.float32),
            (sign * scan.phase).astype(np.float32),
            scan.te,
            scan.voxel_size,
            scan.b0,
            scan.b0_direction.astype(np.float32),
            scan.mask,
            unwrapping=options.unwrapping,
            background=options.background,
            inversion=options.inversion,
            strength=options.strength,
        )
    except ImportError as error:
        raise ValueError(str(error)) from error


def _written(options: argparse.Namespace, scan: GradientEchoes, result: SusceptibilityMap) -> list[Path]:
    from mrjax.cli import qsm_figure  # with matplotlib, which help need not wait for

    name = stem(options.data[0])
    hz = GAMMA_BAR["1H"] * scan.b0 * ppm
    volumes = {
        "Chimap": (result.susceptibility, "ppm"),
        "fieldmap": (hz * result.total_field, "Hz"),
        "desc-local_fieldmap": (hz * result.local_field, "Hz"),
        "desc-std_fieldmap": (hz * result.field_std, "Hz"),
        "desc-signal_mask": (result.signal_mask, None),
        "desc-local_mask": (result.mask, None),
    }
    paths = []
    for suffix, (volume, unit) in volumes.items():
        paths.append(write_nifti(options.out / f"{name}_{suffix}.nii.gz", volume, scan.affine))
        if unit is not None:
            sidecar_path(paths[-1]).write_text(json.dumps({"Units": unit}) + "\n", encoding="utf-8")
    size = np.sqrt((scan.magnitude**2).sum(-1))
    figure = options.out / f"{name}_qsm.png"
    qsm_figure.draw(size, result, scan.voxel_size).savefig(figure, dpi=110)
    return [*paths, figure, _record(options, scan, result)]


def _record(options: argparse.Namespace, scan: GradientEchoes, result: SusceptibilityMap) -> Path:
    """What the maps rest on."""
    record = {
        "command_line": options.command_line,
        "mrjax_version": __version__,
        "te": scan.te.tolist(),
        "b0": scan.b0,
        "b0_direction": scan.b0_direction.tolist(),
        "voxel_size": scan.voxel_size,
        "mask": "found" if options.mask is None else str(options.mask),
        "voxels": {"signal": int(result.signal_mask.sum()), "local": int(result.mask.sum())},
        "unwrapping": options.unwrapping,
        "background": options.background,
        "inversion": options.inversion,
        "strength": options.strength,
        "reverse_phase": options.reverse_phase,
        "remarks": scan.remarks,
    }
    path = options.out / "mrjax_qsm.json"
    path.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return path


def _summary(result: SusceptibilityMap) -> Table:
    table = Table(title=f"qsm: {int(result.mask.sum()):,} voxels")
    for column in ("", "1 %", "25 %", "median", "75 %", "99 %"):
        table.add_column(column, justify="right")
    rows = (
        ("total field (ppm)", result.total_field, result.signal_mask),
        ("local field (ppm)", result.local_field, result.mask),
        ("susceptibility (ppm)", result.susceptibility, result.mask),
    )
    for name, volume, inside in rows:
        quantiles = np.percentile(np.asarray(volume)[np.asarray(inside)], [1, 25, 50, 75, 99])
        table.add_row(name, *(f"{value:.4f}" for value in quantiles))
    return table


def stem(path: Path) -> str:
    """`sub-01` of `sub-01_part-mag_MEGRE.nii.gz`; the name without its ending where it is none of BIDS."""
    name = path.name.removesuffix(".gz").removesuffix(".nii")
    parts = name.split("_")
    if not parts[0].startswith("sub-") or len(parts) < 2:
        return name
    return "_".join(part for part in parts[:-1] if not part.startswith(ENTITIES))
