"""RF pulses as blocks that a scanner plays: with dead times, and with the gradient of a slice."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax.numpy as jnp
import numpy as np

from mrjax import _checks
from mrjax.protocols.imaging._arguments import lengths, time
from mrjax.protocols.imaging._lobes import GAMMA_BAR_PROTON, gradient_of, ramp_time
from mrjax.protocols.imaging._timing import nearest, up
from mrjax.sequence import ContinuousWave, Delay, Gradient, Scanner, Sequence, ShapedPulse, Together
from mrjax.sequence.pulses import sinc

TIME_BANDWIDTH_PRODUCT = 4
"""Of the sinc under a Hann window that selects slices."""

HARD = {"excitation": 0.5e-3, "refocusing": 1e-3, "preparation": 0.5e-3}
"""How long hard pulses last, in s, unless it is said."""

SELECTIVE = 3e-3
"""How long slice-selective pulses last, in s, unless it is said."""


@dataclass(frozen=True)
class PulseBlock:
    """A pulse as one block.

    **Arguments:**

    - `event`: What is played.
    - `duration`: In s.
    - `center`: When the pulse acts, in s from the start of the block.
    - `k_before`, `k_after`: What the gradient of the slice winds before and after that, in cycles/m.
    """

    event: Together
    duration: float
    center: float
    k_before: float = 0.0
    k_after: float = 0.0

    @property
    def after(self) -> float:
        """From when the pulse acts to the end of the block, in s."""
        return self.duration - self.center


def excitation(slice_thickness: Any, duration: Any, scanner: Scanner) -> Callable[..., PulseBlock]:
    """The block of an excitation by flip angle and phase in rad, and by `late`."""
    selected = None if slice_thickness is None else lengths(slice_thickness, "slice_thickness", 1)[0]
    lasting = None if duration is None else time(duration, "pulse_duration", "duration")
    return partial(pulse_block, use="excitation", slice_thickness=selected, scanner=scanner, duration=lasting)


def pulse_block(
    flip_angle: Any,
    phase: Any,
    *,
    use: Any,
    slice_thickness: float | None,
    scanner: Scanner,
    duration: Any = None,
    late: float | None = 0.0,
) -> PulseBlock:
    """A hard pulse, or a sinc under a slice gradient along z where there is a thickness in m.

    **Arguments:**

    - `flip_angle`, `phase`: In rad; scalars, or one entry per repetition.
    - `duration`: Of the pulse in s, the usual one by default; lengthened to the raster.
    - `late`: By how much the pulse is played later within the block, whose length does not depend on it, in s: less than a
      block raster. None for a pulse in the middle of a block that lasts an even number of rasters.
    """
    angle = _checks.real_array(flip_angle, "flip_angle")
    usual = HARD[use] if slice_thickness is None else SELECTIVE
    lasting = up(usual if duration is None else duration, 2 * scanner.gradient_raster)
    slack, late = (0.0, 0.0) if late is None else (scanner.block_raster, late)
    edge = up(max(scanner.rf_dead_time, scanner.rf_ringdown), scanner.block_raster)
    if slice_thickness is None:
        pulse = ContinuousWave(angle / (2 * np.pi * GAMMA_BAR_PROTON * lasting), lasting, phase=phase, use=use)
        whole = 2 * edge + lasting + slack
        return PulseBlock(block_of(pulse, edge + late, whole), whole, edge + late + lasting / 2)
    amplitude = -gradient_of(TIME_BANDWIDTH_PRODUCT / lasting / slice_thickness)
    edge = max(edge, ramp_time(amplitude, scanner))
    n = round(lasting / scanner.gradient_raster)
    # of one radian, which the flip angle scales
    unit = sinc(1.0, lasting, TIME_BANDWIDTH_PRODUCT, n).waveform
    pulse = ShapedPulse(jnp.einsum("...,n->...n", angle, unit), lasting / n, phase=phase, use=use)
    return selective_block(pulse, lasting, amplitude, "z", edge, slack, late)


def selective_block(
    pulse: Any, lasting: float, amplitude: float, axis: Any, edge: float, slack: float, late: float = 0.0
) -> PulseBlock:
    """A pulse that acts in its middle, on the flat part of a gradient in T/m with ramps of `edge` seconds."""
    flat = lasting + slack
    gradient = Gradient.trapezoid(amplitude, rise=edge, flat=flat, axis=axis)
    middle = late + lasting / 2
    wound = lambda time: -GAMMA_BAR_PROTON * amplitude * (time + edge / 2)
    event = Together(gradient, Sequence(Delay(nearest(edge + late, 1e-9)), pulse))
    return PulseBlock(event, 2 * edge + flat, edge + middle, wound(middle), wound(flat - middle))


def block_of(pulse: Any, start: float, whole: float) -> Together:
    """A pulse that begins so late in a block that lasts so long, in s."""
    return Together(Sequence(Delay(nearest(start, 1e-9)), pulse), Delay(whole))
