"""Events that last, as configuration states play them: what is wound between pulses, and pulses that take no time.

A pulse with gradients becomes the winding of its first half, a rotation, and the winding of its second half.
"""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from mrjax import _checks
from mrjax._memory import remembered
from mrjax.physics.lowered import AbstractLoweredEvent
from mrjax.physics.waveforms.scanner_events import is_waveform, together_of
from mrjax.sequence import (
    AbstractContainer,
    AbstractEvent,
    AbstractRF,
    Delay,
    Gradient,
    Readout,
    Sequence,
    Together,
)
from mrjax.sequence.partial_orders import Order
from mrjax.sequence.walk import events_of


class PartOfTogether(AbstractLoweredEvent):
    """A part of what is played together, from one moment to another."""

    whole: Together
    number: int = eqx.field(static=True)
    """Counts the parts: between pulses, the first half of a pulse, its second half, and again between pulses."""

    def leaves(self) -> dict[str, Any]:
        return self.whole.leaves()

    def repetition_shapes(self) -> dict[str, tuple[int, ...]]:
        return self.whole.repetition_shapes()

    def with_leaves(self, values: Mapping[str, Any]) -> "PartOfTogether":
        return dataclasses.replace(self, whole=self.whole.with_leaves(values))

    @property
    def pulse(self) -> tuple[Float[Array, "..."], AbstractEvent]:
        """The pulse that this is a part of, and when it begins."""
        return list(self.whole.started(AbstractRF))[self.number // 3]


class PulseRotation(PartOfTogether):
    """The rotation of a pulse, with the precession during all of it, in its middle."""

    @property
    def duration(self) -> Float[Array, "..."]:
        """None: the halves of the pulse last."""
        return jnp.zeros(())


class WindingInterval(PartOfTogether):
    """A time in which gradients wind and spins relax; between pulses, spins precess as well, and samples are taken."""

    order: Order = eqx.field(static=True)
    """Cycles that are wound in all."""
    axis: str | None = eqx.field(static=True)
    """Along which gradients wind."""

    @property
    def between_pulses(self) -> bool:
        """Whether no pulse is played meanwhile."""
        return self.number % 3 == 0

    @property
    def ends(self) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
        """From when to when, in s from the start of the whole."""
        moments = _moments(self.whole)
        return moments[self.number], moments[self.number + 1]

    @property
    def duration(self) -> Float[Array, "..."]:
        """In s; rounding must not make it negative where pulses adjoin."""
        begin, end = self.ends
        return jnp.maximum(end - begin, 0.0)

    @property
    def winding(self) -> Order:
        return self.order

    @property
    def n_samples(self) -> int:
        return sum(readout.n for _, readout in self.readouts)

    @property
    def readouts(self) -> list[tuple[Float[Array, "..."], Readout]]:
        """Those of this part, and when they begin from the start of the whole."""
        if not self.between_pulses:
            return []
        n_pulses, found = 0, []
        for start, event in self.whole.started(AbstractRF, Readout):
            if not isinstance(event, Readout):
                n_pulses += 1
            elif n_pulses == self.number // 3:
                found.append((start, event))
        return found

    @property
    def gradients(self) -> list[tuple[Float[Array, "..."], Gradient]]:
        """Those of the whole, and when they begin."""
        return list(self.whole.started(Gradient))

    @property
    def winding_gradients(self) -> list[tuple[Float[Array, "..."], Gradient]]:
        """Those along the axis that winds."""
        return [(start, gradient) for start, gradient in self.gradients if gradient.axis == self.axis]


class ApplyPending(AbstractLoweredEvent):
    """What pulses and relaxation have left pending is applied to every order; nothing happens to the spins."""

    @property
    def duration(self) -> float:
        """Zero."""
        return 0.0


@remembered
def is_played_in_parts(sequence: AbstractContainer) -> bool:
    """Whether anything in the sequence lasts and is more than waiting."""
    return any(is_waveform(located.event) for located in events_of((sequence,)))


@remembered
def reads_while_winding(sequence: AbstractContainer) -> bool:
    """Whether samples are taken while gradients wind: then every order takes part in them."""
    intervals = (located.event for located in events_of((sequence,)) if isinstance(located.event, WindingInterval))
    return any(interval.n_samples and interval.winding_gradients for interval in intervals)


def in_runs(container: AbstractContainer) -> Iterator[tuple[int, AbstractEvent | AbstractContainer]]:
    """The entries with their positions; gradients in a row are one event, for what they wind in all is what counts."""
    events = container.events
    position = 0
    while position < len(events):
        end = position
        for next_one in range(position, len(events)):
            if not isinstance(events[next_one], Gradient | Delay) or not _ends(events[next_one]):
                break
            end = next_one + 1 if isinstance(events[next_one], Gradient) else end
        is_run = isinstance(events[position], Gradient) and end > position + 1
        yield position, Together(Sequence(*events[position:end])) if is_run else events[position]
        position = end if is_run else position + 1


def _ends(event: Any) -> bool:
    """Whether an event does not last without end, as far as that is known."""
    return not (isinstance(event, Delay) and _checks.is_concrete(event.duration) and np.isinf(event.duration).any())


def intervals_of(whole: Together, axis: str | None) -> Iterator[WindingInterval]:
    """The parts of an event in which gradients wind."""
    n_pulses = sum(1 for _ in whole.played(AbstractRF))
    for number in range(3 * n_pulses + 1):
        interval = WindingInterval(whole, number, 0, axis)
        if number % 3 or not _is_empty(interval):
            yield interval


def wholes(container: AbstractContainer) -> Iterator[Together]:
    """Every event that lasts and is more than waiting, gradients in a row as one."""
    for _, entry in in_runs(container):
        if isinstance(entry, AbstractContainer):
            yield from wholes(entry)
        elif is_waveform(entry):
            yield together_of(entry, "EPG")


def _moments(whole: Together) -> list[Float[Array, "..."]]:
    """When parts begin and end."""
    moments = [jnp.zeros(())]
    for start, pulse in whole.started(AbstractRF):
        duration = jnp.asarray(pulse.duration)  # pyright: ignore[reportAttributeAccessIssue]
        moments += [start, start + duration / 2, start + duration]
    return [*moments, whole.duration]


def _is_empty(interval: WindingInterval) -> bool:
    """Whether a part is known to take no time."""
    alone = len(interval.whole.tracks) == 1 and len(interval.whole.tracks[0]) == 1
    return alone and any(True for _ in interval.whole.played(AbstractRF))


def area_of(interval: WindingInterval) -> np.ndarray:
    """Of the gradients that wind, in T s/m, for each repetition; nan where something is traced."""
    # with nan for what is traced, all that is known can be computed at once, also inside of `jit`
    known = jax.tree.map(lambda leaf: leaf if _checks.is_concrete(leaf) else np.full(leaf.shape, np.nan), interval)
    n_pulses = sum(1 for _ in interval.whole.played(AbstractRF))
    with jax.ensure_compile_time_eval():
        begin, end = (np.asarray(moment, float) for moment in known.ends)
        # all that is played lies between the ends of the whole, whenever they are
        begin = np.asarray(-np.inf) if interval.number == 0 else begin
        end = np.asarray(np.inf) if interval.number == 3 * n_pulses else end
        gradients = [(np.asarray(start, float), gradient) for start, gradient in known.winding_gradients]
        area = sum(_area(gradient, start, begin, end) for start, gradient in gradients)
    return np.asarray(area)


def _area(gradient: Gradient, start: np.ndarray, begin: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Between two times, for each repetition; `start` is when the gradient begins."""
    waveform, times = np.asarray(gradient.waveform, float), np.asarray(gradient.times, float)
    low, high = times[..., :-1], times[..., 1:]
    inside = [np.clip((moment - start)[..., None], low, high) for moment in (begin, end)]
    steps = high - low
    slope = np.where(steps > 0, np.diff(waveform) / np.where(steps > 0, steps, 1.0), 0.0)
    values = [waveform[..., :-1] + slope * (moment - low) for moment in inside]
    return np.asarray(np.sum((inside[1] - inside[0]) * (values[0] + values[1]) / 2, axis=-1))
