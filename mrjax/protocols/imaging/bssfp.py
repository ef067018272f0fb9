"""Balanced steady-state free precession of a plane."""

from typing import Any

import numpy as np

from mrjax import _checks
from mrjax._names import answers_misspelt_keywords
from mrjax.protocols._arguments import repetition_phases
from mrjax.protocols.imaging import _arguments
from mrjax.protocols.imaging._balanced import balanced
from mrjax.protocols.imaging._lines import centered_on_a_sample
from mrjax.protocols.imaging._pulses import excitation
from mrjax.sequence import Label, Repeat, Scanner, Sequence


@answers_misspelt_keywords
def bssfp(
    fov: Any,
    matrix: Any,
    flip_angle: Any,
    tr: Any = None,
    *,
    dwell_time: Any = 5e-6,
    slice_thickness: Any = None,
    pulse_duration: Any = None,
    n_dummies: int = 20,
    phase_increment: Any = np.pi,
    scanner: Scanner | None = None,
) -> Sequence:
    r"""A balanced gradient echo for each line of k-space, from the first to the last, at TE = TR / 2.

    Sample $i$ of line $j$ (label `LIN`) is taken at $k = ((i - \lfloor n_x/2 \rfloor) / L_x, (j - \lfloor n_y/2 \rfloor) /
    L_y)$. No gradient has an area over a repetition. The phase of the pulses grows by $\Delta\phi$ from each to the next; in
    `n_dummies` repetitions without readout before the first line, the flip angle rises linearly, which lets the transient
    die away early.

    **Arguments:**

    - `fov`: $L$, field of view in m; one number, or one for each of x and y.
    - `matrix`: $n$, samples along x and y; one integer or two.
    - `flip_angle`: In rad. Scalar; may be traced.
    - `tr`: Repetition time in s, kept to a block raster; the shortest by default.
    - `dwell_time`: Of a sample, in s.
    - `slice_thickness`: In m, of a slice at z = 0 by a sinc pulse; by default a hard pulse excites everything.
    - `pulse_duration`: In s; by default 0.5 ms, of slice-selective pulses 3 ms.
    - `n_dummies`: Repetitions without readout before the first line.
    - `phase_increment`: $\Delta\phi$ in rad; pi puts the pass band on resonance.
    - `scanner`: A `Scanner`, whose limits the gradients take; the usual one by default.

    **Returns:** A `Sequence`, which the scanner can play; its leaves can be differentiated. `cartesian_kspace` sorts the
    samples.

    **Raises:** `ValueError` for times that are too short, with the shortest possible, and what the scanner cannot play.

    **Source:** K. Scheffler, S. Lehnhardt, Eur Radiol 13 (2003) 2409-2418.

    !!! example

        ```python
        >>> import mrjax as mr
        >>> from mrjax.units import deg, mm, ms
        >>> sequence = mr.protocols.imaging.bssfp(200 * mm, 32, 40 * deg, tr=5 * ms)
        >>> sequence.n_samples, round(float(sequence.duration), 4)
        (1024, 0.26)

        ```
    """
    scanner = _arguments.hardware(scanner)
    (nx, ny), (lx, ly) = _arguments.counts(matrix, "matrix", 2), _arguments.lengths(fov, "fov", 2)
    line = centered_on_a_sample(nx, lx, _arguments.time(dwell_time, "dwell_time", "sampling"), scanner)
    pulse = excitation(slice_thickness, pulse_duration, scanner)
    ky = {"y": (np.arange(ny) - ny // 2) / ly}
    before, after = {"x": -line.k_before}, {"x": -line.k_after}
    echo = balanced(pulse, (before | ky, after | ky), (line.center, line.duration), tr, scanner)
    phase = repetition_phases(phase_increment, np.arange(n_dummies + ny, dtype=float))
    angle, flip = _checks.real_array(flip_angle, "flip_angle"), phase[n_dummies:]
    rising = angle * ((np.arange(n_dummies) + 0.5) / max(n_dummies, 1))
    dummies = echo.dummies(rising, phase[:n_dummies], before, line.gradient("x"), after)
    imaging = echo.events(angle, flip, before | ky, line.along("x", flip), after | {"y": -ky["y"]})
    train = Repeat(Label("LIN", np.arange(ny)), *imaging, n_repetitions=ny)
    return _arguments.checked_on(scanner, Sequence(*dummies, train))
