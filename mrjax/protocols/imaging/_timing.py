"""Times on rasters: a wait that is left over is made of whole blocks, and what is less than one moves a pulse."""

import math

from mrjax.sequence import Delay, Scanner

ROUNDING = 1e-3
"""Of a raster, by which a time may miss it."""


def up(time: float, raster: float) -> float:
    """The first multiple of a raster that is not earlier."""
    return max(0, math.ceil(time / raster - ROUNDING)) * raster


def nearest(time: float, raster: float) -> float:
    """The nearest multiple of a raster."""
    return round(time / raster) * raster


def misses(time: float, raster: float) -> bool:
    """Whether a time is no multiple of a raster."""
    return abs(time - nearest(time, raster)) > ROUNDING * raster


def left_for(whole: float, played: float, name: str, scanner: Scanner, times: int = 1) -> tuple[float, float]:
    """What is left of a time in s when so much of it is played: a wait of whole blocks, and how much later the pulse before
    it is, which takes less than a block off it. What is called `name` is so many `times` as long.

    **Raises:** `ValueError` that says how long the time must be, where nothing is left.
    """
    wait = nearest(whole - played, scanner.rf_raster)
    if wait < -ROUNDING * scanner.rf_raster:
        raise ValueError(
            f"`{name}` must be at least {times * up(played, scanner.rf_raster):.6g} s for what is played in it, but got "
            f"{times * whole:.6g} s."
        )
    blocks = up(wait, scanner.block_raster)
    return blocks, nearest(blocks - wait, scanner.rf_raster)


def wait_of(whole: float | None, played: float, name: str, scanner: Scanner) -> float:
    """The wait in whole blocks that fills a repetition; none where the time is None, for the shortest.

    **Raises:** `ValueError` that says how long the time must be, where nothing is left.
    """
    if whole is None:
        return 0.0
    wait = nearest(whole - played, scanner.block_raster)
    if wait < -ROUNDING * scanner.block_raster:
        raise ValueError(f"`{name}` must be at least {played:.6g} s for what is played in it, but got {whole:.6g} s.")
    return wait


def delays(*durations: float) -> tuple[Delay, ...]:
    """Delays that last."""
    return tuple(Delay(duration) for duration in durations if duration > 0)
