"""`mrjax reconstruct`: raw data to images."""

import argparse
import json
from pathlib import Path
from typing import Any, get_args

from rich.console import Console

from mrjax import __version__
from mrjax.cli.raw_images import Method, images, write_images
from mrjax.cli.steps import bars, step
from mrjax.io import RawData, read_ismrmrd


def add_to(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "reconstruct",
        description="Make images of an ISMRMRD file, Cartesian or with a trajectory. Writes image.nii.gz, reconstruct.png and "
        "reconstruct.json; several contrasts, slices or repetitions lie on a fourth axis.",
    )
    parser.add_argument("raw", type=Path, help="ISMRMRD file, such as raw.h5 of mrjax simulate")
    parser.add_argument(
        "--method",
        choices=get_args(Method),
        default="adjoint",
        help="adjoint: coils by the root of the sum of squares; cg-sense: least squares with coil maps from the data, also of "
        "undersampled ones (adjoint)",
    )
    parser.add_argument("--out", type=Path, default=Path("mrjax_reconstruct"), help="folder to write to")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Read, reconstruct, write and tell."""
    console = Console()
    with bars(console=console) as progress:
        raw = step(progress, "reading", lambda: read_ismrmrd(options.raw))
        try:
            each, labels = step(progress, "reconstructing", lambda: images(raw, options.method))
        except ImportError as error:
            raise ValueError(f"{options.raw} has samples off the grid: {error}") from error
        except ValueError as error:
            raise ValueError(f"{options.raw}: {error}") from error
        paths = step(progress, "writing", lambda: _written(options, raw, each, labels))
    for path in paths:
        console.print(f"wrote {path}", soft_wrap=True)
    return 0


def _written(options: argparse.Namespace, raw: RawData, each: Any, labels: list) -> list[Path]:
    from mrjax.cli import raw_figure  # with matplotlib, which help need not wait for

    paths = [write_images(options.out / "image.nii.gz", raw, each)]
    paths.append(raw_figure.draw(options.out / "reconstruct.png", raw, each))
    record = {
        "command_line": options.command_line,
        "mrjax_version": __version__,
        "method": options.method,
        "trajectory": raw.kind,
        "coils": len(raw.signal),
        "fov": list(raw.fov),
        "matrix": list(raw.matrix),
        "images": labels,
    }
    path = options.out / "reconstruct.json"
    path.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return [*paths, path]
