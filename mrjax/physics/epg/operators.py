"""The state of extended phase graphs, and what each event does to it."""

import dataclasses
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Complex, Float, Inexact

from mrjax.physics.engine import AbstractOperator
from mrjax.physics.epg.mixing import Mixing, mixed, mixed_and_wound, wound_at_once
from mrjax.physics.maths.cayley_klein import about
from mrjax.physics.maths.transmit_field import rotation_vector
from mrjax.physics.maths.trigonometry import cosine_and_sine
from mrjax.physics.state import AbstractState, size_of_repetitions
from mrjax.sequence import AbstractContainer, Pulse
from mrjax.tissue import Tissue


class EPGState(AbstractState):
    """Configuration states; orders on the first axis, voxels on the last.

    Stored are `plus` and `minus`, a quarter turn from the transverse states F, because they and `z` stay real where all
    pulses have phase zero and there is no off-resonance: real arithmetic then serves.
    """

    plus: Inexact[Array, "k *voxel"]
    minus: Inexact[Array, "k *voxel"]
    z: Inexact[Array, "k *voxel"]
    truncated_energy: Float[Array, "*voxel"]
    """Energy of the states dropped so far, relative to M0 squared and relaxing with T1."""
    truncation_error: Float[Array, "*voxel"]
    """The largest truncated energy so far: an estimate of the largest error of a sample, relative to M0."""
    pending: Mixing | None = None
    """What pulses and relaxation since the last winding do to every order; None in what `play` returns."""
    orders_per_cycle: int = eqx.field(static=True, default=1)
    """Orders by which one cycle across the voxel is wound: more than one where parts of cycles are."""

    @property
    def magnetisation(self) -> tuple[Array, Array, Array]:
        return self.plus, self.minus, self.z

    def with_magnetisation(self, *magnetisation: Array) -> "EPGState":
        """The state with these orders, `plus`, `minus` and `z`, for which nothing is pending."""
        plus, minus, z = magnetisation
        return dataclasses.replace(self, plus=plus, minus=minus, z=z, pending=None)

    def n_mixing_axes(self, tissue: Tissue) -> int:
        del tissue
        return 1

    def repeatable(self, engine: Any, sequence: AbstractContainer) -> "EPGState":
        del sequence
        n = size_of_repetitions(engine.n_states, self.z.shape[0], "n_states", type(engine).__name__)
        return resized(self, n, self.z.dtype)

    def recurring(self, after: Callable[[Any], Any]) -> "EPGState":
        """With the energy that is lost in all repetitions: what one adds, and what each leaves of that before."""
        with_energy = lambda energy: dataclasses.replace(
            self, truncated_energy=energy, truncation_error=jnp.zeros_like(energy)
        )
        nothing = jnp.zeros_like(self.truncated_energy)
        added = after(with_energy(nothing)).truncated_energy
        left = after(with_energy(jnp.ones_like(nothing))).truncated_energy - added
        endless = with_energy(added / jnp.maximum(1 - left, jnp.finfo(left.dtype).eps))
        return dataclasses.replace(endless, truncation_error=after(endless).truncation_error)

    @property
    def f_plus(self) -> Complex[Array, "k *voxel"]:
        """Transverse states $F_k$."""
        return -1j * self.plus

    @property
    def f_minus(self) -> Complex[Array, "k *voxel"]:
        """Conjugate transverse states of negative order, $F^*_{-k}$."""
        return 1j * self.minus


class Rotation(AbstractOperator):
    """An RF pulse: the same rotation for every order (Weigel 2015, the operator T)."""

    cosine: Float[Array, "#voxel"]  # of half the flip angle
    sine: Inexact[Array, "#voxel"]  # times the phase of b1, if it has one
    axis: Complex[Array, ""] | None  # e^{ip}

    @classmethod
    def of(cls, pulse: Pulse, tissue: Tissue) -> "Rotation":
        if jnp.iscomplexobj(tissue.b1):
            vector = rotation_vector(pulse, tissue)
            alpha, beta = about(vector.real, vector.imag, jnp.zeros_like(vector.real))
            return cls(alpha.real, 1j * beta, None)
        angle = pulse.flip_angle * (tissue.b1 if tissue.has("b1") else jnp.ones(1, tissue.t1.dtype))
        axis = jnp.exp(1j * pulse.phase) if isinstance(pulse.phase, Array) else None
        return cls(*cosine_and_sine(angle / 2), axis)

    def __call__(self, state: EPGState) -> tuple[EPGState, None]:
        axis = 1.0 if self.axis is None else self.axis
        tip = 2 * self.sine * self.cosine * axis
        turning = Mixing(
            stay=self.cosine**2,
            swap=-((self.sine * axis) ** 2),
            tip=tip,
            untip=-jnp.conj(tip) / 2,
            keep=self.cosine**2 - _squared_magnitude(self.sine),
        )
        return then(state, turning), None


class Attenuation(eqx.Module):
    """Diffusion factors of the states, one per order."""

    plus: Float[Array, "k #voxel"]
    minus: Float[Array, "k #voxel"]
    z: Float[Array, "k #voxel"]


class Relaxation(AbstractOperator):
    """Relaxation, off-resonance and diffusion (Weigel 2015, the operators E and D)."""

    e1: Float[Array, "#voxel"]
    e2: Inexact[Array, "#voxel"]  # turned by off-resonance
    recovered: Float[Array, "#voxel"]
    attenuation: Attenuation | None

    def __call__(self, state: EPGState) -> tuple[EPGState, None]:
        shrinks = jax.lax.stop_gradient(jnp.maximum(self.e1, jnp.abs(self.e2)))
        state = then(state, Mixing(stay=self.e2, keep=self.e1, recovered=self.recovered))
        state = dataclasses.replace(state, truncated_energy=shrinks * state.truncated_energy)
        if self.attenuation is not None:
            plus, minus, z = up_to_date(state).magnetisation
            n, attenuation = len(z), self.attenuation
            state = state.with_magnetisation(
                attenuation.plus[:n] * plus, attenuation.minus[:n] * minus, attenuation.z[:n] * z
            )
        return state, None


class Shift(AbstractOperator):
    """Dephasing by whole orders, after the relaxation of the time it takes (Weigel 2015, the operator S)."""

    relaxation: Relaxation | None
    order: int = eqx.field(static=True)

    def __call__(self, state: EPGState) -> tuple[EPGState, None]:
        if self.relaxation is not None:
            state, _ = self.relaxation(state)
        if state.orders_per_cycle > 1:
            return _wind_at_once(state, self.order), None
        for _ in range(abs(self.order)):
            state = _wind(state) if self.order > 0 else _swapped(_wind(_swapped(up_to_date(state))))
        return state, None


class IdealSpoiling(AbstractOperator):
    """No transverse magnetisation is left."""

    def __call__(self, state: EPGState) -> tuple[EPGState, None]:
        return then(state, Mixing(keep=jnp.ones(1, state.truncated_energy.dtype))), None


class AlongZ(AbstractOperator):
    """Whatever the state was, order zero of z alone is left, with a given magnetisation."""

    magnetisation: Float[Array, ""]

    def __call__(self, state: EPGState) -> tuple[EPGState, None]:
        energy = jnp.zeros_like(state.truncated_energy)
        return then(
            dataclasses.replace(state, truncated_energy=energy), Mixing(recovered=self.magnetisation[None])
        ), None


class LongitudinalReading(AbstractOperator):
    """The sample is z, averaged over the voxel."""

    def __call__(self, state: EPGState) -> tuple[EPGState, Complex[Array, " voxel"]]:
        if state.orders_per_cycle == 1:
            at_zero = state.z[0] if state.pending is None else state.pending.z_of_order(state.magnetisation, 0)
            mean = jnp.real(at_zero)
        else:
            state = up_to_date(state)
            # orders below zero are the conjugates of those above
            twice = 2 * jnp.sinc(in_cycles(state)).at[0].set(0.5)
            mean = jnp.sum(twice[:, None] * jnp.real(state.z), axis=0)
        return state, mean.astype(jnp.result_type(mean, 1j))


class Reading(AbstractOperator):
    """The sample is the mean over the voxel: of whole cycles the one that is not dephased."""

    turn: Complex[Array, ""] | None

    def __call__(self, state: EPGState) -> tuple[EPGState, Complex[Array, " voxel"]]:
        if state.orders_per_cycle == 1:
            sample = -1j * plus_of_order(state, 0)
        else:
            state = up_to_date(state)
            weight = jnp.sinc(in_cycles(state))[:, None]
            # order zero is stored twice
            negative = jnp.sum((weight * jnp.conj(state.minus))[1:], axis=0)
            sample = -1j * (jnp.sum(weight * state.plus, axis=0) + negative)
        return state, sample if self.turn is None else sample * self.turn


class ApplyingPending(AbstractOperator):
    """What is pending is applied to every order."""

    def __call__(self, state: EPGState) -> tuple[EPGState, None]:
        return up_to_date(state), None


def _squared_magnitude(value: Inexact[Array, "#voxel"]) -> Float[Array, "#voxel"]:
    return value.real**2 + value.imag**2 if jnp.iscomplexobj(value) else value**2


def in_cycles(state: EPGState) -> Float[Array, " k"]:
    """The orders of a state in cycles across the voxel."""
    return jnp.arange(len(state.z), dtype=state.truncated_energy.dtype) / state.orders_per_cycle


def then(state: EPGState, mixing: Mixing) -> EPGState:
    """The state with one more mixing pending."""
    return dataclasses.replace(state, pending=mixing.after(state.pending))


def up_to_date(state: EPGState) -> EPGState:
    """The state with the mixing applied that was pending."""
    return state if state.pending is None else state.with_magnetisation(*mixed(state.magnetisation, state.pending))


def resized(state: EPGState, n_states: int, dtype: DTypeLike | None = None) -> EPGState:
    """The state with orders above cut off, or with empty orders added."""
    grown = lambda orders: [(0, max(0, n_states - orders.shape[0]))] + [(0, 0)] * (orders.ndim - 1)
    sized = lambda orders: jnp.pad(orders[:n_states], grown(orders)).astype(dtype or orders.dtype)
    return dataclasses.replace(state, plus=sized(state.plus), minus=sized(state.minus), z=sized(state.z))


def refined(state: EPGState, orders_per_cycle: int) -> EPGState:
    """The state with more orders for each cycle, those between the present ones empty."""
    between = orders_per_cycle // state.orders_per_cycle - 1

    def spread(orders: Array) -> Array:
        return jax.lax.pad(orders, jnp.zeros((), orders.dtype), [(0, 0, between)] + [(0, 0, 0)] * (orders.ndim - 1))

    plus, minus, z = spread(state.plus), spread(state.minus), spread(state.z)
    return dataclasses.replace(state, plus=plus, minus=minus, z=z, orders_per_cycle=orders_per_cycle)


def plus_of_order(state: EPGState, order: int) -> Inexact[Array, " voxel"]:
    """$F^+$ of one order, a quarter turn back."""
    return state.plus[order] if state.pending is None else state.pending.plus_of_order(state.magnetisation, order)


def _wind(state: EPGState) -> EPGState:
    """One cycle of dephasing; the highest order is dropped, and its energy counted."""
    top = jax.lax.stop_gradient(jnp.abs(plus_of_order(state, state.plus.shape[0] - 1)))
    plus, minus, z = mixed_and_wound(state.magnetisation, state.pending)
    return _counted(state.with_magnetisation(plus, minus, z), top**2)


def _wind_at_once(state: EPGState, by: int) -> EPGState:
    """Any number of orders of dephasing; the highest are dropped, and their energy counted."""
    if by == 0:
        return state
    state = up_to_date(state)
    state = state if by > 0 else _swapped(state)
    dropped = jax.lax.stop_gradient(jnp.sum(jnp.abs(state.plus[-abs(by) :]) ** 2, axis=0))
    state = _counted(state.with_magnetisation(*wound_at_once(state.magnetisation, abs(by))), dropped)
    return state if by > 0 else _swapped(state)


def _counted(state: EPGState, dropped: Float[Array, " voxel"]) -> EPGState:
    """The state after some energy was dropped."""
    energy = state.truncated_energy + dropped
    worst = jnp.maximum(state.truncation_error, energy)
    return dataclasses.replace(state, truncated_energy=energy, truncation_error=worst)


def _swapped(state: EPGState) -> EPGState:
    """The state with the sense of winding reversed."""
    return state.with_magnetisation(state.minus, state.plus, state.z)
