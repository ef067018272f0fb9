"""The instantaneous and waiting events a sequence is made of."""

from abc import abstractmethod
from types import MappingProxyType
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from mrjax import _checks, _plausibility
from mrjax._checks import Neutral
from mrjax._quantities import BARE, DEGREES, MILLISECONDS
from mrjax.sequence.base import (
    AbstractContainer as AbstractContainer,
    AbstractEvent as AbstractEvent,
    AbstractIdealEvent,
    AbstractInstant,
    checked_now,
    non_negative_duration,
    replace_checked,
)
from mrjax.sequence.partial_orders import Order, as_order
from mrjax.sequence.steps import REFOCUSES_FROM, Steps, no_steps, resting
from mrjax.sequence.tracks import AbstractChannelEvent


class Pulse(AbstractInstant):
    r"""An instantaneous RF pulse: a right-handed rotation by `flip_angle` about the axis $(\cos\phi, \sin\phi, 0)$.

    **Arguments:**

    - `flip_angle`: In rad, any sign. Scalar, or one entry per repetition inside a `Repeat`.
    - `phase`: $\phi$ in rad. As `flip_angle`. A pulse of 90 degrees and phase 0 takes $+z$ to $-y$. In single
      precision whole turns are left out of known phases, here as in all events, so that those of long RF spoiling keep their
      digits.
    """

    units = MappingProxyType({"flip_angle": DEGREES, "phase": DEGREES})
    plausible = MappingProxyType({"flip_angle": "flip_angle"})
    instead = "a ShapedPulse or a ContinuousWave"
    symbol = "pulse"

    flip_angle: Float[Array, "..."]
    phase: Float[Array, "..."] | float

    def __init__(self, flip_angle: Any, phase: Any = 0.0):
        _plausibility.warn_if_degrees(phase, "phase")
        self.flip_angle = _checks.real_array(flip_angle, "flip_angle")
        self.phase = _checks.angle_leaf(phase, "phase", Neutral(0.0))
        checked_now(self)

    @property
    def is_nothing(self) -> bool:
        return _checks.is_concrete(self.flip_angle) and not np.any(self.flip_angle)

    def steps(self) -> Steps:
        at_once = jnp.zeros(1)
        flip = (self.flip_angle * jnp.exp(1j * jnp.asarray(self.phase)))[None]
        turn = jnp.where(jnp.abs(self.flip_angle) > REFOCUSES_FROM, -1.0, 0.0)[None]
        acts = {"rf_step": jnp.zeros(1, int), "rf_into": at_once, "rf_turns": turn}
        return resting(at_once) | {"flip": flip} | acts

    def checked(self, where: str) -> "Pulse":
        return replace_checked(self, where, flip_angle=_checks.finite, phase=_checks.finite_angle)


class Delay(AbstractChannelEvent):
    """Free precession and relaxation, without RF and gradients.

    **Arguments:**

    - `duration`: In s, zero or more. Scalar, or one entry per repetition. `inf` waits for full recovery.
    """

    units = MappingProxyType({"duration": MILLISECONDS})
    plausible = MappingProxyType({"duration": "duration"})
    channel = None

    duration: Float[Array, "..."]

    def __init__(self, duration: Any):
        self.duration = _checks.real_array(duration, "duration")
        checked_now(self)

    def edges(self) -> Float[Array, " 0"]:
        return jnp.zeros(0)

    def added_to(self, steps: Steps, passed: Array, begin: Array, end: Array) -> Steps:
        del passed, begin, end
        return steps

    def checked(self, where: str) -> "Delay":
        return replace_checked(self, where, duration=non_negative_duration)


class Dephase(AbstractIdealEvent):
    """A gradient that winds a number of cycles across the voxel.

    **Arguments:**

    - `order`: Number of cycles; negative unwinds. A Python integer for whole cycles, and a fraction for parts of them: a
      `fractions.Fraction`, or a decimal number that stands for one with a small denominator, such as `0.5`. All gradients
      of a sequence point along one axis.
    - `duration`: In s: how long the gradient is on. Relaxation, off-resonance and diffusion act meanwhile. Scalar, or
      one entry per repetition.

    **Raises:** `ValueError` where `order` is no such number.
    """

    units = MappingProxyType({"duration": MILLISECONDS})
    plausible = MappingProxyType({"duration": "duration"})
    printed_first = ("order",)
    instead = "a Gradient"
    symbol = "winding"

    order: Order = eqx.field(static=True)
    duration: Float[Array, "..."] | float

    def __init__(self, order: Any = 1, duration: Any = 0.0):
        self.order = as_order(order)
        self.duration = _checks.real_leaf(duration, "duration", Neutral(0.0))
        checked_now(self)

    @property
    def winding(self) -> Order:
        return self.order

    @property
    def is_nothing(self) -> bool:
        return self.order == 0

    def steps(self) -> Steps:
        lasting = jnp.asarray(self.duration)[None] + jnp.zeros(1)
        return resting(lasting) | {"winding": jnp.full(1, float(self.order))}

    def checked(self, where: str) -> "Dephase":
        return replace_checked(self, where, duration=non_negative_duration)


class Spoil(AbstractInstant):
    """An ideal spoiler: the transverse magnetisation vanishes, the longitudinal stays."""

    units = MappingProxyType({})
    instead = "a Gradient along each axis"
    symbol = "spoiler"

    def steps(self) -> Steps:
        return no_steps()


class AbstractSample(AbstractInstant):
    """The receiver records one number per voxel."""

    instead = "a Readout"
    symbol = "sample"

    @property
    def n_samples(self) -> int:
        return 1

    def steps(self) -> Steps:
        # in a step of its own, so that pulses at the same time are before it or after it as they are played
        at_once = jnp.zeros(1)
        phase = self.receiver_phase() + at_once
        return resting(at_once) | {
            "sample_step": jnp.zeros(1, int),
            "sample_into": at_once,
            "receiver_phase": phase,
        }

    @abstractmethod
    def receiver_phase(self) -> Float[Array, "..."]:
        """In rad, by which the sample is turned back."""


class Sample(AbstractSample):
    """The receiver records the transverse magnetisation, averaged over the voxel.

    **Arguments:**

    - `phase`: Receiver phase in rad; the sample is multiplied by `exp(-1j * phase)`. Scalar, or one entry per repetition.
    """

    units = MappingProxyType({"phase": DEGREES})

    phase: Float[Array, "..."] | float

    def __init__(self, phase: Any = 0.0):
        self.phase = _checks.angle_leaf(phase, "phase", Neutral(0.0))
        checked_now(self)

    def receiver_phase(self) -> Float[Array, "..."]:
        return jnp.asarray(self.phase)

    def checked(self, where: str) -> "Sample":
        return replace_checked(self, where, phase=_checks.finite_angle)


class SampleLongitudinal(AbstractSample):
    """The receiver records the longitudinal magnetisation of the water as it is, real, without disturbing it.

    No scanner can; saturation experiments are simulated so, as if a perfect readout stood here.
    """

    units = MappingProxyType({})

    def receiver_phase(self) -> Float[Array, "..."]:
        return jnp.zeros(())


class Reset(AbstractInstant):
    """The magnetisation is set along z, whatever it was; repetitions that begin so are played side by side.

    **Arguments:**

    - `magnetisation`: Relative to equilibrium; 1 for full relaxation. Scalar, or one entry per repetition.
    """

    units = MappingProxyType({"magnetisation": BARE})
    instead = "a Delay that is long enough"
    symbol = "mark"

    magnetisation: Float[Array, "..."] | float

    def __init__(self, magnetisation: Any = 1.0):
        self.magnetisation = _checks.real_leaf(magnetisation, "magnetisation", Neutral(1.0))
        checked_now(self)

    def steps(self) -> Steps:
        return no_steps()

    def checked(self, where: str) -> "Reset":
        return replace_checked(self, where, magnetisation=_checks.finite)
