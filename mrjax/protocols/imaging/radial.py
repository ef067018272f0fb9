"""Radial imaging with golden angles."""

import math
from typing import Any

import numpy as np

from mrjax import _checks
from mrjax._names import answers_misspelt_keywords
from mrjax.protocols._arguments import repetition_phases
from mrjax.protocols.imaging import _arguments
from mrjax.protocols.imaging._balanced import balanced as balanced_echo
from mrjax.protocols.imaging._gradient_echo import timed
from mrjax.protocols.imaging._lines import centered_on_a_sample
from mrjax.protocols.imaging._pulses import excitation
from mrjax.sequence import Label, Repeat, Scanner, Sequence, Together
from mrjax.units import deg

GOLDEN_ANGLE = math.pi * (math.sqrt(5) - 1) / 2
"""111.246 degrees: half a turn over the golden ratio."""

SPOILING = 2.0
"""Cycles that a repetition winds across a pixel along x, unless it is balanced."""


@answers_misspelt_keywords
def radial(
    fov: Any,
    matrix: int,
    n_spokes: int,
    flip_angle: Any,
    te: Any = None,
    tr: Any = None,
    *,
    balanced: bool = False,
    dwell_time: Any = 5e-6,
    slice_thickness: Any = None,
    pulse_duration: Any = None,
    n_dummies: int = 0,
    phase_increment: Any = None,
    scanner: Scanner | None = None,
) -> Sequence:
    r"""Diameters of k-space, each turned by the golden angle $\psi = \pi (\sqrt5 - 1) / 2$ from the one before.

    Sample $i$ of spoke $j$ (label `LIN`) is at $k = (\cos j\psi, \sin j\psi) \, (i - \lfloor n/2 \rfloor) / L$. By default
    spokes are spoiled by RF and by a gradient along x; `balanced` rewinds all gradients, as in `bssfp`, with the echo in the
    middle of a repetition.

    **Arguments:**

    - `fov`: $L$, field of view in m. Scalar.
    - `matrix`: $n$, samples of a spoke, an integer.
    - `n_spokes`: How many there are.
    - `flip_angle`: In rad. Scalar, or `(n_spokes,)` without dummies; may be traced.
    - `te`: From the middle of the pulse to sample $\lfloor n/2 \rfloor$ in s, kept to half an RF raster; the shortest by
      default, and not given where balanced.
    - `tr`: In s, kept to a block raster; the shortest by default.
    - `balanced`: Whether no gradient has an area over a repetition.
    - `dwell_time`: Of a sample, in s.
    - `slice_thickness`: In m, of a slice at z = 0 by a sinc pulse; by default a hard pulse excites everything.
    - `pulse_duration`: In s; by default 0.5 ms, of slice-selective pulses 3 ms.
    - `n_dummies`: Repetitions before the first spoke, of its gradients but without readout; where balanced, of rising flip
      angle.
    - `phase_increment`: In rad: of RF spoiling, 117 degrees by default, and where balanced from pulse to pulse, pi by
      default.
    - `scanner`: A `Scanner`, whose limits the gradients take; the usual one by default.

    **Returns:** A `Sequence`, which the scanner can play; its leaves can be differentiated.

    **Raises:** `ValueError` for times that are too short, with the shortest possible, and what the scanner cannot play.

    **Source:** S. Winkelmann, T. Schaeffter, T. Koehler, H. Eggers, O. Doessel, IEEE Trans Med Imaging 26 (2007) 68-76.

    !!! example

        ```python
        >>> import mrjax as mr
        >>> from mrjax.units import deg, mm, ms
        >>> spokes = mr.protocols.imaging.radial(200 * mm, 64, n_spokes=34, flip_angle=40 * deg, tr=5 * ms, balanced=True)
        >>> spokes.n_samples, round(float(spokes.duration), 3)
        (2176, 0.17)

        ```
    """
    scanner, fov = _arguments.hardware(scanner), _arguments.lengths(fov, "fov", 1)[0]
    n, n_spokes = (_checks.positive_integer(v, name) for v, name in ((matrix, "matrix"), (n_spokes, "n_spokes")))
    line = centered_on_a_sample(n, fov, _arguments.time(dwell_time, "dwell_time", "sampling"), scanner)
    theta = np.arange(n_spokes) * GOLDEN_ANGLE
    spoiling = 0.0 if balanced else SPOILING * n / fov
    pulse = excitation(slice_thickness, pulse_duration, scanner)
    along = lambda k, x, y, more=0.0: {"x": k * x + more, "y": k * y}
    wound = lambda x, y: (along(-line.k_before, x, y), along(-line.k_after, x, y, spoiling))
    direction, readout = (np.cos(theta), np.sin(theta)), (line.center, line.duration)
    if balanced and te is not None:
        raise ValueError("`te` must not be given where `balanced`: the echo is in the middle of a repetition.")
    block, (before, after) = (pulse, wound(*direction), readout), wound(*direction)
    echo = balanced_echo(*block, tr, scanner) if balanced else timed(*block, (te, tr), scanner)
    phase = _phases(phase_increment, n_dummies + n_spokes, balanced)
    angle, flip = _checks.real_array(flip_angle, "flip_angle"), phase[n_dummies:]
    read = Together(*(line.gradient(axis, d) for axis, d in zip("xy", direction, strict=True)), line.readout(flip))
    train = Repeat(Label("LIN", np.arange(n_spokes)), *echo.events(angle, flip, before, read, after))
    rising = angle * ((np.arange(n_dummies) + 0.5) / max(n_dummies, 1)) if balanced else angle
    dummies = echo.dummies(rising, phase[:n_dummies], wound(1.0, 0.0)[0], line.gradient("x"), wound(1.0, 0.0)[1])
    return _arguments.checked_on(scanner, Sequence(*dummies, train))


def _phases(increment: Any, n: int, balanced: bool) -> Any:
    """Of the pulses in rad: in proportion to their number where balanced, else to its square."""
    count = np.arange(n, dtype=float)
    if balanced:
        return repetition_phases(math.pi if increment is None else increment, count)
    return repetition_phases(117 * deg if increment is None else increment, count * (count + 1) / 2)
