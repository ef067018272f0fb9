"""Events that last, prepared for isochromats: gradients become what they wind, RF becomes steps."""

import math
from dataclasses import dataclass

import jax.numpy as jnp
from jaxtyping import Array, Float

from mrjax.physics.engine import AbstractOperator
from mrjax.physics.isochromats.operators import Diffusion
from mrjax.physics.isochromats.waveforms import (
    FreePrecession,
    GradientMoments,
    InTurn,
    Irradiation,
    Solved,
    Surroundings,
    under_constant_rf,
)
from mrjax.physics.maths import precession
from mrjax.physics.maths.quadrature import integrals_until, points_between
from mrjax.physics.maths.transmit_field import transmit_field
from mrjax.physics.motion import AbstractMotion
from mrjax.physics.waveforms.step_moments import moments_of_steps
from mrjax.sequence import AbstractRF, ContinuousWave, Gradient, Readout, Together
from mrjax.sequence.double_length import angle
from mrjax.sequence.gradients import AXES
from mrjax.tissue import Tissue


@dataclass(frozen=True)
class Waveforms:
    """Prepares the events of one `Together` for one tissue; `gamma` in rad/s/T."""

    event: Together
    tissue: Tissue
    n_spins: int
    gamma: float
    motion: AbstractMotion | None
    diffuses_over: Float[Array, ""] | None
    """Extent in m that spins are spread over, in order; None without diffusion."""

    @property
    def surroundings(self) -> Surroundings:
        """What acts besides the event."""
        return Surroundings.of(self.tissue)

    @property
    def gradients(self) -> list[tuple[Array, Gradient]]:
        """Those that are played, with the times at which they begin."""
        return list(self.event.started(Gradient))

    @property
    def axes(self) -> tuple[int, ...]:
        """Along which there are gradients."""
        return tuple(sorted({AXES.index(gradient.axis) for _, gradient in self.gradients}))

    def operator(self) -> AbstractOperator:
        """All that happens, in turn."""
        operators, now, waiting = [], jnp.zeros(()), []
        # RF and readouts share one track, and so come in the order in which they are played
        for start, entry in self.event.started(AbstractRF, Readout):
            if isinstance(entry, Readout):
                waiting.append((start, entry))
                continue
            operators += [self._free(now, start, waiting), *self._diffusing(entry), self._irradiation(start, entry)]
            now, waiting = start + entry.duration, []
        operators.append(self._free(now, self.event.duration, waiting))
        return operators[0] if len(operators) == 1 else InTurn(tuple(operators))

    def _winding(
        self, start: Float[Array, "*time"], end: Float[Array, "*time"], middle: Array
    ) -> GradientMoments | None:
        """Between two times, or between several."""
        if not self.axes:
            return None
        edges = jnp.stack(jnp.broadcast_arrays(start, end)).reshape(-1)
        areas = moments = jnp.zeros((len(self.axes), edges.size))
        for begin, gradient in self.gradients:
            row = self.axes.index(AXES.index(gradient.axis))
            area = gradient.area_until(edges - begin)
            areas = areas.at[row].add(area)
            moments = moments.at[row].add(gradient.moment_until(edges - begin) + begin * area)
        shape = (len(self.axes), 2, *jnp.broadcast_shapes(jnp.shape(start), jnp.shape(end)))
        between = lambda x: self.gamma * (x.reshape(shape)[:, 1] - x.reshape(shape)[:, 0])
        area, moment = between(areas), between(moments)
        return GradientMoments(area, moment - middle * area, self.axes)

    def _free(self, start: Array, end: Array, readouts: list[tuple[Array, Readout]]) -> FreePrecession:
        middle = (start + end) / 2
        times = winding = receiver = None
        if readouts:
            samples = jnp.concatenate([begin + readout.sample_offsets() for begin, readout in readouts])
            times, winding = samples - start, self._winding(jnp.broadcast_to(start, samples.shape), samples, middle)
            receiver = jnp.exp(-1j * jnp.concatenate([readout.receiver_phase() for _, readout in readouts]))
        wound = self._winding(start, end, middle)
        # rounding must not make a time negative where pulses adjoin
        duration = jnp.maximum(end - start, 0.0)
        diffusion = self._diffusion(start, start + duration)
        sampled = None if times is None else self._diffusion(start, start + times)
        return FreePrecession(
            duration, wound, self.surroundings, self.motion, diffusion, times, winding, sampled, receiver
        )

    def _diffusing(self, pulse: AbstractRF) -> list[Diffusion]:
        """During RF: without gradients every spin is turned alike, so that it does not matter what comes first."""
        during = self._diffusion(jnp.zeros(()), jnp.asarray(pulse.duration))
        return [] if during is None else [during]

    def _diffusion(self, start: Float[Array, ""], end: Float[Array, "*time"]) -> Diffusion | None:
        """From a time until another, or until several."""
        if self.diffuses_over is None:
            return None
        rate = self.tissue.diffusion * precession.squared_winding(self.diffuses_over)
        if not self.axes:
            return Diffusion(rate, end - start, jnp.zeros_like(end), jnp.zeros_like(end))
        times = [begin + gradient.times for begin, gradient in self.gradients]
        edges = jnp.sort(jnp.clip(jnp.concatenate([start[None], jnp.ravel(end), *times]), start, jnp.max(end)))
        # what is wound is quadratic on each piece
        points = points_between(edges)
        winding = self._winding(jnp.broadcast_to(start, points.shape), points, start)
        assert winding is not None, "there are gradients"
        wound = winding.area[0] * self.diffuses_over / (2 * math.pi)
        first, second = integrals_until(edges, wound), integrals_until(edges, wound**2)
        at = jnp.searchsorted(edges, end)
        return Diffusion(rate, end - start, first[at], second[at])

    def _irradiation(self, start: Array, pulse: AbstractRF) -> AbstractOperator:
        axis = jnp.exp(1j * jnp.asarray(pulse.phase))
        offset = jnp.asarray(pulse.offset) + jnp.zeros(())
        if isinstance(pulse, ContinuousWave) and not self.axes:
            return self._solved(pulse, axis, offset)
        # constant RF under a gradient comes in samples that are short enough (`rf_steps`)
        field = pulse.b1_samples * axis
        n = field.shape[-1]
        dt = jnp.asarray(pulse.duration) / n
        edges, middle = start + dt * jnp.arange(n + 1), start + pulse.duration / 2
        winding, skew = self._winding(edges[:-1], edges[1:], middle), self._skew(edges, dt, middle)
        transmit = transmit_field(self.tissue)
        about = self.gamma * dt * field
        return Irradiation(about.real, about.imag, winding, skew, offset, dt, transmit, self.surroundings, self.motion)  # pyright: ignore[reportArgumentType]

    def _skew(self, edges: Float[Array, " n"], dt: Float[Array, ""], middle: Array) -> GradientMoments | None:
        """Moments of the gradients about the middle of each step over its duration, and as spins move from `middle` on."""
        if not self.axes:
            return None
        areas = moments = jnp.zeros((len(self.axes), edges.size - 1))
        for begin, gradient in self.gradients:
            row = self.axes.index(AXES.index(gradient.axis))
            area, moment = moments_of_steps(gradient, edges - begin, dt, middle - begin)
            areas, moments = areas.at[row].add(area), moments.at[row].add(moment)
        return GradientMoments(self.gamma * areas, self.gamma * moments, self.axes)

    def _solved(self, pulse: ContinuousWave, axis: Array, offset: Array) -> Solved:
        transmit = jnp.asarray(self.tissue.b1)[None] if self.tissue.has("b1") else jnp.ones((1, 1))
        field = self.gamma * pulse.b1 * axis * transmit
        propagator = under_constant_rf(field, offset, pulse.duration, self.surroundings, self.n_spins)
        return Solved(propagator, precession.finite(pulse.duration), angle(offset, jnp.asarray(pulse.duration)))
