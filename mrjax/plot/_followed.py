"""The magnetisation of a few spins at many moments of a sequence, by the Bloch equations along its timeline."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from mrjax.physics.bloch import Magnetisation, bloch
from mrjax.sequence import AbstractContainer, AbstractIdealEvent, Sequence, Timeline
from mrjax.sequence.unrolled import unrolled
from mrjax.tissue import Tissue
from mrjax.units import GAMMA_BAR

INSTANT = 1e-9
"""In s, that a pulse takes which takes no time; nothing else turns or decays within."""

TURN = 0.05
"""In rad, by which an offset may turn RF within a step."""

MOST_ROWS = 500_000


def require_followed(sequence: AbstractContainer) -> None:
    """Refuse what spins cannot be followed through one by one: ideal windings, spoilers and the like."""
    for event in {type(timed.event): timed.event for timed in unrolled(sequence)}.values():
        if isinstance(event, AbstractIdealEvent) and event.symbol not in ("pulse", "sample"):
            raise ValueError(
                f"`sequence` must hold what single spins can be followed through, but holds a {type(event).__name__}; play "
                f"{event.instead} instead."
            )


def followed(sequence: AbstractContainer, tissue: Tissue, times: Float[np.ndarray, " n"]) -> np.ndarray:
    """Mx, My and Mz relative to M0 of each spin at some times in order, `(n_times, n_spins, 3)`.

    At the moment of a pulse that takes no time, before it.
    """
    timeline = Sequence(sequence).timeline()
    durations, fields, ends = _rows(timeline, times)
    spins = tissue.flattened()
    n_spins = int(np.prod(tissue.voxel_shape))
    widen = lambda leaf: jnp.broadcast_to(leaf, (n_spins,))
    path = _played(jnp.asarray(durations), jnp.asarray(fields), jax.tree.map(widen, spins))
    return np.concatenate([np.eye(3)[None, None, 2] * np.ones((1, n_spins, 1)), np.asarray(path)])[ends]


def _rows(timeline: Timeline, times: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """How long each row lasts, real and imaginary RF and gradients in it, and how many rows are over at `times`."""
    edges, flip = np.asarray(timeline.edges), np.asarray(timeline.flip)
    turns = np.abs(np.asarray(timeline.rf_offset)) * np.where(np.asarray(timeline.b1) != 0, timeline.duration, 0.0)
    parts = np.maximum(np.ceil(2 * np.pi * turns / TURN), 1).astype(int)
    cut = [
        start + d * np.arange(1, n) / n for start, d, n in zip(edges, timeline.duration, parts, strict=False) if n > 1
    ]
    moments = np.unique(np.concatenate([edges[np.isfinite(edges)], times, *cut]))
    moments = moments[moments <= times[-1]]
    if moments.size > MOST_ROWS:
        raise ValueError(
            f"`sequence` must have at most {MOST_ROWS} steps to be followed; choose an earlier `time_range`."
        )
    b1, gradient = timeline.at((moments[1:] + moments[:-1]) / 2)
    b1, gradient = np.asarray(b1), np.asarray(gradient)
    (instants,) = np.nonzero(flip)
    rf = flip[instants] / (2 * np.pi * GAMMA_BAR["1H"] * INSTANT)
    start = np.concatenate([edges[instants], moments[:-1]])
    order = np.argsort(start, kind="stable")  # a pulse before what starts with it
    durations = np.concatenate([np.full(instants.size, INSTANT), np.diff(moments)])[order]
    fields = np.concatenate([rf, b1])[order]
    gradients = np.concatenate([np.zeros((instants.size, 3)), gradient])[order]
    ends = np.searchsorted(start[order], times, side="left")
    return durations, np.concatenate([np.stack([fields.real, fields.imag], -1), gradients], axis=-1), ends


@eqx.filter_jit
def _played(durations: Float[Array, " n"], fields: Float[Array, "n 5"], spins: Tissue) -> Float[Array, "n spin 3"]:
    def next_row(now: Magnetisation, row: tuple[Array, Array]) -> tuple[Magnetisation, Array]:
        duration, (real, imaginary, *slopes) = row
        where = (spins.x, spins.y, spins.z)
        extra = sum((g * r for g, r in zip(slopes, where, strict=True)), jnp.zeros(()))
        shifted = dataclasses.replace(spins, off_resonance=spins.off_resonance + GAMMA_BAR["1H"] * extra)
        after = bloch((real + 1j * imaginary)[None], duration, shifted, start=now)
        return after, jnp.stack([after.transverse.real, after.transverse.imag, after.longitudinal], axis=-1)

    rest = jnp.zeros_like(spins.t1)
    start = Magnetisation(rest + 0j, rest + 1)
    return jax.lax.scan(next_row, start, (durations, fields))[1]
