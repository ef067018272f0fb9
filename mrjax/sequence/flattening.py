"""Events cut into steps, and the steps of a sequence put in a row, without unrolling the repeats."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

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
    parts = _later(parts, ends - durations)
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

    play = lambda leaves: _played(event.with_leaves(leaves), cuts)
    parts, duration = jax.vmap(play, axis_size=n)({name: spread(name) for name in numbers})
    unflat = lambda x: x.reshape(*shape, *x.shape[1:])
    return jax.tree.map(unflat, (parts, duration))


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


def _played(event: AbstractEvent, cuts: list[list[int]]) -> tuple[Parts, Array]:
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


def _together(event: Together, cuts: list[list[int]]) -> Parts:
    gradients, pulses = list(event.started(Gradient)), list(event.started(*RF))
    edges = [jnp.zeros(1), event.duration[None]]
    edges += [start + _with_cuts(gradient.times, n) for (start, gradient), n in zip(gradients, cuts, strict=True)]
    edges += [start + _pulse_edges(pulse) for start, pulse in pulses]
    edges += [jnp.stack([start, start + readout.duration]) for start, readout in event.started(Readout)]
    sorted_edges = jnp.sort(jnp.concatenate(edges))
    begin, duration = sorted_edges[:-1], jnp.diff(sorted_edges)
    middle = begin + duration / 2
    parts = _resting(duration)
    for start, pulse in pulses:
        b1, offset = _rf_at(pulse, begin - start, middle - start)
        parts |= {"b1": parts["b1"] + b1, "rf_offset": parts["rf_offset"] + offset}
    for start, gradient in gradients:
        value, slope = gradient.line_at(middle - start)
        ends = jnp.stack([value - slope * duration / 2, value + slope * duration / 2], axis=-1)
        parts |= {"gradient": parts["gradient"].at[:, :, AXES.index(gradient.axis)].add(ends)}
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


def _pulse_edges(pulse: AbstractEvent) -> Float[Array, " n"]:
    if isinstance(pulse, ShapedPulse):
        return pulse.dt * jnp.arange(pulse.waveform.shape[-1] + 1)
    return jnp.stack([jnp.zeros(()), pulse.duration])  # pyright: ignore[reportAttributeAccessIssue]


def _rf_at(pulse: Any, begin: Float[Array, " n"], middle: Float[Array, " n"]) -> tuple[Array, Array]:
    """Field and offset of steps that begin at some times of the pulse, by what it plays in their middle."""
    inside = (middle > 0) & (middle < pulse.duration)
    if isinstance(pulse, ShapedPulse):
        sample = jnp.clip(jnp.floor(middle / pulse.dt).astype(int), 0, pulse.waveform.shape[-1] - 1)
        amplitude = pulse.waveform[sample]
    else:
        amplitude = pulse.b1
    offset = jnp.asarray(pulse.offset)
    field = amplitude * jnp.exp(1j * (2 * jnp.pi * offset * begin + jnp.asarray(pulse.phase)))
    return jnp.where(inside, field, 0.0), jnp.where(inside, offset, 0.0)


def _center(pulse: Any) -> Array:
    """When a pulse acts: in the middle of where it is strongest."""
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


def _with_cuts(times: Float[Array, " n"], parts: list[int]) -> Float[Array, " m"]:
    """The points, with more between them so that each piece has so many parts."""
    if not parts:
        return times
    pieces = [
        start + (end - start) * jnp.arange(n) / n for start, end, n in zip(times[:-1], times[1:], parts, strict=True)
    ]
    return jnp.concatenate([*pieces, times[-1:]])


def _ramp_cuts(event: AbstractEvent, dt: float | None) -> list[list[int]]:
    """Into how many parts each piece of each gradient is to be cut."""
    whole = Together(event) if isinstance(event, Gradient) else event
    gradients = [gradient for _, gradient in whole.started(Gradient)] if isinstance(whole, Together) else []
    if dt is None:
        return [[] for _ in gradients]
    for gradient in gradients:
        if not all(map(_checks.is_concrete, (gradient.times, gradient.waveform))):
            raise ValueError("`dt` must be None where gradients are traced: the number of steps has to be known.")
    return [_parts_of(np.asarray(g.waveform), np.asarray(g.times), dt) for g in gradients]


def _parts_of(waveform: np.ndarray, times: np.ndarray, dt: float) -> list[int]:
    n = waveform.shape[-1] - 1
    ramps = np.any(np.diff(waveform, axis=-1).reshape(-1, n) != 0, axis=0)
    longest = np.max(np.diff(times, axis=-1).reshape(-1, n), axis=0)
    # a part that is longer than `dt` by rounding alone is not worth another cut
    return [max(1, math.ceil(length / dt - 1e-6)) if ramp else 1 for length, ramp in zip(longest, ramps, strict=True)]
