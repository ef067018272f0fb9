"""Concentration and exchange rate in a measured phantom: dictionary matching, and a fit through the physics.

    python -m benchmarks.larg_phantom [--small] [--out benchmarks/results]

from the root of the repository, with the reference data in ../shared/data or where `MRJAX_DATA` says. Three vials of
L-arginine at 9.4 T, 30 images of CEST fingerprinting (github.com/momentum-laboratory/molecular-mrf, MIT). The grid is that of
its authors, 665,873 atoms; their own maps, by matching and by a network, stand beside ours. Prints a table of the vials, and
writes it with a figure of the maps.
"""

import argparse
import os
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import scipy.ndimage
from matplotlib.figure import Figure

import mrjax as mr
from mrjax.inverse import Dictionary, Fit, least_squares

MILLIMOLAR = 110e3 / 3
"""Concentration of L-arginine per fraction of its exchanging protons, three a molecule, in 110 mol/l of water protons."""

GRID = {
    "t1": np.arange(2.5, 3.31, 0.05),
    "t2": np.arange(0.6, 1.21, 0.05),
    "exchange_rate": np.arange(100.0, 1401.0, 10.0),
    "fraction": np.arange(10.0, 121.0, 5.0) / MILLIMOLAR,
}
SMALL = {
    "t1": GRID["t1"][::4],
    "t2": GRID["t2"][::4],
    "exchange_rate": GRID["exchange_rate"][::4],
    "fraction": GRID["fraction"],
}


class Scan:
    """The acquisition of the phantom."""

    def __init__(self, folder: Path):
        conventions = mr.Conventions.pulseq_cest()
        file = mr.pulseq.read(folder / "acq_protocol.seq")
        sequence = mr.pulseq.saturation_sequence(file, conventions, reset=False, readout="transverse")
        # numbers from a file are float64 where that is enabled; a dictionary needs no more than float32
        narrow = lambda leaf: leaf.astype(jnp.float32) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf
        self.sequence = jax.tree.map(narrow, sequence)
        self.engine = mr.BlochMcConnell(b0=9.4, conventions=conventions)

    def __call__(self, params: dict[str, jax.Array]) -> jax.Array:
        """Magnitudes of all images."""
        amine = mr.Pool(params["fraction"], params["exchange_rate"], t1=2.8, t2=0.04, shift_ppm=3.0)
        tissue = mr.Tissue(params["t1"], params["t2"], m0=params.get("m0", 1.0), pools=(amine,))
        return jnp.abs(mr.simulate(self.sequence, tissue, self.engine))


def matched(
    scan: Scan, grid: dict[str, np.ndarray], signals: np.ndarray
) -> tuple[mr.inverse.dictionary.Match, int, float]:
    """The best atoms, how many there are, and the time to simulate them."""
    start = time.perf_counter()
    dictionary = Dictionary.build(scan, {name: values.astype(np.float32) for name, values in grid.items()})
    jax.block_until_ready(dictionary.signals)
    return dictionary.match(signals), dictionary.n_atoms, time.perf_counter() - start


def fitted(scan: Scan, match: mr.inverse.dictionary.Match, signals: np.ndarray) -> Fit:
    """From the best atom by gradients; relaxation times stay inside the grid of the authors, the rest may leave it."""
    init = {**match.parameters, "m0": match.m0}
    lower = {"t1": 2.5, "t2": 0.6, "exchange_rate": 10.0, "fraction": 1e-5, "m0": 0.0}
    upper = {"t1": 3.3, "t2": 1.2, "exchange_rate": 3000.0, "fraction": 0.01, "m0": np.inf}
    return least_squares(scan, signals, init, (lower, upper))


def vials(mask: np.ndarray) -> np.ndarray:
    """A number for each vial, zero outside."""
    labels, n = scipy.ndimage.label(mask)
    sizes = scipy.ndimage.sum(mask, labels, range(1, n + 1))
    return np.select([labels == 1 + i for i in np.argsort(-sizes, kind="stable")[:3]], [1, 2, 3], 0)


def table(maps: dict[str, dict[str, np.ndarray]], labels: np.ndarray) -> str:
    """Mean and standard deviation over each vial."""
    lines = ["| | " + " | ".join(f"vial {i}, mM | vial {i}, 1/s" for i in (1, 2, 3)) + " |", "|---" * 7 + "|"]
    for method, values in maps.items():
        cells = []
        for i in (1, 2, 3):
            concentration, rate = (values[name][labels == i] for name in ("concentration", "exchange_rate"))
            cells += [
                f"{concentration.mean():.1f} ± {concentration.std():.1f}",
                f"{rate.mean():.0f} ± {rate.std():.0f}",
            ]
        lines.append(f"| {method} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def draw(maps: dict[str, dict[str, np.ndarray]], mask: np.ndarray, path: Path) -> None:
    """A column for each method, a row for each parameter, cut to the vials."""
    rows = {"concentration": ("concentration (mM)", 30, 80), "exchange_rate": ("exchange rate (1/s)", 100, 500)}
    figure = Figure(figsize=(3 * len(maps), 5.6), layout="constrained")
    panels = figure.subplots(2, len(maps), squeeze=False)
    inside = tuple(slice(max(0, where.min() - 2), where.max() + 3) for where in np.nonzero(mask))
    for row, (name, (title, low, high)) in zip(panels, rows.items(), strict=True):
        for axes, (method, values) in zip(row, maps.items(), strict=True):
            image = axes.imshow(np.where(mask, values[name], np.nan)[inside], vmin=low, vmax=high, cmap="viridis")
            axes.set_title(method, fontsize=10)
            axes.set_axis_off()
        figure.colorbar(image, ax=row.tolist(), label=title)
    figure.savefig(path, dpi=150)


def main() -> None:
    """Match, fit, print and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", action="store_true", help="every fourth T1, T2 and exchange rate")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    options = parser.parse_args()
    folder = Path(os.environ.get("MRJAX_DATA", "../shared/data")) / "cest/phantom_larg_9p4T"
    data, scan = np.load(folder / "data.npz"), Scan(folder)
    mask = data["mask"] > 0
    signals = np.moveaxis(data["signal"], 0, -1)[mask].astype(np.float32)
    match, n_atoms, built = matched(scan, SMALL if options.small else GRID, signals)
    start = time.perf_counter()
    fit = jax.block_until_ready(fitted(scan, match, signals))
    took = time.perf_counter() - start

    def images(fraction, rate):
        maps = {"concentration": np.asarray(fraction) * MILLIMOLAR, "exchange_rate": np.asarray(rate)}
        if maps["concentration"].ndim == 1:
            for name, values in maps.items():
                maps[name] = np.zeros(mask.shape)
                maps[name][mask] = values
        return maps

    maps = {
        "matching, authors": images(data["dp_fs"], data["dp_ksw_hz"]),
        "network, authors": images(data["nn_fs"], data["nn_ksw_hz"]),
        "matching, mrjax": images(match.parameters["fraction"], match.parameters["exchange_rate"]),
        "fit, mrjax": images(fit.parameters["fraction"], fit.parameters["exchange_rate"]),
    }
    deviation = fit.standard_deviation
    spread = {name: float(np.nanmedian(np.asarray(deviation[name]))) for name in ("fraction", "exchange_rate")}
    text = table(maps, vials(mask)) + (
        f"\n\n{n_atoms:,} atoms in {built:.1f} s, {mask.sum()} voxels fitted in {took:.1f} s, compilation included. Median "
        f"standard deviation of a voxel's fit: {spread['fraction'] * MILLIMOLAR:.1f} mM, {spread['exchange_rate']:.0f} 1/s; "
        f"median correlation of the best atom {float(np.median(np.asarray(match.correlation))):.5f}.\n"
    )
    print(text)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "larg_phantom.md").write_text(text)
    draw(maps, mask, options.out / "larg_phantom.png")


if __name__ == "__main__":
    main()
