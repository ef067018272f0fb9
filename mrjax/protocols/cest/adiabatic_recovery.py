"""T1 beside CEST: recovery after adiabatic inversion or saturation."""

from typing import Any

from mrjax import _checks
from mrjax._names import answers_misspelt_keywords
from mrjax.protocols import _arguments
from mrjax.protocols.cest import _measurements
from mrjax.sequence import Delay, Repeat, Reset, SampleLongitudinal, Sequence, ShapedPulse, Spoil


@answers_misspelt_keywords
def adiabatic_inversion_recovery(
    inversion_time: Any, pulse_shape: Any, b1_peak: Any, pulse_duration: Any, *, crusher_duration: Any = 0.0
) -> Sequence:
    r"""A shaped inversion on resonance, a crusher, waiting, and a look at the longitudinal magnetisation.

    With a pulse that leaves $-\eta$ of z, and without pools, $Z = 1 - (1 + \eta) e^{-TI/T_1}$. Each inversion time begins at
    equilibrium.

    **Arguments:**

    - `inversion_time`: From the end of the crusher to the look at z, in s. Scalar or `(n_inversion_times,)`.
    - `pulse_shape`: Relative, such as `pulse_shapes.hyperbolic_secant(300, mu=3.0)`. Shape `(n_samples,)`.
    - `b1_peak`: In T, by which the shape is multiplied. Scalar. Without relaxation 20 uT and 10 ms of
      `hyperbolic_secant(300, mu=3.0)` leave -0.97 or less where B1 is 0.5 to 1.5 of nominal.
    - `pulse_duration`: In s, positive. Scalar.
    - `crusher_duration`: In s, of the gradients that spoil after the pulse. Scalar.

    **Returns:** A `Sequence` with one sample per inversion time, of z relative to equilibrium times `m0`.

    **Raises:** `ValueError` where a time is negative or the shape has no samples; warns where a time looks like milliseconds.

    **Source:** M. S. Silver, R. I. Joseph, D. I. Hoult, J Magn Reson 59 (1984) 347-351 (the pulse).

    !!! example

        ```python
        >>> import mrjax as mr
        >>> from mrjax.protocols.cest import adiabatic_inversion_recovery, pulse_shapes
        >>> shape = pulse_shapes.hyperbolic_secant(300, mu=3.0)
        >>> scan = adiabatic_inversion_recovery([0.0, 1.0], shape, b1_peak=20e-6, pulse_duration=10e-3)
        >>> z = mr.simulate(scan, mr.Tissue(t1=1.0, t2=1.0), mr.BlochMcConnell(b0=3.0)).real
        >>> print(*(f"{value:.2f}" for value in z))
        -0.99 0.27

        ```
    """
    return _recovery(inversion_time, "inversion_time", (pulse_shape, b1_peak, pulse_duration), 1, crusher_duration)


@answers_misspelt_keywords
def adiabatic_saturation_recovery(
    recovery_time: Any,
    pulse_shape: Any,
    b1_peak: Any,
    pulse_duration: Any,
    *,
    n_pulses: int = 3,
    crusher_duration: Any = 0.0,
) -> Sequence:
    r"""Some shaped tips on resonance, a crusher after each, waiting, and a look at the longitudinal magnetisation.

    With pulses that leave nothing, and without pools, $Z = 1 - e^{-t/T_1}$. Each recovery time begins at equilibrium.

    **Arguments:**

    - `recovery_time`: From the end of the last crusher to the look at z, in s. Scalar or `(n_recovery_times,)`.
    - `pulse_shape`: Relative, such as `pulse_shapes.hyperbolic_secant_half_passage(300)`. Shape `(n_samples,)`.
    - `b1_peak`: In T, by which the shape is multiplied. Scalar.
    - `pulse_duration`: In s, positive. Scalar.
    - `n_pulses`: A Python integer, at least 1.
    - `crusher_duration`: In s, of the gradients that spoil after each pulse. Scalar.

    **Returns:** A `Sequence` with one sample per recovery time, of z relative to equilibrium times `m0`.

    **Raises:** `ValueError` where a time is negative or the shape has no samples; warns where a time looks like milliseconds.

    **Source:** T1map_001_3HypSec of the Pulseq-CEST library: 8 ms of $\beta = 5.03$, $\mu = 6$ with 20 uT.

    !!! example

        ```python
        >>> import mrjax as mr
        >>> from mrjax.protocols.cest import adiabatic_saturation_recovery, pulse_shapes
        >>> shape = pulse_shapes.hyperbolic_secant_half_passage(300, beta=5.03, mu=6.0)
        >>> scan = adiabatic_saturation_recovery([0.5, 1.0], shape, b1_peak=20e-6, pulse_duration=8e-3)
        >>> z = mr.simulate(scan, mr.Tissue(t1=1.0, t2=0.1), mr.BlochMcConnell(b0=3.0)).real
        >>> print(*(f"{value:.3f}" for value in z))
        0.393 0.632

        ```
    """
    return _recovery(recovery_time, "recovery_time", (pulse_shape, b1_peak, pulse_duration), n_pulses, crusher_duration)


def _recovery(time: Any, name: str, pulse: tuple[Any, Any, Any], n_pulses: int, crusher_duration: Any) -> Sequence:
    times = _arguments.time(_arguments.entries(time, name), name)
    shape = _measurements.shape_of_pulse(pulse[0])
    b1_peak = _measurements.scalar(pulse[1], "b1_peak", "T")
    duration = _measurements.positive_scalar(pulse[2], "pulse_duration", "s")
    preparation = Repeat(
        ShapedPulse(b1_peak * shape, duration / len(shape)),
        *_measurements.waiting(crusher_duration, "crusher_duration"),
        Spoil(),
        n_repetitions=_checks.positive_integer(n_pulses, "n_pulses"),
    )
    return Sequence(Repeat(Reset(), preparation, Delay(times), SampleLongitudinal()))
