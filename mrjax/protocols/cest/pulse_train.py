"""Saturation by a train of shaped pulses."""

from typing import Any

import numpy as np

from mrjax import _checks
from mrjax._checks import Neutral
from mrjax._names import answers_misspelt_keywords
from mrjax.protocols import _arguments
from mrjax.protocols.cest import _measurements
from mrjax.sequence import Delay, Repeat, Sequence, ShapedPulse
from mrjax.units import GAMMA


@answers_misspelt_keywords
def pulse_train(
    offset_ppm: Any,
    pulse_shape: Any,
    b1_peak: Any,
    pulse_duration: Any,
    n_pulses: int,
    b0: Any,
    *,
    gap: Any = 0.0,
    magnetisation: Any = 1.0,
    recovery: Any = 0.0,
    crusher_duration: Any = 0.0,
    gyromagnetic_ratio: float = GAMMA["1H"],
) -> Sequence:
    r"""Equal pulses with equal gaps between them, then an ideal crusher and a look at the longitudinal magnetisation.

    Pulse $k$ is the field $B_1 w(t) \, e^{i (2 \pi f t + \phi_k)}$, $t$ from its own start, with

    $$\phi_k = 2 \pi f \, k \, t_p$$

    so the phase of the RF advances while it is on and rests in the gaps, as in files of Pulseq-CEST. Seen from the frame of
    the RF all pulses of an offset are then the same, and an engine computes one. No gap follows the last. The duty cycle is
    $t_p / (t_p + \text{gap})$; for a wanted root mean square over the train, `b1_peak` is that divided by
    `pulse_shapes.b1_rms(pulse_shape, duty_cycle)`.

    **Arguments:**

    - `offset_ppm`: From the frequency of the scanner in ppm. Scalar or `(n_measurements,)`.
    - `pulse_shape`: $w$, relative, real or complex. Shape `(n_samples,)`; `pulse_shapes` has some.
    - `b1_peak`: $B_1$ in T, by which the shape is multiplied: the peak of a shape whose own is 1. As `offset_ppm`.
    - `pulse_duration`: $t_p$ in s, positive. Scalar.
    - `n_pulses`: A Python integer, at least 1.
    - `b0`: In T, positive. Scalar.
    - `gap`: From the end of a pulse to the start of the next, in s. Scalar.
    - `magnetisation`, `recovery`, `crusher_duration`, `gyromagnetic_ratio`: As for `continuous_wave`.

    **Returns:** A `Sequence` with one sample per measurement, of z relative to equilibrium times `m0`.

    **Raises:** `ValueError` where lengths differ, a time is negative, or the shape has no samples; warns where a time looks
    like milliseconds.

    **Source:** K. Herz et al., Magn Reson Med 86 (2021) 1845-1858 (Pulseq-CEST).

    !!! example

        ```python
        >>> import mrjax as mr
        >>> from mrjax.protocols.cest import pulse_shapes, pulse_train
        >>> shape = pulse_shapes.gaussian(50)
        >>> b1_peak = 2e-6 / pulse_shapes.b1_rms(shape, duty_cycle=0.5)
        >>> scan = pulse_train([-3.5, 3.5], shape, b1_peak, pulse_duration=0.05, n_pulses=20, b0=3.0, gap=0.05)
        >>> amide = mr.Pool(fraction=1e-3, exchange_rate=50.0, t1=1.0, t2=0.1, shift_ppm=3.5)
        >>> z = mr.simulate(scan, mr.Tissue(1.3, 0.08, pools=(amide,)), mr.BlochMcConnell(b0=3.0)).real
        >>> print(*(f"{value:.3f}" for value in z))
        0.696 0.681

        ```
    """
    n_pulses = _checks.positive_integer(n_pulses, "n_pulses")
    offset_ppm, b1_peak = _measurements.per_measurement(offset_ppm=offset_ppm, b1_peak=b1_peak)
    shape = _measurements.shape_of_pulse(pulse_shape)
    duration = _measurements.positive_scalar(pulse_duration, "pulse_duration", "s")
    offset = _measurements.frequency(offset_ppm, b0, gyromagnetic_ratio)[:, None]
    phase = _measurements.phase_advance(offset, duration, np.arange(n_pulses, dtype=float)[None])
    waveform = b1_peak[:, None, None] * shape[None, None]
    pulse = ShapedPulse(waveform, duration / len(shape), offset, phase)
    train = Repeat(pulse, *_gaps(gap, n_pulses), n_repetitions=n_pulses)
    return _measurements.measurements(
        train, magnetisation=magnetisation, recovery=recovery, crusher_duration=crusher_duration
    )


def _gaps(gap: Any, n_pulses: int) -> tuple[Delay, ...]:
    """What follows each pulse: the last one no time."""
    if n_pulses == 1 or isinstance(_checks.real_leaf(gap, "gap", Neutral(0.0)), Neutral):
        return ()
    duration = _arguments.time(_measurements.scalar(gap, "gap", "s"), "gap")
    return (Delay(duration * (np.arange(n_pulses) < n_pulses - 1).astype(duration.dtype)),)
