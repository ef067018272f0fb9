"""RF pulses whose phase stands apart, so that pulses which differ in nothing else are one."""

import dataclasses
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from mrjax._checks import Neutral
from mrjax._shapes import of_one_rank
from mrjax.sequence.double_length import angle
from mrjax.sequence.events import AbstractEvent
from mrjax.sequence.rf import ContinuousWave, ShapedPulse


class FrameRotation(AbstractEvent):
    """The frame from which the magnetisation is seen turns by an angle in rad; nothing happens to the spins."""

    angle: Float[Array, "..."]


def with_phases_as_frame_rotations(event: AbstractEvent, follows: bool) -> tuple[AbstractEvent, ...]:
    """An RF event as a turn, the same event of phase zero seen from a frame that turns at its offset, and a turn back.

    `follows` leaves out the angle by which that frame has got ahead: then the frame of the next pulse begins there.
    """
    if not isinstance(event, ContinuousWave | ShapedPulse):
        return (event,)
    phase, ahead = _angle(event.phase), 0.0 if follows else _ahead(event)
    plain = dataclasses.replace(event, phase=Neutral(0.0))
    before = () if phase is None else (FrameRotation(-phase),)
    terms = [term for term in (phase, ahead) if isinstance(term, Array)]
    after = (FrameRotation(_sum(*terms)),) if terms else ()
    return (*before, plain, *after)


def _angle(value: Any) -> Array | None:
    return None if isinstance(value, Neutral) else jnp.asarray(value)


def _ahead(event: ContinuousWave | ShapedPulse) -> Array | None:
    """By how much a frame at the offset of the pulse gets ahead during it, less whole turns."""
    if isinstance(event.offset, Neutral):
        return None
    return angle(*of_one_rank(jnp.asarray(event.offset), jnp.asarray(event.duration)))


def _sum(first: Array, *rest: Array) -> Array:
    for other in rest:
        first = jnp.add(*of_one_rank(first, other))
    return first
