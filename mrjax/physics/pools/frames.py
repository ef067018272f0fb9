"""RF pulses seen from the frame that turns with them, so that pulses which differ in their phase alone are one."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from mrjax._checks import Neutral
from mrjax._memory import remembered
from mrjax.physics.lowered import AbstractLoweredEvent
from mrjax.sequence import AbstractContainer, AbstractEvent, AbstractRF
from mrjax.sequence.base import with_fields
from mrjax.sequence.double_length import angle


class FrameRotation(AbstractLoweredEvent):
    """The frame from which the magnetisation is seen is rotated; nothing happens to the spins."""

    phase: Float[Array, "..."] | float
    """By which, in rad."""
    offset: Float[Array, "..."] | float
    """In Hz, by which it turns besides for a time of `n` times `dt`."""
    dt: Float[Array, "..."] | float
    """In s."""
    n: int = eqx.field(static=True)
    is_backward: bool = eqx.field(static=True)

    @property
    def duration(self) -> float:
        """Zero."""
        return 0.0

    @property
    def angle(self) -> Float[Array, ""]:
        """In rad; scalars, as `prepare` gets them."""
        terms = [jnp.asarray(self.phase)] if isinstance(self.phase, Array) else []
        if isinstance(self.offset, Array):
            terms.append(angle(self.offset, jnp.asarray(self.dt) * self.n))
        total = sum(terms[1:], start=terms[0])
        return -total if self.is_backward else total


@remembered
def in_turning_frames(sequence: AbstractContainer, follows: bool) -> AbstractContainer:
    """The sequence with every RF event as `in_turning_frame` makes it."""
    entries = []
    for entry in sequence.events:
        is_container = isinstance(entry, AbstractContainer)
        entries += [in_turning_frames(entry, follows)] if is_container else in_turning_frame(entry, follows)
    return eqx.tree_at(lambda container: container.events, sequence, tuple(entries))


def in_turning_frame(event: AbstractEvent, follows: bool) -> tuple[AbstractEvent, ...]:
    """An RF event as a rotation, the same event of phase zero seen from a frame that turns at its offset, and one back.

    `follows` leaves out the angle by which that frame has got ahead: then the frame of the next pulse begins there. Any other
    event is returned as it is.
    """
    if not isinstance(event, AbstractRF):
        return (event,)
    none = Neutral(0.0)
    plain = with_fields(event, {"phase": none})
    phase, offset = event.phase, none if follows else event.offset
    has_phase, has_offset = not isinstance(phase, Neutral), not isinstance(offset, Neutral)
    before = (FrameRotation(phase, none, none, 1, is_backward=True),) if has_phase else ()
    dt, n = (event.dt, event.b1_samples.shape[-1]) if has_offset else (none, 1)
    after = (FrameRotation(phase, offset, dt, n, is_backward=False),) if has_phase or has_offset else ()
    return (*before, plain, *after)
