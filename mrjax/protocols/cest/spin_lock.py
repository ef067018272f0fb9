"""Spin lock: relaxation along the effective field."""

import math
from typing import Any

import jax.numpy as jnp
import numpy as np

from mrjax._names import answers_misspelt_keywords
from mrjax.protocols import _arguments
from mrjax.protocols.cest import _measurements
from mrjax.sequence import ContinuousWave, Pulse, Sequence
from mrjax.units import GAMMA


@answers_misspelt_keywords
def spin_lock(
    offset_ppm: Any,
    b1: Any,
    locking_time: Any,
    b0: Any,
    *,
    magnetisation: Any = 1.0,
    recovery: Any = 0.0,
    crusher_duration: Any = 0.0,
    gyromagnetic_ratio: float = GAMMA["1H"],
) -> Sequence:
    r"""The magnetisation is tipped onto the effective field, locked there, tipped back and looked at.

    $$\theta = \arctan\frac{\gamma B_1}{2 \pi |f|}, \qquad
      Z(t) = \left(1 - \frac{R_1 \cos\theta}{R_{1\rho}}\right) e^{-R_{1\rho} t} + \frac{R_1 \cos\theta}{R_{1\rho}}$$

    with `signals.cest.r1rho`: one exponential, without the nutation with which a continuous wave begins. Both tips are
    instantaneous turns about y, by $\theta$ for an offset below the water or on it and by $-\theta$ above it; the second is
    ahead of the first by $2 \pi f t$, as the field itself. B1 scales tip and lock alike, so the lock is exact where the water
    is on resonance and B1 nominal, and elsewhere the difference nutates.

    **Arguments:**

    - `offset_ppm`: From the frequency of the scanner in ppm; 0 locks on resonance. Scalar or `(n_measurements,)`.
    - `b1`: Of the lock, in T; not zero on resonance. As `offset_ppm`.
    - `locking_time`: $t$ in s, zero or more. As `offset_ppm`.
    - `b0`: In T, positive. Scalar.
    - `magnetisation`, `recovery`, `crusher_duration`, `gyromagnetic_ratio`: As for `continuous_wave`.

    **Returns:** A `Sequence` with one sample per measurement, of z relative to equilibrium times `m0`.

    **Raises:** `ValueError` where lengths differ, a time is negative or `b0` is not positive; warns where a time looks like
    milliseconds.

    **Source:** T. Jin, J. Autio, T. Obata, S.-G. Kim, Magn Reson Med 65 (2011) 1448-1460.

    !!! example

        ```python
        >>> import mrjax as mr
        >>> scan = mr.protocols.cest.spin_lock(0.0, b1=5e-6, locking_time=[0.0, 0.05, 0.1], b0=3.0)
        >>> z = mr.simulate(scan, mr.Tissue(t1=1.0, t2=0.1), mr.BlochMcConnell(b0=3.0)).real
        >>> print(*(f"{value:.3f}" for value in z))
        1.000 0.607 0.368

        ```
    """
    offset_ppm, b1, locking_time = _measurements.per_measurement(
        offset_ppm=offset_ppm, b1=b1, locking_time=locking_time
    )
    locking_time = _arguments.time(locking_time, "locking_time")
    offset = _measurements.frequency(offset_ppm, b0, gyromagnetic_ratio)
    tip = jnp.arctan2(_measurements.gamma(gyromagnetic_ratio) * b1, 2 * math.pi * jnp.abs(offset))
    # above the water the field of the frame points down, and the magnetisation is locked against the effective field
    tip = jnp.where(offset > 0, -tip, tip)
    about_y = math.pi / 2
    return _measurements.measurements(
        Pulse(tip, about_y),
        ContinuousWave(b1, locking_time, offset),
        Pulse(-tip, about_y + _measurements.phase_advance(offset, locking_time, np.ones(1))),
        magnetisation=magnetisation,
        recovery=recovery,
        crusher_duration=crusher_duration,
    )
