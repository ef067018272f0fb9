"""Z-spectra and their asymmetry."""

from collections.abc import Sequence as Several
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from mrjax.inverse.cest import mtr_asymmetry
from mrjax.plot import _style
from mrjax.plot.signals import MOST_CURVES

CROWDED = 80
"""Offsets from which on no points are drawn on the curves."""


def z_spectrum(
    offset_ppm: Any,
    z: Any,
    *,
    asymmetry: bool = True,
    labels: Several[str] | None = None,
    axes: Axes | None = None,
) -> Axes:
    """Z of each voxel over the saturation offset, which falls from left to right, as in spectroscopy.

    **Arguments:**

    - `offset_ppm`: Shape `(n_offsets,)`, in any order, without the M0 scans.
    - `z`: `(n_offsets,)` or `(*voxels, n_offsets)` with at most 20 voxels.
    - `asymmetry`: Whether MTRasym is drawn as well, dashed, in percent on an axis of its own on the right; only where both
      sides were measured.
    - `labels`: One per voxel.
    - `axes`: Matplotlib axes to draw in; new ones by default.

    **Returns:** The axes of Z.

    **Raises:** `ValueError` where lengths differ or there are too many voxels to tell apart.

    !!! example

        ```python
        >>> import numpy as np
        >>> import mrjax as mr
        >>> offset_ppm = np.linspace(-6, 6, 49)
        >>> axes = mr.plot.z_spectrum(offset_ppm, 1 - 0.9 / (1 + offset_ppm**2) - 0.05 / (1 + (offset_ppm - 3.5) ** 2))
        >>> axes.get_xlabel()
        'offset (ppm)'

        ```
    """
    offset, z = _style.as_numbers(offset_ppm), _style.as_numbers(z)
    if offset.ndim != 1 or offset.size == 0:
        raise ValueError(f"`offset_ppm` must have shape (n_offsets,) with at least one, but got {offset.shape}.")
    if z.shape[-1:] != offset.shape:
        raise ValueError(
            f"`z` must have the {offset.size} offsets of `offset_ppm` on its last axis, but got shape {z.shape}."
        )
    curves = z.reshape(-1, offset.size)
    if len(curves) > MOST_CURVES:
        raise ValueError(
            f"`z` must hold at most {MOST_CURVES} voxels to be told apart, but got {len(curves)}; select some."
        )
    if labels is not None and len(labels) != len(curves):
        raise ValueError(f"`labels` must have one entry for each of the {len(curves)} voxels, but got {len(labels)}.")
    axes = _style.axes_or_new(axes, figsize=(6, 4))
    _draw_curves(axes, offset, curves, labels)
    if asymmetry:
        _draw_asymmetry(axes, offset, curves)
    return axes


def _draw_curves(axes: Axes, offset: np.ndarray, curves: np.ndarray, labels: Several[str] | None) -> None:
    order = np.argsort(offset)
    for i, curve in enumerate(curves[:, order]):
        axes.plot(
            offset[order],
            curve,
            color=f"C{i % 10}",
            marker="." if offset.size < CROWDED else "",
            label=labels[i] if labels else None,
        )
    axes.set_xlim(offset.max(), offset.min())
    axes.set_ylim(0, max(1.05, float(np.nanmax(curves))))
    axes.set_xlabel("offset (ppm)")
    axes.set_ylabel("Z")
    if labels is not None:
        axes.legend(frameon=False, loc="lower right")


def _draw_asymmetry(axes: Axes, offset: np.ndarray, curves: np.ndarray) -> None:
    distinct = np.unique(offset)
    positive = distinct[distinct > 0]
    if distinct.size < max(3, offset.size):  # pairs need no interpolation, which needs three that are measured once
        positive = positive[np.isin(-positive, distinct)]
    if positive.size == 0:
        return
    percent = 100 * np.asarray(mtr_asymmetry(curves, offset, positive))
    if not np.isfinite(percent).any():
        return
    twin = axes.twinx()
    twin.axhline(0, color="0.8", linewidth=0.8)
    for i, curve in enumerate(percent):
        twin.plot(positive, curve, color=f"C{i % 10}", linestyle="--")
    twin.set_ylabel("MTRasym (%), dashed")
    # kept to the lower half of the picture, where the water alone has Z
    low, high = min(0.0, float(np.nanmin(percent))), max(0.0, float(np.nanmax(percent)))
    reach = high - low or 1.0
    twin.set_ylim(low - 0.05 * reach, low + 2.2 * reach)
