"""Single spin echoes at one or several echo times."""

from typing import Any

import jax.numpy as jnp
import numpy as np

from mrjax import _checks
from mrjax._names import answers_misspelt_keywords
from mrjax.protocols import _arguments
from mrjax.sequence import Delay, Pulse, Repeat, Sample, Sequence, Spoil

N_PREPARATIONS = 8
"""Unsampled repetitions before an echo: with B1 within 30 % of nominal, steady state to 1e-4 of M0."""


@answers_misspelt_keywords
def spin_echo(te: Any, tr: Any = np.inf) -> Sequence:
    r"""A 90-180 degree spin echo for each echo time, each from its own steady state.

    Excitation about x, refocusing about y, so the echo has the phase $-i$ of the excited magnetisation. With a
    finite `tr`, eight repetitions of the same echo time go before the sampled one, so that the signal is
    `signals.relaxation.spin_echo`; the magnetisation recovers fully between echo times. Transverse magnetisation is
    spoiled ideally before each excitation.

    **Arguments:**

    - `te`: Echo times in s. Scalar or `(n_echo_times,)`; a scalar is played once for each `tr`.
    - `tr`: Repetition time in s, scalar or one per echo time, not shorter than `te`; `inf` starts each from equilibrium.

    **Returns:** A `Sequence` with one sample per echo time.

    **Raises:** `ValueError` where a time is negative or `te` is longer than `tr`; warns where a time looks like
    milliseconds.

    !!! example

        ```python
        >>> import mrjax as mr
        >>> sequence = mr.protocols.spin_echo(te=[0.02, 0.08], tr=2.0)
        >>> print(*(f"{value:.4f}" for value in abs(mr.simulate(sequence, mr.Tissue(t1=1.0, t2=0.1)))))
        0.7057 0.3836

        ```
    """
    te = _arguments.echo_times(te)
    tr = _arguments.time(tr, "tr")
    te, rest = jnp.broadcast_arrays(te, _arguments.remainder(tr, te, ("tr", "te")))
    recover = Delay(jnp.inf)
    if _checks.is_concrete(tr) and bool(np.all(np.isinf(np.asarray(tr)))):
        return Sequence(Repeat(*_echo(te / 2), Sample(), Spoil(), recover))
    preparation = Repeat(*_echo(te[:, None] / 2), Spoil(), Delay(rest[:, None]), n_repetitions=N_PREPARATIONS)
    return Sequence(Repeat(preparation, *_echo(te / 2), Sample(), Spoil(), recover))


def _echo(half) -> tuple:
    return Pulse(jnp.pi / 2), Delay(half), Pulse(jnp.pi, phase=jnp.pi / 2), Delay(half)
