"""The instantaneous and waiting events a sequence is made of."""

import dataclasses
from abc import abstractmethod
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from types import MappingProxyType
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from mrjax import _checks, _plausibility
from mrjax._checks import Neutral
from mrjax._module import Module
from mrjax.sequence.partial_orders import Order, as_order


class AbstractEvent(Module):
    """Something the scanner does. Its leaves are single values, or have one axis for each enclosing `Repeat`."""

    def __check_init__(self):
        for value, name, quantity in _plausibility.of_event(self):
            _plausibility.warn_if_implausible(value, name, quantity)

    own_axes: ClassVar[Mapping[str, int]] = MappingProxyType({})
    """How many axes of a leaf are its own, after those of the repetitions: one for the samples of a waveform."""

    def leaves(self) -> dict[str, Any]:
        """The numbers of this event by name."""
        numbers = [field.name for field in dataclasses.fields(self) if not field.metadata.get("static", False)]
        return {name: getattr(self, name) for name in numbers}

    def repetition_shapes(self) -> dict[str, tuple[int, ...]]:
        """The shapes of the leaves without their own axes, by name."""
        shapes = {name: np.shape(leaf) for name, leaf in self.leaves().items()}
        return {name: shape[: len(shape) - self.own_axes.get(name, 0)] for name, shape in shapes.items()}

    def with_leaves(self, values: Mapping[str, Any]) -> "AbstractEvent":
        """This event with other numbers in the place of the named ones."""
        names = list(values)
        if not names:
            return self
        return eqx.tree_at(lambda e: [getattr(e, name) for name in names], self, [values[name] for name in names])

    @property
    def winding(self) -> Order:
        """Cycles across the voxel that the event winds, as far as it knows without a voxel size."""
        return 0

    @property
    def n_samples(self) -> int:
        """How many numbers the receiver records for each voxel."""
        return 0

    def sample_offsets(self) -> Float[Array, "*repetitions n_samples"]:
        """When it records them, in s from the start of this event."""
        return jnp.zeros(self.n_samples)

    def checked(self, where: str) -> "AbstractEvent":
        """This event with its values checked, at run time where they are traced; `where` names it in the message."""
        del where
        return self


class AbstractContainer(Module):
    """Something that holds events and other containers, in playing order."""

    events: eqx.AbstractVar[tuple["AbstractEvent | AbstractContainer", ...]]

    @property
    @abstractmethod
    def repetitions(self) -> tuple[int, ...]:
        """`(n,)` where the events are played `n` times, `()` where they are played once."""


class Pulse(AbstractEvent):
    r"""An instantaneous RF pulse: a right-handed rotation by `flip_angle` about the axis $(\cos\phi, \sin\phi, 0)$.

    **Arguments:**

    - `flip_angle`: In rad, any sign. Scalar, or one entry per repetition inside a `Repeat`.
    - `phase`: $\phi$ in rad. As `flip_angle`. A pulse of 90 degrees and phase 0 takes $+z$ to $-y$. In single
      precision whole turns are left out of known phases, here as in all events, so that those of long RF spoiling keep their
      digits.
    """

    flip_angle: Float[Array, "..."]
    phase: Float[Array, "..."] | float

    def __init__(self, flip_angle: Any, phase: Any = 0.0):
        _plausibility.warn_if_degrees(phase, "phase")
        self.flip_angle = _checks.real_array(flip_angle, "flip_angle")
        self.phase = _checks.angle_leaf(phase, "phase", Neutral(0.0))
        checked_now(self)

    def checked(self, where: str) -> "Pulse":
        return replace_checked(self, where, flip_angle=_checks.finite, phase=_checks.finite_angle)


class Delay(AbstractEvent):
    """Free precession and relaxation, without RF and gradients.

    **Arguments:**

    - `duration`: In s, zero or more. Scalar, or one entry per repetition. `inf` waits for full recovery.
    """

    duration: Float[Array, "..."]

    def __init__(self, duration: Any):
        self.duration = _checks.real_array(duration, "duration")
        checked_now(self)

    def checked(self, where: str) -> "Delay":
        return replace_checked(self, where, duration=non_negative_duration)


class Dephase(AbstractEvent):
    """A gradient that winds a number of cycles across the voxel.

    **Arguments:**

    - `order`: Number of cycles; negative unwinds. A Python integer for whole cycles, and a fraction for parts of them: a
      `fractions.Fraction`, or a decimal number that stands for one with a small denominator, such as `0.5`. All gradients
      of a sequence point along one axis.
    - `duration`: In s: how long the gradient is on. Relaxation, off-resonance and diffusion act meanwhile. Scalar, or
      one entry per repetition.

    **Raises:** `ValueError` where `order` is no such number.
    """

    order: Order = eqx.field(static=True)
    duration: Float[Array, "..."] | float

    def __init__(self, order: Any = 1, duration: Any = 0.0):
        self.order = as_order(order)
        self.duration = _checks.real_leaf(duration, "duration", Neutral(0.0))
        checked_now(self)

    @property
    def winding(self) -> Order:
        return self.order

    def checked(self, where: str) -> "Dephase":
        return replace_checked(self, where, duration=non_negative_duration)


class Spoil(AbstractEvent):
    """An ideal spoiler: the transverse magnetisation vanishes, the longitudinal stays."""


class AbstractSample(AbstractEvent):
    """The receiver records one number per voxel."""

    @property
    def n_samples(self) -> int:
        return 1


class Sample(AbstractSample):
    """The receiver records the transverse magnetisation, averaged over the voxel.

    **Arguments:**

    - `phase`: Receiver phase in rad; the sample is multiplied by `exp(-1j * phase)`. Scalar, or one entry per repetition.
    """

    phase: Float[Array, "..."] | float

    def __init__(self, phase: Any = 0.0):
        self.phase = _checks.angle_leaf(phase, "phase", Neutral(0.0))
        checked_now(self)

    def checked(self, where: str) -> "Sample":
        return replace_checked(self, where, phase=_checks.finite_angle)


class SampleLongitudinal(AbstractSample):
    """The receiver records the longitudinal magnetisation of the water as it is, real, without disturbing it.

    No scanner can; saturation experiments are simulated so, as if a perfect readout stood here.
    """


class Reset(AbstractEvent):
    """The magnetisation is set along z, whatever it was; repetitions that begin so are played side by side.

    **Arguments:**

    - `magnetisation`: Relative to equilibrium; 1 for full relaxation. Scalar, or one entry per repetition.
    """

    magnetisation: Float[Array, "..."] | float

    def __init__(self, magnetisation: Any = 1.0):
        self.magnetisation = _checks.real_leaf(magnetisation, "magnetisation", Neutral(1.0))
        checked_now(self)

    def checked(self, where: str) -> "Reset":
        return replace_checked(self, where, magnetisation=_checks.finite)


def non_negative_duration(value: Array, name: str) -> Array:
    """A duration in s, zero or more."""
    return _checks.non_negative(value, name, "s")


def replace_checked(event, where: str, **checks):
    """`event` with the named leaves replaced by what the checks return; defaults are left out."""
    names = [name for name in checks if not isinstance(getattr(event, name), Neutral)]
    called = {name: f"{name}` of `{where}" for name in names}
    # numbers that `equinox.tree_at` put in place of an array or a default become arrays here
    values = [_checked_leaf(checks[name], getattr(event, name), called[name]) for name in names]
    return eqx.tree_at(lambda e: [getattr(e, name) for name in names], event, values) if names else event


def _checked_leaf(check: Callable[[Array, str], Array], leaf: Any, name: str) -> Array:
    """A leaf after a check; one that is known stays known, also inside of `jit`, for engines that look at it."""
    with jax.ensure_compile_time_eval() if _checks.is_concrete(leaf) else nullcontext():
        # angles lose whole turns before they become arrays
        return check(leaf if check is _checks.finite_angle else _checks.number_array(leaf, name), name)


def checked_now(event: AbstractEvent) -> None:
    """Check what is known at construction; traced values are checked when the sequence is played."""
    if all(_checks.is_concrete(leaf) for leaf in event.leaves().values()):
        event.checked(type(event).__name__)
