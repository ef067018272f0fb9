"""The steps of a sequence as an axis of time, and moments on it."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int

from mrjax import _checks
from mrjax.sequence.double_length import DoubleLength, count_until, running_sum
from mrjax.sequence.precision import Numbers, is_known


class TimesInSteps(eqx.Module):
    """Moments as numbers of steps and times within them, which keep their digits however late they are."""

    step: Int[Numbers, "*n"]
    into: Float[Numbers, "*n"]
    """In s from the start of the step."""
    n_pulses: Int[Numbers, "*n"]
    """How many pulses have acted."""

    @property
    def segment(self) -> Int[Numbers, "*n"]:
        """The last of the `Segments` until then."""
        return self.step + self.n_pulses


class AbstractTimeAxis(eqx.Module):
    """Steps one after the other, with the samples and the pulses in them."""

    duration: eqx.AbstractVar[Float[Numbers, " n_steps"]]
    sample_step: eqx.AbstractVar[Int[Numbers, " n_samples"]]
    sample_into: eqx.AbstractVar[Float[Numbers, " n_samples"]]
    rf_step: eqx.AbstractVar[Int[Numbers, " n_pulses"]]
    rf_into: eqx.AbstractVar[Float[Numbers, " n_pulses"]]

    @property
    def edges(self) -> Float[Numbers, " n_edges"]:
        """Where steps begin, and the end of the last, in s from the start of the sequence."""
        if self.is_known:
            return np.concatenate([[0.0], np.cumsum(self.duration, dtype=float)])  # pyright: ignore[reportReturnType]
        return self.exact_edges.rounded

    @property
    def sample_times(self) -> Float[Numbers, " n_samples"]:
        """Of each sample in s from the start of the sequence."""
        return self._times(self.sample_step, self.sample_into)

    @property
    def rf_centers(self) -> Float[Numbers, " n_pulses"]:
        """When each pulse acts, in s from the start of the sequence."""
        return self._times(self.rf_step, self.rf_into)

    @property
    def is_known(self) -> bool:
        """Whether nothing is traced."""
        return is_known(self)

    @property
    def exact_edges(self) -> DoubleLength:
        """As `edges`, in two parts of working precision."""
        ends = running_sum(DoubleLength.of(self.duration))
        start = DoubleLength.of(jnp.zeros(1, self.duration.dtype))
        return jax.tree.map(lambda *parts: jnp.concatenate(parts), start, ends)

    def _times(self, step: Int[Numbers, " n"], into: Float[Numbers, " n"]) -> Float[Numbers, " n"]:
        return self.edges[step] + into if self.is_known else (self.exact_edges[step] + into).rounded

    @property
    def n_steps(self) -> int:
        """How many steps there are."""
        return self.duration.shape[0]

    def in_steps(self, times: Any | None) -> TimesInSteps:
        """Where times in s lie; where samples do if `times` is None."""
        return _of_samples(self) if times is None else self.located(times)[0]

    def located(self, times: Any) -> tuple[TimesInSteps, Bool[Numbers, "*time"]]:
        """Where times in s lie, the nearest end of the sequence for those outside, and which are not outside.

        NumPy and Python numbers keep their double precision. Where steps meet, it is the start of the last of these.
        """
        array = _checks.real_array(times, "times")
        if self.is_known and is_known(times):
            return _located_known(self, np.asarray(times, float))  # pyright: ignore[reportReturnType]
        return _located_traced(self, DoubleLength.of(times if is_known(times) else array))


def _of_samples(axis: AbstractTimeAxis) -> TimesInSteps:
    """Where the samples lie."""
    step, into, rf = axis.sample_step, axis.sample_into, (axis.rf_step, axis.rf_into)
    if not axis.is_known:
        return TimesInSteps(step, into, count_until(rf, (step, into)))
    # NumPy compares complex numbers by their imaginary parts where their real parts are equal
    pairs = lambda first, second: np.asarray(first) + 1j * np.asarray(second)
    return TimesInSteps(step, into, np.searchsorted(pairs(*rf), pairs(step, into), side="right"))  # pyright: ignore[reportArgumentType]


def _located_known(
    axis: AbstractTimeAxis, times: Float[np.ndarray, "*n"]
) -> tuple[TimesInSteps, Bool[np.ndarray, "*n"]]:
    """Where times from the start of the sequence lie, and which are within it, of a known sequence."""
    edges, centers = axis.edges, axis.rf_centers
    step = np.clip(np.searchsorted(edges, times, side="right") - 1, 0, axis.n_steps - 1)
    with np.errstate(invalid="ignore"):
        into = np.clip(np.where(times == edges[step], 0.0, times - edges[step]), 0.0, axis.duration[step])
    acted = _of_steps_until(np, axis, step, np.searchsorted(centers, times, side="right"))
    if centers.size:
        last = np.maximum(acted - 1, 0)
        into = np.where((centers[last] == times) & (axis.rf_step[last] == step), axis.rf_into[last], into)
    places = TimesInSteps(*map(np.asarray, (step, into, acted)))
    return places, np.asarray((times >= 0) & (times <= edges[-1]))


@eqx.filter_jit
def _located_traced(axis: AbstractTimeAxis, times: DoubleLength) -> tuple[TimesInSteps, Bool[Numbers, "*n"]]:
    """As `_located_known`, where something is traced."""
    edges = axis.exact_edges
    until = lambda moments: count_until((moments.high, moments.low), (times.high, times.low))
    step = jnp.clip(until(edges) - 1, 0, axis.n_steps - 1)
    into, length = (times + -edges[step]).rounded, axis.duration[step]
    # strictly, so that what lies on an edge keeps its derivative
    into = jnp.where(into < 0, 0.0, jnp.where(into > length, length, into))
    acted = _of_steps_until(jnp, axis, step, until(edges[axis.rf_step] + axis.rf_into))
    end = edges[-1]
    before_the_end = (times.high < end.high) | ((times.high == end.high) & (times.low <= end.low))
    return TimesInSteps(step, into, acted), (times.high >= 0) & before_the_end


def _of_steps_until(numbers: Any, axis: AbstractTimeAxis, step: Any, n_pulses: Any) -> Any:
    """Numbers of pulses, of which rounding must not have counted one of a later step, nor missed one of an earlier."""
    sides = (numbers.searchsorted(axis.rf_step, step, side=side) for side in ("left", "right"))
    return numbers.clip(n_pulses, *sides)
