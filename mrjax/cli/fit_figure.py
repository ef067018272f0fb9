"""The figure of `mrjax fit`."""

import numpy as np
from matplotlib.figure import Figure

from mrjax.inverse import FitStatus
from mrjax.plot import parameter_map

BLANK = "lightsteelblue"
"""Of voxels without a result: no colour of the maps."""


def draw(parameter: str, mask: np.ndarray, maps: dict[str, np.ndarray]) -> Figure:
    """The fullest slice of the parameter, its standard deviation and M0, blank where the fit did not converge."""
    good = maps["status"] == FitStatus.CONVERGED
    while mask.ndim < 3:
        mask, good, maps = mask[..., None], good[..., None], {name: value[..., None] for name, value in maps.items()}
    z = int(np.argmax(mask.sum(axis=(0, 1))))
    shown = good[:, :, z]
    figure = Figure(figsize=(13, 4), layout="constrained")
    panels = figure.subplots(1, 3, subplot_kw={"facecolor": BLANK})
    parameter_map(maps[parameter][:, :, z], parameter, mask=shown, axes=panels[0])
    title = f"{panels[0].get_title()}, one standard deviation"
    parameter_map(maps[f"{parameter}_std"][:, :, z], parameter, mask=shown, title=title, axes=panels[1])
    parameter_map(maps["m0"][:, :, z], "m0", mask=shown, axes=panels[2])
    count = f"{shown.sum():,} of {mask[:, :, z].sum():,} fitted voxels converged; the others are blank"
    figure.suptitle(f"slice {z + 1} of {mask.shape[2]}: {count}", fontsize="medium")
    return figure
