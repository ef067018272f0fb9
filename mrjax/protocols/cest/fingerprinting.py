"""Fingerprinting of saturation transfer."""

import math
from typing import Any

from mrjax import _checks
from mrjax._checks import Neutral
from mrjax._names import answers_misspelt_keywords
from mrjax.protocols import _arguments
from mrjax.protocols.cest import _measurements
from mrjax.sequence import ContinuousWave, Delay, Pulse, Repeat, Sample, Sequence, Spoil
from mrjax.units import GAMMA


@answers_misspelt_keywords
def fingerprinting(
    b1: Any,
    offset_ppm: Any,
    saturation_time: Any,
    tr: Any,
    b0: Any,
    *,
    flip_angle: Any = math.pi / 2,
    flip_duration: Any = 0.0,
    te: Any = 0.0,
    spoiled: bool = True,
    gyromagnetic_ratio: float = GAMMA["1H"],
) -> Sequence:
    r"""CEST or MT fingerprinting: images with changing saturation, each starting from what the one before has left.

    Each image: continuous saturation, a readout pulse on resonance, the sample after `te`, and recovery for what is left of
    `tr`. The first begins at equilibrium. `io.read_schedule` reads published schedules.

    **Arguments:**

    - `b1`: Of the saturation, in T. Scalar or `(n_images,)`.
    - `offset_ppm`: Of the saturation, in ppm from the frequency of the scanner. As `b1`.
    - `saturation_time`: In s. As `b1`.
    - `tr`: From one saturation to the next, in s. As `b1`; `saturation_time + flip_duration + te` not longer.
    - `b0`: In T, positive. Scalar.
    - `flip_angle`: Of the readout, in rad. As `b1`.
    - `flip_duration`: Of the readout pulse, a block, in s; 0 for an instantaneous one. Scalar.
    - `te`: From the end of the readout pulse to the sample, in s. Scalar.
    - `spoiled`: Whether gradients remove what is transverse after the saturation and after the sample. Some published
      dictionaries are computed without. The saturation then leaves magnetisation along the effective field, and with the
      readout it interferes: the signals of a 9.4 T schedule differ by up to 2e-2 of M0, and move by 5e-3 where the frequency
      is rounded to 0.004 Hz.
    - `gyromagnetic_ratio`: In rad/s/T, a Python number.

    **Returns:** A `Sequence` with one sample per image.

    **Raises:** `ValueError` where lengths differ, a time is negative or longer than `tr`, or `b0` is not positive; warns where
    a time looks like milliseconds.

    **Source:** O. Cohen, S. Huang, M. T. McMahon, M. S. Rosen, C. T. Farrar, Magn Reson Med 80 (2018) 2449-2463.

    !!! example

        ```python
        >>> import mrjax as mr
        >>> scan = mr.protocols.cest.fingerprinting([2e-6, 4e-6], 3.0, saturation_time=3.0, tr=4.0, b0=9.4)
        >>> solute = mr.Pool(fraction=1e-3, exchange_rate=300.0, t1=2.8, t2=0.04, shift_ppm=3.0)
        >>> signal = abs(mr.simulate(scan, mr.Tissue(2.8, 1.0, pools=(solute,)), mr.BlochMcConnell(b0=9.4)))
        >>> print(*(f"{value:.3f}" for value in signal))
        0.677 0.509

        ```
    """
    names = ("b1", "offset_ppm", "saturation_time", "tr", "flip_angle")
    given = dict(zip(names, (b1, offset_ppm, saturation_time, tr, flip_angle), strict=True))
    b1, offset_ppm, saturation_time, tr, flip_angle = _measurements.per_measurement(**given)
    saturation_time = _arguments.time(saturation_time, "saturation_time")
    offset = _measurements.frequency(offset_ppm, b0, gyromagnetic_ratio)
    te = _arguments.echo_time(_measurements.scalar(te, "te", "s"))
    readout, duration = _readout(flip_angle, flip_duration, gyromagnetic_ratio)
    played = saturation_time + (duration + te)
    rest = _arguments.remainder(_arguments.time(tr, "tr"), played, ("tr", "saturation_time + flip_duration + te"))
    spoiler = (Spoil(),) if spoiled else ()
    saturation = ContinuousWave(b1, saturation_time, offset)
    return Sequence(Repeat(saturation, *spoiler, readout, Delay(te), Sample(), *spoiler, Delay(rest)))


def _readout(flip_angle: Any, flip_duration: Any, gyromagnetic_ratio: float) -> tuple[Pulse | ContinuousWave, Any]:
    """The pulse that makes magnetisation visible, and how long it takes."""
    if isinstance(_checks.real_leaf(flip_duration, "flip_duration", Neutral(0.0)), Neutral):
        return Pulse(flip_angle), 0.0
    duration = _measurements.positive_scalar(flip_duration, "flip_duration", "s")
    return ContinuousWave(flip_angle / (_measurements.gamma(gyromagnetic_ratio) * duration), duration), duration
