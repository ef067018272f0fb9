"""A refocusing pulse between crushers, at given times before and after."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mrjax.protocols.imaging import _timing
from mrjax.protocols.imaging._lobes import least_time, lobes
from mrjax.protocols.imaging._pulses import pulse_block
from mrjax.sequence import Scanner

CRUSHING = 2.0
"""Cycles that each crusher winds across a pixel along x."""


@dataclass(frozen=True)
class Refocusing:
    """What is played between an excitation and a readout.

    **Arguments:**

    - `events`: Crusher, pulse, crusher with what leads to the readout, and a wait.
    - `before`: From the start until the pulse acts, in s.
    - `duration`: In s.
    """

    events: tuple
    before: float
    duration: float


def refocusing(
    k_crusher: float,
    k_readout: Mapping[str, Any],
    half: float,
    readout: float,
    slice_thickness: float | None,
    scanner: Scanner,
    *,
    flip_angle: Any = np.pi,
) -> Refocusing:
    """Refocusing by a pulse of phase 90 degrees.

    **Arguments:**

    - `k_crusher`: What each crusher winds along x, in cycles/m.
    - `k_readout`: What is wound after the pulse beside, by axis, in cycles/m.
    - `half`: From when the pulse acts to the echo, in s.
    - `readout`: From the end of this to the echo, in s.
    """
    at = lambda late: pulse_block(
        *(flip_angle, np.pi / 2), use="refocusing", slice_thickness=slice_thickness, scanner=scanner, late=late
    )
    after = {"x": k_crusher + np.asarray(k_readout.get("x", 0.0)), "y": np.asarray(k_readout.get("y", 0.0))}
    lasting = max(least_time(k, scanner) for k in after.values())
    wait, late = _timing.left_for(half, at(0.0).after + lasting + readout, "te", scanner, times=2)
    pulse = at(late)
    # a pulse late on its slice gradient leaves a little of it
    after |= {"z": pulse.k_before - pulse.k_after} if pulse.k_before != pulse.k_after else {}
    first, last = lobes({"x": k_crusher}, scanner), lobes(after, scanner, lasting)
    events = (first.event, pulse.event, last.event, *_timing.delays(wait))
    before = first.duration + pulse.center
    return Refocusing(events, before, before + pulse.after + lasting + wait)
