"""Overlapping-echo detachment with two echoes (OLED)."""

from typing import Any

import numpy as np

from mrjax._names import answers_misspelt_keywords
from mrjax.protocols.imaging import _arguments
from mrjax.protocols.imaging._overlapping_echoes import overlapping_echoes
from mrjax.sequence import Scanner, Sequence
from mrjax.units import deg


@answers_misspelt_keywords
def oled(
    fov: Any,
    matrix: Any,
    te: Any,
    *,
    flip_angle: Any = 45 * deg,
    echo_shifts: Any = None,
    acceleration: int = 1,
    dwell_time: Any = 3e-6,
    slice_thickness: Any = None,
    scanner: Scanner | None = None,
) -> Sequence:
    """Two echoes of different echo times in one echo-planar readout: `moled` of two excitations.

    **Arguments:**

    - `te`: The two echo times in s, rising.
    - `flip_angle`: Of the excitations in rad. Scalar, or `(2,)`; may be traced.
    - `echo_shifts`: Along kx in samples, two; by default an eighth of the samples to either side.
    - `fov`, `matrix`, `acceleration`, `dwell_time`, `slice_thickness`, `scanner`: As of `moled`.

    **Returns:** A `Sequence`, as of `moled`.

    **Raises:** As `moled`.

    !!! example

        ```python
        >>> import mrjax as mr
        >>> from mrjax.units import mm, ms
        >>> sequence = mr.protocols.imaging.oled(220 * mm, 64, te=(45 * ms, 65 * ms))
        >>> sequence.n_samples
        4096

        ```
    """
    nx = _arguments.counts(matrix, "matrix", 2)[0]
    shifts = np.array([-nx / 8, nx / 8]) if echo_shifts is None else np.asarray(echo_shifts, float)
    if np.size(te) != 2 or shifts.shape != (2,):
        raise ValueError(f"`te` and `echo_shifts` must have two entries, but got {np.size(te)} and {shifts.size}.")
    return overlapping_echoes(fov, matrix, flip_angle, te, shifts, acceleration, dwell_time, slice_thickness, scanner)
