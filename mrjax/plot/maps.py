"""Parameter maps."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from mrjax.plot import _style


def parameter_map(
    values: Any,
    parameter: str | None = None,
    *,
    mask: Any | None = None,
    limits: tuple[float | int, float | int] | None = None,
    title: str | None = None,
    unit: str | None = None,
    colours: str | None = None,
    axes: Axes | None = None,
) -> Axes:
    """A map with a colour bar in its unit; times below half a second are shown in ms.

    **Arguments:**

    - `values`: Two-dimensional, `(x, y)`; drawn with x to the right and y upwards. What is nan, infinite or masked stays
      blank.
    - `parameter`: Name of the parameter, such as "t1": chooses title, unit and colour scale.
    - `mask`: Voxels to show; the others stay blank.
    - `limits`: Of the colour scale, in the unit of `values`. By default from 0, or from the 1st percentile where that is
      negative, to the 99th; symmetric about the neutral value for diverging scales.
    - `title`, `unit`, `colours`: Instead of those of the parameter.
    - `axes`: Matplotlib axes to draw in; new ones by default.

    **Returns:** The axes; `axes.figure.savefig(...)` writes a file.

    **Raises:** `ValueError` where `values` is not two-dimensional or complex, or `mask` has another shape.
    """
    image = _style.as_image(values).astype(float)
    name, known_unit, known_colours = _style.PARAMETER_STYLE.get(parameter or "", (parameter or "", "", "viridis"))
    unit, colours = known_unit if unit is None else unit, colours or known_colours
    if mask is not None:
        shown = _style.as_image(np.ma.filled(mask, False), "mask").astype(bool)
        if shown.shape != image.shape:
            raise ValueError(f"`mask` must have the shape of `values`, {np.shape(values)}, but got {np.shape(mask)}.")
        image = np.where(shown, image, np.nan)
    low, high = limits or _limits(image, parameter)
    if unit == "s" and high < 0.5:
        image, low, high, unit = image * 1e3, low * 1e3, high * 1e3, "ms"
    axes = _style.axes_or_new(axes, figsize=(4, 4))
    drawn = axes.imshow(image, origin="lower", cmap=colours, vmin=low, vmax=high, interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_title(name if title is None else title)
    axes.figure.colorbar(drawn, ax=axes, label=unit, shrink=0.8, pad=0.02)
    return axes


def _limits(image: np.ndarray, parameter: str | None) -> tuple[float, float]:
    finite = image[np.isfinite(image)]
    if not finite.size:
        return 0.0, 1.0
    if parameter in ("b1", "off_resonance"):
        centre = 1.0 if parameter == "b1" else 0.0
        reach = max(np.percentile(np.abs(finite - centre), 99), 1e-6)
        return centre - reach, centre + reach
    low, high = np.percentile(finite, [1, 99])
    return min(0.0, float(low)), float(high) if high > 0 else 1.0
