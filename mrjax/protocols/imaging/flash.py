"""Spoiled gradient echoes of a plane (FLASH)."""

from typing import Any

import numpy as np

from mrjax import _checks
from mrjax._names import answers_misspelt_keywords
from mrjax.protocols._arguments import repetition_phases
from mrjax.protocols.imaging import _arguments
from mrjax.protocols.imaging._gradient_echo import timed
from mrjax.protocols.imaging._lines import centered_on_a_sample
from mrjax.protocols.imaging._pulses import excitation
from mrjax.sequence import Label, Repeat, Scanner, Sequence
from mrjax.units import deg

SPOILING = 2.0
"""Cycles that a repetition winds across a pixel along x."""


@answers_misspelt_keywords
def flash(
    fov: Any,
    matrix: Any,
    flip_angle: Any,
    te: Any,
    tr: Any = None,
    *,
    dwell_time: Any = 10e-6,
    slice_thickness: Any = None,
    pulse_duration: Any = None,
    n_dummies: int = 0,
    phase_increment: Any = 117 * deg,
    scanner: Scanner | None = None,
) -> Sequence:
    r"""A spoiled gradient echo for each line of k-space, from the first to the last.

    Sample $i$ of line $j$ (label `LIN`) is taken at $k = ((i - \lfloor n_x/2 \rfloor) / L_x, (j - \lfloor n_y/2 \rfloor) /
    L_y)$. Phase encoding is rewound, a spoiler along x winds two cycles across a pixel in each repetition, and the phase of
    the pulses grows by $\Delta\phi \, n$ from pulse to pulse.

    **Arguments:**

    - `fov`: $L$, field of view in m; one number, or one for each of x and y.
    - `matrix`: $n$, samples along x and y; one integer or two.
    - `flip_angle`: In rad. Scalar, or `(n_y,)`; may be traced.
    - `te`: From the middle of the pulse to sample $\lfloor n_x/2 \rfloor$, in s; kept to half an RF raster.
    - `tr`: Repetition time in s, kept to half a block raster; the shortest by default.
    - `dwell_time`: Of a sample, in s.
    - `slice_thickness`: In m, of a slice at z = 0 by a sinc pulse; by default a hard pulse excites everything.
    - `pulse_duration`: In s; by default 0.5 ms, of slice-selective pulses 3 ms.
    - `n_dummies`: Repetitions without readout before the first line.
    - `phase_increment`: $\Delta\phi$ in rad; 0 for none.
    - `scanner`: A `Scanner`, whose limits the gradients take; the usual one by default.

    **Returns:** A `Sequence`, which the scanner can play; its leaves can be differentiated. `cartesian_kspace` sorts the
    samples.

    **Raises:** `ValueError` for times that are too short, with the shortest possible, and what the scanner cannot play.

    **Source:** M. A. Bernstein, K. F. King, X. J. Zhou, Handbook of MRI Pulse Sequences (2004), chapter 14.

    !!! example

        ```python
        >>> import mrjax as mr
        >>> from mrjax.units import deg, mm, ms
        >>> sequence = mr.protocols.imaging.flash(200 * mm, 32, 15 * deg, te=4 * ms, tr=10 * ms)
        >>> sequence.n_samples, round(float(sequence.duration), 4)
        (1024, 0.32)

        ```
    """
    scanner = _arguments.hardware(scanner)
    (nx, ny), (lx, ly) = _arguments.counts(matrix, "matrix", 2), _arguments.lengths(fov, "fov", 2)
    line = centered_on_a_sample(nx, lx, _arguments.time(dwell_time, "dwell_time", "sampling"), scanner)
    pulse = excitation(slice_thickness, pulse_duration, scanner)
    ky = {"y": (np.arange(ny) - ny // 2) / ly}
    before, after = {"x": -line.k_before}, {"x": SPOILING * nx / lx - line.k_after}
    echo = timed(pulse, (before | ky, after | ky), (line.center, line.duration), (te, tr), scanner)
    n = np.arange(n_dummies + ny, dtype=float)
    phase = repetition_phases(phase_increment, n * (n + 1) / 2)
    angle, flip = _checks.real_array(flip_angle, "flip_angle"), phase[n_dummies:]
    imaging = echo.events(angle, flip, before | ky, line.along("x", flip), after | {"y": -ky["y"]})
    first_angle = angle if angle.ndim == 0 else angle[0]
    dummies = echo.dummies(first_angle, phase[:n_dummies], before, line.gradient("x"), after)
    train = Repeat(Label("LIN", np.arange(ny)), *imaging, n_repetitions=ny)
    return _arguments.checked_on(scanner, Sequence(*dummies, train))
