"""The rectangular pulse."""

from typing import Any

from mrjax.sequence.pulses import _arguments
from mrjax.sequence.rf import ContinuousWave


def hard(flip_angle: Any, duration: Any, *, offset: Any = 0.0, phase: Any = 0.0) -> ContinuousWave:
    r"""A block of constant field, which engines play in one step: $B_1 = \alpha / \gamma T$.

    **Arguments:**

    - `flip_angle`: $\alpha$ in rad, any sign. Scalar.
    - `duration`: $T$ in s, positive. Scalar.
    - `offset`, `phase`: In Hz and rad, as of `ContinuousWave`.

    **Returns:** A `ContinuousWave`; exact. At small flip angles the profile is `1.207 / duration` (Hz) wide at half maximum.

    **Raises:** `ValueError` for values out of range.

    !!! example

        ```python
        >>> import mrjax as mr
        >>> from mrjax.units import deg, ms, uT
        >>> pulse = mr.sequence.pulses.hard(90 * deg, 0.5 * ms)
        >>> print(f"{float(pulse.b1) / uT:.2f} uT")
        11.74 uT

        ```
    """
    duration = _arguments.positive_scalar(duration, "duration", "s")
    b1 = _arguments.scalar(flip_angle, "flip_angle", "rad") / (_arguments.GAMMA_PROTON * duration)
    return ContinuousWave(b1, duration, offset, phase)
