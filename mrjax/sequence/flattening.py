"""The steps of events put in a row, as a timeline, without unrolling the repeats."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from mrjax.sequence import walk
from mrjax.sequence.base import AbstractContainer, AbstractEvent
from mrjax.sequence.gradients import Gradient
from mrjax.sequence.precision import in_best_precision
from mrjax.sequence.steps import Steps, in_a_row, later, no_steps
from mrjax.sequence.timeline import Timeline
from mrjax.sequence.tracks import AbstractScannerEvent


def flattened(sequence: AbstractContainer, dt: float | None) -> Timeline:
    """A sequence as a timeline.

    **Arguments:**

    - `sequence`: Any that is not repeated itself.
    - `dt`: Longest step in s within a ramp of a gradient; None to cut at corners alone.
    """
    if dt is not None and not (np.isfinite(dt) and dt > 0):
        raise ValueError(f"`dt` must be positive (s), or None, but got {dt!r}.")
    checked = walk.validated(sequence)
    short = checked if dt is None else _with_ramps_cut(checked, dt)
    return in_best_precision(lambda played: Timeline(**_container(played, ())), short)


def timeline_of(event: AbstractScannerEvent) -> Timeline:
    """One event, whose leaves are single values, in steps."""
    return Timeline(**event.steps())


def _with_ramps_cut(sequence: AbstractContainer, dt: float) -> AbstractContainer:
    cut = lambda node: node.with_ramps_cut(dt) if isinstance(node, Gradient) else node
    return jax.tree.map(cut, sequence, is_leaf=lambda node: isinstance(node, Gradient))


def _container(container: AbstractContainer, outer: tuple[int, ...]) -> Steps:
    """Steps of one playing of `container`, for every repetition of what encloses it."""
    shape = (*outer, *container.repetitions)
    n_steps, rows = 0, [_empty(shape)]
    for entry in container.events:
        steps = _event(entry, shape) if isinstance(entry, AbstractEvent) else _container(entry, shape)
        rows.append(later(steps, n_steps))
        n_steps += steps["duration"].shape[-1]
    axis = len(shape)
    joined = {name: jnp.concatenate([row[name] for row in rows], axis=axis) for name in rows[0]}
    return joined if shape == outer else in_a_row(joined, axis)


def _empty(shape: tuple[int, ...]) -> Steps:
    return {name: jnp.zeros((*shape, *leaf.shape), leaf.dtype) for name, leaf in no_steps().items()}


def _event(event: AbstractEvent, shape: tuple[int, ...]) -> Steps:
    """Steps of an event, once for each repetition."""
    repeated = event.repetition_shapes()
    numbers = {name: leaf for name, leaf in event.leaves().items() if isinstance(leaf, jax.Array)}
    n = math.prod(shape)

    def for_each(name: str) -> Array:
        own = numbers[name].shape[len(repeated[name]) :]
        filled = numbers[name].reshape(*(1,) * (len(shape) - len(repeated[name])), *repeated[name], *own)
        return jnp.broadcast_to(filled, (*shape, *own)).reshape(n, *own)

    steps = _played_often(event, {name: for_each(name) for name in numbers}, n)
    if steps["sample_step"].shape[-1] != event.n_samples:
        raise ValueError(
            f"`steps` of {type(event).__name__} must hold as many samples as `n_samples` says, {event.n_samples}, but hold "
            f"{steps['sample_step'].shape[-1]}."
        )
    return {name: x.reshape(*shape, *x.shape[1:]) for name, x in steps.items()}


@eqx.filter_jit
def _played_often(event: AbstractEvent, leaves: dict[str, Array], n: int) -> Steps:
    """Steps of `n` playings, compiled once for all events of the same structure."""
    return jax.vmap(lambda values: event.with_leaves(values).steps(), axis_size=n)(leaves)
