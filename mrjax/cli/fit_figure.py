"""Figures of `mrjax fit`: maps, histograms, and voxels with their data."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mrjax.inverse import FitStatus
from mrjax.plot import parameter_map

BLANK = "lightsteelblue"
"""Of voxels without a result: no colour of the maps."""
OTHERS = ("m0", "s0", "steady_state", "residual_rms")
"""What is drawn beside the parameter of interest: the first that there is."""
COLUMNS = 4
MOST_MAPS = 24


def draw(parameter: str, mask: np.ndarray, maps: Mapping[str, np.ndarray]) -> Figure:
    """The fullest slice of the parameter, its standard deviation and M0, blank where the fit did not converge."""
    other = next(name for name in OTHERS if name in maps)
    names = [name for name in (parameter, f"{parameter}_std", other) if name in maps]
    z, mask, good, maps = _slices(mask, maps)
    shown = good[:, :, z]
    figure = Figure(figsize=(13, 4), layout="constrained")
    panels = figure.subplots(1, len(names), squeeze=False, subplot_kw={"facecolor": BLANK})[0]
    for panel, name in zip(panels, names, strict=True):
        of = name.removesuffix("_std")
        parameter_map(maps[name][:, :, z], of, mask=shown, axes=panel)
        if of != name:
            panel.set_title(f"{panel.get_title()}, one standard deviation")
    figure.suptitle(_count(z, mask, shown), fontsize="medium")
    return figure


def gallery(
    mask: np.ndarray, maps: Mapping[str, np.ndarray], told: Mapping[str, tuple[str, str]], *, deviations: bool
) -> Figure:
    """The fullest slice of all parameters, or of their standard deviations, with the residual and the status."""
    z, mask, good, maps = _slices(mask, maps)
    names = [name for name in told if name in maps and name.endswith("_std") == deviations][:MOST_MAPS]
    figure, panels = grid(len(names) + (not deviations), 3.2, facecolor=BLANK)
    for panel, name in zip(panels, names, strict=False):
        unit = told[name][0] if len(told[name][0]) < 10 else ""
        parameter_map(maps[name][:, :, z], name, mask=good[:, :, z], unit=unit, title=name, axes=panel)
    if not deviations:
        status = np.where(mask[:, :, z], maps["status"][:, :, z], np.nan)
        ends = (-0.5, len(FitStatus) - 0.5)
        parameter_map(status, "status", limits=ends, title="status", unit="", colours="Set2", axes=panels[-1])
    return figure


def slice_in_words(mask: np.ndarray, maps: Mapping[str, np.ndarray]) -> str:
    """Which slice is drawn, and how much of it."""
    z, mask, good, _ = _slices(mask, maps)
    return _count(z, mask, good[:, :, z])


def histograms(values: Mapping[str, np.ndarray], told: Mapping[str, tuple[str, str]]) -> Figure:
    """Of each parameter over the voxels that converged, between the 0.5th and the 99.5th percentile."""
    names = [name for name in told if not name.endswith("_std") and values[name].ndim == 1][:MOST_MAPS]
    figure, panels = grid(len(names), 2.4)
    good = values["status"] == FitStatus.CONVERGED
    for panel, name in zip(panels, names, strict=False):
        known = values[name][good & np.isfinite(values[name])]
        unit = told[name][0]
        panel.set_xlabel(f"{name} ({unit})" if unit else name)
        panel.set_yticks([])
        if not known.size:
            panel.text(0.5, 0.5, "no voxel converged", ha="center", transform=panel.transAxes)
            continue
        low, high = np.percentile(known, [0.5, 99.5])
        panel.hist(known, bins=60, range=(low, high) if high > low else None, color="steelblue")
        panel.axvline(float(np.median(known)), color="black", linewidth=1)
    return figure


def grid(n: int, height: float, **panel: Any) -> tuple[Figure, list[Axes]]:
    """A figure of `n` panels in rows of four, each row of a height in inches."""
    rows = -(-n // COLUMNS)
    figure = Figure(figsize=(3.4 * COLUMNS, height * rows))
    # by hand, which is several times as quick as a layout that matplotlib solves
    edge = 0.45 / (height * rows)
    figure.subplots_adjust(left=0.03, right=0.97, bottom=edge, top=1 - edge, wspace=0.25, hspace=1.2 / height)
    panels = figure.subplots(rows, COLUMNS, squeeze=False, subplot_kw=panel).ravel().tolist()
    for unused in panels[n:]:
        unused.remove()
    return figure, panels[:n]


def _slices(
    mask: np.ndarray, maps: Mapping[str, np.ndarray]
) -> tuple[int, np.ndarray, np.ndarray, Mapping[str, np.ndarray]]:
    """The fullest slice, the mask, where fits converged, and scalar maps, all with three axes."""
    good = maps["status"] == FitStatus.CONVERGED
    maps = {name: value for name, value in maps.items() if value.ndim == mask.ndim}
    while mask.ndim < 3:
        mask, good, maps = mask[..., None], good[..., None], {name: value[..., None] for name, value in maps.items()}
    return int(np.argmax(mask.sum(axis=(0, 1)))), mask, good, maps


def _count(z: int, mask: np.ndarray, shown: np.ndarray) -> str:
    count = f"{shown.sum():,} of {mask[:, :, z].sum():,} fitted voxels converged; the others are blank"
    return f"slice {z + 1} of {mask.shape[2]}: {count}"
