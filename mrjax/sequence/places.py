"""Moments as places within the steps of a timeline."""

from typing import TYPE_CHECKING, Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int

from mrjax.sequence.double_length import DoubleLength, count_until
from mrjax.sequence.precision import Numbers

if TYPE_CHECKING:
    from mrjax.sequence.timeline import Timeline


class TimesInSteps(eqx.Module):
    """Moments as numbers of steps and times within them, which keep their digits however late they are."""

    step: Int[Numbers, "*n"]
    into: Float[Numbers, "*n"]
    """In s from the start of the step."""
    n_pulses: Int[Numbers, "*n"]
    """How many pulses have acted."""

    @property
    def knot(self) -> Int[Numbers, "*n"]:
        """The last knot until then."""
        return self.step + self.n_pulses


def of_samples(timeline: "Timeline") -> TimesInSteps:
    """Where the samples lie."""
    step, into, rf = timeline.sample_step, timeline.sample_into, (timeline.rf_step, timeline.rf_into)
    if not timeline.is_known:
        return TimesInSteps(step, into, count_until(rf, (step, into)))
    # NumPy compares complex numbers by their imaginary parts where their real parts are equal
    pairs = lambda first, second: np.asarray(first) + 1j * np.asarray(second)
    return TimesInSteps(step, into, np.searchsorted(pairs(*rf), pairs(step, into), side="right"))  # pyright: ignore[reportArgumentType]


def located_known(timeline: "Timeline", times: Float[np.ndarray, "*n"]) -> tuple[TimesInSteps, Bool[np.ndarray, "*n"]]:
    """Where times from the start of the sequence lie, and which are within it, of a known timeline."""
    edges, centers = timeline.edges, timeline.rf_centers
    step = np.clip(np.searchsorted(edges, times, side="right") - 1, 0, timeline.n_steps - 1)
    with np.errstate(invalid="ignore"):
        into = np.clip(np.where(times == edges[step], 0.0, times - edges[step]), 0.0, timeline.duration[step])
    acted = _of_steps_until(np, timeline, step, np.searchsorted(centers, times, side="right"))
    if centers.size:
        last = np.maximum(acted - 1, 0)
        into = np.where((centers[last] == times) & (timeline.rf_step[last] == step), timeline.rf_into[last], into)
    places = TimesInSteps(*map(np.asarray, (step, into, acted)))
    return places, np.asarray((times >= 0) & (times <= edges[-1]))


@eqx.filter_jit
def located_traced(timeline: "Timeline", times: DoubleLength) -> tuple[TimesInSteps, Bool[Numbers, "*n"]]:
    """As `located_known`, where something is traced."""
    edges = timeline.exact_edges
    until = lambda moments: count_until((moments.high, moments.low), (times.high, times.low))
    step = jnp.clip(until(edges) - 1, 0, timeline.n_steps - 1)
    into, length = (times + -edges[step]).rounded, timeline.duration[step]
    # strictly, so that what lies on an edge keeps its derivative
    into = jnp.where(into < 0, 0.0, jnp.where(into > length, length, into))
    acted = _of_steps_until(jnp, timeline, step, until(edges[timeline.rf_step] + timeline.rf_into))
    end = edges[-1]
    before_the_end = (times.high < end.high) | ((times.high == end.high) & (times.low <= end.low))
    return TimesInSteps(step, into, acted), (times.high >= 0) & before_the_end


def _of_steps_until(numbers: Any, timeline: "Timeline", step: Any, n_pulses: Any) -> Any:
    """Numbers of pulses, of which rounding must not have counted one of a later step, nor missed one of an earlier."""
    sides = (numbers.searchsorted(timeline.rf_step, step, side=side) for side in ("left", "right"))
    return numbers.clip(n_pulses, *sides)
