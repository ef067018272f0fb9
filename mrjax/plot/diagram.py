"""Sequence diagrams."""

import numpy as np
from matplotlib.axes import Axes

from mrjax.plot import _style
from mrjax.sequence import AbstractContainer, Dephase, Pulse, Sample, Spoil
from mrjax.sequence.unrolled import unrolled

ROWS = {"RF angle": 3, "RF phase": 2, "gradient": 1, "sample": 0}
CROWDED = 150
"""Pulses from which on flip angles are drawn as a curve, and phases as small dots."""


def sequence_diagram(
    sequence: AbstractContainer, *, time_range: tuple[float | int, float | int] | None = None, axes: Axes | None = None
) -> Axes:
    """What the scanner plays over time: RF angle and phase, gradients, samples, a row each.

    **Arguments:**

    - `sequence`: With known numbers.
    - `time_range`: Start and end in s of the part to show; all by default.
    - `axes`: Matplotlib axes to draw in; new ones by default.

    **Returns:** The axes. Bars of the RF rows are scaled to the largest angle shown and to one turn of phase. Gradients that
    take no time are drawn as lines, ideal spoilers hatched.

    **Raises:** `ValueError` where values are traced or the range holds no event.
    """
    start, end = time_range or (0.0, np.inf)
    shown = [timed for timed in unrolled(sequence) if start <= timed.start <= end and np.isfinite(timed.start)]
    if not shown:
        raise ValueError(f"`time_range` must hold at least one event, but {start:g} s to {end:g} s holds none.")
    axes = _style.axes_or_new(axes, figsize=(9, 3.5))
    of = lambda kind: [timed for timed in shown if isinstance(timed.event, kind)]
    last = max(timed.start + (timed.duration if np.isfinite(timed.duration) else 0.0) for timed in shown)
    factor, unit = (1.0, "s") if last - start > 2 else (1e3, "ms")
    _draw_pulses(axes, of(Pulse), factor)
    _draw_gradients(axes, of(Dephase), of(Spoil), factor, last - start)
    samples = np.array([timed.start for timed in of(Sample)]) * factor
    axes.vlines(samples, ROWS["sample"], ROWS["sample"] + 0.6, colors="C2", lw=1 if samples.size < CROWDED else 0.3)
    for row in ROWS.values():
        axes.axhline(row, color="0.7", lw=0.8, zorder=0)
    axes.set_yticks(list(ROWS.values()), list(ROWS))
    axes.set_ylim(-0.6, 4.1)
    axes.set_xlabel(f"time ({unit})")
    axes.margins(x=0.02)
    axes.tick_params(axis="y", length=0)
    axes.spines[["top", "right", "left"]].set_visible(False)
    return axes


def _draw_pulses(axes: Axes, pulses: list, factor: float) -> None:
    if not pulses:
        return
    times = np.array([timed.start for timed in pulses]) * factor
    angles = np.rad2deg([float(timed.event.flip_angle) for timed in pulses])
    phases = np.rad2deg([float(timed.event.phase) for timed in pulses]) % 360
    scale = 0.8 / max(np.abs(angles).max(), 1e-9)
    if len(pulses) > CROWDED:
        axes.fill_between(times, ROWS["RF angle"], ROWS["RF angle"] + angles * scale, color="C0", lw=0)
        axes.plot(times, ROWS["RF phase"] + 0.8 * phases / 360, ".", color="C1", ms=1.5)
    else:
        axes.vlines(times, ROWS["RF angle"], ROWS["RF angle"] + angles * scale, colors="C0", lw=2)
        axes.plot(times, ROWS["RF phase"] + 0.8 * phases / 360, "o", color="C1", ms=3)
    axes.annotate(
        f"{np.abs(angles).max():.4g}°",
        (0, ROWS["RF angle"] + 0.8),
        xycoords=("axes fraction", "data"),
        fontsize=8,
        color="C0",
    )
    axes.annotate("360°", (0, ROWS["RF phase"] + 0.75), xycoords=("axes fraction", "data"), fontsize=8, color="C1")


def _draw_gradients(axes: Axes, gradients: list, spoilers: list, factor: float, shown: float) -> None:
    highest = max((abs(timed.event.order) for timed in gradients), default=1) or 1
    row, narrow = ROWS["gradient"], 0.003 * shown * factor
    for timed in gradients:
        width = max(timed.duration * factor, narrow)
        axes.bar(timed.start * factor, 0.4 * timed.event.order / highest, width, row, align="edge", color="C3", lw=0)
    for timed in spoilers:
        axes.bar(timed.start * factor, 0.5, narrow, row, align="edge", fill=False, hatch="////", edgecolor="C3", lw=0.5)
