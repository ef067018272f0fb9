"""What every event and every container of events declares."""

import dataclasses
import functools
from abc import abstractmethod
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from mrjax import _checks, _plausibility
from mrjax._checks import Neutral
from mrjax._module import Module
from mrjax._quantities import BARE, Unit, quantity
from mrjax.sequence.partial_orders import Order
from mrjax.sequence.steps import Steps

if TYPE_CHECKING:  # as Equinox says in its documentation
    from typing import ClassVar as AbstractClassVar
else:
    from equinox import AbstractClassVar

Symbol = Literal["pulse", "winding", "spoiler", "sample", "mark"]
"""How a diagram draws what no scanner plays.

A `"pulse"` by its `flip_angle` and its `phase` in rad, a `"winding"` by its `order` and its `duration`, a `"spoiler"` hatched,
a `"sample"` as a line, and a `"mark"` as a line through all rows with the name of the event.
"""


class AbstractEvent(Module):
    """Something that happens in a sequence. Its leaves are single values, or have one axis for each enclosing `Repeat`.

    Events are one of three kinds, which say what else an event declares: `AbstractIdealEvent`, which no scanner plays;
    `AbstractScannerEvent`, which it does; and `AbstractNote`, which says something beside the sequence. An event that misses
    a declaration cannot be made.
    """

    if TYPE_CHECKING:  # a field of some events and a property of others, which type checkers take for different things
        duration: Any = eqx.field(init=False)
    else:
        duration: eqx.AbstractVar[Any]
    """In s. Where leaves are NumPy arrays in double precision it should be that as well (`precision.held`)."""

    units: AbstractClassVar[Mapping[str, Unit]]
    """How each leaf is printed, in this order: a factor from SI, and the name of the unit."""

    own_axes: ClassVar[Mapping[str, int]] = MappingProxyType({})
    """How many axes of a leaf are its own, after those of the repetitions: one for the samples of a waveform."""

    plausible: ClassVar[Mapping[str, str]] = MappingProxyType({})
    """Leaves that are warned of where they are not plausible, each with its key in `_plausibility.QUANTITIES`."""

    printed_first: ClassVar[tuple[str, ...]] = ()
    """Fields that are no leaves and are printed before them."""

    def __check_init__(self):
        _require_units(type(self))
        for name, quantity_of in self.plausible.items():
            _plausibility.warn_if_implausible(getattr(self, name), name, quantity_of)

    @abstractmethod
    def steps(self) -> Steps:
        """What the timeline shows of this event, whose leaves are single values."""

    def leaves(self) -> dict[str, Any]:
        """The numbers of this event by name."""
        return {name: getattr(self, name) for name in _leaf_names(type(self))}

    def repetition_shapes(self) -> dict[str, tuple[int, ...]]:
        """The shapes of the leaves without their own axes, by name."""
        shapes = {name: np.shape(leaf) for name, leaf in self.leaves().items()}
        return {name: shape[: len(shape) - self.own_axes.get(name, 0)] for name, shape in shapes.items()}

    def with_leaves(self, values: Mapping[str, Any]) -> "AbstractEvent":
        """This event with other numbers in the place of the named ones."""
        return with_fields(self, values) if values else self

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

    def described(self, in_units: bool) -> str:
        """This event as a line, such as 'Pulse    flip_angle 90 deg, phase 0 deg'; without units with numbers as they are."""
        first = [f"{name} {getattr(self, name)}" for name in self.printed_first]
        numbers = [
            f"{name} {quantity(getattr(self, name), *(unit if in_units else BARE))}"
            for name, unit in self.units.items()
            if not isinstance(getattr(self, name), Neutral)
        ]
        return f"{type(self).__name__:<8} {', '.join(first + numbers)}".rstrip()

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


class AbstractIdealEvent(AbstractEvent):
    """An event that no scanner can play as it is, such as one that takes no time."""

    instead: AbstractClassVar[str]
    """What to play in its place on a scanner, such as 'a Gradient'."""

    symbol: AbstractClassVar[Symbol]
    """How a diagram draws it."""

    @property
    def is_nothing(self) -> bool:
        """Whether it is known that playing the event changes nothing, so that a scanner need not play anything."""
        return False


class AbstractInstant(AbstractIdealEvent):
    """An ideal event that takes no time."""

    @property
    def duration(self) -> float:
        """Zero."""
        return 0.0


def with_fields(event: Any, values: Mapping[str, Any]) -> Any:
    """An event with other values in some of its fields, made as JAX makes those that it returns.

    Ten times as fast as `equinox.tree_at`, which matters for the ten thousand events of a file.
    """
    made = object.__new__(type(event))
    for name in _field_names(type(event)):
        object.__setattr__(made, name, values[name] if name in values else getattr(event, name))
    return made


@functools.cache
def _field_names(kind: type) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(kind))


@functools.cache
def _leaf_names(kind: type) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(kind) if not field.metadata.get("static", False))


@functools.cache
def _require_units(kind: type) -> None:
    """Refuse a class of events whose leaves cannot be printed."""
    missing = [name for name in _leaf_names(kind) if name not in kind.units]
    if missing and kind.described is AbstractEvent.described:
        listed = " and ".join(f"`{name}`" for name in missing)
        raise TypeError(
            f"`units` of the event {kind.__name__} must say how {listed} is printed, such as "
            f'units = {{"{missing[0]}": (1e3, "ms")}}.'
        )


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
