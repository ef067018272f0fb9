"""Repetitions in which no gradient has an area."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from mrjax.protocols.imaging import _arguments, _timing
from mrjax.protocols.imaging._gradient_echo import GradientEcho, Winding, lobe_times, timed
from mrjax.protocols.imaging._pulses import PulseBlock
from mrjax.sequence import Scanner


def balanced(
    pulse: Callable[..., PulseBlock],
    winding: tuple[Winding, Winding],
    readout: tuple[float, float],
    tr: Any,
    scanner: Scanner,
) -> GradientEcho:
    """A repetition whose echo is in its middle; the lobes after the readout rewind all.

    **Arguments:**

    - `winding`, `readout`: As of `timed`.
    - `tr`: In s; None for the shortest.
    """
    nominal = pulse(1.0, 0.0)
    first, last = lobe_times(pulse, winding, scanner, True)
    center, lasting = readout
    side = max(nominal.after + first + center, lasting - center + last + nominal.center + scanner.block_raster)
    half = _timing.up(side, scanner.block_raster)
    if tr is not None:
        shortest, tr = 2 * half, _arguments.time(tr, "tr", "tr")
        half = _timing.nearest(tr, 2 * scanner.block_raster) / 2
        if 2 * half < shortest - 1e-9:
            raise ValueError(f"`tr` must be at least {shortest:.6g} s for what is played in it, but got {tr:.6g} s.")
    echo = timed(pulse, winding, readout, (half, None), scanner, balanced=True)
    return replace(echo, rest=_timing.wait_of(2 * half, echo.tr, "tr", scanner), tr=2 * half)
