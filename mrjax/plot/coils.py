"""Coil maps: brightness for magnitude, hue for phase."""

import math
from typing import Any

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize, hsv_to_rgb
from matplotlib.figure import Figure

from mrjax.plot import _extent, _style

MOST_COILS = 64
BRIGHTEST = 97.0
"""Percentile of magnitudes that is drawn brightest: beside a wire they have no limit."""
HUES = 256
"""In the legend."""


def coil_maps(coils: Any, *, mask: Any = None, voxel_size: Any = None, figure: Any = None) -> np.ndarray:
    """The map of each coil, brighter with the root of its magnitude, and coloured by phase as the bar beside them says.

    **Arguments:**

    - `coils`: Complex, `(n_coils, nx, ny)` with at most 64; axes of length one, as of maps at the spins of a phantom, are left
      out.
    - `mask`: Where to show them, `(nx, ny)`.
    - `voxel_size`: In m, a number or one for x and y: draws rulers in mm.
    - `figure`: Matplotlib figure to draw in; a new one by default.

    **Returns:** The axes of the coils, in order, `(n_coils,)`.

    **Raises:** `ValueError` for another shape or too many coils.

    !!! example

        ```python
        >>> import mrjax as mr
        >>> phantom = mr.phantoms.shepp_logan((32, 32))
        >>> mr.plot.coil_maps(mr.phantoms.birdcage_coils(phantom), mask=phantom.mask).shape
        (8,)

        ```
    """
    maps = _style.as_numbers(coils)
    if maps.ndim > 3:
        maps = maps.reshape(maps.shape[0], *(n for n in maps.shape[1:] if n > 1))
    if maps.ndim != 3 or not 0 < len(maps) <= MOST_COILS:
        raise ValueError(
            f"`coils` must have shape (n_coils, nx, ny) with at most {MOST_COILS}, but got shape {maps.shape}; "
            "select a slice, or some of them."
        )
    shown = np.ones(maps.shape[1:], bool) if mask is None else np.squeeze(np.asarray(mask)).astype(bool)
    if shown.shape != maps.shape[1:]:
        raise ValueError(f"`mask` must have the shape of a map, {maps.shape[1:]}, but got {shown.shape}.")
    n_columns = min(len(maps), 4 if len(maps) <= 16 else 8)
    n_rows = math.ceil(len(maps) / n_columns)
    figure = figure or Figure(figsize=(2.2 * n_columns + 1.2, 2.2 * n_rows), layout="constrained")
    axes = figure.subplots(n_rows, n_columns, squeeze=False).ravel()
    extent, top = _extent.extent_of(shown.shape, voxel_size), _extent.largest(maps[:, shown], BRIGHTEST)
    for number, (one, values) in enumerate(zip(axes, maps, strict=False)):
        _extent.show(one, np.where(shown[..., None], coloured(values / top), 1.0), extent)
        one.text(0.04, 0.94, f"{number}", transform=one.transAxes, va="top", color="0.5" if mask is not None else "w")
        one.label_outer()
    for one in axes[len(maps) :]:
        one.set_axis_off()
    _draw_phases(figure, list(axes), top)
    return axes[: len(maps)]


def coloured(values: np.ndarray) -> np.ndarray:
    """Red, green and blue of complex numbers: hue for the angle, red for 0, brightness for the root of the magnitude up to 1."""
    hue = np.angle(values) / (2 * np.pi) % 1
    return hsv_to_rgb(
        np.stack([hue, np.full(hue.shape, 0.85), np.sqrt(np.clip(np.nan_to_num(np.abs(values)), 0, 1))], axis=-1)
    )


def _draw_phases(figure: Any, axes: list[Any], top: float) -> None:
    """The hues of phases, and the magnitude that is brightest."""
    hues = ListedColormap(coloured(np.exp(1j * np.linspace(-np.pi, np.pi, HUES))))
    scale = ScalarMappable(Normalize(-180, 180), hues)
    bar = figure.colorbar(scale, ax=axes, shrink=0.7, pad=0.02, aspect=15, label="phase (deg)")
    bar.set_ticks([-180, -90, 0, 90, 180])
    bar.ax.set_title(f"|C| to {top:.2g}", fontsize=8)
