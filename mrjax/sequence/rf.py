"""RF pulses that last: a constant field, and a sampled one."""

import math
from abc import abstractmethod
from collections.abc import Callable
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, get_args

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Inexact, Int

from mrjax import _checks, units
from mrjax._checks import Neutral
from mrjax._quantities import DEGREES, HERTZ, MICROSECONDS, MICROTESLA, MILLISECONDS, Unit
from mrjax.sequence.base import checked_now, non_negative_duration, replace_checked
from mrjax.sequence.double_length import angle
from mrjax.sequence.precision import Numbers, held
from mrjax.sequence.steps import REFOCUSES_FROM, Steps
from mrjax.sequence.tracks import AbstractChannelEvent

Use = Literal["excitation", "refocusing", "inversion", "saturation", "preparation", "other"]
"""What a pulse is for: it decides where a trajectory in k-space begins or turns, and is written to Pulseq files."""


CARRIER: dict[str, Unit] = {"offset": HERTZ, "phase": DEGREES}
"""How the leaves of all RF are printed."""

TURNS = {"excitation": 0.0, "refocusing": -1.0}
"""What pulses of known use do to the phase that was wound; others leave it."""


class AbstractRF(AbstractChannelEvent):
    r"""RF that lasts: $w_k \exp(i (2 \pi f t + \phi))$ in sample $k$, with $t$ from the start of this event.

    A new shape of pulse declares its leaves with their `units`, `b1_samples`, `dt` and `duration`; its constructor calls that
    of this class. Timelines, diagrams, checks against a scanner, Pulseq files and engines then play it.

    **Arguments:**

    - `offset`: $f$ in Hz from the scanner's frequency. Scalar, or one entry per repetition inside a `Repeat`.
    - `phase`: $\phi$ in rad, of the axis of rotation. As `offset`.
    - `use`: What the pulse is for, such as `"refocusing"`; None to judge by the flip angle.
    - `center`: When it acts, in s from the start of this event; None for the middle of where it is strongest.

    **Raises:** `ValueError` for another `use`, and a `center` that is no known number.
    """

    channel = "rf"

    if TYPE_CHECKING:  # a field of some pulses and a property of others
        dt: Any = eqx.field(init=False)
    else:
        dt: eqx.AbstractVar[Any]
    """Duration of one sample in s."""
    offset: Float[Array, "..."] | float
    phase: Float[Array, "..."] | float
    use: Use | None = eqx.field(static=True)
    center: float | None = eqx.field(static=True)

    def __init__(self, offset: Any = 0.0, phase: Any = 0.0, use: Use | None = None, center: Any = None):
        self.use = _known_use(use)
        self.center = _known_center(center)
        self.offset = _checks.real_leaf(offset, "offset", Neutral(0.0))
        self.phase = _checks.angle_leaf(phase, "phase", Neutral(0.0))

    @property
    @abstractmethod
    def b1_samples(self) -> Inexact[Numbers, "*repetitions n"]:
        """The field of each sample, $w_k$ in T, without offset and phase."""

    def edges(self) -> Float[Array, " n"]:
        return self.dt * jnp.arange(self.b1_samples.shape[-1] + 1)

    def added_to(
        self, steps: Steps, passed: Int[Array, " n"], begin: Float[Array, " n"], end: Float[Array, " n"]
    ) -> Steps:
        del end
        samples = jnp.asarray(self.b1_samples)
        inside = (passed >= 0) & (passed < len(samples))
        amplitude, offset = samples[jnp.clip(passed, 0, len(samples) - 1)], jnp.asarray(self.offset)
        field = amplitude * jnp.exp(1j * (angle(offset, begin) + jnp.asarray(self.phase)))
        b1, offset = jnp.where(inside, field, 0.0), jnp.where(inside, offset, 0.0)
        return steps | {"b1": steps["b1"] + b1, "rf_offset": steps["rf_offset"] + offset}

    def acts(self) -> tuple[Float[Array, " 1"], Float[Array, " 1"]]:
        center = self._strongest() if self.center is None else jnp.asarray(self.center)
        return center[None], self._turn()[None]

    def _strongest(self) -> Float[Array, ""]:
        """The middle of where the field is strongest, in s."""
        strength = jnp.abs(self.b1_samples)
        strongest = strength >= (1 - 1e-5) * jnp.max(strength)
        middles = jnp.arange(strength.shape[-1]) + 0.5
        return self.dt * jnp.sum(jnp.where(strongest, middles, 0.0)) / jnp.sum(strongest)

    def _turn(self) -> Float[Array, ""]:
        if self.use is not None:
            return jnp.asarray(TURNS.get(self.use, 1.0))
        area = jnp.sum(self.b1_samples) * self.dt
        flip_angle = 2 * math.pi * units.GAMMA_BAR["1H"] * jnp.abs(area)
        return jnp.where(flip_angle > REFOCUSES_FROM, -1.0, 0.0)

    def checked_with(self, where: str, **checks: Callable[[Array, str], Array]) -> Any:
        """This event with the checks of its own leaves, and those of offset and phase."""
        return replace_checked(self, where, **checks, offset=_checks.finite, phase=_checks.finite_angle)


class ContinuousWave(AbstractRF):
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

    units = MappingProxyType({"b1": MICROTESLA, "duration": MILLISECONDS} | CARRIER)
    plausible = MappingProxyType({"b1": "rf", "duration": "duration"})

    b1: Float[Array, "..."]
    duration: Float[Array, "..."]

    def __init__(
        self,
        b1: Any,
        duration: Any,
        offset: Any = 0.0,
        phase: Any = 0.0,
        use: Use | None = None,
        center: Any = None,
    ):
        super().__init__(offset, phase, use, center)
        self.b1 = _checks.real_array(b1, "b1")
        self.duration = _checks.real_array(duration, "duration")
        checked_now(self)

    @property
    def dt(self) -> Float[Numbers, "..."]:
        """The duration in s: the pulse is one sample."""
        return held(self.duration)

    @property
    def b1_samples(self) -> Float[Numbers, "*repetitions 1"]:
        return held(self.b1)[..., None]

    def checked(self, where: str) -> "ContinuousWave":
        finite_duration = lambda value, name: _checks.finite(non_negative_duration(value, name), name)
        return self.checked_with(where, b1=_checks.finite, duration=finite_duration)


class ShapedPulse(AbstractRF):
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

    own_axes = MappingProxyType({"waveform": 1})
    units = MappingProxyType({"waveform": MICROTESLA, "dt": MICROSECONDS} | CARRIER)
    plausible = MappingProxyType({"waveform": "rf", "dt": "sampling"})

    waveform: Inexact[Array, "*repetitions n"]
    dt: Float[Array, "..."]

    def __init__(
        self,
        waveform: Any,
        dt: Any,
        offset: Any = 0.0,
        phase: Any = 0.0,
        use: Use | None = None,
        center: Any = None,
    ):
        super().__init__(offset, phase, use, center)
        self.waveform = _checks.number_array(waveform, "waveform")
        if self.waveform.ndim < 1 or self.waveform.shape[-1] == 0:
            raise ValueError(
                f"`waveform` must have at least one sample on its last axis, but got shape {self.waveform.shape}."
            )
        self.dt = _checks.real_array(dt, "dt")
        checked_now(self)

    @property
    def duration(self) -> Float[Numbers, "..."]:
        """In s."""
        return held(held(self.dt) * self.waveform.shape[-1])

    @property
    def b1_samples(self) -> Inexact[Numbers, "*repetitions n"]:
        return held(self.waveform)

    def checked(self, where: str) -> "ShapedPulse":
        positive = lambda value, name: _checks.finite(_checks.positive(value, name, "s"), name)
        return self.checked_with(where, waveform=_checks.finite, dt=positive)


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
