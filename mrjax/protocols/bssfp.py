"""Balanced steady-state free precession."""

from typing import Any

import numpy as np

from mrjax import _checks
from mrjax._names import answers_misspelt_keywords
from mrjax.protocols import _arguments
from mrjax.sequence import Delay, Pulse, Repeat, Sample, Sequence


@answers_misspelt_keywords
def bssfp(
    flip_angle: Any, tr: Any, n_repetitions: int, phase_increment: Any = np.pi, te: Any | None = None
) -> Sequence:
    r"""A balanced train from equilibrium through the transient: no net gradient in a repetition.

    Pulse $n$ has the phase $n \, \Delta\phi$ and samples are demodulated by it. The train converges to
    `signals.relaxation.bssfp`, within a few $T_1$.

    **Arguments:**

    - `flip_angle`: In rad. Scalar or `(n_repetitions,)`, for instance with a ramp to catalyse the steady state.
    - `tr`: Repetition time in s. Scalar or `(n_repetitions,)`.
    - `n_repetitions`: Number of pulses.
    - `phase_increment`: $\Delta\phi$ in rad; pi puts the pass band on resonance.
    - `te`: Echo time in s; half of `tr` by default.

    **Returns:** A `Sequence` with one sample per repetition.

    **Raises:** `ValueError` where times are negative, `te` is longer than `tr`, or lengths differ from `n_repetitions`; warns
    where a time looks like milliseconds.

    !!! example

        ```python
        >>> import mrjax as mr
        >>> sequence = mr.protocols.bssfp(flip_angle=0.7, tr=0.005, n_repetitions=2000)
        >>> round(float(abs(mr.simulate(sequence, mr.Tissue(t1=1.0, t2=0.1))[-1])), 4)
        0.1565

        ```
    """
    n_repetitions = _checks.positive_integer(n_repetitions, "n_repetitions")
    tr = _arguments.echo_time(tr, "tr")
    te = tr / 2 if te is None else _arguments.echo_time(te)
    rest = _arguments.remainder(tr, te, ("tr", "te"))
    phase = _arguments.repetition_phases(phase_increment, np.arange(n_repetitions, dtype=float))
    return Sequence(
        Repeat(Pulse(flip_angle, phase), Delay(te), Sample(phase), Delay(rest), n_repetitions=n_repetitions)
    )
