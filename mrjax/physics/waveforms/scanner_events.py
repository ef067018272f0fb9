"""What a scanner plays, in the form in which engines take it."""

from typing import Any, TypeGuard

from mrjax.sequence import (
    AbstractChannelEvent,
    AbstractRF,
    AbstractScannerEvent,
    Delay,
    Gradient,
    Readout,
    Sequence,
    Together,
)


def is_waveform(event: Any) -> TypeGuard[AbstractScannerEvent]:
    """Whether an event is one of the scanner and more than waiting."""
    return isinstance(event, AbstractScannerEvent) and not isinstance(event, Delay)


def together_of(event: AbstractScannerEvent, engine: str) -> Together:
    """The event as a `Together` of RF, gradients, readouts and delays.

    **Arguments:**

    - `event`: What is played.
    - `engine`: Its name, for the error.

    **Raises:** `ValueError` where the event holds others, of which engines do not know what spins do.
    """
    for one in event.played(AbstractChannelEvent):
        if not isinstance(one, AbstractRF | Gradient | Readout | Delay):
            raise ValueError(
                f"{engine} cannot play {type(one).__name__} events, which are no RF, gradient, readout or delay; use an engine "
                "that can."
            )
    if isinstance(event, Together):
        return event
    return Together(*(Sequence(*track) for track in event.tracks))
