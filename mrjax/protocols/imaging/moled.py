"""Multiple overlapping-echo detachment (MOLED)."""

from typing import Any

import numpy as np

from mrjax._names import answers_misspelt_keywords
from mrjax.protocols.imaging import _arguments
from mrjax.protocols.imaging._overlapping_echoes import overlapping_echoes
from mrjax.sequence import Scanner, Sequence
from mrjax.units import deg

SHIFTS = (-17 / 128, 8 / 128, -2 / 128, 24 / 128)
"""Along kx, in shares of n_x: as echoes lie in a published data set."""


@answers_misspelt_keywords
def moled(
    fov: Any,
    matrix: Any,
    te: Any = (22e-3, 52e-3, 82e-3, 110e-3),
    *,
    flip_angle: Any = 30 * deg,
    echo_shifts: Any = None,
    acceleration: int = 1,
    dwell_time: Any = 3e-6,
    slice_thickness: Any = None,
    scanner: Scanner | None = None,
) -> Sequence:
    r"""Echoes of several echo times in one echo-planar readout, each at a place of its own in k-space.

    Each excitation is followed by an echo-shifting gradient, and all share one refocusing pulse (180 degrees, phase 90) at a
    time $\tau$. That of echo time $TE_m$ is played at $\tau - TE_m / 2$, the longest first; its spin echo forms at $\tau +
    TE_m / 2$, when the readout is $\Delta_m = (TE_m - \frac12 (TE_1 + TE_M)) / 2$ past the middle of k-space, and there its
    echo is centred: at $k = (s_m / L_x, \Delta_m / (ESP \, L_y))$, with the time $ESP$ of a line. Labels and places of the
    samples are those of `gre_epi`.

    **Arguments:**

    - `fov`: $L$, field of view in m; one number, or one for each of x and y.
    - `matrix`: Samples along x and y; one integer or two.
    - `te`: Echo times in s, rising; their differences are kept to a block raster.
    - `flip_angle`: Of the excitations in rad. Scalar, or one for each echo; may be traced.
    - `echo_shifts`: $s$, along kx in samples, one for each echo; by default, of four echoes, 8/128 of the samples and so on,
      as in a published data set.
    - `acceleration`: Every so many-th line is acquired, the middle one among them; $ESP$ is then the time of a line over it.
    - `dwell_time`: Of a sample, in s.
    - `slice_thickness`: In m, of a slice at z = 0 by sinc pulses; by default hard pulses act on everything.
    - `scanner`: A `Scanner`, whose limits the gradients take; the usual one by default.

    **Returns:** A `Sequence`, which the scanner can play; its leaves can be differentiated. `timeline().trajectory()` counts
    from the last excitation, so that it is the place in the readout less the shift of the echo of `te[0]`.

    **Raises:** `ValueError` for times that are too short, echoes that fall outside the readout, and what the scanner cannot
    play.

    !!! example

        ```python
        >>> import mrjax as mr
        >>> from mrjax.units import mm
        >>> sequence = mr.protocols.imaging.moled(220 * mm, 128, acceleration=2)
        >>> sequence.n_samples, round(float(sequence.duration), 3)
        (8192, 0.116)

        ```
    """
    n = np.size(te)
    if echo_shifts is None:
        if n != len(SHIFTS):
            raise ValueError(f"`echo_shifts` must be given for {n} echoes: where each is along kx, in samples.")
        echo_shifts = np.array(SHIFTS) * _arguments.counts(matrix, "matrix", 2)[0]
    shifts = np.asarray(echo_shifts, float)
    if shifts.shape != (n,):
        raise ValueError(f"`echo_shifts` must have one number for each of {n} echoes, but got shape {shifts.shape}.")
    return overlapping_echoes(fov, matrix, flip_angle, te, shifts, acceleration, dwell_time, slice_thickness, scanner)
