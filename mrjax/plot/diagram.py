"""Sequence diagrams."""

import numpy as np
from matplotlib.axes import Axes

from mrjax.plot import _instants, _style
from mrjax.plot._curves import ZoomedCurves
from mrjax.plot._waveforms import in_view
from mrjax.sequence import (
    AbstractContainer,
    AbstractEvent,
    AbstractIdealEvent,
    AbstractNote,
    AbstractRF,
    Delay,
    Gradient,
    Readout,
)
from mrjax.sequence.gradients import AXES
from mrjax.sequence.hardware.event_times import EventTimes, event_times

INSTANTS = ("RF angle", "RF phase", "gradient", "sample")
"""The rows of a sequence without waveforms, from the top."""

DRAWN = (AbstractIdealEvent, AbstractRF, Gradient, Readout, Delay, AbstractNote)
"""The events that a diagram shows, or passes over because nothing is played."""


def sequence_diagram(
    sequence: AbstractContainer, *, time_range: tuple[float | int, float | int] | None = None, axes: Axes | None = None
) -> Axes:
    """What the scanner plays over time: RF, gradients, samples, a row each.

    Waveforms are drawn as they are played. In a window, or in a notebook with `%matplotlib widget`, they can be zoomed into:
    long sequences are thinned to what can be seen, and the part in view is drawn anew.

    **Arguments:**

    - `sequence`: With known numbers.
    - `time_range`: Start and end in s of the part to show; all by default.
    - `axes`: Matplotlib axes to draw in; new ones by default.

    **Returns:** The axes. Each row is scaled to the largest value shown, which stands beside it, phases to one turn; those of
    waveforms do not count what their offset winds. Gradients that take no time are drawn as lines, ideal spoilers hatched.

    **Raises:** `ValueError` where values are traced or the range holds no event.

    !!! example

        ```python
        >>> import mrjax as mr
        >>> from mrjax.units import mT, ms, us
        >>> pulse = mr.Sequence(mr.Delay(100 * us), mr.ContinuousWave(5.9e-6, duration=1 * ms))
        >>> excitation = mr.Together(pulse, mr.Gradient.trapezoid(10 * mT, rise=100 * us, flat=1 * ms, axis="z"))
        >>> axes = mr.plot.sequence_diagram(mr.Sequence(excitation, mr.Readout(64, dwell=20 * us)))
        >>> [label.get_text() for label in axes.get_yticklabels()]
        ['RF amplitude', 'RF phase', 'Gx', 'Gy', 'Gz', 'ADC']

        ```
    """
    start, end = time_range or (0.0, np.inf)
    playings = [one for one in event_times(sequence) if in_view(one, (start, end)).size]
    if not playings:
        raise ValueError(f"`time_range` must hold at least one event, but {start:g} s to {end:g} s holds none.")
    shown = (start, min(end, max(_end(one, (start, end)) for one in playings)))
    rows = _rows_of(playings)
    heights = {row: len(rows) - 1 - i for i, row in enumerate(rows)}
    axes = _style.axes_or_new(axes, figsize=(9, 3.5 if rows == INSTANTS else 0.8 + 0.7 * len(rows)))
    factor, unit = (1.0, "s") if shown[1] - start > 2 else (1e3, "ms")
    _instants.draw(axes, playings, heights, (start, end), shown[1] - start, factor)
    _lay_out(axes, heights, unit)
    if rows != INSTANTS:
        ZoomedCurves(axes, playings, heights, shown, factor).follow()
    return axes


def _rows_of(playings: list[EventTimes]) -> tuple[str, ...]:
    """Names of the rows that the events need, from the top."""
    events = [part.event for one in playings for part in one.parts]
    _require_drawn(events)
    plays = lambda *kinds: any(isinstance(event, kinds) for event in events)
    symbols = {event.symbol for event in events if isinstance(event, AbstractIdealEvent)}
    if not plays(AbstractRF, Gradient, Readout):
        return INSTANTS
    wanted = {
        "RF angle": "pulse" in symbols,
        "RF amplitude": plays(AbstractRF),
        "RF phase": "pulse" in symbols or plays(AbstractRF),
        **{f"G{axis}": plays(Gradient) for axis in AXES},
        "gradient": not symbols.isdisjoint(("winding", "spoiler")),
        "sample": "sample" in symbols,
        "ADC": plays(Readout),
    }
    return tuple(name for name, is_wanted in wanted.items() if is_wanted)


def _require_drawn(events: list[AbstractEvent]) -> None:
    """Refuse events of which it is not known how to draw them."""
    for event in events:
        if not isinstance(event, DRAWN):
            raise ValueError(
                f"`sequence` must hold events that can be drawn, but {type(event).__name__} is no AbstractIdealEvent with a "
                "`symbol`, no RF, gradient or readout."
            )


def _end(one: EventTimes, view: tuple[float, float]) -> float:
    """When the last of the playings in view ends, in s; waits without end do not count."""
    seen = in_view(one, view)
    lasting = np.broadcast_to(one.duration, one.start.shape).ravel()[seen]
    return float(np.max(one.start.ravel()[seen] + np.where(np.isfinite(lasting), lasting, 0.0)))


def _lay_out(axes: Axes, heights: dict[str, int], unit: str) -> None:
    for height in heights.values():
        axes.axhline(height, color="0.7", lw=0.8, zorder=0)
    axes.set_yticks(list(heights.values()), list(heights))
    axes.set_ylim(-0.6, len(heights) + 0.1)
    axes.set_xlabel(f"time ({unit})")
    axes.margins(x=0.02)
    axes.tick_params(axis="y", length=0)
    axes.spines[["top", "right", "left"]].set_visible(False)
