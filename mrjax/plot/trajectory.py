"""Trajectories in k-space."""

from collections.abc import Sequence as Several
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from mrjax.plot import _style
from mrjax.sequence import AbstractContainer, Sequence, Timeline
from mrjax.sequence.gradients import AXES

PARTS = 8
"""Lines by which the trajectory in a step is drawn, which bends where a gradient ramps."""


def trajectory(
    sequence: AbstractContainer | Timeline, along: Several[str] = ("x", "y"), *, axes: Axes | None = None
) -> Axes:
    """The path through k-space, coloured by time, with dots at the samples.

    It begins in the middle at each excitation, and is broken where refocusing pulses invert it (see `Timeline.trajectory`).

    **Arguments:**

    - `sequence`: A sequence with known numbers, or its timeline.
    - `along`: Two or three of `"x"`, `"y"` and `"z"`: those shown, in this order; three are drawn in three dimensions.
    - `axes`: Matplotlib axes to draw in, for three dimensions those of `projection="3d"`; new ones by default.

    **Returns:** The axes, in cycles/m.

    **Raises:** `ValueError` for other names, where there is no gradient, or for flat axes where three dimensions are drawn.

    !!! example

        ```python
        >>> import mrjax as mr
        >>> from mrjax.units import mT, ms
        >>> read = mr.Gradient.trapezoid(5 * mT, rise=0.1 * ms, flat=2.56 * ms, axis="x")
        >>> line = mr.Sequence(mr.Pulse(0.2), mr.Together(mr.Sequence(mr.Delay(0.1 * ms), mr.Readout(128, 20e-6)), read))
        >>> mr.plot.trajectory(line).get_xlabel()
        'kx (1/m)'

        ```
    """
    names = tuple(along)
    if len(names) not in (2, 3) or len(set(names)) < len(names) or not set(names) <= set(AXES):
        raise ValueError(f'`along` must be two or three of "x", "y" and "z", each once, but got {along!r}.')
    if not isinstance(sequence, Timeline | AbstractContainer):
        raise ValueError(f"`sequence` must be a Sequence or a Timeline, but got {type(sequence).__name__}.")
    timeline = sequence if isinstance(sequence, Timeline) else Sequence(sequence).timeline()
    columns = [AXES.index(name) for name in names]
    times, lines = _lines(timeline, columns)
    if not times.size:
        raise ValueError(f"`sequence` must play gradients along {' or '.join(names)}, but plays none.")
    solid = len(names) == 3
    axes = _new(solid) if axes is None else axes
    if solid != hasattr(axes, "zaxis"):
        raise ValueError(
            f'`axes` must have {"" if solid else "no "}`projection="3d"` for {len(names)} axes of k-space.'
        )
    factor, unit = (1.0, "s") if times[-1] > 2 else (1e3, "ms")
    drawn = _collection(solid)(list(lines), cmap="viridis", array=times * factor, linewidths=0.8)
    axes.add_collection(drawn)
    samples = np.asarray(timeline.trajectory())[:, columns]
    axes.plot(*samples.T, ".", color="C3", ms=1.5, zorder=3)
    _lay_out(axes, names, np.concatenate([lines.reshape(-1, len(names)), samples]))
    axes.figure.colorbar(drawn, ax=axes, label=f"time ({unit})", shrink=0.8, pad=0.15 if solid else 0.02)
    return axes


def _lines(timeline: Timeline, columns: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """When each short line of the path begins, and its ends, `(n_lines, 2, n_columns)`."""
    edges, length = np.asarray(timeline.edges), np.asarray(timeline.duration)
    within = edges[:-1, None] + length[:, None] * np.arange(PARTS)[None, :] / PARTS
    times = np.concatenate([within.ravel(), edges[-1:], np.asarray(timeline.rf_centers)])
    times = np.unique(times[np.isfinite(times)])
    path = np.asarray(timeline.trajectory(times))[:, columns]
    n_pulses = np.searchsorted(np.asarray(timeline.rf_centers), times, side="right")
    lines = np.stack([path[:-1], path[1:]], axis=1)
    moves = (np.diff(n_pulses) == 0) & np.any(lines[:, 0] != lines[:, 1], axis=-1)
    return times[:-1][moves], lines[moves]


def _collection(solid: bool) -> type[LineCollection]:
    if not solid:
        return LineCollection
    # few need it, and all would wait for it
    from mpl_toolkits.mplot3d.art3d import Line3DCollection

    return Line3DCollection


def _new(solid: bool) -> Axes:
    if not solid:
        return _style.axes_or_new(None, figsize=(5.5, 4.5))
    return Figure(figsize=(6, 5), layout="constrained").add_subplot(projection="3d")


def _lay_out(axes: Any, names: tuple[str, ...], points: np.ndarray) -> None:
    for name, side in zip(names, "xyz", strict=False):
        getattr(axes, f"set_{side}label")(f"k{name} (1/m)")
    if len(names) == 2:
        axes.update_datalim(points)
        axes.autoscale_view()
        axes.set_aspect("equal", adjustable="datalim")
    else:
        axes.auto_scale_xyz(*points.T)
        axes.zaxis.labelpad = 12
