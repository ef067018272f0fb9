"""What the figures share."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

PARAMETER_STYLE = {
    "t1": ("T1", "s", "inferno"),
    "t2": ("T2", "s", "viridis"),
    "t2star": ("T2*", "s", "viridis"),
    "m0": ("M0", "", "gray"),
    "b1": ("B1", "relative", "RdBu_r"),
    "off_resonance": ("off-resonance", "Hz", "RdBu_r"),
    "r1": ("R1", "1/s", "inferno"),
}
"""Title, unit and colour scale of each parameter."""


def axes_or_new(axes: Axes | None, **figure_options: Any) -> Axes:
    """`axes`, or new ones in a figure of its own that does not depend on a display."""
    if axes is not None:
        return axes
    return Figure(layout="constrained", **figure_options).subplots()


def as_numbers(values: Any) -> np.ndarray:
    """An array whose masked entries are nan, which are not drawn."""
    if not isinstance(values, np.ma.MaskedArray):
        return np.asarray(values)
    return np.ma.filled(values.astype(np.result_type(values.dtype, np.float32)), np.nan)


def as_image(values: Any, name: str = "values") -> np.ndarray:
    """A two-dimensional map, turned so that x runs to the right and y upwards when drawn with `origin="lower"`."""
    image = as_numbers(values)
    image = image if image.ndim == 2 else np.squeeze(image)
    if image.ndim != 2:
        raise ValueError(f"`{name}` must be a two-dimensional map, but got shape {np.shape(values)}; select a slice.")
    if np.iscomplexobj(image):
        raise ValueError(f"`{name}` must be real, but got {image.dtype}; pass its magnitude or its phase.")
    return image.T
