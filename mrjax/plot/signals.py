"""Signals over time."""

from collections.abc import Sequence as Several
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from mrjax.plot import _style

MOST_CURVES = 20


def signal_curves(
    signals: Any,
    times: Any | None = None,
    *,
    labels: Several[str] | None = None,
    marker: str = "",
    axes: Axes | None = None,
) -> Axes:
    """Signal of each voxel over time, magnitude if complex.

    **Arguments:**

    - `signals`: `(n,)` or `(*voxels, n)` with at most 20 voxels.
    - `times`: In s, `(n,)`, such as `sequence.sample_times`; sample numbers by default.
    - `labels`: One per voxel.
    - `marker`: Matplotlib marker at the samples.
    - `axes`: Matplotlib axes to draw in; new ones by default.

    **Returns:** The axes.

    **Raises:** `ValueError` where lengths differ or there are too many voxels to tell apart.
    """
    signals = _style.as_numbers(signals)
    if signals.ndim < 1 or signals.shape[-1] == 0:
        raise ValueError(f"`signals` must have at least one sample on the last axis, but got shape {signals.shape}.")
    curves = signals.reshape(-1, signals.shape[-1])
    if len(curves) > MOST_CURVES:
        raise ValueError(
            f"`signals` must hold at most {MOST_CURVES} voxels to be told apart, but got {len(curves)}; select some."
        )
    if times is not None and np.shape(times) != curves.shape[-1:]:
        raise ValueError(f"`times` must have shape {curves.shape[-1:]}, as the signals do, but got {np.shape(times)}.")
    if labels is not None and len(labels) != len(curves):
        raise ValueError(f"`labels` must have one entry for each of the {len(curves)} voxels, but got {len(labels)}.")
    axes = _style.axes_or_new(axes, figsize=(6, 3.5))
    x, unit = (np.arange(curves.shape[-1]), "sample") if times is None else _readable(_style.as_numbers(times))
    for i, curve in enumerate(curves):
        axes.plot(
            x, np.abs(curve) if np.iscomplexobj(curve) else curve, marker=marker, label=labels[i] if labels else None
        )
    axes.set_xlabel(unit)
    axes.set_ylabel("|signal|" if np.iscomplexobj(signals) else "signal")
    axes.margins(x=0.01)
    if labels is not None:
        axes.legend(frameon=False)
    return axes


def _readable(times: np.ndarray) -> tuple[np.ndarray, str]:
    return (times, "time (s)") if times.max() > 1 else (times * 1e3, "time (ms)")
