"""The adiabatic half passage."""

from typing import Any

from mrjax.sequence.pulses import _arguments
from mrjax.sequence.pulses._tan_tanh import KAPPA, tan_tanh
from mrjax.sequence.rf import ShapedPulse


def adiabatic_half_passage(
    duration: Any,
    frequency_sweep: Any,
    max_b1: Any,
    n_samples: int,
    *,
    beta: Any = 10.0,
    kappa: Any = KAPPA,
    offset: Any = 0.0,
    phase: Any = 0.0,
) -> ShapedPulse:
    r"""Adiabatic excitation: 90 degrees on resonance whatever the B1, once that is large enough.

    $$B_1(\tau) = B_1^\mathrm{max} \frac{\tanh \beta \tau}{\tanh \beta}, \qquad
    f(\tau) = -f_\mathrm{max} \frac{\tan \kappa (1 - \tau)}{\tan \kappa}, \qquad 0 < \tau < 1$$

    The field starts along +z and turns into the transverse plane, and magnetisation along z goes with it. It ends where 90
    degrees of the same phase would put it: along -y for phase 0. Only z is tipped so; other directions are not rotated alike.

    **Arguments:**

    - `duration`: In s, positive. Scalar.
    - `frequency_sweep`: $f_\mathrm{max}$ in Hz, how far off resonance it starts; positive, below half of
      `n_samples / duration`. Scalar.
    - `max_b1`: $B_1^\mathrm{max}$ in T; with a negative one the magnetisation ends along +y. Scalar.
    - `n_samples`: A Python integer, at least 1. The phase turns by up to `2 * pi * frequency_sweep * duration / n_samples`
      from one sample to the next; that should be some tenths at most.
    - `beta`: $\beta$, positive. Scalar.
    - `kappa`: $\kappa$ in rad, between 0 and pi / 2. Scalar.
    - `offset`, `phase`: In Hz and rad, as of `ShapedPulse`.

    **Returns:** A complex `ShapedPulse`. Differentiable in every number.

    **Raises:** `ValueError` for values out of range.

    **Source:** M. Garwood, Y. Ke, J Magn Reson 94 (1991) 511-525 (the modulation); M. Garwood, L. DelaBarre, J Magn Reson 153
    (2001) 155-177.

    !!! example

        ```python
        >>> from math import inf
        >>> import mrjax as mr
        >>> from mrjax.units import kHz, ms, uT
        >>> pulse = mr.sequence.pulses.adiabatic_half_passage(4 * ms, 8 * kHz, 20 * uT, n_samples=400)
        >>> end = mr.bloch(pulse.waveform, pulse.dt, mr.Tissue(inf, inf, b1=[0.7, 1.0, 1.5]))
        >>> print(bool((end.transverse.imag < -0.99).all()))
        True

        ```
    """
    duration = _arguments.positive_scalar(duration, "duration", "s")
    u = _arguments.places(n_samples) - 0.5
    dt = duration / u.size
    # the field ends a quarter of a turn behind the axis of the rotation it stands for
    field = -1j * tan_tanh(u, dt, duration, frequency_sweep, beta, kappa)
    return ShapedPulse(_arguments.scalar(max_b1, "max_b1", "T") * field, dt, offset, phase)
