"""Maps of what is known of voxels before a fit: transmit field, off-resonance, T1, equilibrium magnetisation."""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mrjax.cli import grids
from mrjax.io import FileError, Image, read_nifti


@dataclass(frozen=True)
class KnownMap:
    """A map that an option names."""

    name: str
    """Of the option, without dashes."""
    symbol: str
    meaning: str
    """With its unit."""
    expected: str
    """What its values must be, for a sentence."""
    median: tuple[float, float]
    """Between which the size of its median lies; outside, the map is in another unit."""
    other_unit: tuple[str, float] | None = None
    """What the map is likely in where its median is so many times as large as expected."""
    is_positive: bool = True

    def known(self, values: np.ndarray) -> np.ndarray:
        """Where a voxel can be fitted."""
        return np.isfinite(values) & (values > 0) if self.is_positive else np.isfinite(values)

    @property
    def reason(self) -> str:
        """Why some voxels cannot be fitted."""
        return f"where {self.symbol} is {'zero, negative or not finite' if self.is_positive else 'not finite'}"


KNOWN_MAPS = {
    one.name: one
    for one in (
        KnownMap(
            *("b1", "B1", "B1 relative to nominal", "relative to the nominal B1, about 1", (0.2, 5.0)),
            ("percent", 100.0),
        ),
        KnownMap(
            *("b0", "the off-resonance", "off-resonance in Hz", "in Hz", (0.0, 2000.0), ("rad/s", 2 * np.pi), False)
        ),
        KnownMap("t1", "T1", "T1 in s", "in s, between 0.02 and 20", (0.02, 20.0), ("ms", 1000.0)),
        KnownMap("m0", "M0", "M0 in the unit of the images", "positive", (0.0, np.inf)),
    )
}


def read(
    options: argparse.Namespace, images: Image, asked: np.ndarray
) -> tuple[dict[str, np.ndarray], np.ndarray, dict[str, int]]:
    """By their names the maps that options name, where `asked` voxels can be fitted with them, and how many cannot, by reason.

    Raises `FileError` for maps of another grid or another unit.
    """
    maps, usable, left_out = {}, np.ones(asked.shape, bool), {}
    for name, kind in KNOWN_MAPS.items():
        path = getattr(options, name, None)
        # a command of another kind may have an option of this name
        if not isinstance(path, Path):
            continue
        values = grids.on_the_grid(f"--{name}", read_nifti(path), images)
        _require_unit(kind, path, values, asked)
        known = kind.known(values)
        left_out[kind.reason] = int((asked & usable & ~known).sum())
        maps[name], usable = values, usable & known
    return maps, usable, left_out


def _require_unit(kind: KnownMap, path: Path, values: np.ndarray, asked: np.ndarray) -> None:
    known = values[asked & kind.known(values)]
    if not known.size:
        adjective = "positive" if kind.is_positive else "finite"
        raise FileError(
            f"No voxel is left to fit: {path} has no {adjective} {kind.symbol} where the images have signal."
        )
    median, (low, high) = float(np.median(np.abs(known))), kind.median
    if low <= median <= high:
        return
    hint = ""
    if kind.other_unit is not None:
        unit, factor = kind.other_unit
        likely = factor * low <= median <= factor * high
        hint = f" It looks like {unit}: divide it by {factor:.5g}." if likely else ""
    raise FileError(f"{path} must be {kind.expected}, but its median is {median:.4g}.{hint}")
