"""RF pulses that last: a constant field, and a sampled one."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Literal, get_args

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Inexact

from mrjax import _checks
from mrjax._checks import Neutral
from mrjax.sequence.events import AbstractEvent, checked_now, non_negative_duration, replace_checked

Use = Literal["excitation", "refocusing", "inversion", "saturation", "preparation", "other"]
"""What a pulse is for: it decides where a trajectory in k-space begins or turns, and is written to Pulseq files."""


class ContinuousWave(AbstractEvent):
    r"""A constant RF field, off resonance or on it: a block pulse, whatever its length, is one step.

    The field is $B_1 \exp(i (2 \pi f t + \phi))$ in the frame of the scanner, with $t$ from the start of this event.

    **Arguments:**

    - `b1`: Amplitude in T, any sign. Scalar, or one entry per repetition inside a `Repeat`.
    - `duration`: In s, zero or more. As `b1`.
    - `offset`: $f$ in Hz from the scanner's frequency. As `b1`.
    - `phase`: $\phi$ in rad, of the axis of rotation. As `b1`.
    - `use`: What it is for, such as `"refocusing"`; by default judged by the flip angle where it matters: above 120 degrees
      refocusing, else excitation.
    - `center`: When it acts, in s from the start of this event, as a rule within it; a number that is known. By default in its
      middle. There the trajectory in k-space begins or turns; the field does not depend on it.

    !!! example

        ```python
        >>> import mrjax as mr
        >>> saturation = mr.ContinuousWave(b1=2e-6, duration=2.0, offset=447.0)
        >>> mr.Sequence(saturation, mr.Spoil(), mr.SampleLongitudinal()).n_samples
        1

        ```
    """

    b1: Float[Array, "..."]
    duration: Float[Array, "..."]
    offset: Float[Array, "..."] | float
    phase: Float[Array, "..."] | float
    use: Use | None = eqx.field(static=True)
    center: float | None = eqx.field(static=True)

    def __init__(
        self,
        b1: Any,
        duration: Any,
        offset: Any = 0.0,
        phase: Any = 0.0,
        use: Use | None = None,
        center: Any = None,
    ):
        self.use = _known_use(use)
        self.center = _known_center(center)
        self.b1 = _checks.real_array(b1, "b1")
        self.duration = _checks.real_array(duration, "duration")
        self.offset = _checks.real_leaf(offset, "offset", Neutral(0.0))
        self.phase = _checks.real_leaf(phase, "phase", Neutral(0.0))
        checked_now(self)

    def checked(self, where: str) -> "ContinuousWave":
        return replace_checked(
            self,
            where,
            b1=_checks.finite,
            duration=lambda value, name: _checks.finite(non_negative_duration(value, name), name),
            offset=_checks.finite,
            phase=_checks.finite,
        )


class ShapedPulse(AbstractEvent):
    r"""An RF pulse of any shape, constant over each of its samples.

    Sample $k$ is the field $w_k \exp(i (2 \pi f t + \phi))$ in the frame of the scanner, with $t$ from the start of this event.

    **Arguments:**

    - `waveform`: $w$ in T, real or complex. Shape `(n,)`, or `(n_repetitions, n)` inside a `Repeat`.
    - `dt`: Duration of one sample in s, positive. Scalar, or one entry per repetition.
    - `offset`: $f$ in Hz from the scanner's frequency. As `dt`.
    - `phase`: $\phi$ in rad. As `dt`.
    - `use`: As for `ContinuousWave`.
    - `center`: As for `ContinuousWave`; by default in the middle of where the waveform is strongest.

    **Raises:** `ValueError` where the waveform has no sample.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import mrjax as mr
        >>> gauss = jnp.exp(-jnp.linspace(-3, 3, 200) ** 2 / 2)
        >>> pulse = mr.ShapedPulse(2e-6 * gauss, dt=0.25e-3, offset=447.0)
        >>> print(f"{pulse.duration:.3f}")
        0.050

        ```
    """

    own_axes: ClassVar[Mapping[str, int]] = MappingProxyType({"waveform": 1})

    waveform: Inexact[Array, "*repetitions n"]
    dt: Float[Array, "..."]
    offset: Float[Array, "..."] | float
    phase: Float[Array, "..."] | float
    use: Use | None = eqx.field(static=True)
    center: float | None = eqx.field(static=True)

    def __init__(
        self,
        waveform: Any,
        dt: Any,
        offset: Any = 0.0,
        phase: Any = 0.0,
        use: Use | None = None,
        center: Any = None,
    ):
        self.use = _known_use(use)
        self.center = _known_center(center)
        self.waveform = _checks.number_array(waveform, "waveform")
        if self.waveform.ndim < 1 or self.waveform.shape[-1] == 0:
            raise ValueError(
                f"`waveform` must have at least one sample on its last axis, but got shape {self.waveform.shape}."
            )
        self.dt = _checks.real_array(dt, "dt")
        self.offset = _checks.real_leaf(offset, "offset", Neutral(0.0))
        self.phase = _checks.real_leaf(phase, "phase", Neutral(0.0))
        checked_now(self)

    @property
    def duration(self) -> Float[Array, "..."]:
        """In s."""
        return jnp.asarray(self.dt) * self.waveform.shape[-1]

    def checked(self, where: str) -> "ShapedPulse":
        positive = lambda value, name: _checks.finite(_checks.positive(value, name, "s"), name)
        return replace_checked(
            self, where, waveform=_checks.finite, dt=positive, offset=_checks.finite, phase=_checks.finite
        )


def _known_use(use: Any) -> Use | None:
    if use is not None and use not in get_args(Use):
        raise ValueError(f"`use` must be one of {', '.join(get_args(Use))}, or None, but got {use!r}.")
    return use


def _known_center(center: Any) -> float | None:
    if center is None:
        return None
    known = _checks.is_concrete(center) and not isinstance(center, bool | str) and np.ndim(center) == 0
    if not (known and np.isrealobj(center) and np.isfinite(center)):
        raise ValueError(f"`center` must be one number in s that is known, or None, but got {center!r}.")
    return float(center)
