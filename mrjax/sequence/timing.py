"""When things happen in a sequence: counts, durations and sample times, without unrolling the repeats."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from mrjax.sequence import walk
from mrjax.sequence.events import AbstractContainer, AbstractEvent


def n_samples(sequence: AbstractContainer) -> int:
    """Number of samples, repetitions counted."""
    return sum(
        int(np.prod(located.repeats, dtype=int)) * located.event.n_samples
        for located in walk.events_of(sequence.events)
    )


def duration(sequence: AbstractContainer) -> Float[Array, ""]:
    """Total duration in s."""
    return _clock(walk.validated(sequence), ())[0]


def sample_times(sequence: AbstractContainer) -> Float[Array, " n_samples"]:
    """Times of the samples from the start, in s."""
    return _clock(walk.validated(sequence), ())[1]


def _clock(
    container: AbstractContainer, outer: tuple[int, ...]
) -> tuple[Float[Array, "*outer"], Float[Array, "*outer n"]]:
    """Duration and sample times of one playing of `container`, for every repetition of what encloses it."""
    shape = (*outer, *container.repetitions)
    now = jnp.zeros(shape)
    samples = []
    for entry in container.events:
        if isinstance(entry, AbstractEvent):
            if entry.n_samples:
                offsets = jnp.broadcast_to(entry.sample_offsets(), (*shape, entry.n_samples))
                samples.append(now[..., None] + offsets)
            elapsed = jnp.broadcast_to(jnp.asarray(getattr(entry, "duration", 0.0)), shape)
        else:
            elapsed, inside = _clock(entry, shape)
            samples.append(now[..., None] + inside)
        now = now + elapsed
    times = jnp.concatenate(samples, axis=-1) if samples else jnp.zeros((*shape, 0))
    return (now, times) if shape == outer else _in_a_row(now, times)


def _in_a_row(durations: Float[Array, "*outer n"], times: Float[Array, "*outer n m"]):
    """Repetitions one after the other: each starts when the one before it has ended."""
    ends = jnp.cumsum(durations, axis=-1)
    starts = jnp.concatenate([jnp.zeros_like(ends[..., :1]), ends[..., :-1]], axis=-1)
    row = times + starts[..., None]
    return ends[..., -1], row.reshape(*row.shape[:-2], -1)
