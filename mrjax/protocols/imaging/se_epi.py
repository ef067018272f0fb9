"""Spin-echo echo-planar imaging."""

from typing import Any

import numpy as np

from mrjax._names import answers_misspelt_keywords
from mrjax.protocols.imaging import _arguments
from mrjax.protocols.imaging._excited import excited
from mrjax.protocols.imaging._plane import plane_of, shots
from mrjax.protocols.imaging._refocusing import CRUSHING, refocusing
from mrjax.sequence import Scanner, Sequence


@answers_misspelt_keywords
def se_epi(
    fov: Any,
    matrix: Any,
    te: Any,
    tr: Any = None,
    *,
    flip_angle: Any = np.pi / 2,
    refocusing_angle: Any = np.pi,
    n_shots: int = 1,
    acceleration: int = 1,
    partial_fourier: Any = 1.0,
    ramp_sampling: bool = False,
    dwell_time: Any = 4e-6,
    slice_thickness: Any = None,
    scanner: Scanner | None = None,
) -> Sequence:
    r"""An echo-planar image of a spin echo: as `gre_epi`, with a refocusing pulse TE / 2 after the excitation.

    The spin echo is where the middle of k-space is crossed. The refocusing pulse has a phase of 90 degrees and stands between
    crushers along x of two cycles across a pixel.

    **Arguments:**

    - `fov`, `matrix`: As of `gre_epi`.
    - `te`: Echo time in s; each half is kept to half an RF raster.
    - `tr`: From shot to shot in s, kept to half a block raster; the shortest by default.
    - `flip_angle`, `refocusing_angle`: In rad. Scalars, or `(n_shots,)`; may be traced.
    - `n_shots`, `acceleration`, `partial_fourier`, `ramp_sampling`, `dwell_time`, `slice_thickness`, `scanner`: As of
      `gre_epi`. Both pulses select the slice.

    **Returns:** A `Sequence`, as of `gre_epi`.

    **Raises:** As `gre_epi`.

    **Source:** M. A. Bernstein, K. F. King, X. J. Zhou, Handbook of MRI Pulse Sequences (2004), chapter 16.

    !!! example

        ```python
        >>> import mrjax as mr
        >>> from mrjax.units import mm, ms
        >>> sequence = mr.protocols.imaging.se_epi(220 * mm, 64, te=60 * ms)
        >>> echo = sequence.timeline().since_excitation()[32 * 64 + 32]  # sample 32 of line 32
        >>> f"{echo / ms:.3f} ms"
        '60.000 ms'

        ```
    """
    scanner = _arguments.hardware(scanner)
    plane = plane_of(
        *(fov, matrix, dwell_time, scanner),
        n_shots=n_shots,
        acceleration=acceleration,
        partial_fourier=partial_fourier,
        ramp_sampling=ramp_sampling,
    )
    half = _arguments.time(te, "te", "te") / 2
    wound = {"x": plane.train.kx_start, "y": plane.ky}
    crusher = CRUSHING * plane.train.line.k_total
    thickness = None if slice_thickness is None else _arguments.lengths(slice_thickness, "slice_thickness", 1)[0]
    echo = refocusing(crusher, wound, half, plane.time_of_center, thickness, scanner, flip_angle=refocusing_angle)
    start, spent = excited(flip_angle, {}, (half, echo.before, "te", 2), (thickness, None), scanner)
    events = (*start, *echo.events, plane.train.events(plane.lines))
    lasting = spent + echo.duration + plane.train.duration
    return _arguments.checked_on(scanner, shots(plane, events, lasting, tr, scanner))
