"""Coherence pathways: the extended phase graph as a picture."""

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection

from mrjax.physics import EPG, EPGState
from mrjax.physics.epg.operators import up_to_date
from mrjax.plot import _style
from mrjax.sequence import AbstractContainer, Dephase, Pulse, Sample
from mrjax.sequence.containers import as_sequence
from mrjax.sequence.unrolled import TimedEvent, unrolled
from mrjax.tissue import Tissue

MOST_PULSES = 30


def coherence_pathways(
    sequence: AbstractContainer,
    tissue: Tissue | None = None,
    *,
    threshold: float = 0.01,
    axes: Axes | None = None,
) -> Axes:
    """The dephasing order of every populated state over time; the stronger the state, the darker its line.

    Transverse states are drawn solid, with negative orders below zero; longitudinal ones dashed, at their order in cycles.
    Pulses are vertical lines, samples dots on order zero.

    **Arguments:**

    - `sequence`: With known numbers and at most 30 pulses; of instantaneous events and delays.
    - `tissue`: One voxel, without `t2_prime` and diffusion; by default one without relaxation.
    - `threshold`: Amplitude, relative to M0, below which a state is not drawn.
    - `axes`: Matplotlib axes to draw in; new ones by default.

    **Returns:** The axes.

    **Raises:** `ValueError` for more pulses or more than one voxel.
    """
    events = unrolled(sequence)
    n_pulses = sum(isinstance(timed.event, Pulse) for timed in events)
    if n_pulses > MOST_PULSES:
        raise ValueError(
            f"`sequence` must have at most {MOST_PULSES} pulses for its pathways to be seen, but has {n_pulses}."
        )
    tissue = Tissue(t1=jnp.inf, t2=jnp.inf) if tissue is None else tissue
    if tissue.voxel_shape:
        raise ValueError(f"`tissue` must be one voxel, but has the shape {tissue.voxel_shape}.")
    if tissue.has("diffusion"):
        raise ValueError("`tissue` must have no diffusion for its pathways to be drawn; leave it out.")
    axes = _style.axes_or_new(axes, figsize=(8, 4))
    _draw_states(axes, *_segments(sequence, events, tissue.flattened(), threshold))
    _draw_events(axes, events)
    axes.autoscale()
    axes.axhline(0, color="0.7", lw=0.8, zorder=0)
    axes.set_xlabel("time (ms)")
    axes.set_ylabel("dephasing order k")
    return axes


def _draw_states(axes: Axes, transverse: list, longitudinal: list) -> None:
    for segments, style in ((transverse, "solid"), (longitudinal, "dashed")):
        if not segments:
            continue
        lines = [[(t * 1e3, k) for t, k in ends] for *ends, _ in segments]
        strengths = [0.15 + 0.85 * min(1.0, amplitude) for *_, amplitude in segments]
        colour = "C0" if style == "solid" else "C3"
        axes.add_collection(LineCollection(lines, colors=colour, alpha=strengths, linestyles=style, linewidths=1.5))


def _draw_events(axes: Axes, events: list[TimedEvent]) -> None:
    for timed in events:
        if isinstance(timed.event, Pulse):
            axes.axvline(timed.start * 1e3, color="0.8", lw=3, zorder=0)
        elif isinstance(timed.event, Sample):
            axes.plot(timed.start * 1e3, 0, "o", color="C2", ms=5, zorder=3)


def _segments(
    sequence: AbstractContainer, events: list[TimedEvent], tissue: Tissue, threshold: float
) -> tuple[list, list]:
    """Lines of the transverse and of the longitudinal states: start, end and amplitude, in time and order."""
    sequence = as_sequence(sequence)
    engine = EPG().plan(sequence, tissue, None, keeps_state=True).engine
    state = engine.init(sequence, tissue)
    transverse, longitudinal = [], []
    for timed in events:
        if timed.duration > 0 or isinstance(timed.event, Dephase):
            order = float(timed.event.winding)
            end = timed.start + (timed.duration if np.isfinite(timed.duration) else 0.0)
            for k, amplitude in _populated(state, threshold):
                transverse.append(((timed.start, k), (end, k + order), amplitude))
            for row in np.flatnonzero(np.abs(state.z[:, 0]) > threshold):
                k = row / state.orders_per_cycle
                longitudinal.append(((timed.start, k), (end, k), float(np.abs(state.z[row, 0]))))
        state, _ = engine.prepare(jax.tree.map(jnp.asarray, timed.event), tissue)(state)
        state = up_to_date(state)
    return transverse, longitudinal


def _populated(state: EPGState, threshold: float) -> list[tuple[float, float]]:
    """Orders in cycles, of both signs, of the transverse states above the threshold, and their amplitudes."""
    plus, minus = np.abs(state.f_plus[:, 0]), np.abs(state.f_minus[:, 0])
    above = [(float(k / state.orders_per_cycle), float(plus[k])) for k in np.flatnonzero(plus > threshold)]
    return above + [
        (float(-k / state.orders_per_cycle), float(minus[k])) for k in np.flatnonzero(minus > threshold) if k > 0
    ]
