"""Inversion recovery at one or several inversion times."""

from typing import Any

import jax.numpy as jnp
import numpy as np

from mrjax import _checks
from mrjax._names import answers_misspelt_keywords
from mrjax.protocols import _arguments
from mrjax.sequence import Delay, Pulse, Repeat, Sample, Sequence, Spoil


@answers_misspelt_keywords
def inversion_recovery(inversion_time: Any, inversion_angle: Any = np.pi) -> Sequence:
    r"""Inversion, waiting, and a 90 degree pulse read at once, for each inversion time, each from equilibrium.

    The signal is $-i M_0 (1 - (1 - \cos\alpha) e^{-TI/T_1})$, `signals.relaxation.inversion_recovery` for an infinite
    repetition time. What the inversion leaves transverse is spoiled ideally.

    **Arguments:**

    - `inversion_time`: In s. Scalar or `(n_inversion_times,)`.
    - `inversion_angle`: In rad. Scalar or one per inversion time.

    **Returns:** A `Sequence` with one sample per inversion time.

    **Raises:** `ValueError` where a time is negative or lengths differ; warns where one looks like milliseconds.

    !!! example

        ```python
        >>> import mrjax as mr
        >>> sequence = mr.protocols.inversion_recovery([0.1, 1.0])
        >>> print(*(f"{value:.4f}" for value in mr.simulate(sequence, mr.Tissue(t1=1.0, t2=0.1)).imag))
        0.8097 -0.2642

        ```
    """
    inversion_time = _arguments.time(_arguments.entries(inversion_time, "inversion_time"), "inversion_time")
    inversion_angle = _checks.real_array(inversion_angle, "inversion_angle")
    return Sequence(
        Repeat(
            Pulse(inversion_angle),
            Spoil(),
            Delay(inversion_time),
            Pulse(jnp.pi / 2),
            Sample(),
            Spoil(),
            Delay(jnp.inf),
        )
    )
