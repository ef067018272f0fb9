"""B0 and B1 at once, from the beating of a short off-resonant pulse."""

from typing import Any

from mrjax._names import answers_misspelt_keywords
from mrjax.protocols.cest.continuous_wave import continuous_wave
from mrjax.sequence import Sequence
from mrjax.units import GAMMA


@answers_misspelt_keywords
def wasabi(
    offset_ppm: Any,
    b1: Any = 3.7e-6,
    duration: Any = 5e-3,
    b0: Any = 3.0,
    *,
    magnetisation: Any = 1.0,
    recovery: Any = 0.0,
    crusher_duration: Any = 0.0,
    gyromagnetic_ratio: float = GAMMA["1H"],
) -> Sequence:
    r"""WASABI: a block pulse of some turns at offsets across the water, `continuous_wave` with the usual pulse for 3 T.

    Without relaxation and pools

    $$Z = 1 - 2 \sin^2\theta \, \sin^2\left(\sqrt{\omega_1^2 + \Delta\omega^2} \, \tfrac{t_p}{2}\right), \qquad
      \tan\theta = \frac{\omega_1}{\Delta\omega}$$

    `inverse.cest.wasabi_fit` finds the fields from its magnitude.

    **Arguments:**

    - `offset_ppm`: In ppm; usually 31 from -2 to 2. Scalar or `(n_measurements,)`.
    - `b1`: Nominal, in T. As `offset_ppm`.
    - `duration`: $t_p$ in s. As `offset_ppm`.
    - `b0`, `magnetisation`, `recovery`, `crusher_duration`, `gyromagnetic_ratio`: As for `continuous_wave`.

    **Returns:** A `Sequence` with one sample per measurement, of z relative to equilibrium times `m0`.

    **Raises:** as `continuous_wave`.

    **Source:** P. Schuenke et al., Magn Reson Med 77 (2017) 571-580.

    !!! example

        ```python
        >>> import mrjax as mr
        >>> scan = mr.protocols.cest.wasabi([0.0, 0.5, 1.0])
        >>> z = mr.simulate(scan, mr.Tissue(t1=3.0, t2=2.0), mr.BlochMcConnell(b0=3.0)).real
        >>> print(*(f"{value:.3f}" for value in z))
        0.234 0.644 0.996

        ```
    """
    return continuous_wave(
        offset_ppm,
        b1,
        duration,
        b0,
        magnetisation=magnetisation,
        recovery=recovery,
        crusher_duration=crusher_duration,
        gyromagnetic_ratio=gyromagnetic_ratio,
    )
