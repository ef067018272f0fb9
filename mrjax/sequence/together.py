"""Events that are played at once."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from mrjax.sequence.base import AbstractContainer, AbstractEvent, with_fields
from mrjax.sequence.tracks import AbstractChannelEvent, AbstractScannerEvent, duration_of


class Together(AbstractScannerEvent):
    """Tracks that begin at the same time: a pulse with its slice gradient, a readout with its own.

    It lasts as long as the longest track. Gradients along the same axis add up.

    **Arguments:**

    - `tracks`: Each an event or a `Sequence` of events, played one after the other; a `Delay` lets what follows begin
      later. `Gradient`, `ShapedPulse`, `ContinuousWave`, `Readout`, `Delay` and other events of one channel of the scanner
      can be in a track.

    **Raises:** `ValueError` for other events, and where more than one track holds RF or readouts: the scanner has one
    transmitter and one receiver, and they take turns.

    !!! example

        ```python
        >>> import mrjax as mr
        >>> from mrjax.units import mT, ms, us
        >>> slice_gradient = mr.Gradient.trapezoid(10 * mT, rise=100 * us, flat=2 * ms, axis="z")
        >>> pulse = mr.ContinuousWave(2.9e-6, 2 * ms)
        >>> excitation = mr.Together(mr.Sequence(mr.Delay(100 * us), pulse), slice_gradient)
        >>> print(f"{excitation.duration:.4f}")
        0.0022

        ```
    """

    units = MappingProxyType({})

    tracks: tuple[tuple[AbstractChannelEvent, ...], ...]

    def __init__(self, *tracks: AbstractEvent | AbstractContainer):
        self.tracks = tuple(_track(track, position) for position, track in enumerate(tracks))
        if not tracks:
            raise ValueError("`Together` must hold at least one track, but got none.")
        takes_turns = lambda event: event.channel in ("rf", "receiver")
        busy = [i for i, track in enumerate(self.tracks) if any(map(takes_turns, track))]
        if len(busy) > 1:
            raise ValueError(
                f"Only one track of a `Together` may hold RF or readouts, but tracks {', '.join(map(str, busy))} do; put "
                "them into one `Sequence`, with `Delay`s between."
            )

    @property
    def duration(self) -> Float[Array, "..."]:
        """In s, of the longest track."""
        longest = duration_of(self.tracks[0])
        for track in self.tracks[1:]:
            longest = jnp.maximum(longest, duration_of(track))
        return longest

    @property
    def n_samples(self) -> int:
        return sum(event.n_samples for track in self.tracks for event in track)

    def sample_offsets(self) -> Float[Array, "*repetitions n_samples"]:
        started = self.started(AbstractChannelEvent)
        offsets = [start[..., None] + event.sample_offsets() for start, event in started if event.n_samples]
        if not offsets:
            return jnp.zeros(0)
        shape = jnp.broadcast_shapes(*(offset.shape[:-1] for offset in offsets))
        return jnp.concatenate([jnp.broadcast_to(x, (*shape, x.shape[-1])) for x in offsets], axis=-1)

    def leaves(self) -> dict[str, Any]:
        return {
            f"{i}.{j}.{name}": leaf
            for i, track in enumerate(self.tracks)
            for j, event in enumerate(track)
            for name, leaf in event.leaves().items()
        }

    def repetition_shapes(self) -> dict[str, tuple[int, ...]]:
        return {
            f"{i}.{j}.{name}": shape
            for i, track in enumerate(self.tracks)
            for j, event in enumerate(track)
            for name, shape in event.repetition_shapes().items()
        }

    def with_leaves(self, values: Mapping[str, Any]) -> "Together":
        def changed(i: int, j: int, event: AbstractEvent) -> AbstractEvent:
            own = {name: value for name in event.leaves() if (value := values.get(f"{i}.{j}.{name}")) is not None}
            return event.with_leaves(own)

        return self._with(changed)

    def described(self, in_units: bool) -> str:
        words = lambda event: " ".join(event.described(in_units).split())
        return f"Together [{'] ['.join(', then '.join(map(words, track)) for track in self.tracks)}]"

    def checked(self, where: str) -> "Together":
        return self._with(lambda i, j, event: event.checked(f"{where}, track {i}.{j} ({type(event).__name__})"))

    def _with(self, change: Any) -> "Together":
        tracks = tuple(tuple(change(i, j, e) for j, e in enumerate(track)) for i, track in enumerate(self.tracks))
        return with_fields(self, {"tracks": tracks})


def _track(track: Any, position: int) -> tuple[AbstractChannelEvent, ...]:
    is_sequence = isinstance(track, AbstractContainer) and not track.repetitions
    events: tuple[Any, ...] = tuple(track.events) if is_sequence else (track,)
    for event in events:
        if not isinstance(event, AbstractChannelEvent):
            name = event.__name__ if isinstance(event, type) else type(event).__name__
            raise ValueError(
                f"Track {position} of `Together` must be an event that lasts or a `Sequence` of such (Gradient, ShapedPulse, "
                f"ContinuousWave, Readout, Delay), but holds a {name}; play it before or after."
            )
    return events
