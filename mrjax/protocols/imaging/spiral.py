"""Spiral imaging with interleaves."""

import math
from typing import Any

import numpy as np

from mrjax import _checks
from mrjax._names import answers_misspelt_keywords
from mrjax.protocols._arguments import repetition_phases
from mrjax.protocols.imaging import _arguments
from mrjax.protocols.imaging._gradient_echo import timed
from mrjax.protocols.imaging._lobes import GAMMA_BAR_PROTON
from mrjax.protocols.imaging._pulses import excitation
from mrjax.protocols.imaging._spiral_arm import archimedean_gradient
from mrjax.protocols.imaging._timing import up
from mrjax.sequence import Delay, Gradient, Label, Readout, Repeat, Scanner, Sequence, Together
from mrjax.units import deg

SPOILING = 2.0
"""Cycles that a repetition winds across a pixel along x."""


@answers_misspelt_keywords
def spiral(
    fov: Any,
    matrix: int,
    n_shots: int,
    flip_angle: Any,
    te: Any = None,
    tr: Any = None,
    *,
    dwell_time: Any = 4e-6,
    slice_thickness: Any = None,
    pulse_duration: Any = None,
    phase_increment: Any = 117 * deg,
    scanner: Scanner | None = None,
) -> Sequence:
    r"""Interleaved Archimedean spirals, from the middle of k-space outwards, as fast as the scanner allows.

    Shot $s$ of $S$ (label `LIN`) follows $k = \frac{S}{L} \frac{\theta}{2\pi} e^{i (\theta + 2 \pi s / S)}$ to $n / 2 L$.
    Speed grows as the slew rate allows, until the gradient is the strongest, or samples are $1/L$ apart. Gradients are
    straight between points of the curve on the gradient raster; `timeline().trajectory()` is what they play, within a
    twentieth of $1/L$ of the curve. The first sample is half a dwell time after the start.

    **Arguments:**

    - `fov`: $L$, field of view in m. Scalar.
    - `matrix`: $n$, pixels across the field of view, an integer.
    - `n_shots`: $S$, interleaves.
    - `flip_angle`: In rad. Scalar, or `(n_shots,)`; may be traced.
    - `te`: From the middle of the pulse to the start of the spiral in s, kept to half an RF raster; the shortest by default.
    - `tr`: Repetition time in s, kept to half a block raster; the shortest by default.
    - `dwell_time`: Of a sample, in s.
    - `slice_thickness`: In m, of a slice at z = 0 by a sinc pulse; by default a hard pulse excites everything.
    - `pulse_duration`: In s; by default 0.5 ms, of slice-selective pulses 3 ms.
    - `phase_increment`: Of RF spoiling in rad; 0 for none.
    - `scanner`: A `Scanner`, whose limits the gradients take; the usual one by default.

    **Returns:** A `Sequence`, which the scanner can play; its leaves can be differentiated.

    **Raises:** `ValueError` for times that are too short, with the shortest possible, and what the scanner cannot play.

    !!! example

        ```python
        >>> import mrjax as mr
        >>> from mrjax.units import deg, mm, ms
        >>> sequence = mr.protocols.imaging.spiral(200 * mm, 64, n_shots=4, flip_angle=20 * deg, te=3 * ms, tr=20 * ms)
        >>> mr.sequence.readout_table(sequence).n_readouts, round(float(sequence.duration), 3)
        (4, 0.08)

        ```
    """
    scanner, fov = _arguments.hardware(scanner), _arguments.lengths(fov, "fov", 1)[0]
    n, n_shots = (_checks.positive_integer(v, name) for v, name in ((matrix, "matrix"), (n_shots, "n_shots")))
    dwell = _arguments.time(dwell_time, "dwell_time", "sampling")
    arm = archimedean_gradient(n_shots / fov, n / (2 * fov), scanner, 1 / (fov * dwell))
    edge = up(scanner.adc_dead_time, scanner.gradient_raster)
    n_samples = int((arm.shape[0] - 1) * scanner.gradient_raster / dwell + 1e-6)
    played, k_end = _with_end(arm, scanner)
    times = edge + np.arange(played.shape[0]) * scanner.gradient_raster
    lasting = up(max(times[-1], edge + n_samples * dwell + scanner.adc_dead_time), scanner.block_raster)
    angles = 2 * np.pi * np.arange(n_shots) / n_shots
    turned = np.exp(1j * angles)[:, None] * (played[:, 0] + 1j * played[:, 1])
    k = np.exp(1j * angles) * k_end
    pulse = excitation(slice_thickness, pulse_duration, scanner)
    after = {"x": SPOILING * n / fov - k.real, "y": -k.imag}
    echo = timed(pulse, ({}, after), (edge, lasting), (te, tr), scanner)
    count = np.arange(n_shots, dtype=float)
    phase = repetition_phases(phase_increment, count * (count + 1) / 2)
    gradients = (Gradient(turned.real, times, "x"), Gradient(turned.imag, times, "y"))
    read = Together(*gradients, Sequence(Delay(edge), Readout(n_samples, dwell, phase)), Delay(lasting))
    events = echo.events(_checks.real_array(flip_angle, "flip_angle"), phase, {}, read, after)
    return _arguments.checked_on(scanner, Sequence(Repeat(Label("LIN", np.arange(n_shots)), *events)))


def _with_end(arm: np.ndarray, scanner: Scanner) -> tuple[np.ndarray, complex]:
    """A gradient brought to zero within the slew rate, and what all of it winds, in cycles/m."""
    strength = float(np.hypot(*arm[-1]))
    n = max(1, math.ceil(strength / (scanner.max_slew * scanner.gradient_raster)))
    whole = np.concatenate([arm, arm[-1] * (1 - np.arange(1, n + 1) / n)[:, None]])
    area = np.sum(whole[1:] + whole[:-1], axis=0) / 2 * scanner.gradient_raster
    return whole, complex(*(-GAMMA_BAR_PROTON * area))
