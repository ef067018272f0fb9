"""The curves of a sequence diagram, which follow when it is zoomed into."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes

from mrjax.plot import _waveforms
from mrjax.plot._waveforms import Points
from mrjax.sequence.gradients import AXES
from mrjax.sequence.hardware.event_times import EventTimes

MOST_TICKS = 150
"""Samples of readouts up to which each is marked."""


@dataclass(frozen=True)
class Curve:
    """How a row of waveforms is drawn."""

    points_of: Callable[[EventTimes], Points | None]
    colour: str
    factor: float
    """From SI to the unit."""
    unit: str
    height: float
    """Of the largest value, in rows."""
    full: float | None = None
    """What the row is scaled to, in the unit; by default the largest value shown."""


CURVES = {
    "RF amplitude": Curve(_waveforms.amplitude_points, "C0", 1e6, " µT", 0.8),
    "RF phase": Curve(_waveforms.phase_points, "C1", 1.0, "°", 0.8, full=360.0),
    **{f"G{axis}": Curve(_waveforms.gradient_points(axis), "C3", 1e3, " mT/m", 0.42) for axis in AXES},
    "ADC": Curve(_waveforms.readout_points, "C2", 1.0, "", 0.6, full=1.0),
}


class ZoomedCurves:
    """The curves in the rows of a diagram, drawn again for the part that is in view."""

    def __init__(
        self, axes: Axes, playings: list[EventTimes], heights: dict[str, int], shown: tuple[float, float], factor: float
    ):
        """Draw what is `shown`, from start to end in s; `factor` is from s to the unit of the axis."""
        self._axes, self._playings, self._shown, self._factor = axes, playings, shown, factor
        self._rows = {row: height for row, height in heights.items() if row in CURVES}
        # instantaneous pulses note the scale of phases themselves
        self._noted = [row for row in self._rows if not (row == "RF phase" and "RF angle" in heights)]
        self._artists: list[Artist] = []
        margin = 0.01 * (shown[1] - shown[0])
        axes.set_xlim((shown[0] - margin) * factor, (shown[1] + margin) * factor)
        curves = self._curves(shown)
        self._full = {row: CURVES[row].full or _largest(values) for row, (_, values) in curves.items()}
        self._note_scales()
        self._draw(curves, shown)

    def follow(self) -> None:
        """Draw again whenever the axes show another time."""
        self._axes.callbacks.connect("xlim_changed", lambda axes: self._changed())

    def _changed(self) -> None:
        low, high = sorted(limit / self._factor for limit in self._axes.get_xlim())
        view = (max(low, self._shown[0]), min(high, self._shown[1]))
        within = self._drawn[0] <= view[0] and view[1] <= self._drawn[1]
        if view[0] < view[1] and not (within and not self._thinned):
            self._draw(self._curves(view), view)

    def _curves(self, view: tuple[float, float]) -> dict[str, Points]:
        """Points of each row, in the unit of its curve."""
        curves, self._thinned = {}, set()
        self._seen = _waveforms.seen_of(self._playings, view)
        for row in self._rows:
            of = CURVES[row]
            (times, values), complete = _waveforms.curve(self._seen, of.points_of, view)
            curves[row] = (times, values * of.factor)
            if not complete:
                self._thinned.add(row)
        return curves

    def _draw(self, curves: dict[str, Points], view: tuple[float, float]) -> None:
        for artist in self._artists:
            artist.remove()
        self._artists, self._drawn = [], view
        for row, (times, values) in curves.items():
            base, of = self._rows[row], CURVES[row]
            if row == "RF phase" and row not in self._thinned:
                times, values = _broken(times, values)
            x, y = times * self._factor, base + values * of.height / self._full[row]
            self._artists += self._axes.plot(x, y, color=of.colour, lw=1)
            if row != "RF phase":
                self._artists.append(self._axes.fill_between(x, base, y, color=of.colour, lw=0, alpha=0.25))
        if "ADC" in curves:
            self._mark_samples(view)

    def _mark_samples(self, view: tuple[float, float]) -> None:
        samples = _waveforms.sample_times(self._seen, view, MOST_TICKS)
        if samples is None:
            self._thinned.add("ADC")
            return
        row, of = self._rows["ADC"], CURVES["ADC"]
        ticks = self._axes.vlines(samples * self._factor, row, row + of.height, colors=of.colour, lw=0.5)
        self._artists.append(ticks)

    def _note_scales(self) -> None:
        """Beside each row the value that its height stands for."""
        for row in self._noted:
            of, full, height = CURVES[row], self._full[row], self._rows[row]
            if not of.unit or not np.isfinite(full):
                continue
            signed = row.startswith("G")
            self._axes.annotate(
                f"{'±' if signed else ''}{full:.3g}{of.unit}",
                (1, height + (0 if signed else of.height)),
                xycoords=("axes fraction", "data"),
                xytext=(3, 0),
                textcoords="offset points",
                va="center",
                fontsize=8,
                color=of.colour,
            )


def _largest(values: np.ndarray) -> float:
    """The largest magnitude, or infinity where there is nothing."""
    return float(np.max(np.abs(values), initial=0.0)) or np.inf


def _broken(times: np.ndarray, phases: np.ndarray) -> Points:
    """A curve of phases in degrees, broken where they jump."""
    jumps = np.flatnonzero(np.abs(np.diff(phases)) > 150) + 1
    return np.insert(times, jumps, times[jumps]), np.insert(phases, jumps, np.nan)
