"""When things happen in a sequence: counts, durations and sample times, without unrolling the repeats."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from mrjax.sequence import walk
from mrjax.sequence.base import AbstractContainer, AbstractEvent
from mrjax.sequence.double_length import DoubleLength, running_sum
from mrjax.sequence.precision import Numbers, in_best_precision


def n_samples(sequence: AbstractContainer) -> int:
    """Number of samples, repetitions counted."""
    return sum(
        int(np.prod(located.repeats, dtype=int)) * located.event.n_samples
        for located in walk.events_of(sequence.events)
    )


def duration(sequence: AbstractContainer) -> Float[Numbers, ""]:
    """Total duration in s."""
    return jnp.asarray(in_best_precision(lambda played: _clock(played, ())[0].rounded, walk.validated(sequence)))


def sample_times(sequence: AbstractContainer) -> Float[Numbers, " n_samples"]:
    """Times of the samples from the start, in s; NumPy in double precision where nothing is traced."""
    return in_best_precision(lambda played: _clock(played, ())[1].rounded, walk.validated(sequence))


def _clock(container: AbstractContainer, outer: tuple[int, ...]) -> tuple[DoubleLength, DoubleLength]:
    """Duration and sample times of one playing of `container`, for every repetition of what encloses it."""
    shape = (*outer, *container.repetitions)
    now = DoubleLength.of(jnp.zeros(shape))
    samples = [DoubleLength.of(jnp.zeros((*shape, 0)))]
    for entry in container.events:
        if isinstance(entry, AbstractEvent):
            if entry.n_samples:
                offsets = jnp.broadcast_to(entry.sample_offsets(), (*shape, entry.n_samples))
                samples.append(_after(now[..., None], DoubleLength.of(offsets)))
            elapsed = DoubleLength.of(jnp.broadcast_to(jnp.asarray(entry.duration), shape))
        else:
            elapsed, inside = _clock(entry, shape)
            samples.append(_after(now[..., None], inside))
        now = _after(now, elapsed)
    times = jax.tree.map(lambda *rows: jnp.concatenate(rows, axis=-1), *samples)
    return (now, times) if shape == outer else _in_a_row(now, times)


@jax.jit
def _after(start: DoubleLength, later: DoubleLength) -> DoubleLength:
    return start + later


@jax.jit
def _in_a_row(durations: DoubleLength, times: DoubleLength) -> tuple[DoubleLength, DoubleLength]:
    """Repetitions one after the other: each starts when the one before it has ended."""
    ends = running_sum(durations)
    starts = jax.tree.map(lambda x: jnp.concatenate([jnp.zeros_like(x[..., :1]), x[..., :-1]], axis=-1), ends)
    row = starts[..., None] + times
    return ends[..., -1], jax.tree.map(lambda x: x.reshape(*x.shape[:-2], -1), row)
