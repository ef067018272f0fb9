"""The figure of `mrjax qsm`."""

import numpy as np
from matplotlib.figure import Figure

from mrjax.inverse.qsm import SusceptibilityMap

PLANES = ("across the first axis", "across the second", "across the third")


def draw(magnitude: np.ndarray, result: SusceptibilityMap, voxel_size: tuple[float, ...]) -> Figure:
    """Three planes through the middle of the mask of magnitude, total field, local field and susceptibility."""
    mask, known = np.asarray(result.signal_mask), np.asarray(result.mask)
    middle = [int(np.round(places.mean())) for places in np.nonzero(known)]
    shown = (
        ("magnitude", magnitude, None, "that of the images"),
        ("total field", np.asarray(result.total_field), mask, "ppm"),
        ("local field", np.asarray(result.local_field), known, "ppm"),
        ("susceptibility", np.asarray(result.susceptibility), known, "ppm"),
    )
    figure = Figure(figsize=(13, 9), layout="constrained")
    panels = figure.subplots(3, 4, squeeze=False)
    for column, (title, volume, inside, unit) in enumerate(shown):
        low, high = _range(volume, inside)
        for row, plane in enumerate(PLANES):
            across, up = (axis for axis in range(3) if axis != row)
            axes = panels[row, column]
            axes.imshow(
                np.take(volume, middle[row], axis=row).T,
                cmap="gray",
                vmin=low,
                vmax=high,
                origin="lower",
                aspect=voxel_size[up] / voxel_size[across],
            )
            axes.set(xticks=[], yticks=[], title=f"{title}, {plane}" if row == 0 else plane)
        pictures = panels[0, column].get_images()
        figure.colorbar(pictures[0], ax=panels[:, column], label=unit, location="bottom", shrink=0.8)
    return figure


def _range(volume: np.ndarray, inside: np.ndarray | None) -> tuple[float, float]:
    """Of grey: magnitudes from zero, other volumes by what lies in their mask."""
    if inside is None:
        return 0.0, float(np.percentile(volume, 99.5)) or 1.0
    low, high = np.percentile(volume[inside], [1, 99])
    return float(low), float(high) if high > low else float(low) + 1.0
