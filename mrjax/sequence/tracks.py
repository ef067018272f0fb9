"""What a scanner plays: the events of its channels, on tracks that begin at the same time."""

from abc import abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from mrjax.sequence.base import AbstractEvent
from mrjax.sequence.steps import Steps, resting

if TYPE_CHECKING:  # as Equinox says in its documentation
    from typing import ClassVar as AbstractClassVar
else:
    from equinox import AbstractClassVar

Channel = Literal["gradient", "rf", "receiver"]
"""A part of the scanner; it has as many gradients as are needed, one transmitter and one receiver."""

PRECEDENCE: tuple[Channel, ...] = ("gradient", "rf", "receiver")
"""The order in which channels count edges that fall together."""

Kind = TypeVar("Kind", bound=AbstractEvent)


class AbstractScannerEvent(AbstractEvent):
    """An event that a scanner plays as it is: one of a single channel, or several `Together`."""

    if TYPE_CHECKING:  # a field of some events and a property of others
        tracks: Any = eqx.field(init=False)
    else:
        tracks: eqx.AbstractVar[Any]
    """The events of channels, played side by side, and in each track one after the other."""

    def started(self, *kinds: type[Kind]) -> Iterator[tuple[Float[Array, "..."], Kind]]:
        """The events of these kinds, track by track, each with its start in s from that of all."""
        for track in self.tracks:
            for position, event in enumerate(track):
                if isinstance(event, kinds):
                    yield duration_of(track[:position]), event

    def played(self, *kinds: type[Kind]) -> Iterator[Kind]:
        """The events of these kinds, track by track."""
        for track in self.tracks:
            yield from (event for event in track if isinstance(event, kinds))

    def steps(self) -> Steps:
        return _side_by_side(self)


class AbstractChannelEvent(AbstractScannerEvent):
    """An event of one channel of the scanner, or of none (`Delay`); it can be played alone or in a track of `Together`."""

    channel: AbstractClassVar[Channel | None]
    """The part of the scanner that it occupies."""

    @property
    def tracks(self) -> tuple[tuple["AbstractChannelEvent", ...], ...]:
        """The event alone."""
        return ((self,),)

    @abstractmethod
    def edges(self) -> Float[Array, " n"]:
        """Where steps of the timeline have to begin and end, in s from the start of this event, not falling.

        The end of the event is the last of them where it occupies a channel, and its start the first unless it is a gradient.
        """

    @abstractmethod
    def added_to(
        self, steps: Steps, passed: Int[Array, " n"], begin: Float[Array, " n"], end: Float[Array, " n"]
    ) -> Steps:
        """Steps with what this event plays in them.

        **Arguments:**

        - `steps`: Of all that is played at the same time.
        - `passed`: How many edges of this event are behind at each step, less one.
        - `begin`, `end`: Of the steps, in s from the start of this event.
        """

    def acts(self) -> tuple[Float[Array, " n"], Float[Array, " n"]]:
        """When pulses act, in s from the start of this event, and the `rf_turns` of each; by default there are none."""
        return jnp.zeros(0), jnp.zeros(0)

    def receiver_phase(self) -> Float[Array, "*repetitions n_samples"]:
        """Angle in rad by which each sample is turned back."""
        return jnp.zeros(self.n_samples)


def duration_of(events: tuple[AbstractEvent, ...]) -> Float[Array, "..."]:
    """In s, of events that are played one after the other."""
    total = jnp.zeros(())
    for event in events:
        total = total + jnp.asarray(event.duration)
    return total


def _side_by_side(event: AbstractScannerEvent) -> Steps:
    """The steps of tracks that begin at the same time."""
    placed = [(start, one) for start, one in event.started(AbstractChannelEvent) if one.channel is not None]
    placed.sort(key=lambda started: PRECEDENCE.index(started[1].channel))
    ends = _ends(event)
    passed, edges = _in_order(ends + [start + one.edges() for start, one in placed])
    begin, duration = edges[:-1], jnp.diff(edges)
    steps = resting(duration)
    for (start, one), own in zip(placed, passed[len(ends) :], strict=True):
        steps = one.added_to(steps, own, begin - start, begin + duration - start)
    phases = [jnp.zeros(0), *(one.receiver_phase() for _, one in placed)]
    centers, turns = [jnp.zeros(0)], [jnp.zeros(0)]
    for start, one in placed:
        moments, turned = one.acts()
        centers.append(start + moments)
        turns.append(turned)
    sample_step, sample_into = _in_steps(edges, event.sample_offsets())
    rf_step, rf_into = _in_steps(edges, jnp.concatenate(centers))
    return steps | {
        "sample_step": sample_step,
        "sample_into": sample_into,
        "receiver_phase": jnp.concatenate(phases),
        "rf_step": rf_step,
        "rf_into": rf_into,
        "rf_turns": jnp.concatenate(turns),
    }


def _in_steps(
    edges: Float[Array, " n_edges"], times: Float[Array, " n"]
) -> tuple[Int[Array, " n"], Float[Array, " n"]]:
    """In which step times lie, and how long after the start of it."""
    step = jnp.clip(jnp.searchsorted(edges, times, side="right") - 1, 0, edges.shape[0] - 2)
    return step, times - edges[step]


def _ends(event: AbstractScannerEvent) -> list[Array]:
    """The start and the end of an event, as far as no pulse, readout or gradient surely begins or ends there."""
    begins = any(track[0].channel in ("rf", "receiver") for track in event.tracks if track)
    ends = len(event.tracks) == 1 and any(last.channel is not None for last in event.tracks[0][-1:])
    edges = ((jnp.zeros(1), begins), (jnp.asarray(event.duration)[None], ends))
    return [edge for edge, is_known in edges if not is_known]


def _in_order(edges: list[Array]) -> tuple[Int[Array, "n_rows n_steps"], Float[Array, " n_edges"]]:
    """Edges sorted, and for each step between them how many edges of each row are behind it, less one.

    Counting edges, not comparing times, tells what is played in a step: where edges of two rows fall together, the step
    between them has no length, but its length has derivatives, and what they move is what is played there.
    """
    together = jnp.concatenate(edges)
    order = jnp.argsort(together, stable=True)
    row = np.repeat(np.arange(len(edges)), [len(own) for own in edges])[None, :]
    of_row = jnp.asarray(row == np.arange(len(edges))[:, None], int)[:, order]
    return jnp.cumsum(of_row, axis=1)[:, :-1] - 1, together[order]
