"""Gradient lobes by what they wind: trapezoids within the limits of a scanner, on its raster.

`k` is in cycles/m, with the sign of `Timeline.trajectory`: the area of a lobe is `-k / GAMMA_BAR`.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mrjax.protocols.imaging._timing import up
from mrjax.sequence import Delay, Gradient, Scanner, Together
from mrjax.units import GAMMA_BAR

GAMMA_BAR_PROTON = GAMMA_BAR["1H"]  # Hz/T


@dataclass(frozen=True)
class LobeBlock:
    """Lobes along several axes as one block, and its duration in s."""

    event: Together | Delay
    duration: float


def gradient_of(k_per_second: float) -> float:
    """The gradient in T/m under which k moves so fast, in cycles/m/s."""
    return -k_per_second / GAMMA_BAR_PROTON


def ramp_time(amplitude: float, scanner: Scanner) -> float:
    """The shortest ramp to an amplitude in T/m, in s."""
    return max(scanner.gradient_raster, up(abs(amplitude) / scanner.max_slew, scanner.gradient_raster))


def least_time(k: Any, scanner: Scanner) -> float:
    """In s, of the shortest trapezoid that winds the largest of these."""
    rise, flat = _shortest(_largest_area(k), scanner)
    return up(2 * rise + flat, scanner.block_raster)


def lobe(k: Any, axis: Any, scanner: Scanner, duration: float | None = None) -> Gradient:
    """A trapezoid that winds `k`, one entry per repetition or one number, in so many seconds or the least.

    **Raises:** `ValueError` where the time is too short for the scanner.
    """
    area = _largest_area(k)
    duration = least_time(k, scanner) if duration is None else duration
    needed = duration**2 - 4 * area / scanner.max_slew
    rise = up((duration - math.sqrt(max(needed, 0.0))) / 2, scanner.gradient_raster) or scanner.gradient_raster
    flat = duration - 2 * rise
    if flat < -1e-9 or area > scanner.max_gradient * (duration - rise) * (1 + 1e-9):
        raise ValueError(
            f"a gradient that winds {float(np.max(np.abs(k))):.4g} cycles/m along {axis} needs "
            f"{least_time(k, scanner) * 1e3:.4g} ms on this scanner, but has {duration * 1e3:.4g} ms."
        )
    return Gradient.trapezoid(
        -np.asarray(k) / GAMMA_BAR_PROTON / (duration - rise), rise=rise, flat=max(flat, 0.0), axis=axis
    )


def lobes(ks: Mapping[str, Any], scanner: Scanner, duration: float | None = None) -> LobeBlock:
    """Trapezoids along several axes at once, that last as long as each other; a delay where nothing is wound."""
    duration = max(least_time(k, scanner) for k in ks.values()) if duration is None else duration
    played = [lobe(k, axis, scanner, duration) for axis, k in ks.items() if np.any(k)]
    return LobeBlock(Together(*played) if played else Delay(duration), duration)


def _largest_area(k: Any) -> float:
    return float(np.max(np.abs(k))) / GAMMA_BAR_PROTON


def _shortest(area: float, scanner: Scanner) -> tuple[float, float]:
    """Ramp and flat part of the shortest trapezoid of an area, in s."""
    raster = scanner.gradient_raster
    if area * scanner.max_slew <= scanner.max_gradient**2:
        return max(raster, up(math.sqrt(area / scanner.max_slew), raster)), 0.0
    rise = up(scanner.max_gradient / scanner.max_slew, raster)
    return rise, up(area / scanner.max_gradient - rise, raster)
