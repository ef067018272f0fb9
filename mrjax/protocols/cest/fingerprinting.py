"""Fingerprinting of saturation transfer."""

import math
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Array

from mrjax import _checks
from mrjax._checks import Neutral
from mrjax._names import answers_misspelt_keywords
from mrjax.protocols import _arguments
from mrjax.protocols.cest import _measurements
from mrjax.sequence import (
    ContinuousWave,
    Delay,
    Gradient,
    Pulse,
    Readout,
    Repeat,
    Sample,
    Scanner,
    Sequence,
    Spoil,
    Together,
)
from mrjax.units import GAMMA

SCANNER = Scanner()
"""Whose dead times a played sequence keeps by default."""


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
    crusher_duration: Any = 0.0,
    gyromagnetic_ratio: float = GAMMA["1H"],
) -> Sequence:
    r"""CEST or MT fingerprinting: images with changing saturation, each starting from what the one before has left.

    Each image: continuous saturation, a readout pulse on resonance, the sample after `te`, and recovery for what is left of
    `tr`. The first begins at equilibrium. `io.read_schedule` reads published schedules.

    **Arguments:**

    - `b1`: Of the saturation, in T. Scalar or `(n_images,)`.
    - `offset_ppm`: Of the saturation, in ppm from the frequency of the scanner. As `b1`.
    - `saturation_time`: In s. As `b1`.
    - `tr`: From one saturation to the next, in s. As `b1`; `saturation_time + flip_duration + te` and both crushers not
      longer.
    - `b0`: In T, positive. Scalar.
    - `flip_angle`: Of the readout, in rad. As `b1`.
    - `flip_duration`: Of the readout pulse, a block, in s; 0 for an instantaneous one. Scalar.
    - `te`: From the end of the readout pulse to the sample, in s. Scalar.
    - `spoiled`: Whether gradients remove what is transverse after the saturation and after the sample. Some published
      dictionaries are computed without. The saturation then leaves magnetisation along the effective field, and with the
      readout it interferes: the signals of a 9.4 T schedule differ by up to 2e-2 of M0, and move by 5e-3 where the frequency
      is rounded to 0.004 Hz.
    - `crusher_duration`: In s, of the gradients that spoil, each of the two of an image. Scalar; zero where not `spoiled`.
    - `gyromagnetic_ratio`: In rad/s/T, a Python number.

    **Returns:** A `Sequence` with one sample per image. `played_fingerprinting` has the events of a scanner in its place.

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
    given = {"b1": b1, "offset_ppm": offset_ppm, "saturation_time": saturation_time, "tr": tr, "flip_angle": flip_angle}
    crusher = _measurements.waiting(crusher_duration, "crusher_duration")
    if crusher and not spoiled:
        raise ValueError("`crusher_duration` must be zero where `spoiled` is False.")
    images = _images(given, b0, flip_duration, te, crusher, gyromagnetic_ratio)
    spoiler = (*crusher, Spoil()) if spoiled else ()
    return Sequence(
        Repeat(images.saturation, *spoiler, images.readout, Delay(images.te), Sample(), *spoiler, Delay(images.rest))
    )


@answers_misspelt_keywords
def played_fingerprinting(
    b1: Any,
    offset_ppm: Any,
    saturation_time: Any,
    tr: Any,
    b0: Any,
    *,
    flip_angle: Any = math.pi / 2,
    flip_duration: Any = 1e-3,
    crusher_duration: Any = 5e-3,
    crusher_amplitude: Any = 15e-3,
    te: Any = 30e-6,
    readout: Readout | None = None,
    scanner: Scanner = SCANNER,
    gyromagnetic_ratio: float = GAMMA["1H"],
) -> Sequence:
    r"""`fingerprinting` by events that a scanner plays, for a Pulseq file: blocks of RF, trapezoids along z, readouts.

    Between its samples it is what `fingerprinting` with the same arguments plays, `te` among them. The dead times of pulses
    are within `te` and within what crushers take. The block of the readout takes no time there; here each image is longer by
    it. A file for `pulseq.saturation_sequence` has a readout of one sample, as those of Pulseq-CEST; for images another one
    takes its place.

    **Arguments:**

    - `b1`, `offset_ppm`, `saturation_time`, `tr`, `b0`, `flip_angle`, `gyromagnetic_ratio`: As for `fingerprinting`. Times that
      are multiples of the rasters of the scanner can be written.
    - `flip_duration`: Of the readout pulse, a block, in s. Scalar, positive.
    - `crusher_duration`: In s, from the saturation to the readout pulse, and as long after the readout. Scalar, longer than
      both dead times of a pulse; a trapezoid with ramps of a fifth of what they leave.
    - `crusher_amplitude`: In T/m. Scalar.
    - `te`: From the end of the readout pulse to the block of the readout, in s, at least the time in which RF rings down.
      Scalar.
    - `readout`: A `Readout`; by default one sample of 10 us.
    - `scanner`: With its dead times and rasters.

    **Returns:** A `Sequence`.

    **Raises:** `ValueError` as `fingerprinting`, and where a duration is not positive or leaves no room for dead times.

    !!! example

        ```python
        >>> import pathlib, tempfile
        >>> import mrjax as mr
        >>> scan = mr.protocols.cest.played_fingerprinting([2e-6, 4e-6], 3.0, saturation_time=3.0, tr=4.0, b0=9.4)
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "fingerprinting.seq"
        >>> mr.pulseq.write(scan, path)
        >>> len(mr.pulseq.read(path).blocks), mr.Scanner().breaches(scan)
        (12, [])

        ```
    """
    given = {"b1": b1, "offset_ppm": offset_ppm, "saturation_time": saturation_time, "tr": tr, "flip_angle": flip_angle}
    _measurements.positive_scalar(flip_duration, "flip_duration", "s")
    lasting = _measurements.positive_scalar(crusher_duration, "crusher_duration", "s")
    images = _images(given, b0, flip_duration, te, (Delay(lasting),), gyromagnetic_ratio)
    amplitude = _measurements.scalar(crusher_amplitude, "crusher_amplitude", "T/m")
    dead_times = (scanner.rf_dead_time, scanner.rf_ringdown, scanner.adc_dead_time)
    before, after, beside = (_up(time, scanner.block_raster) for time in dead_times)
    _require_room(float(lasting), float(images.te), before, after)
    crusher = _crusher(amplitude, float(lasting) - before - after)
    sampled = Readout(1, dwell=1e-5) if readout is None else readout
    return Sequence(
        Repeat(
            Together(Sequence(Delay(before), images.saturation, Delay(after))),
            crusher,
            Together(Sequence(Delay(before), images.readout, Delay(images.te))),
            Together(Sequence(Delay(beside), sampled, Delay(beside))),
            crusher,
            Delay(images.rest + after),
        )
    )


def _up(time: float, raster: float) -> float:
    """The first multiple of a raster that is not earlier; a raster of zero holds every time."""
    return math.ceil(time / raster - 1e-3) * raster if raster > 0 else time


def _crusher(amplitude: Any, lasting: float) -> Gradient:
    """A trapezoid along z."""
    ramp = np.round(lasting / 5, 5)  # on the usual raster of gradients
    return Gradient.trapezoid(amplitude, rise=ramp, flat=np.round(lasting - 2 * ramp, 9), axis="z")


def _require_room(crusher_duration: float, te: float, before: float, after: float) -> None:
    """Refuse times that are shorter than the dead times within them."""
    if te < after * (1 - 1e-6):
        raise ValueError(
            f"`te` must be at least {after:g} s, in which RF rings down, but got {te:g} s; simulate with that, too."
        )
    if crusher_duration <= before + after:
        raise ValueError(
            f"`crusher_duration` must be longer than the dead times of pulses, {before + after:g} s, but got "
            f"{crusher_duration:g} s."
        )


class _Images(NamedTuple):
    """The events of all images."""

    saturation: ContinuousWave
    readout: Pulse | ContinuousWave
    te: Array
    rest: Array


def _images(
    given: dict[str, Any], b0: Any, flip_duration: Any, te: Any, crusher: tuple[Delay, ...], gyromagnetic_ratio: float
) -> _Images:
    b1, offset_ppm, saturation_time, tr, flip_angle = _measurements.per_measurement(**given)
    saturation_time = _arguments.time(saturation_time, "saturation_time")
    offset = _measurements.frequency(offset_ppm, b0, gyromagnetic_ratio)
    te = _arguments.echo_time(_measurements.scalar(te, "te", "s"))
    readout, duration = _readout(flip_angle, flip_duration, gyromagnetic_ratio)
    crushed = 2 * crusher[0].duration if crusher else 0.0
    played = saturation_time + (duration + te + crushed)
    parts = "saturation_time + flip_duration + te" + (" + 2 crusher_duration" if crusher else "")
    rest = _arguments.remainder(_arguments.time(tr, "tr"), played, ("tr", parts))
    return _Images(ContinuousWave(b1, saturation_time, offset), readout, te, rest)


def _readout(flip_angle: Any, flip_duration: Any, gyromagnetic_ratio: float) -> tuple[Pulse | ContinuousWave, Any]:
    """The pulse that makes magnetisation visible, and how long it takes."""
    if isinstance(_checks.real_leaf(flip_duration, "flip_duration", Neutral(0.0)), Neutral):
        return Pulse(flip_angle), 0.0
    duration = _measurements.positive_scalar(flip_duration, "flip_duration", "s")
    return ContinuousWave(flip_angle / (_measurements.gamma(gyromagnetic_ratio) * duration), duration), duration
