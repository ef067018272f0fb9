"""Slice profiles."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from mrjax.plot import _style


def slice_profile(profile: Any, *, axes: Axes | None = None) -> Axes:
    """What a pulse does across the slice: transverse and longitudinal magnetisation after it, and its flip angle.

    **Arguments:**

    - `profile`: With one value each per `position` in m: `excited` (complex transverse magnetisation from equilibrium),
      `inverted` (longitudinal) and `flip_angle` in rad, as those of a slice profile are.
    - `axes`: Matplotlib axes to draw in; new ones by default.

    **Returns:** The axes of the magnetisation; those of the flip angle share its positions.

    **Raises:** `ValueError` where positions are no row of at least two, or something has another number of values.
    """
    position = np.asarray(profile.position) * 1e3
    if position.ndim != 1 or position.size < 2:
        raise ValueError(f"`position` of `profile` must have shape (n,) with at least two, but got {position.shape}.")
    rows = {name: np.asarray(getattr(profile, name)) for name in ("excited", "inverted", "flip_angle")}
    for name, values in rows.items():
        if values.shape != position.shape:
            raise ValueError(
                f"`{name}` of `profile` must have the shape of its positions, {position.shape}, but got {values.shape}."
            )
    axes = _style.axes_or_new(axes, figsize=(6, 4))
    order = np.argsort(position)
    x = position[order]
    axes.axhline(0, color="0.8", lw=0.8)
    axes.plot(x, np.abs(rows["excited"])[order], color="C0", label="|Mxy|")
    axes.plot(x, rows["inverted"][order], color="C3", label="Mz")
    axes.set_xlim(x[0], x[-1])
    axes.set_ylim(min(-0.05, 1.05 * float(rows["inverted"].min())), 1.05)
    axes.set_xlabel("position (mm)")
    axes.set_ylabel("magnetisation / M0")
    angles = axes.twinx()
    angles.plot(x, np.rad2deg(rows["flip_angle"])[order], color="0.4", ls="--", lw=1, label="flip angle")
    # zero at the height of the other zero
    low, high = axes.get_ylim()
    largest = 1.05 * max(float(np.rad2deg(rows["flip_angle"]).max()), 1e-6)
    angles.set_ylim(largest * low / high, largest)
    angles.set_ylabel("flip angle (deg), dashed")
    axes.legend(frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2)
    return axes
