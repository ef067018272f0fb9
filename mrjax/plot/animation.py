"""Spins in motion, beside the sequence that moves them."""

from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.animation import FuncAnimation
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from mrjax.plot._followed import followed, require_followed
from mrjax.plot.diagram import sequence_diagram
from mrjax.sequence import AbstractContainer, Sequence
from mrjax.tissue import Tissue

MOST_SPINS = 200


def magnetisation(
    sequence: AbstractContainer,
    tissue: Tissue,
    *,
    n_frames: int = 100,
    time_range: tuple[float | int, float | int] | None = None,
    interval: float | int = 50e-3,
    figure: Any = None,
) -> FuncAnimation:
    r"""An animation of the magnetisation of some spins: in the transverse plane, along z, and where the sequence is.

    Each spin follows the Bloch equations from thermal equilibrium through RF, gradients, its off-resonance and relaxation, in the
    frame that turns with the scanner's frequency. Their mean is drawn in black: what is left of the signal when they fan out.

    **Arguments:**

    - `sequence`: With known numbers, of pulses, gradients, waits and readouts; ideal windings and spoilers act on no single
      spin, and are refused.
    - `tissue`: At most 200 voxels, each a spin; `t1`, `t2`, `off_resonance`, `b1` and positions count. Spins are coloured by
      what differs between them: position, or off-resonance, or else their number.
    - `n_frames`: At equal distances of time. At least 2.
    - `time_range`: Start and end in s of the part to show; the whole sequence by default.
    - `interval`: Time in s for which a frame is shown.
    - `figure`: Matplotlib figure to draw in; a new one by default.

    **Returns:** The animation; `animation.save("spins.gif", writer="pillow")` writes a file. Keep a reference to it until then.

    **Error:** none but rounding, and 1e-3 where an RF pulse of another frequency lasts.

    **Raises:** `ValueError` for too many spins, ideal events, or a range without end.

    !!! example

        ```python
        >>> import numpy as np
        >>> import mrjax as mr
        >>> from mrjax.units import deg, ms
        >>> echo = mr.Sequence(mr.Pulse(90 * deg), mr.Delay(5 * ms), mr.Pulse(180 * deg), mr.Delay(6 * ms))
        >>> spins = mr.Tissue(t1=1.0, t2=0.1, off_resonance=np.linspace(-60, 60, 21))
        >>> animation = mr.plot.magnetisation(echo, spins, n_frames=20)
        >>> animation.save("echo.gif", writer="pillow")  # doctest: +SKIP

        ```
    """
    start, end = _checked_range(sequence, tissue, n_frames, time_range)
    times = np.linspace(start, end, n_frames)
    path = followed(sequence, tissue, times)
    figure = figure or Figure(figsize=(8, 6), layout="constrained")
    plane, along_z, below = _axes(figure)
    sequence_diagram(sequence, time_range=(start, end), axes=below)
    factor = 1.0 if end - start > 2 else 1e3
    margin = 0.01 * (end - start)
    below.set_xlim((start - margin) * factor, (end + margin) * factor)
    values, name = _told_apart(tissue)
    update = _Spins(plane, along_z, below.axvline(start * factor, color="k", lw=1), values, name)
    return FuncAnimation(
        figure,
        lambda frame: update(path[frame], float(times[frame]) * factor),
        frames=int(n_frames),
        interval=1e3 * interval,
        blit=False,
        cache_frame_data=False,
    )


def _checked_range(
    sequence: AbstractContainer, tissue: Tissue, n_frames: Any, time_range: tuple[float | int, float | int] | None
) -> tuple[float, float]:
    """The start and the end of what is shown, after a check that it can be."""
    n_spins = int(np.prod(tissue.voxel_shape))
    if not 0 < n_spins <= MOST_SPINS:
        raise ValueError(
            f"`tissue` must have at most {MOST_SPINS} spins to be told apart, but has {n_spins}; select some."
        )
    if not isinstance(n_frames, int | np.integer) or n_frames < 2:
        raise ValueError(f"`n_frames` must be an integer of at least 2, but got {n_frames!r}.")
    require_followed(sequence)
    start, end = time_range or (0.0, float(Sequence(sequence).timeline().edges[-1]))
    if not 0 <= start < end < np.inf:
        raise ValueError(f"`time_range` must be a start and a later end in s, but is {start:g} s to {end:g} s.")
    return float(start), float(end)


class _Spins:
    """What moves in the picture."""

    def __init__(self, plane: Axes, along_z: Axes, cursor: Any, values: np.ndarray, name: str):
        spread = np.ptp(values)
        colours = colormaps["viridis"]((values - values.min()) / spread if spread else np.full(values.shape, 0.4))
        self._cursor, self._values = cursor, values
        self._arrows = LineCollection([], colors=colours, linewidths=1.2)
        plane.add_collection(self._arrows)
        self._tips = plane.scatter(np.zeros(values.size), np.zeros(values.size), c=colours, s=14, zorder=3)
        (self._mean,) = plane.plot([], [], color="k", lw=2.5, zorder=4)
        self._heights = along_z.scatter(values, np.zeros(values.size), c=colours, s=14, zorder=3)
        self._mean_height = along_z.axhline(0, color="k", lw=1.5)
        turn = np.linspace(0, 2 * np.pi, 200)
        plane.plot(np.cos(turn), np.sin(turn), color="0.8", lw=0.8)
        plane.set(xlim=(-1.1, 1.1), ylim=(-1.1, 1.1), aspect="equal", xlabel="Mx / M0", ylabel="My / M0")
        along_z.axhline(0, color="0.8", lw=0.8)
        along_z.set(ylim=(-1.1, 1.1), xlabel=name, ylabel="Mz / M0")
        along_z.margins(x=0.05)

    def __call__(self, spins: np.ndarray, time: float) -> tuple[Any, ...]:
        """Draw Mx, My and Mz of each spin, `(n_spins, 3)`, at a time in the unit of the diagram."""
        across, mean = spins[:, :2], spins.mean(0)
        self._arrows.set_segments(list(np.stack([np.zeros_like(across), across], axis=1)))
        self._tips.set_offsets(across)
        self._mean.set_data([0, mean[0]], [0, mean[1]])
        self._heights.set_offsets(np.stack([self._values, spins[:, 2]], axis=-1))
        self._mean_height.set_ydata([mean[2], mean[2]])
        self._cursor.set_xdata([time, time])
        return self._arrows, self._tips, self._mean, self._heights, self._mean_height, self._cursor


def _axes(figure: Any) -> tuple[Axes, Axes, Axes]:
    grid = figure.add_gridspec(2, 2, height_ratios=(1.3, 1))
    return figure.add_subplot(grid[0, 0]), figure.add_subplot(grid[0, 1]), figure.add_subplot(grid[1, :])


def _told_apart(tissue: Tissue) -> tuple[np.ndarray, str]:
    """What differs from spin to spin, and its name."""
    n_spins = int(np.prod(tissue.voxel_shape))
    names = {
        "x": ("x (mm)", 1e3),
        "y": ("y (mm)", 1e3),
        "z": ("z (mm)", 1e3),
        "off_resonance": ("off-resonance (Hz)", 1.0),
    }
    for name, (label, factor) in names.items():
        values = np.broadcast_to(np.asarray(getattr(tissue, name)), tissue.voxel_shape).reshape(-1)
        if np.ptp(values) > 0:
            return values * factor, label
    return np.arange(float(n_spins)), "spin"
