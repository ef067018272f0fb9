"""Figures of `mrjax fit`: maps, histograms, and voxels with their data."""

from collections.abc import Mapping

import numpy as np
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
    names = [name for name in told if maps[name].ndim == 3 and name.endswith("_std") == deviations][:MOST_MAPS]
    rows = -(-(len(names) + (not deviations)) // COLUMNS)
    figure = Figure(figsize=(3.4 * COLUMNS, 3.0 * rows), layout="constrained")
    panels = figure.subplots(rows, COLUMNS, squeeze=False, subplot_kw={"facecolor": BLANK}).ravel()
    for panel in panels[len(names) + (not deviations) :]:
        panel.remove()
    for panel, name in zip(panels, names, strict=False):
        unit = told[name][0] if len(told[name][0]) < 10 else ""
        parameter_map(maps[name][:, :, z], name, mask=good[:, :, z], unit=unit, title=name, axes=panel)
    if not deviations:
        status = np.where(mask[:, :, z], maps["status"][:, :, z], np.nan)
        parameter_map(status, "status", limits=(0.0, 7.0), title="status", unit="", colours="Set1", axes=panels[len(names)])
    figure.suptitle(_count(z, mask, good[:, :, z]), fontsize="medium")
    return figure


def histograms(values: Mapping[str, np.ndarray], told: Mapping[str, tuple[str, str]]) -> Figure:
    """Of each parameter over the voxels that converged, between the 0.5th and the 99.5th percentile."""
    names = [name for name in told if not name.endswith("_std") and values[name].ndim == 1][:MOST_MAPS]
    rows = -(-len(names) // COLUMNS)
    figure = Figure(figsize=(3.4 * COLUMNS, 2.4 * rows), layout="constrained")
    panels = figure.subplots(rows, COLUMNS, squeeze=False).ravel()
    for panel in panels[len(names) :]:
        panel.remove()
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
