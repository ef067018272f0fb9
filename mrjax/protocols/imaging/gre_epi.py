"""Gradient-echo echo-planar imaging."""

from typing import Any

from mrjax._names import answers_misspelt_keywords
from mrjax.protocols.imaging import _arguments
from mrjax.protocols.imaging._excited import excited
from mrjax.protocols.imaging._plane import plane_of, shots
from mrjax.sequence import Scanner, Sequence


@answers_misspelt_keywords
def gre_epi(
    fov: Any,
    matrix: Any,
    flip_angle: Any,
    te: Any = None,
    tr: Any = None,
    *,
    n_shots: int = 1,
    acceleration: int = 1,
    partial_fourier: Any = 1.0,
    ramp_sampling: bool = False,
    dwell_time: Any = 4e-6,
    slice_thickness: Any = None,
    pulse_duration: Any = None,
    scanner: Scanner | None = None,
) -> Sequence:
    r"""An echo-planar image: lines of k-space read to and fro after one excitation, or after several.

    The lines, labels `LIN` and `REV` (read backwards), go from the lowest $k_y$ up; shot $s$ of $S$, label `SEG`, has every
    $S$-th from line $s$ on. Sample $i$ of line $j$ is at $k = ((i - \lfloor n_x/2 \rfloor) / L_x, (j - \lfloor n_y/2
    \rfloor) / L_y)$, counted from the other end in lines read backwards; with `ramp_sampling` as `timeline().trajectory()`
    says.

    **Arguments:**

    - `fov`: $L$, field of view in m; one number, or one for each of x and y.
    - `matrix`: $n$, samples along x and y; one integer or two.
    - `flip_angle`: In rad. Scalar, or `(n_shots,)`; may be traced.
    - `te`: From the middle of the pulse to the middle of k-space, in s; kept to half an RF raster, the shortest by default.
    - `tr`: From shot to shot in s, kept to half a block raster; the shortest by default.
    - `n_shots`: Excitations; divides the lines acquired.
    - `acceleration`: Every so many-th line is acquired, the middle one among them.
    - `partial_fourier`: Share of the lines acquired, above 0.5: the first are left out.
    - `ramp_sampling`: Whether samples are taken while the gradient rises and falls, too: more of them, in less time.
    - `dwell_time`: Of a sample, in s.
    - `slice_thickness`: In m, of a slice at z = 0 by a sinc pulse; by default a hard pulse excites everything.
    - `pulse_duration`: In s; by default 0.5 ms, of slice-selective pulses 3 ms.
    - `scanner`: A `Scanner`, whose limits the gradients take; the usual one by default.

    **Returns:** A `Sequence`, which the scanner can play; its leaves can be differentiated. `cartesian_kspace` sorts the
    samples. Blips are played half before and half after the joint of two blocks.

    **Raises:** `ValueError` for times that are too short, with the shortest possible, and what the scanner cannot play.

    **Source:** M. A. Bernstein, K. F. King, X. J. Zhou, Handbook of MRI Pulse Sequences (2004), chapter 16.

    !!! example

        ```python
        >>> import mrjax as mr
        >>> from mrjax.units import deg, mm, ms
        >>> sequence = mr.protocols.imaging.gre_epi(220 * mm, 64, 90 * deg, te=40 * ms)
        >>> sequence.n_samples, round(float(sequence.duration), 3)
        (4096, 0.06)

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
    te = None if te is None else _arguments.time(te, "te", "te")
    winding, timing = {"x": plane.train.kx_start, "y": plane.ky}, (te, plane.time_of_center, "te", 1)
    start, spent = excited(flip_angle, winding, timing, (slice_thickness, pulse_duration), scanner)
    events = (*start, plane.train.events(plane.lines))
    return _arguments.checked_on(scanner, shots(plane, events, spent + plane.train.duration, tr, scanner))
