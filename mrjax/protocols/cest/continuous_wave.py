"""Continuous-wave saturation."""

from typing import Any

from mrjax._names import answers_misspelt_keywords
from mrjax.protocols import _arguments
from mrjax.protocols.cest import _measurements
from mrjax.sequence import ContinuousWave, Sequence
from mrjax.units import GAMMA


@answers_misspelt_keywords
def continuous_wave(
    offset_ppm: Any,
    b1: Any,
    duration: Any,
    b0: Any,
    *,
    magnetisation: Any = 1.0,
    recovery: Any = 0.0,
    crusher_duration: Any = 0.0,
    gyromagnetic_ratio: float = GAMMA["1H"],
) -> Sequence:
    r"""One block of RF for each measurement, then an ideal crusher and a look at the longitudinal magnetisation.

    The field is $B_1 e^{2 \pi i f t}$ with $f = 10^{-6} \Delta_\mathrm{ppm} \, \gamma B_0 / 2 \pi$. For durations of several
    T2 the signal is `signals.cest.spin_lock`; in the limit of long ones, with a semisolid pool,
    `signals.magnetization_transfer.steady_state`.

    **Arguments:**

    - `offset_ppm`: From the frequency of the scanner in ppm. Scalar or `(n_measurements,)`. An offset of hundreds of ppm
      measures what the others are divided by.
    - `b1`: In T. As `offset_ppm` (several at one offset vary the power, QUESP).
    - `duration`: In s, zero or more. As `offset_ppm` (several at one offset vary the time, QUEST).
    - `b0`: In T, positive. Scalar.
    - `magnetisation`: With which each measurement begins, of water and pools, relative to equilibrium: 1 for full
      relaxation, 0 after a readout that leaves nothing. As `offset_ppm`.
    - `recovery`: In s, from there to the saturation. As `offset_ppm`.
    - `crusher_duration`: In s, of the gradients that spoil after the saturation. As `offset_ppm`.
    - `gyromagnetic_ratio`: In rad/s/T, a Python number.

    **Returns:** A `Sequence` with one sample per measurement, of z relative to equilibrium times `m0`.

    **Raises:** `ValueError` where lengths differ, a time is negative or `b0` is not positive; warns where a time looks like
    milliseconds.

    **Source:** P. C. M. van Zijl, N. N. Yadav, Magn Reson Med 65 (2011) 927-948 (review).

    !!! example

        ```python
        >>> import mrjax as mr
        >>> amide = mr.Pool(fraction=1e-3, exchange_rate=50.0, t1=1.0, t2=0.1, shift_ppm=3.5)
        >>> scan = mr.protocols.cest.continuous_wave([-300.0, -3.5, 3.5], b1=1e-6, duration=3.0, b0=3.0)
        >>> z = mr.simulate(scan, mr.Tissue(1.3, 0.08, pools=(amide,)), mr.BlochMcConnell(b0=3.0)).real
        >>> print(*(f"{value:.3f}" for value in z))
        1.000 0.880 0.837

        ```
    """
    offset_ppm, b1, duration = _measurements.per_measurement(offset_ppm=offset_ppm, b1=b1, duration=duration)
    duration = _arguments.time(duration, "duration")
    offset = _measurements.frequency(offset_ppm, b0, gyromagnetic_ratio)
    return _measurements.measurements(
        ContinuousWave(b1, duration, offset),
        magnetisation=magnetisation,
        recovery=recovery,
        crusher_duration=crusher_duration,
    )
