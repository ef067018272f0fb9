"""Events cut into steps, and the steps of a sequence put in a row, without unrolling the repeats."""

import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from mrjax import _checks, units
from mrjax.sequence import walk
from mrjax.sequence.containers import as_sequence
from mrjax.sequence.events import AbstractContainer, AbstractEvent, AbstractSample, Dephase, Pulse
from mrjax.sequence.gradients import AXES, Gradient
from mrjax.sequence.readout import Readout
from mrjax.sequence.rf import ContinuousWave, ShapedPulse
from mrjax.sequence.timeline import Timeline
from mrjax.sequence.together import PLAYABLE, RF, Together

REFOCUSES_FROM = 2 * math.pi / 3
"""Flip angle in rad from which a pulse without `use` is taken for a refocusing one."""

TURNS = {"excitation": 0.0, "refocusing": -1.0}
"""What pulses of known use do to the phase that was wound; others leave it."""

Parts = dict[str, Array]
"""The fields of a `Timeline`, with axes of repetitions in front; times count from the start of the part."""

Cuts = tuple[tuple[int, ...], ...]
"""For each gradient of an event, into how many parts each of its pieces is cut; empty for no cuts."""

TIMES = ("sample_times", "rf_centers")


def flattened(sequence: AbstractContainer, dt: float | None) -> Timeline:
    """A sequence as a timeline.

    **Arguments:**

    - `sequence`: Any.
    - `dt`: Longest step in s within a ramp of a gradient; None to cut at corners alone.
    """
    if dt is not None and not (np.isfinite(dt) and dt > 0):
        raise ValueError(f"`dt` must be positive (s), or None, but got {dt!r}.")
    parts, _ = _container(as_sequence(walk.validated(sequence)), (), dt)
    return Timeline(**parts)


def timeline_of(event: Together) -> Timeline:
    """One event, whose leaves are single values, in steps."""
    return Timeline(**_together(event, _ramp_cuts(event, None)))


def _container(container: AbstractContainer, outer: tuple[int, ...], dt: float | None) -> tuple[Parts, Array]:
    """Parts and duration of one playing of `container`, for every repetition of what encloses it."""
    shape = (*outer, *container.repetitions)
    now, rows = jnp.zeros(shape), [_empty(shape)]
    for entry in container.events:
        parts, elapsed = _event(entry, shape, dt) if isinstance(entry, AbstractEvent) else _container(entry, shape, dt)
        rows.append(_later(parts, now))
        now = now + elapsed
    axis = len(shape)
    joined = {name: jnp.concatenate([row[name] for row in rows], axis=axis) for name in rows[0]}
    return (joined, now) if shape == outer else _in_a_row(joined, now, axis)


def _in_a_row(parts: Parts, durations: Array, axis: int) -> tuple[Parts, Array]:
    ends = jnp.cumsum(durations, axis=-1)
    # not `ends - durations`, which is nan where one is infinite
    parts = _later(parts, jnp.concatenate([jnp.zeros_like(ends[..., :1]), ends[..., :-1]], axis=-1))
    flat = {
        name: x.reshape(*x.shape[: axis - 1], x.shape[axis - 1] * x.shape[axis], *x.shape[axis + 1 :])
        for name, x in parts.items()
    }
    return flat, ends[..., -1]


def _later(parts: Parts, by: Array) -> Parts:
    return parts | {name: parts[name] + by[..., None] for name in TIMES}


def _empty(shape: tuple[int, ...]) -> Parts:
    return {name: jnp.zeros((*shape, *leaf.shape)) for name, leaf in _nothing().items()}


def _event(event: AbstractEvent, shape: tuple[int, ...], dt: float | None) -> tuple[Parts, Array]:
    """Parts and duration of an event, once for each repetition."""
    cuts = _ramp_cuts(event, dt)
    repeated = event.repetition_shapes()
    numbers = {name: leaf for name, leaf in event.leaves().items() if isinstance(leaf, jax.Array)}
    n = math.prod(shape)

    def spread(name: str) -> Array:
        own = numbers[name].shape[len(repeated[name]) :]
        filled = numbers[name].reshape(*(1,) * (len(shape) - len(repeated[name])), *repeated[name], *own)
        return jnp.broadcast_to(filled, (*shape, *own)).reshape(n, *own)

    parts, duration = _played_often(event, {name: spread(name) for name in numbers}, cuts, n)
    unflat = lambda x: x.reshape(*shape, *x.shape[1:])
    return jax.tree.map(unflat, (parts, duration))


@eqx.filter_jit
def _played_often(event: AbstractEvent, leaves: dict[str, Array], cuts: Cuts, n: int) -> tuple[Parts, Array]:
    """Parts and durations of `n` playings, compiled once for all events of the same structure."""
    return jax.vmap(lambda values: _played(event.with_leaves(values), cuts), axis_size=n)(leaves)


def _nothing() -> Parts:
    none = jnp.zeros(0)
    return {
        "duration": none,
        "b1": none + 0j,
        "rf_offset": none,
        "gradient": jnp.zeros((0, 2, 3)),
        "flip": none + 0j,
        "winding": none,
        "sample_times": none,
        "receiver_phase": none,
        "rf_centers": none,
        "rf_turns": none,
    }


def _played(event: AbstractEvent, cuts: Cuts) -> tuple[Parts, Array]:
    """Parts and duration of an event whose leaves are single values."""
    match event:
        case Pulse():
            flip = (event.flip_angle * jnp.exp(1j * jnp.asarray(event.phase)))[None]
            turn = jnp.where(jnp.abs(event.flip_angle) > REFOCUSES_FROM, -1.0, 0.0)[None]
            parts = _resting(jnp.zeros(1)) | {"flip": flip, "rf_centers": jnp.zeros(1), "rf_turns": turn}
        case Dephase():
            lasting = jnp.asarray(event.duration)[None] + jnp.zeros(1)
            parts = _resting(lasting) | {"winding": jnp.full(1, float(event.order))}
        case AbstractSample():
            phase = jnp.asarray(getattr(event, "phase", 0.0)) + jnp.zeros(1)
            parts = _nothing() | {"sample_times": jnp.zeros(1), "receiver_phase": phase}
        case Together():
            parts = _together(event, cuts)
        case event if isinstance(event, PLAYABLE):
            parts = _together(Together(event), cuts)
        case _:
            parts = _nothing()
    return parts, jnp.asarray(getattr(event, "duration", 0.0)) + jnp.zeros(())


def _resting(duration: Float[Array, " n"]) -> Parts:
    """Steps in which nothing is played."""
    still = jnp.zeros_like(duration)
    gradient = jnp.zeros((duration.shape[0], 2, 3), duration.dtype)
    return _nothing() | {
        "duration": duration,
        "b1": still + 0j,
        "rf_offset": still,
        "gradient": gradient,
        "flip": still + 0j,
        "winding": still,
    }


def _together(event: Together, cuts: Cuts) -> Parts:
    gradients, pulses = list(event.started(Gradient)), list(event.started(*RF))
    edges = _ends(event)
    n_ends = len(edges)
    edges += [start + _with_cuts(gradient.times, n) for (start, gradient), n in zip(gradients, cuts, strict=True)]
    edges += [start + _pulse_edges(pulse) for start, pulse in pulses]
    edges += [jnp.stack([start, start + readout.duration]) for start, readout in event.started(Readout)]
    passed, sorted_edges = _in_order(edges)
    begin, duration = sorted_edges[:-1], jnp.diff(sorted_edges)
    parts = _resting(duration)
    own = iter(passed[n_ends:])
    for (start, gradient), n in zip(gradients, cuts, strict=True):
        piece = next(own)
        ends = _line(gradient, piece, n, begin - start, begin + duration - start)
        parts |= {"gradient": parts["gradient"].at[:, :, AXES.index(gradient.axis)].add(ends)}
    for start, pulse in pulses:
        b1, offset = _rf(pulse, next(own), begin - start)
        parts |= {"b1": parts["b1"] + b1, "rf_offset": parts["rf_offset"] + offset}
    readouts = [readout for _, readout in event.started(Readout)]
    phases = [jnp.zeros(0), *(readout.receiver_phase() for readout in readouts)]
    centers = [jnp.zeros(0), *((start + _center(pulse))[None] for start, pulse in pulses)]
    turns = [jnp.zeros(0), *(_turn(pulse)[None] for _, pulse in pulses)]
    return parts | {
        "sample_times": event.sample_offsets(),
        "receiver_phase": jnp.concatenate(phases),
        "rf_centers": jnp.concatenate(centers),
        "rf_turns": jnp.concatenate(turns),
    }


def _ends(event: Together) -> list[Array]:
    """The start and the end of an event, as far as no pulse, readout or gradient surely begins or ends there."""
    begins = any(isinstance(track[0], (*RF, Readout)) for track in event.tracks if track)
    ends = len(event.tracks) == 1 and isinstance(event.tracks[0][-1], (*RF, Readout, Gradient))
    return [edge for edge, is_known in ((jnp.zeros(1), begins), (event.duration[None], ends)) if not is_known]


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


def _line(gradient: Gradient, passed: Array, cuts: tuple[int, ...], begin: Array, end: Array) -> Float[Array, "n 2"]:
    """The gradient at the start and the end of steps, each of which lies within one of its pieces or outside of all."""
    n_pieces = gradient.times.shape[-1] - 1
    piece_of = np.repeat(np.arange(n_pieces), cuts or 1)
    inside = (passed >= 0) & (passed < len(piece_of))
    piece = jnp.asarray(piece_of)[jnp.clip(passed, 0, len(piece_of) - 1)]
    first, length = gradient.times[piece], jnp.diff(gradient.times)[piece]
    low, high = gradient.waveform[piece], gradient.waveform[piece + 1]

    def at(time: Array, in_a_jump: Array) -> Array:
        share = jnp.where(length > 0, (time - first) / jnp.where(length > 0, length, 1.0), 0.0)
        return jnp.where(inside, jnp.where(length > 0, low + (high - low) * share, in_a_jump), 0.0)

    return jnp.stack([at(begin, low), at(end, high)], axis=-1)


def _pulse_edges(pulse: AbstractEvent) -> Float[Array, " n"]:
    if isinstance(pulse, ShapedPulse):
        return pulse.dt * jnp.arange(pulse.waveform.shape[-1] + 1)
    return jnp.stack([jnp.zeros(()), pulse.duration])  # pyright: ignore[reportAttributeAccessIssue]


def _rf(pulse: Any, passed: Array, begin: Float[Array, " n"]) -> tuple[Array, Array]:
    """Field and offset of steps that begin at some times of the pulse."""
    samples = pulse.waveform if isinstance(pulse, ShapedPulse) else jnp.asarray(pulse.b1)[None]
    inside = (passed >= 0) & (passed < len(samples))
    amplitude, offset = samples[jnp.clip(passed, 0, len(samples) - 1)], jnp.asarray(pulse.offset)
    field = amplitude * jnp.exp(1j * (2 * jnp.pi * offset * begin + jnp.asarray(pulse.phase)))
    return jnp.where(inside, field, 0.0), jnp.where(inside, offset, 0.0)


def _center(pulse: Any) -> Array:
    """When a pulse acts: where it says so, else in the middle of where it is strongest."""
    if pulse.center is not None:
        return jnp.asarray(pulse.center)
    if isinstance(pulse, ContinuousWave):
        return pulse.duration / 2
    strength = jnp.abs(pulse.waveform)
    strongest = strength >= (1 - 1e-5) * jnp.max(strength)
    middles = jnp.arange(strength.shape[-1]) + 0.5
    return pulse.dt * jnp.sum(jnp.where(strongest, middles, 0.0)) / jnp.sum(strongest)


def _turn(pulse: Any) -> Array:
    if pulse.use is not None:
        return jnp.asarray(TURNS.get(pulse.use, 1.0))
    area = pulse.b1 * pulse.duration if isinstance(pulse, ContinuousWave) else jnp.sum(pulse.waveform) * pulse.dt
    flip_angle = 2 * math.pi * units.GAMMA_BAR["1H"] * jnp.abs(area)
    return jnp.where(flip_angle > REFOCUSES_FROM, -1.0, 0.0)


def _with_cuts(times: Float[Array, " n"], parts: tuple[int, ...]) -> Float[Array, " m"]:
    """The points, with more between them so that each piece has so many parts."""
    if not parts:
        return times
    pieces = [
        start + (end - start) * jnp.arange(n) / n for start, end, n in zip(times[:-1], times[1:], parts, strict=True)
    ]
    return jnp.concatenate([*pieces, times[-1:]])


def _ramp_cuts(event: AbstractEvent, dt: float | None) -> Cuts:
    """Into how many parts each piece of each gradient is to be cut."""
    whole = Together(event) if isinstance(event, Gradient) else event
    gradients = [gradient for _, gradient in whole.started(Gradient)] if isinstance(whole, Together) else []
    if dt is None:
        return ((),) * len(gradients)
    for gradient in gradients:
        if not all(map(_checks.is_concrete, (gradient.times, gradient.waveform))):
            raise ValueError("`dt` must be None where gradients are traced: the number of steps has to be known.")
    return tuple(_parts_of(np.asarray(g.waveform), np.asarray(g.times), dt) for g in gradients)


def _parts_of(waveform: np.ndarray, times: np.ndarray, dt: float) -> tuple[int, ...]:
    n = waveform.shape[-1] - 1
    ramps = np.any(np.diff(waveform, axis=-1).reshape(-1, n) != 0, axis=0)
    longest = np.max(np.diff(times, axis=-1).reshape(-1, n), axis=0)
    # a part that is longer than `dt` by rounding alone is not worth another cut
    pieces = zip(longest, ramps, strict=True)
    return tuple(max(1, math.ceil(length / dt - 1e-6)) if ramp else 1 for length, ramp in pieces)
