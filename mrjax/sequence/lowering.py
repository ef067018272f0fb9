"""RF pulses whose phase stands apart, so that pulses which differ in nothing else are one."""

import dataclasses
import math
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from mrjax._checks import Neutral
from mrjax.sequence.events import AbstractEvent
from mrjax.sequence.rf import ContinuousWave, ShapedPulse


class Turn(AbstractEvent):
    """The frame from which the magnetisation is seen turns by an angle in rad; nothing happens to the spins."""

    angle: Float[Array, "..."]


def with_phases_as_turns(event: AbstractEvent, follows: bool) -> tuple[AbstractEvent, ...]:
    """An RF event as a turn, the same event of phase zero seen from a frame that turns at its offset, and a turn back.

    `follows` leaves out the angle by which that frame has got ahead: then the frame of the next pulse begins there.
    """
    if not isinstance(event, ContinuousWave | ShapedPulse):
        return (event,)
    phase, ahead = _angle(event.phase), 0.0 if follows else _ahead(event)
    plain = dataclasses.replace(event, phase=Neutral(0.0))
    before = () if phase is None else (Turn(-phase),)
    terms = [term for term in (phase, ahead) if isinstance(term, Array)]
    after = (Turn(_sum(*terms)),) if terms else ()
    return (*before, plain, *after)


def _angle(value: Any) -> Array | None:
    return None if isinstance(value, Neutral) else jnp.asarray(value)


def _ahead(event: ContinuousWave | ShapedPulse) -> Array | None:
    """By how much a frame at the offset of the pulse gets ahead during it, less whole turns."""
    if isinstance(event.offset, Neutral):
        return None
    offset, duration = _aligned(jnp.asarray(event.offset), jnp.asarray(event.duration))
    turns, rest = _exact_product(offset, duration)
    return 2 * math.pi * ((turns - jnp.floor(turns)) + rest)


def _exact_product(a: Array, b: Array) -> tuple[Array, Array]:
    """The product and what rounding took from it: of many turns only the digits after the last whole one count.

    T. J. Dekker, Numer Math 18 (1971) 224-242.
    """

    def halves(x: Array) -> tuple[Array, Array]:
        shifted = x * (2.0 ** math.ceil(jnp.finfo(x.dtype).nmant / 2 + 0.5) + 1)
        high = shifted - (shifted - x)
        return high, x - high

    product = a * b
    (a_high, a_low), (b_high, b_low) = halves(a), halves(b)
    return product, ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low


def _sum(first: Array, *rest: Array) -> Array:
    for other in rest:
        first = jnp.add(*_aligned(first, other))
    return first


def _aligned(first: Array, second: Array) -> tuple[Array, Array]:
    """Both with as many axes, the last ones in common."""
    rank = max(first.ndim, second.ndim)
    return tuple(value.reshape((1,) * (rank - value.ndim) + value.shape) for value in (first, second))  # type: ignore
