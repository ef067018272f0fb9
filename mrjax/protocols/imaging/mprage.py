"""Inversion-prepared rapid gradient echoes of a volume (MPRAGE)."""

from typing import Any

import numpy as np

from mrjax import _checks
from mrjax._names import answers_misspelt_keywords
from mrjax.protocols._arguments import repetition_phases
from mrjax.protocols.imaging import _arguments, _timing
from mrjax.protocols.imaging._gradient_echo import timed
from mrjax.protocols.imaging._lines import centered_on_a_sample
from mrjax.protocols.imaging._lobes import lobes
from mrjax.protocols.imaging._pulses import PulseBlock, block_of, excitation
from mrjax.sequence import Label, Repeat, Scanner, Sequence
from mrjax.sequence.pulses import hyperbolic_secant
from mrjax.units import deg

SPOILING = 2.0
"""Cycles that a repetition, and the spoiler after the inversion, wind across a voxel along x."""

INVERSION, BANDWIDTH, MOST_B1 = 10e-3, 1e3, 15e-6
"""Duration in s, bandwidth in Hz and peak in T of the adiabatic pulse."""


@answers_misspelt_keywords
def mprage(
    fov: Any,
    matrix: Any,
    flip_angle: Any,
    ti: Any,
    echo_spacing: Any = None,
    tr: Any = None,
    *,
    te: Any = None,
    dwell_time: Any = 10e-6,
    pulse_duration: Any = None,
    phase_increment: Any = 117 * deg,
    scanner: Scanner | None = None,
) -> Sequence:
    r"""A volume of spoiled gradient echoes, after an inversion for each line $k_y$ all partitions $k_z$.

    Sample $i$ of line $j$ (label `LIN`) and partition $l$ (label `PAR`) is at $k = (i - \lfloor n_x/2 \rfloor, j - \lfloor
    n_y/2 \rfloor, l - \lfloor n_z/2 \rfloor) / L$. The inversion is a hyperbolic secant of 10 ms over 1 kHz; pulses are hard
    and excite everything.

    **Arguments:**

    - `fov`: $L$, field of view in m; one number, or one for each of x, y and z.
    - `matrix`: $n$, samples along x, y and z; one integer or three.
    - `flip_angle`: In rad. Scalar, or `(n_z,)`; may be traced.
    - `ti`: From the middle of the inversion to the excitation of partition $\lfloor n_z/2 \rfloor$, in s, kept to half a
      block raster.
    - `echo_spacing`: From excitation to excitation in s, kept to half a block raster; the shortest by default.
    - `tr`: From inversion to inversion in s, likewise.
    - `te`: From the middle of the pulse to sample $\lfloor n_x/2 \rfloor$ in s, kept to half an RF raster; the shortest by
      default.
    - `dwell_time`: Of a sample, in s.
    - `pulse_duration`: In s; 0.5 ms by default.
    - `phase_increment`: Of RF spoiling in rad; 0 for none.
    - `scanner`: A `Scanner`, whose limits the gradients take; the usual one by default.

    **Returns:** A `Sequence`, which the scanner can play; its leaves can be differentiated. `cartesian_kspace` sorts the
    samples.

    **Raises:** `ValueError` for times that are too short, with the shortest possible, and what the scanner cannot play.

    **Source:** J. P. Mugler, J. R. Brookeman, Magn Reson Med 15 (1990) 152-157.

    !!! example

        ```python
        >>> import mrjax as mr
        >>> from mrjax.units import deg, mm, ms
        >>> sequence = mr.protocols.imaging.mprage(240 * mm, (16, 8, 8), 9 * deg, ti=0.9, tr=2.0)
        >>> sequence.n_samples, round(float(sequence.duration), 3)
        (1024, 16.0)

        ```
    """
    scanner = _arguments.hardware(scanner)
    (nx, ny, nz), (lx, ly, lz) = _arguments.counts(matrix, "matrix", 3), _arguments.lengths(fov, "fov", 3)
    line = centered_on_a_sample(nx, lx, _arguments.time(dwell_time, "dwell_time", "sampling"), scanner)
    k = {"y": ((np.arange(ny) - ny // 2) / ly)[:, None], "z": (np.arange(nz) - nz // 2) / lz}
    before, after = {"x": -line.k_before} | k, {"x": SPOILING * nx / lx - line.k_after} | {a: -k[a] for a in k}
    pulse = excitation(None, pulse_duration, scanner)
    echo = timed(pulse, (before, after), (line.center, line.duration), (te, echo_spacing), scanner)
    n = np.arange(ny * nz, dtype=float)
    phase = repetition_phases(phase_increment, n * (n + 1) / 2).reshape(ny, nz)
    angle = _checks.real_array(flip_angle, "flip_angle")
    excited = echo.events(angle, phase, before, line.along("x", phase), after)
    train = Repeat(Label("PAR", np.arange(nz)), *excited, n_repetitions=nz)
    inversion, spoiler = _inversion(scanner), lobes({"x": SPOILING * nx / lx}, scanner)
    played = inversion.after + spoiler.duration + (nz // 2) * echo.tr + echo.pulse(1.0, 0.0).center
    wait = _timing.wait_of(_arguments.time(ti, "ti", "inversion_time"), played, "ti", scanner)
    spent = inversion.duration + spoiler.duration + wait + nz * echo.tr
    rest = _timing.wait_of(None if tr is None else _arguments.time(tr, "tr", "tr"), spent, "tr", scanner)
    start = (Label("LIN", np.arange(ny)), inversion.event, spoiler.event, *_timing.delays(wait))
    shot = Repeat(*start, train, *_timing.delays(rest), n_repetitions=ny)
    return _arguments.checked_on(scanner, Sequence(shot))


def _inversion(scanner: Scanner) -> PulseBlock:
    edge = _timing.up(max(scanner.rf_dead_time, scanner.rf_ringdown), scanner.block_raster)
    lasting = _timing.up(INVERSION, 2 * scanner.gradient_raster)
    n = round(lasting / (2 * scanner.gradient_raster))
    shape = hyperbolic_secant(lasting, BANDWIDTH, min(MOST_B1, scanner.max_b1), n)
    pulse = type(shape)(shape.waveform, lasting / n, use="inversion")
    return PulseBlock(block_of(pulse, edge, 2 * edge + lasting), 2 * edge + lasting, edge + lasting / 2)
