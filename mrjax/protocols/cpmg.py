"""Trains of spin echoes."""

from typing import Any

import numpy as np

from mrjax._names import answers_misspelt_keywords
from mrjax.protocols import _arguments
from mrjax.sequence import Delay, Dephase, Pulse, Repeat, Sample, Sequence


@answers_misspelt_keywords
def cpmg(
    refocusing_angle: Any,
    echo_spacing: Any,
    excitation_angle: Any = np.pi / 2,
    excitation_phase: Any = np.pi / 2,
    refocusing_phase: Any = 0.0,
) -> Sequence:
    r"""A multi-spin-echo train (CPMG, fast spin echo), with a crusher on each side of every refocusing pulse.

    With ideal pulses echo $n$ is $M_0 e^{-n \, ESP / T_2}$ (exactly, whatever the crushers); with others the stimulated
    echoes are those of the extended phase graph.

    **Arguments:**

    - `refocusing_angle`: In rad, `(n_echoes,)`; a scalar plays one echo.
    - `echo_spacing`: In s. Scalar or `(n_echoes,)`.
    - `excitation_angle`, `excitation_phase`: In rad. Scalars. The default phase, a quarter turn from that of the refocusing
      pulses, is the Carr-Purcell-Meiboom-Gill condition.
    - `refocusing_phase`: In rad. Scalar or `(n_echoes,)`.

    **Returns:** A `Sequence` with one sample per echo.

    **Raises:** `ValueError` where a time is negative or lengths differ; warns where `echo_spacing` looks like milliseconds.

    **Source:** S. Meiboom, D. Gill, Rev Sci Instrum 29 (1958) 688-691.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import mrjax as mr
        >>> train = mr.protocols.cpmg(jnp.full(3, jnp.pi), echo_spacing=10e-3)
        >>> print(*(f"{value:.4f}" for value in mr.simulate(train, mr.Tissue(t1=1.0, t2=0.1)).real))
        0.9048 0.8187 0.7408

        ```
    """
    refocusing_angle = _arguments.entries(refocusing_angle, "refocusing_angle")
    echo_spacing = _arguments.time(echo_spacing, "echo_spacing", "echo_spacing")
    half = Delay(echo_spacing / 2)
    return Sequence(
        Pulse(excitation_angle, excitation_phase),
        Repeat(half, Dephase(), Pulse(refocusing_angle, refocusing_phase), Dephase(), half, Sample()),
    )
