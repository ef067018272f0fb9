"""A sequence flattened: what is played at every moment."""

import math
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float

from mrjax import units

GAMMA = 2 * math.pi * units.GAMMA_BAR["1H"]


class Timeline(eqx.Module):
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
    - `sample_times`: In s from the start, `(n_samples,)`.
    - `receiver_phase`: In rad, by which each sample is turned back.
    - `rf_centers`: In s, when each pulse acts, `(n_pulses,)`.
    - `rf_turns`: What each does to the phase that gradients have wound before: 0 (excitation) forgets it, -1 (refocusing)
      inverts it, 1 leaves it.
    """

    duration: Float[Array, " n_steps"]
    b1: Complex[Array, " n_steps"]
    rf_offset: Float[Array, " n_steps"]
    gradient: Float[Array, "n_steps 2 3"]
    flip: Complex[Array, " n_steps"]
    winding: Float[Array, " n_steps"]
    sample_times: Float[Array, " n_samples"]
    receiver_phase: Float[Array, " n_samples"]
    rf_centers: Float[Array, " n_pulses"]
    rf_turns: Float[Array, " n_pulses"]

    @property
    def edges(self) -> Float[Array, " n_edges"]:
        """Where steps begin, and the end of the last, in s from the start of the sequence."""
        return jnp.concatenate([jnp.zeros_like(self.duration[:1]), jnp.cumsum(self.duration)])

    @property
    def lasting(self) -> Float[Array, " n_steps"]:
        """As `duration`, but zero in waits without end, in which no gradient is played: areas stay finite."""
        return jnp.where(jnp.isfinite(self.duration), self.duration, 0.0)

    @property
    def n_steps(self) -> int:
        """How many steps there are."""
        return self.duration.shape[0]

    @property
    def mean_gradient(self) -> Float[Array, "n_steps 3"]:
        """Of each step in T/m: with it in place of the straight line, steps are constant, and areas the same."""
        return jnp.mean(self.gradient, axis=1)

    @eqx.filter_jit
    def at(self, times: Float[Array, " time"]) -> tuple[Complex[Array, " time"], Float[Array, "time 3"]]:
        """RF in T and gradients in T/m at any times in s; zero outside the sequence."""
        edges = self.edges
        step = jnp.clip(jnp.searchsorted(edges, times, side="right") - 1, 0, self.n_steps - 1)
        into, length = times - edges[step], self.duration[step]
        inside = (times >= 0) & (times <= edges[-1])
        share = jnp.where(length > 0, into / jnp.where(length > 0, length, 1.0), 0.0)
        b1 = self.b1[step] * jnp.exp(2j * jnp.pi * self.rf_offset[step] * into)
        start, end = self.gradient[step, 0], self.gradient[step, 1]
        gradient = start + (end - start) * share[:, None]
        return jnp.where(inside, b1, 0.0), jnp.where(inside[:, None], gradient, 0.0)

    @eqx.filter_jit
    def area_until(self, times: Float[Array, " time"]) -> Float[Array, "time 3"]:
        r"""$\int_0^t G\,dt'$ in T s/m at each time, whatever pulses are played."""
        edges = self.edges
        areas = jnp.cumsum(self.mean_gradient * self.lasting[:, None], axis=0)
        areas = jnp.concatenate([jnp.zeros_like(areas[:1]), areas])
        step = jnp.clip(jnp.searchsorted(edges, times, side="right") - 1, 0, self.n_steps - 1)
        into = jnp.clip(times - edges[step], 0.0, self.lasting[step])[:, None]
        start, end = self.gradient[step, 0], self.gradient[step, 1]
        length = self.lasting[step][:, None]
        slope = jnp.where(length > 0, (end - start) / jnp.where(length > 0, length, 1.0), 0.0)
        return areas[step] + (start + slope * into / 2) * into

    @eqx.filter_jit
    def trajectory(
        self, times: Float[Array, " time"] | None = None, gyromagnetic_ratio: float = GAMMA
    ) -> Float[Array, "time 3"]:
        r"""$k(t) = -\frac{\gamma}{2\pi} \int G\,dt$ in cycles/m since the last excitation, inverted by refocusing pulses.

        **Arguments:**

        - `times`: In s; those of the samples by default.
        - `gyromagnetic_ratio`: In rad/s/T, protons by default.

        **Returns:** $k$ along x, y and z, `(n_times, 3)`, so that the signal is $\int m(r) e^{-2\pi i k r} dr$.
        """
        times = self.sample_times if times is None else times
        return -gyromagnetic_ratio / (2 * math.pi) * self.as_wound(self.area_until, times)

    def as_wound(
        self, integral_until: Callable[[Float[Array, " n"]], Float[Array, "n 3"]], times: Float[Array, " time"]
    ) -> Float[Array, "time 3"]:
        """An integral over time as magnetisation keeps it: forgotten at excitations, inverted by refocusing pulses.

        **Arguments:**

        - `integral_until`: From the start of the sequence until each of some times, whatever pulses are played.
        - `times`: In s.
        """
        at_pulses = integral_until(self.rf_centers)

        def past(effective: Array, now: tuple) -> tuple[Array, Array]:
            # `effective` is what was wound before, as the area that would have wound it since the start
            area, turn = now
            effective = area - turn * (area - effective)
            return effective, effective

        nothing = jnp.zeros_like(at_pulses[:1, :].sum(axis=0))
        _, offsets = jax.lax.scan(past, nothing, (at_pulses, self.rf_turns))
        offsets = jnp.concatenate([nothing[None], offsets])
        n_before = jnp.searchsorted(self.rf_centers, times, side="right")
        return integral_until(times) - offsets[n_before]
