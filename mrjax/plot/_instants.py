"""Ideal events in a sequence diagram, by their symbols: pulses, windings, spoilers, samples and marks."""

from collections.abc import Callable, Iterable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection

from mrjax.plot._waveforms import in_view
from mrjax.sequence import AbstractIdealEvent
from mrjax.sequence.base import Symbol
from mrjax.sequence.hardware.event_times import EventTimes

CROWDED = 150
"""Pulses from which on flip angles are drawn as thin lines, and phases as small dots; windings that are drawn as one."""


def draw(
    axes: Axes,
    playings: list[EventTimes],
    heights: dict[str, int],
    view: tuple[float, float],
    length: float,
    factor: float,
) -> None:
    """Draw them in rows at some heights.

    **Arguments:**

    - `view`: Start and end in s; events that start within are drawn.
    - `length`: Of what is shown in s, to which the width of what takes no time is drawn.
    - `factor`: From s to the unit of the axis.
    """
    of = lambda symbol, number: _values(playings, symbol, number, view)
    times, angles = of("pulse", lambda event: np.rad2deg(event.flip_angle))
    if times.size:
        _, phases = of("pulse", lambda event: np.rad2deg(event.phase) % 360)
        _draw_pulses(axes, times * factor, angles, phases, heights)
    narrow = 0.003 * length * factor
    if "gradient" in heights:
        _draw_gradients(axes, of, heights["gradient"], factor, narrow)
    samples, _ = of("sample", lambda event: 0.0)
    if samples.size:
        row, width = heights["sample"], 1 if samples.size < CROWDED else 0.3
        axes.vlines(samples * factor, row, row + 0.6, colors="C2", lw=width)
    for name in sorted({type(one.event).__name__ for one in playings if _is_mark(one)}):
        marks = [one for one in playings if _is_mark(one) and type(one.event).__name__ == name]
        times, _ = _values(marks, "mark", lambda event: 0.0, view)
        _draw_marks(axes, times * factor, name)


def _values(
    playings: Iterable[EventTimes], symbol: Symbol, number: Callable, view: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """When events with a symbol start, and a number of each, in the order of playing."""
    rows = [(np.zeros(0, int), np.zeros(0), np.zeros(0))]
    for one in playings:
        if isinstance(one.event, AbstractIdealEvent) and one.event.symbol == symbol:
            seen = in_view(one, view)
            seen = seen[one.start.ravel()[seen] >= view[0]]
            values = np.broadcast_to(np.asarray(number(one.event), float), one.start.shape)
            rows.append((one.order.ravel()[seen], one.start.ravel()[seen], values.ravel()[seen]))
    order, times, values = (np.concatenate(row) for row in zip(*rows, strict=True))
    played = np.argsort(order)
    return times[played], values[played]


def _draw_pulses(
    axes: Axes, times: np.ndarray, angles: np.ndarray, phases: np.ndarray, heights: dict[str, int]
) -> None:
    row, phase_row = heights["RF angle"], heights["RF phase"]
    scale = 0.8 / max(np.abs(angles).max(), 1e-9)
    if times.size > CROWDED:
        # one curve that returns to the row after each pulse: thousands of separate lines take seconds to draw
        upwards = np.stack([np.zeros_like(angles), angles * scale, np.zeros_like(angles)], axis=-1)
        axes.plot(np.repeat(times, 3), row + upwards.ravel(), color="C0", lw=0.5)
        axes.plot(times, phase_row + 0.8 * phases / 360, ".", color="C1", ms=1.5)
    else:
        axes.vlines(times, row, row + angles * scale, colors="C0", lw=2)
        axes.plot(times, phase_row + 0.8 * phases / 360, "o", color="C1", ms=3)
    note = lambda text, height, colour: axes.annotate(
        text, (0, height), xycoords=("axes fraction", "data"), fontsize=8, color=colour
    )
    note(f"{np.abs(angles).max():.4g}°", row + 0.8, "C0")
    note("360°", phase_row + 0.75, "C1")


def _draw_gradients(axes: Axes, of: Callable, row: int, factor: float, narrow: float) -> None:
    times, orders = of("winding", lambda event: float(event.order))
    _, durations = of("winding", lambda event: event.duration)
    highest = np.abs(orders).max(initial=0.0) or 1.0
    starts, ends = times * factor, times * factor + np.maximum(durations * factor, narrow)
    tops = row + 0.4 * orders / highest
    if times.size > CROWDED:
        # one collection: a thousand bars take a second to draw
        at = lambda x, y: np.stack(np.broadcast_arrays(x, y), axis=-1)
        corners = np.stack([at(starts, row), at(starts, tops), at(ends, tops), at(ends, row)], axis=1)
        axes.add_collection(PolyCollection(list(corners), facecolors="C3", linewidths=0))
        axes.autoscale_view()
    else:
        axes.bar(starts, tops - row, ends - starts, row, align="edge", color="C3", lw=0)
    for time in of("spoiler", lambda event: 0.0)[0] * factor:
        axes.bar(time, 0.5, narrow, row, align="edge", fill=False, hatch="////", edgecolor="C3", lw=0.5)


def _is_mark(one: EventTimes) -> bool:
    return isinstance(one.event, AbstractIdealEvent) and one.event.symbol == "mark"


def _draw_marks(axes: Axes, times: np.ndarray, name: str) -> None:
    """Lines through all rows, the first with the name of the events."""
    for time in times[:CROWDED]:
        axes.axvline(time, color="0.6", lw=0.8, ls=":", zorder=0)
    if times.size:
        axes.annotate(name, (times[0], 1), xycoords=("data", "axes fraction"), fontsize=8, color="0.4", va="bottom")
