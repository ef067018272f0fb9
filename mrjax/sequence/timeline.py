"""A sequence flattened: what is played at every moment."""

import dataclasses
import math
from functools import partial
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float, Int

from mrjax import units
from mrjax.sequence.double_length import angle
from mrjax.sequence.precision import Numbers, in_best_precision
from mrjax.sequence.segments import Segments, since_excitation
from mrjax.sequence.time_axis import AbstractTimeAxis, TimesInSteps

GAMMA = 2 * math.pi * units.GAMMA_BAR["1H"]


class Timeline(AbstractTimeAxis):
    r"""What a sequence plays, in steps: RF constant in each, gradients straight.

    Made by `sequence.timeline()`. Steps meet where any event begins or ends, at the corners of gradients and between the
    samples of pulses, whatever the durations are: all numbers are differentiable in amplitudes and durations.

    **Attributes:**

    - `duration`: Of each step in s, zero for what takes no time, `(n_steps,)`.
    - `b1`: RF at the start of the step in T, complex, in the frame of the scanner; it goes on as `exp(2j * pi * rf_offset * t)`.
    - `rf_offset`: In Hz.
    - `gradient`: At the start and the end of each step in T/m, along x, y and z: `(n_steps, 2, 3)`.
    - `flip`: Flip angle times $e^{i\phi}$ of `Pulse`s, which take no time, in rad.
    - `winding`: Cycles across the voxel by `Dephase`.
    - `sample_step`, `sample_into`: In which step each sample lies, and how many s after the start of it, `(n_samples,)`.
    - `receiver_phase`: In rad, by which each sample is turned back.
    - `rf_step`, `rf_into`: When each pulse acts, likewise, `(n_pulses,)`.
    - `rf_turns`: What each does to the phase that gradients have wound before: 0 (excitation) forgets it, -1 (refocusing)
      inverts it, 1 leaves it.

    **Precision:** Of a sequence with known numbers all of this, and what is computed from it, is in double precision, as NumPy
    arrays. Where something is traced it is of working precision. Then a time in s from the start of the sequence
    (`edges`, `sample_times`, `rf_centers`) is rounded to 60 us after ten minutes in single precision, but integrals are not
    affected: they are formed within steps and gather from the last excitation on. `since_excitation` gives times that are not
    affected either.
    """

    duration: Float[Numbers, " n_steps"]
    b1: Complex[Numbers, " n_steps"]
    rf_offset: Float[Numbers, " n_steps"]
    gradient: Float[Numbers, "n_steps 2 3"]
    flip: Complex[Numbers, " n_steps"]
    winding: Float[Numbers, " n_steps"]
    sample_step: Int[Numbers, " n_samples"]
    sample_into: Float[Numbers, " n_samples"]
    receiver_phase: Float[Numbers, " n_samples"]
    rf_step: Int[Numbers, " n_pulses"]
    rf_into: Float[Numbers, " n_pulses"]
    rf_turns: Float[Numbers, " n_pulses"]

    @property
    def lasting(self) -> Float[Numbers, " n_steps"]:
        """As `duration`, but zero in waits without end, in which no gradient is played: areas stay finite."""
        return jnp.where(jnp.isfinite(self.duration), self.duration, 0.0)

    @property
    def mean_gradient(self) -> Float[Numbers, "n_steps 3"]:
        """Of each step in T/m: with it in place of the straight line, steps are constant, and areas the same."""
        return jnp.mean(self.gradient, axis=1)

    def at(self, times: Any) -> tuple[Complex[Numbers, "*time"], Float[Numbers, "*time 3"]]:
        """RF in T and gradients in T/m at any times in s; zero outside the sequence."""
        return in_best_precision(_at, self, *self.located(times))

    def area_until(self, times: Any) -> Float[Numbers, "*time 3"]:
        r"""$\int_0^t G\,dt'$ in T s/m at each time, whatever pulses are played."""
        return in_best_precision(_area_until, self, self.located(times)[0])

    def trajectory(self, times: Any | None = None, gyromagnetic_ratio: float = GAMMA) -> Float[Numbers, "*time 3"]:
        r"""$k(t) = -\frac{\gamma}{2\pi} \int G\,dt$ in cycles/m since the last excitation, inverted by refocusing pulses.

        **Arguments:**

        - `times`: In s; those of the samples by default.
        - `gyromagnetic_ratio`: In rad/s/T, protons by default.

        **Returns:** $k$ along x, y and z, `(n_times, 3)`, so that the signal is $\int m(r) e^{-2\pi i k r} dr$.
        """
        return in_best_precision(_trajectory, self, self.in_steps(times), gyromagnetic_ratio)

    def since_excitation(self, times: Any | None = None) -> Float[Numbers, "*time"]:
        """The time in s that has passed since the last excitation, or since the start of the sequence where there is none.

        Differences between the samples of a readout, traced or not, are right to the last digits however long the sequence is.

        **Arguments:**

        - `times`: In s from the start of the sequence; those of the samples by default.
        """
        return in_best_precision(partial(_time_passed, False), self, self.in_steps(times))

    def dephasing_time(self, times: Any | None = None) -> Float[Numbers, "*time"]:
        """The time in s since the last excitation, inverted by refocusing pulses: zero at echoes, negative before them.

        **Arguments:**

        - `times`: In s from the start of the sequence; those of the samples by default.
        """
        return in_best_precision(partial(_time_passed, True), self, self.in_steps(times))

    def segments(self, lengths: Float[Numbers, " n_steps"]) -> Segments:
        """Parts of steps that last so long, from each start of a step and each pulse to the next."""
        return Segments.of(lengths, self.rf_step, self.rf_into, self.rf_turns)

    def area_between(
        self, step: Int[Numbers, "*n"], begin: Float[Numbers, "*n"], end: Float[Numbers, "*n"]
    ) -> Float[Numbers, "*n 3"]:
        """The area of gradients within parts of steps, from `begin` to `end` in s, in T s/m."""
        length = self.lasting[step]
        first, last = self.gradient[step, 0], self.gradient[step, 1]
        share = jnp.where(length > 0, (begin + end) / (2 * jnp.where(length > 0, length, 1.0)), 0.5)[..., None]
        return (first + (last - first) * share) * (end - begin)[..., None]


@eqx.filter_jit
def _at(timeline: Timeline, places: TimesInSteps, inside: Array) -> tuple[Array, Array]:
    step, into = places.step, places.into
    length = timeline.duration[step]
    share = jnp.where(length > 0, into / jnp.where(length > 0, length, 1.0), 0.0)
    b1 = timeline.b1[step] * jnp.exp(1j * angle(timeline.rf_offset[step], into))
    start, end = timeline.gradient[step, 0], timeline.gradient[step, 1]
    gradient = start + (end - start) * share[..., None]
    return jnp.where(inside, b1, 0.0), jnp.where(inside[..., None], gradient, 0.0)


@eqx.filter_jit
def _area_until(timeline: Timeline, places: TimesInSteps) -> Float[Numbers, "*time 3"]:
    whole = jnp.cumsum(timeline.mean_gradient * timeline.lasting[:, None], axis=0)
    before = jnp.concatenate([jnp.zeros_like(whole[:1]), whole])
    return before[places.step] + timeline.area_between(places.step, jnp.zeros_like(places.into), places.into)


@eqx.filter_jit
def _trajectory(
    timeline: Timeline, places: TimesInSteps, gyromagnetic_ratio: float | Array
) -> Float[Numbers, "*time 3"]:
    area = since_excitation(timeline.area_between, timeline.segments(timeline.lasting), places)
    return -gyromagnetic_ratio / (2 * math.pi) * area


@eqx.filter_jit
def _time_passed(is_inverted: bool, timeline: Timeline, places: TimesInSteps) -> Float[Numbers, "*time"]:
    """Since the last excitation, inverted by refocusing pulses or not."""
    segments = timeline.segments(timeline.duration)
    if not is_inverted:
        segments = dataclasses.replace(segments, turn=jnp.abs(segments.turn))
    passed = lambda step, begin, end: (end - begin)[..., None]
    return since_excitation(passed, segments, places)[..., 0]
