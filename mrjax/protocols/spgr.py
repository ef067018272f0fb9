"""Spoiled gradient echoes."""

from typing import Any

import numpy as np

from mrjax import _checks
from mrjax._names import answers_misspelt_keywords
from mrjax.protocols import _arguments
from mrjax.sequence import Delay, Dephase, Pulse, Repeat, Sample, Sequence, Spoil
from mrjax.units import deg


@answers_misspelt_keywords
def spgr(flip_angle: Any, tr: Any, te: Any, n_repetitions: int, phase_increment: Any | None = 117 * deg) -> Sequence:
    r"""A train of spoiled gradient echoes from equilibrium through the transient.

    RF spoiling: pulse $n$ has the phase $\phi_n = \Delta\phi \, n (n + 1) / 2$, samples are demodulated by it, and a
    gradient winds one cycle per repetition. RF spoiling comes near, but not to, the ideal spoiling of the Ernst formula;
    `phase_increment=None` spoils ideally, and then the train converges to `signals.relaxation.spgr` exactly.

    **Arguments:**

    - `flip_angle`: In rad. Scalar or `(n_repetitions,)`.
    - `tr`, `te`: Repetition and echo time in s. Scalars or `(n_repetitions,)`; `te` not longer than `tr`.
    - `n_repetitions`: Number of pulses.
    - `phase_increment`: $\Delta\phi$ in rad, 117 degrees by default; None for ideal spoiling. Phases are formed in float64
      where the number is known; where it is traced (to differentiate it), in its own precision: for long trains, use float64.

    **Returns:** A `Sequence` with one sample per repetition.

    **Raises:** `ValueError` where times are negative, `te` is longer than `tr`, or lengths differ from `n_repetitions`; warns
    where a time looks like milliseconds.

    **Source:** Y. Zur, M. L. Wood, L. J. Neuringer, Magn Reson Med 21 (1991) 251-263 (the quadratic phase and 117 degrees).

    !!! example

        ```python
        >>> import mrjax as mr
        >>> sequence = mr.protocols.spgr(flip_angle=0.3, tr=0.01, te=0.003, n_repetitions=500, phase_increment=None)
        >>> round(float(abs(mr.simulate(sequence, mr.Tissue(t1=1.0, t2=0.05))[-1])), 4)
        0.0511

        ```
    """
    n_repetitions = _checks.positive_integer(n_repetitions, "n_repetitions")
    te = _arguments.echo_time(te)
    rest = _arguments.remainder(_arguments.time(tr, "tr"), te, ("tr", "te"))
    if phase_increment is None:
        phase, spoiler = 0.0, Spoil()
    else:
        n = np.arange(n_repetitions, dtype=float)
        phase, spoiler = _arguments.repetition_phases(phase_increment, n * (n + 1) / 2), Dephase()
    return Sequence(
        Repeat(Pulse(flip_angle, phase), Delay(te), Sample(phase), Delay(rest), spoiler, n_repetitions=n_repetitions)
    )
