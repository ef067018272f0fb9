"""The adiabatic rotation by any angle."""

from typing import Any

import jax.numpy as jnp
import numpy as np

from mrjax import _checks
from mrjax.sequence.pulses import _arguments
from mrjax.sequence.pulses._tan_tanh import KAPPA, tan_tanh
from mrjax.sequence.rf import ShapedPulse


def bir4(
    flip_angle: Any,
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
    r"""BIR-4: a rotation of every direction by the flip angle, whatever the B1, once that is large enough.

    Four quarters of $T/4$ each: a half passage backwards, one forwards, one backwards, one forwards, with amplitude and
    frequency

    $$B_1(u) = B_1^\mathrm{max} \frac{\tanh \beta (1 - |u|)}{\tanh \beta}, \qquad
    f(u) = f_\mathrm{max} \frac{\tan \kappa u}{\tan \kappa}, \qquad
    u = \frac{4 t}{T} - \{0, 2, 2, 4\}$$

    The phase of the two in the middle is shifted by $\pi + \alpha / 2$: by how much the field was turned in between is by how
    much the magnetisation is rotated.

    Where B1 is 0.7 to 1.5 of nominal, 8 ms, 16 kHz and 40 uT with the default modulation leave z with $\cos \alpha$ to 2e-4. The
    axis varies more: other components are off by up to 0.07 for 90 degrees and 0.13 for 180, a third of that at 10 ms, 30 kHz
    and 100 uT.

    **Arguments:**

    - `flip_angle`: $\alpha$ in rad, any sign. Scalar.
    - `duration`: $T$ in s, positive. Scalar.
    - `frequency_sweep`: $f_\mathrm{max}$ in Hz, positive, below half of `n_samples / duration`. Scalar.
    - `max_b1`: $B_1^\mathrm{max}$ in T. Scalar.
    - `n_samples`: A Python integer, a multiple of 4. The phase turns by up to
      `2 * pi * frequency_sweep * duration / n_samples` from one sample to the next; that should be some tenths at most.
    - `beta`: $\beta$, positive. Scalar.
    - `kappa`: $\kappa$ in rad, between 0 and pi / 2. Scalar.
    - `offset`, `phase`: In Hz and rad, as of `ShapedPulse`; the axis of the rotation has this phase.

    **Returns:** A complex `ShapedPulse`. Differentiable in every number.

    **Raises:** `ValueError` for values out of range.

    **Source:** R. S. Staewen et al., Invest Radiol 25 (1990) 559-567; M. Garwood, Y. Ke, J Magn Reson 94 (1991) 511-525.

    !!! example

        ```python
        >>> from math import inf
        >>> import mrjax as mr
        >>> from mrjax.units import deg, kHz, ms, uT
        >>> pulse = mr.sequence.pulses.bir4(60 * deg, 8 * ms, 16 * kHz, 50 * uT, n_samples=800)
        >>> end = mr.bloch(pulse.waveform, pulse.dt, mr.Tissue(inf, inf, b1=[0.7, 1.0, 1.5]))
        >>> print(bool((abs(end.longitudinal - 0.5) < 1e-3).all()))
        True

        ```
    """
    duration = _arguments.positive_scalar(duration, "duration", "s")
    n_samples = _checks.positive_integer(n_samples, "n_samples")
    if n_samples % 4:
        raise ValueError(f"`n_samples` must be a multiple of 4, one part for each quarter, but got {n_samples}.")
    quarter = np.arange(n_samples) * 4 // n_samples
    u = jnp.asarray((np.arange(n_samples) + 0.5) * 4 / n_samples - np.array([0, 2, 2, 4])[quarter])
    dt = duration / n_samples
    shift = jnp.pi + _arguments.scalar(flip_angle, "flip_angle", "rad") / 2
    shifted = jnp.where((quarter == 1) | (quarter == 2), jnp.exp(1j * shift), 1.0)
    field = shifted * tan_tanh(u, dt, duration / 4, frequency_sweep, beta, kappa)
    return ShapedPulse(_arguments.scalar(max_b1, "max_b1", "T") * field, dt, offset, phase)
