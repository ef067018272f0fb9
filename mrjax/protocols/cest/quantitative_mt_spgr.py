"""Quantitative magnetisation transfer: spoiled gradient echoes with an off-resonant pulse in each repetition."""

from typing import Any

import numpy as np

from mrjax import _checks
from mrjax._names import answers_misspelt_keywords
from mrjax.protocols import _arguments
from mrjax.protocols.cest import _measurements, pulse_shapes
from mrjax.sequence import Delay, Dephase, Pulse, Repeat, Sample, Sequence, ShapedPulse, Spoil
from mrjax.units import GAMMA


@answers_misspelt_keywords
def quantitative_mt_spgr(
    flip_angle: Any,
    tr: Any,
    te: Any,
    pulse_shape: Any,
    mt_flip_angle: Any,
    mt_duration: Any,
    mt_offset: Any,
    n_repetitions: int = 1,
    *,
    phase_increment: Any | None = None,
    gyromagnetic_ratio: float = GAMMA["1H"],
) -> Sequence:
    r"""A train of spoiled gradient echoes, each with a shaped pulse for magnetisation transfer before it.

    In each repetition: the pulse at `mt_offset`, spoiling, an instantaneous excitation, the sample after `te`, waiting until
    `tr`, spoiling. The field of the pulse is $B_1 w(t)$ with $B_1 = \alpha_\mathrm{MT} / \gamma \int w \, dt$.

    Measurements are made in the steady state. One repetition, ideally spoiled, and `mrjax.steady_state` give it at once.
    Where the excitation is small and the water little saturated directly, z is that of
    `signals.magnetization_transfer.steady_state` for the continuous wave of equal power, whose amplitude is
    $B_1$ times `pulse_shapes.b1_rms(pulse_shape, mt_duration / tr)`: within 4e-3 for Gaussians of 142 and 426 degrees, 10 ms
    of every 25 ms, from 1.5 kHz on.

    **Arguments:**

    - `flip_angle`: Of the excitation, in rad. Scalar or `(n_repetitions,)`.
    - `tr`, `te`: Repetition and echo time in s. Scalars; `mt_duration + te` not longer than `tr`.
    - `pulse_shape`: $w$, relative, of constant phase. Shape `(n_samples,)`; `pulse_shapes` has some.
    - `mt_flip_angle`: $\alpha_\mathrm{MT}$ in rad, by which the pulse would turn what it is resonant with. Scalar.
    - `mt_duration`: $t_\mathrm{MT}$ in s, positive. Scalar.
    - `mt_offset`: In Hz from the frequency of the scanner. Scalar.
    - `n_repetitions`: A Python integer, at least 1.
    - `phase_increment`: None for ideal spoiling, or the RF spoiling increment in rad, as for `protocols.spgr`: then each
      spoiler is a gradient of one cycle, and both pulses of a repetition have its phase.
    - `gyromagnetic_ratio`: In rad/s/T, a Python number.

    **Returns:** A `Sequence` with one sample per repetition.

    **Raises:** `ValueError` where times are negative or do not fit into `tr`, or a length differs from `n_repetitions`;
    warns where a time looks like milliseconds.

    **Source:** J. G. Sled, G. B. Pike, Magn Reson Med 46 (2001) 923-931.

    !!! example

        ```python
        >>> import mrjax as mr
        >>> from mrjax.protocols.cest import pulse_shapes, quantitative_mt_spgr
        >>> from mrjax.units import deg, ms
        >>> repetition = quantitative_mt_spgr(
        ...     7 * deg, 25 * ms, 3 * ms, pulse_shapes.gaussian(50), 426 * deg, 10 * ms, mt_offset=2e3
        ... )
        >>> myelin = mr.Pool(0.14, 23.0, t1=1.0, t2=10e-6, lineshape=mr.lineshapes.SuperLorentzian())
        >>> tissue, engine = mr.Tissue(1.0, 0.05, pools=(myelin,)), mr.BlochMcConnell(b0=3.0)
        >>> steady = mr.steady_state(repetition, tissue, engine)
        >>> print(f"{abs(mr.play(repetition, tissue, engine, state=steady)[0][0]):.4f}")
        0.0507

        ```
    """
    n_repetitions = _checks.positive_integer(n_repetitions, "n_repetitions")
    te = _arguments.echo_time(_measurements.scalar(te, "te", "s"))
    tr = _arguments.time(_measurements.scalar(tr, "tr", "s"), "tr")
    duration = _measurements.positive_scalar(mt_duration, "mt_duration", "s")
    rest = _arguments.remainder(tr, duration + te, ("tr", "mt_duration + te"))
    shape = _measurements.shape_of_pulse(pulse_shape)
    angle = _measurements.scalar(mt_flip_angle, "mt_flip_angle", "rad")
    per_tesla = pulse_shapes.flip_angle(shape, duration, gyromagnetic_ratio)
    wanted = "`pulse_shape` must have an integral, for the angle by which it turns is that times the amplitude"
    waveform = shape * (angle / _checks.require(per_tesla, per_tesla > 0, wanted))
    offset = _measurements.scalar(mt_offset, "mt_offset", "Hz")
    if phase_increment is None:
        phase, spoiler = 0.0, Spoil()
    else:
        n = np.arange(n_repetitions, dtype=float)
        phase, spoiler = _arguments.repetition_phases(phase_increment, n * (n + 1) / 2), Dephase()
    saturation = ShapedPulse(waveform, duration / len(shape), offset, phase), spoiler
    echo = Pulse(flip_angle, phase), Delay(te), Sample(phase), Delay(rest), spoiler
    return Sequence(Repeat(*saturation, *echo, n_repetitions=n_repetitions))
