"""Gradient echoes at several echo times after one excitation."""

from typing import Any

import jax.numpy as jnp

from mrjax import _checks
from mrjax._names import answers_misspelt_keywords
from mrjax.protocols import _arguments
from mrjax.sequence import Delay, Pulse, Repeat, Sample, Sequence


@answers_misspelt_keywords
def multi_echo_gre(te: Any, flip_angle: Any) -> Sequence:
    r"""One excitation and a gradient echo at each echo time.

    The signal is $-i M_0 \sin\alpha \, e^{-TE/T_2^*} e^{2\pi i \Delta f \, TE}$. A finite `t2_prime` needs the engine
    `Isochromats`.

    **Arguments:**

    - `te`: Echo times in s, increasing. Scalar or `(n_echoes,)`.
    - `flip_angle`: In rad. Scalar.

    **Returns:** A `Sequence` with one sample per echo.

    **Raises:** `ValueError` where echo times are negative or do not increase; warns where they look like milliseconds.

    !!! example

        ```python
        >>> import mrjax as mr
        >>> sequence = mr.protocols.multi_echo_gre(te=[4e-3, 8e-3, 12e-3], flip_angle=0.5)
        >>> print(*(f"{value:.4f}" for value in abs(mr.simulate(sequence, mr.Tissue(t1=1.0, t2=0.04)))))
        0.4338 0.3925 0.3552

        ```
    """
    te = _arguments.echo_times(te)
    gaps = jnp.diff(te, prepend=jnp.zeros(1, te.dtype))
    increases = (gaps > 0) | (jnp.arange(gaps.size) == 0)
    gaps = _checks.require(gaps, increases, "`te` must increase from echo to echo (differences in s)")
    return Sequence(Pulse(flip_angle), Repeat(Delay(gaps), Sample()))
