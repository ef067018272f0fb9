"""Z-spectra as tables with one offset a row: written by `mrjax cest simulate`, read by `mrjax cest fit`."""

import csv
from pathlib import Path

import numpy as np
from jaxtyping import Float

from mrjax.inverse.cest import mtr_asymmetry
from mrjax.inverse.cest.spectra import has_opposite
from mrjax.io import FileError, write_table

SAME_PPM = 2e-3
"""Up to which offsets agree that were written with six digits."""


def write(path: Path, offset_ppm: Float[np.ndarray, " n"], z: Float[np.ndarray, " n"]) -> Path:
    """Offsets and Z; the asymmetry beside them where some offset was measured on both sides, NaN for others."""
    columns = {"offset_ppm": offset_ppm.tolist(), "z": z.tolist()}
    paired = has_opposite(offset_ppm)
    if np.any(paired & (offset_ppm != 0)):
        asymmetry = np.full(z.shape, np.nan)
        asymmetry[paired] = mtr_asymmetry(z, offset_ppm, offset_ppm[paired])
        columns["mtr_asymmetry"] = asymmetry.tolist()
    return write_table(path, columns)


def draw(path: Path, offset_ppm: Float[np.ndarray, " n"], z: Float[np.ndarray, " n"], title: str) -> Path:
    """Z over the offset, or over the measurement where that is always the same, or unknown."""
    from matplotlib.figure import Figure

    from mrjax.plot import z_spectrum

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    if np.ptp(offset_ppm) > 0:
        z_spectrum(offset_ppm, z, asymmetry=bool(has_opposite(offset_ppm).all()), axes=axes)
    else:
        axes.plot(np.arange(len(z)) + 1, z, ".-")
        axes.set_xlabel("measurement")
        axes.set_ylabel("z")
    axes.set_title(title)
    figure.savefig(path, dpi=150)
    return path


def is_one(path: Path) -> bool:
    """Whether a file is a table of this kind: CSV with columns `offset_ppm` and `z`."""
    if path.suffix.lower() != ".csv" or not path.is_file():
        return False
    with path.open(newline="", encoding="utf-8-sig", errors="replace") as file:
        names = [name.strip() for name in next(csv.reader(file), [])]
    return {"offset_ppm", "z"} <= set(names)


def read(path: Path, offset_ppm: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """Z of a table of this kind, at these offsets in this order.

    **Raises:** `FileError` where it has others, or a cell is no number.
    """
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file, skipinitialspace=True))
    read_offset, z = (np.array([_number(path, row, name) for row in rows]) for name in ("offset_ppm", "z"))
    if len(rows) != len(offset_ppm):
        raise FileError(f"{path} has {len(rows)} offsets, but the sequence has {len(offset_ppm)} without its M0 scans.")
    differs = np.abs(read_offset - offset_ppm) > SAME_PPM * np.maximum(1.0, np.abs(offset_ppm))
    if differs.any():
        first = int(np.argmax(differs))
        raise FileError(
            f"{path}, row {first + 2}: offset_ppm is {read_offset[first]:g}, but the sequence plays {offset_ppm[first]:g} there; "
            "the spectrum must be one of that sequence, in its order."
        )
    return z


def _number(path: Path, row: dict[str, str], name: str) -> float:
    cell = row[name]
    try:
        return float(cell)
    except (TypeError, ValueError):
        raise FileError(f"{path}: {cell!r} in column {name} is not a number.") from None
