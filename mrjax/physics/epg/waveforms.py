"""Gradients, readouts and RF that lasts, prepared for configuration states."""

import dataclasses
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float, Inexact

from mrjax.physics.engine import AbstractOperator
from mrjax.physics.epg.events import Interval, Turn
from mrjax.physics.epg.mixing import Mixing
from mrjax.physics.epg.operators import (
    Attenuation,
    EPGState,
    Relaxation,
    Shift,
    in_cycles,
    plus_of_order,
    settled,
    then,
)
from mrjax.physics.maths import cayley_klein, precession
from mrjax.physics.maths.quadrature import integrals_until, points_between
from mrjax.physics.maths.sums import sum_of_given
from mrjax.sequence import Gradient, Together
from mrjax.sequence.flattening import timeline_of
from mrjax.sequence.gradients import AXES
from mrjax.tissue import Tissue


class Moments(eqx.Module):
    r"""What is wound until some times: $q$ in cycles, and $\int dt$, $\int q\,dt$, $\int q^2 dt$, which diffusion needs."""

    wound: Float[Array, "*time"]
    time: Float[Array, "*time"]
    first: Float[Array, "*time"]
    second: Float[Array, "*time"]

    def attenuation(self, order: Float[Array, " k"], rate: Float[Array, "#voxel"]) -> Float[Array, "k #voxel"]:
        """Of transverse states that were wound by some orders (in cycles) at the start; for one time."""
        exponent = order**2 * self.time + 2 * order * self.first + self.second
        return jnp.exp(-exponent[:, None] * rate[None])


class Samples(eqx.Module):
    """A readout while orders are wound: each order counts by its mean over the voxel."""

    factor: Complex[Array, "n #voxel"]
    """Relaxation and precession until each sample, and the receiver."""
    moments: Moments | None
    """None where nothing winds."""
    rate: Float[Array, "#voxel"] | None
    r"""$D (2\pi / \Delta x)^2$ in 1/s; None without diffusion."""

    def read(self, state: EPGState) -> Complex[Array, "n voxel"]:
        """The samples of a readout that begins in this state, which is settled."""
        if self.moments is None and state.orders_per_cycle == 1:
            return -1j * self.factor * plus_of_order(state, 0)[None]
        k = in_cycles(state)

        def sample(now: tuple[Array, Moments | None]) -> Array:
            factor, moments = now
            return factor * _mean(state, k, moments, self.rate)

        return jax.lax.map(sample, (self.factor, self.moments))


def _mean(
    state: EPGState, k: Float[Array, " k"], moments: Moments | None, rate: Float[Array, "#voxel"] | None
) -> Inexact[Array, " voxel"]:
    """The transverse magnetisation over the voxel after winding on."""
    wound = jnp.zeros((), k.dtype) if moments is None else moments.wound
    up, down = jnp.sinc(k + wound)[:, None], jnp.sinc(wound - k)[:, None]
    if moments is not None and rate is not None:
        up, down = up * moments.attenuation(k, rate), down * moments.attenuation(-k, rate)
    # order zero is stored twice
    negative = jnp.sum((down * jnp.conj(state.minus))[1:], axis=0)
    return -1j * (jnp.sum(up * state.plus, axis=0) + negative)


class Evolution(AbstractOperator):
    """Relaxation, precession, diffusion and winding, with the samples of a readout."""

    shift: Shift
    samples: Samples | None

    def __call__(self, state: EPGState) -> tuple[EPGState, Complex[Array, "n voxel"] | None]:
        state = settled(state) if self.samples is not None else state
        samples = None if self.samples is None else self.samples.read(state)
        return self.shift(state)[0], samples


class Tipping(AbstractOperator):
    """A pulse with the precession during it, as one rotation of every order."""

    mixing: Mixing

    def __call__(self, state: EPGState) -> tuple[EPGState, None]:
        return then(state, self.mixing), None


@dataclass(frozen=True)
class Waveforms:
    """Prepares the parts of a `Together` for one tissue."""

    tissue: Tissue
    gyromagnetic_ratio: float
    voxel_size: Float[Array, ""] | None
    n_states: int
    orders_per_cycle: int

    @property
    def rate(self) -> Float[Array, "#voxel"] | None:
        """Of diffusion for one cycle across the voxel, in 1/s."""
        if not self.tissue.has("diffusion"):
            return None
        return jnp.asarray(self.tissue.diffusion) * precession.squared_winding(self.voxel_size)

    def evolution(self, interval: Interval) -> Evolution:
        """Between pulses, or during half of one."""
        begin, end = interval.ends
        duration = interval.duration
        e2 = precession.decay(duration, self.tissue.t2)
        turn = self._turn(interval, begin, end, duration) if interval.between_pulses else None
        relaxation = Relaxation(
            1 - precession.recovery(duration, self.tissue.t1),
            e2 if turn is None else e2 * jnp.exp(1j * turn),
            precession.recovery(duration, self.tissue.t1),
            self._attenuation(interval),
        )
        steps = int(interval.order * self.orders_per_cycle)
        samples = self._samples(interval) if interval.n_samples else None
        return self._in_one_dtype(Evolution(Shift(relaxation, steps), samples))

    def tipping(self, turn: Turn) -> Tipping:
        """The pulse of a part."""
        start, pulse = turn.pulse
        around = [_during(gradient, begin - start, pulse.duration) for begin, gradient in turn.whole.started(Gradient)]  # pyright: ignore[reportAttributeAccessIssue]
        timeline = timeline_of(Together(pulse, *around))
        turns = [
            cayley_klein.by_gradient(timeline, AXES.index(axis), getattr(self.tissue, axis), self.gyromagnetic_ratio)
            for axis in sorted({gradient.axis for gradient in around})
            if self.tissue.has(axis)
        ]
        if self.tissue.has("off_resonance"):
            turns.append(cayley_klein.by_off_resonance(timeline, jnp.asarray(self.tissue.off_resonance)))
        transmit = jnp.asarray(self.tissue.b1) if self.tissue.has("b1") else None
        alpha, beta = cayley_klein.rotation_of(timeline, turns, self.gyromagnetic_ratio, transmit)
        return self._in_one_dtype(Tipping(rotating(alpha, beta)))

    def _in_one_dtype(self, operator: Any) -> Any:
        """Coefficients in the dtype of the tissue, which is that of the state."""
        real = self.tissue.t1.dtype

        def cast(leaf: Array) -> Array:
            return leaf.astype(jnp.result_type(real, 1j) if jnp.iscomplexobj(leaf) else real)

        return jax.tree.map(cast, operator)

    def _turn(self, interval: Interval, begin: Any, end: Any, duration: Any) -> Float[Array, "#voxel"] | None:
        """Angle of the transverse magnetisation after part of an interval: off-resonance, and gradients at positions."""
        terms = [precession.precession_angle(duration, self.tissue)]
        for start, gradient in interval.whole.started(Gradient):
            if self.tissue.has(gradient.axis):
                ends = gradient.area_until(jnp.stack([begin - start, end - start]))
                terms.append(self.gyromagnetic_ratio * (ends[1] - ends[0]) * getattr(self.tissue, gradient.axis))
        return sum_of_given(*terms)

    def _attenuation(self, interval: Interval) -> Attenuation | None:
        if (rate := self.rate) is None:
            return None
        begin, end = interval.ends
        moments = jax.tree.map(lambda x: x[0], self._moments(interval, begin, end[None], end))
        k = jnp.arange(self.n_states, dtype=self.tissue.t1.dtype) / self.orders_per_cycle
        still = Moments(moments.wound, moments.time, jnp.zeros_like(moments.first), jnp.zeros_like(moments.second))
        return Attenuation(*(m.attenuation(order, rate) for m, order in ((moments, k), (moments, -k), (still, k))))

    def _samples(self, interval: Interval) -> Samples:
        begin, end = interval.ends
        offsets = [start + readout.sample_offsets() for start, readout in interval.readouts]
        phases = [readout.receiver_phase() for _, readout in interval.readouts]
        times = jnp.concatenate(offsets)

        def factor(time: Array) -> Inexact[Array, "#voxel"]:
            e2 = precession.decay(time - begin, self.tissue.t2)
            turn = self._turn(interval, begin, time, time - begin)
            return e2 + 0j if turn is None else e2 * jnp.exp(1j * turn)

        receiver = jnp.exp(-1j * jnp.concatenate(phases))[:, None]
        winds = interval.winding_gradients or (self.rate is not None and self.orders_per_cycle > 1)
        moments = self._moments(interval, begin, times, end) if winds else None
        return Samples(receiver * jax.vmap(factor)(times), moments, self.rate)

    def _moments(self, interval: Interval, begin: Array, times: Float[Array, " n"], end: Array) -> Moments:
        """From the start of an interval until each of these times, exact for straight gradients."""
        gradients = interval.winding_gradients
        corners = [jnp.clip(start + gradient.times, begin, end) for start, gradient in gradients]
        edges = jnp.sort(jnp.concatenate([begin[None], times, *corners]))
        cycles = 0.0 if self.voxel_size is None else self.voxel_size * self.gyromagnetic_ratio / (2 * jnp.pi)

        def wound(at: Float[Array, " m"]) -> Float[Array, " m"]:
            area = jnp.zeros_like(at)
            for start, gradient in gradients:
                area = area + gradient.area_until(at - start) - gradient.area_until(begin[None] - start)
            return cycles * area

        # what is wound is quadratic on each piece
        inside = wound(points_between(edges).reshape(-1)).reshape(-1, 3)
        first, second = integrals_until(edges, inside), integrals_until(edges, inside**2)
        place = jnp.searchsorted(edges, times)
        return Moments(wound(times), times - begin, first[place], second[place])


def rotating(alpha: Complex[Array, "#voxel"], beta: Complex[Array, "#voxel"]) -> Mixing:
    """The mixing of a rotation given by its Cayley-Klein parameters."""
    untip = 1j * jnp.conj(alpha * beta)
    return Mixing(
        stay=jnp.conj(alpha) ** 2,
        swap=beta**2,
        tip=2j * jnp.conj(alpha) * beta,
        untip=untip,
        keep=jnp.real(alpha * jnp.conj(alpha) - beta * jnp.conj(beta)),
    )


def _during(gradient: Gradient, start: Array, duration: Array) -> Gradient:
    """The part of a gradient that is played from zero to a duration, where the gradient begins at `start`."""
    times = start + gradient.times
    inside = (times >= 0) & (times <= duration)
    clipped = jnp.clip(times, 0.0, duration)
    waveform = jnp.where(inside, gradient.waveform, gradient.line_at(clipped - start)[0])
    return dataclasses.replace(gradient, waveform=waveform, times=clipped)
