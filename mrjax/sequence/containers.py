"""Sequences of events and their repetition."""

from collections.abc import Iterator
from typing import Any, overload

import equinox as eqx
import numpy as np
from jaxtyping import Float

from mrjax import _plausibility
from mrjax.sequence import timing, walk
from mrjax.sequence.base import AbstractContainer, AbstractEvent
from mrjax.sequence.events import Delay, Pulse, Sample
from mrjax.sequence.flattening import flattened
from mrjax.sequence.precision import Numbers
from mrjax.sequence.text import described_if_constructed
from mrjax.sequence.timeline import Timeline


class AbstractPlayable(AbstractContainer):
    """What is played from its start to its end: it has a duration and samples, is repeated, and joined to others."""

    __array_ufunc__ = None  # or NumPy's numbers would multiply the events one by one

    @property
    def n_samples(self) -> int:
        """How many samples playing it gives."""
        return timing.n_samples(as_sequence(self))

    @property
    def duration(self) -> Float[Numbers, ""]:
        """Total duration in s; differentiable."""
        return timing.duration(as_sequence(self))

    @property
    def sample_times(self) -> Float[Numbers, " n_samples"]:
        """Times of the samples from the start, in s; differentiable.

        Known times are NumPy arrays in double precision. Traced ones are rounded to working precision, to 60 us after ten
        minutes in float32; `timeline().since_excitation()` keeps what is between samples.
        """
        return timing.sample_times(as_sequence(self))

    def timeline(self, dt: float | None = None) -> Timeline:
        """What is played at every moment, as steps of constant RF and straight gradients.

        **Arguments:**

        - `dt`: Longest step in s within a ramp of a gradient, for those who need steps of constant gradient. By default ramps
          are cut at their corners and where RF changes, alone.

        **Raises:** `ValueError` where `dt` is given and gradients are traced.
        """
        return flattened(as_sequence(self), dt)

    def __add__(self, following: Any) -> "Sequence":
        return Sequence(*_operand(self), *_operand(following))

    def __radd__(self, before: Any) -> "Sequence":
        return Sequence(*_operand(before), *_operand(self))

    def __mul__(self, n_repetitions: Any) -> "Repeat":
        if isinstance(n_repetitions, bool) or not isinstance(n_repetitions, int | np.integer):
            raise TypeError(
                f"A sequence can be multiplied by the number of its repetitions, a Python integer, but got "
                f"{type(n_repetitions).__name__}."
            )
        return Repeat(*_operand(self), n_repetitions=int(n_repetitions))

    def __rmul__(self, n_repetitions: Any) -> "Repeat":
        return self * n_repetitions

    def __repr__(self) -> str:
        return described_if_constructed(self)


class Sequence(AbstractPlayable):
    """Events and other sequences, played one after the other.

    A PyTree: any float leaf can be differentiated, and `equinox.tree_at` changes one. `first + second` plays one after the
    other, `3 * sequence` repeats it, and a slice such as `sequence[1:]` is the `Sequence` of these entries.

    **Arguments:**

    - `events`: `Pulse`, `Delay`, `Dephase`, `Spoil`, `Sample`, `Repeat` or `Sequence`, in playing order.

    **Raises:** `ValueError` where something else is passed.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> from mrjax import Delay, Pulse, Sample, Sequence
        >>> fid = Sequence(Pulse(jnp.pi / 2), Delay(5e-3), Sample())
        >>> fid.n_samples
        1
        >>> print(2 * (fid + Delay(1.0))[1:])
        Sequence
          Repeat x 2
            Delay    duration 5 ms
            Sample
            Delay    duration 1000 ms

        ```
    """

    events: tuple[AbstractEvent | AbstractContainer, ...]

    def __init__(self, *events: AbstractEvent | AbstractContainer):
        self.events = _playable(events, "Sequence")

    @property
    def repetitions(self) -> tuple[int, ...]:
        return ()

    def __iter__(self) -> Iterator[AbstractEvent | AbstractContainer]:
        return iter(self.events)

    def __len__(self) -> int:
        return len(self.events)

    @overload
    def __getitem__(self, index: int) -> AbstractEvent | AbstractContainer: ...

    @overload
    def __getitem__(self, index: slice) -> "Sequence": ...

    def __getitem__(self, index: int | slice) -> "AbstractEvent | AbstractContainer":
        return Sequence(*self.events[index]) if isinstance(index, slice) else self.events[index]


class Repeat(AbstractPlayable):
    """Events played again and again; compiled once, whatever the number of repetitions.

    A leaf with a leading axis is played one entry per repetition, a scalar leaf is the same in each. Where repeats are
    nested, the leaves broadcast by NumPy's rules to `(n_outer, ..., n_inner)`: a leaf that changes only with the outer
    repetition has shape `(n_outer, 1)`.

    **Arguments:**

    - `events`: As for `Sequence`.
    - `n_repetitions`: Needed only where no leaf has a leading axis to count by.

    **Raises:** `ValueError` where there are no events, no count, or counts that differ; it names the events.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> from mrjax import Delay, Pulse, Repeat, Sample
        >>> train = Repeat(Pulse(jnp.linspace(0.1, 0.8, 50)), Delay(5e-3), Sample(), Delay(5e-3))
        >>> train.n_repetitions
        50

        ```
    """

    events: tuple[AbstractEvent | AbstractContainer, ...]
    n_repetitions: int = eqx.field(static=True)

    def __init__(self, *events: AbstractEvent | AbstractContainer, n_repetitions: int | None = None):
        self.events = _playable(events, "Repeat")
        if not self.events:
            raise ValueError("`Repeat` must hold at least one event, but got none.")
        self.n_repetitions = _count(self.events, n_repetitions)

    @property
    def repetitions(self) -> tuple[int, ...]:
        return (self.n_repetitions,)


def as_sequence(container: AbstractContainer) -> AbstractContainer:
    """`container`, in a `Sequence` if it is a `Repeat`, so that what goes through its events counts the repetitions."""
    return Sequence(container) if container.repetitions else container


def _operand(operand: Any) -> tuple[AbstractEvent | AbstractContainer, ...]:
    """What stands beside a plus sign, or is repeated, as entries of a sequence."""
    if isinstance(operand, Sequence):
        return operand.events
    if isinstance(operand, AbstractEvent | AbstractContainer):
        return (operand,)
    raise TypeError(
        f"Sequences and events can be added to a sequence, but got {type(operand).__name__}; "
        "to join many, write `Sequence(*sequences)`."
    )


def _playable(events: tuple, container: str) -> tuple:
    for position, event in enumerate(events):
        if isinstance(event, type):
            raise ValueError(
                f"`{container}` takes events, `Sequence`s and `Repeat`s, but entry {position} is the class "
                f"{event.__name__}; write `{event.__name__}(...)`."
            )
        if not isinstance(event, AbstractEvent | AbstractContainer):
            raise ValueError(
                f"`{container}` takes events, `Sequence`s and `Repeat`s, but entry {position} is a "
                f"{type(event).__name__}; to pass a list, unpack it: `{container}(*events)`."
            )
    for before, delay, after in zip(events, events[1:], events[2:], strict=False):
        if isinstance(before, Pulse) and isinstance(delay, Delay) and isinstance(after, Sample):
            _plausibility.warn_if_implausible(delay.duration, "duration", "delay_before_sample")
    return events


def _count(events: tuple, n_repetitions: int | None) -> int:
    """The number of repetitions on which all leaves and `n_repetitions` agree."""
    if n_repetitions is not None and (
        isinstance(n_repetitions, bool) or not isinstance(n_repetitions, int | np.integer)
    ):
        raise ValueError(f"`n_repetitions` must be a Python integer, but got {n_repetitions!r}.")
    counts = {"n_repetitions": int(n_repetitions)} if n_repetitions is not None else {}
    for located in walk.events_of(events):
        axis = len(located.repeats) + 1
        for name, shape in located.event.repetition_shapes().items():
            if len(shape) >= axis and shape[-axis] != 1:
                counts[f"`{name}` of {located.name}"] = shape[-axis]
            elif len(shape) >= axis:
                counts.setdefault("a leaf of length 1", 1)
    # one entry stands for every repetition beside longer leaves, and for a single repetition alone
    longer = {who: n for who, n in counts.items() if who != "a leaf of length 1"} or counts
    if not longer:
        raise ValueError(
            "`Repeat` must know how often to repeat: give one leaf an entry per repetition, or pass `n_repetitions`."
        )
    if len(set(longer.values())) > 1:
        listed = ", ".join(f"{who}: {n}" for who, n in longer.items())
        raise ValueError(f"All leaves in a `Repeat` must have the same number of entries, but got {listed}.")
    n = next(iter(longer.values()))
    if n < 1:
        raise ValueError(f"`Repeat` must repeat at least once, but got {n} from {next(iter(longer))}.")
    return n
