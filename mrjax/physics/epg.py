"""Extended phase graphs."""

import dataclasses
import warnings
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float, Inexact

from mrjax import _checks
from mrjax.physics import precession
from mrjax.physics.engine import AbstractEngine, AbstractOperator, cannot_play, require_state
from mrjax.physics.mixing import Components, Mixing, mixed, mixed_and_wound
from mrjax.physics.trigonometry import cosine_and_sine
from mrjax.sequence import AbstractContainer, AbstractEvent, Delay, Dephase, Pulse, Sample, Spoil
from mrjax.sequence.walk import events_of, winding
from mrjax.tissue import Tissue

WORTH_A_WARNING = 1e-2
"""Estimated truncation error, relative to M0, above which `simulate` warns."""


class EPGState(eqx.Module):
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
    put_off: Mixing | None = None
    """What pulses and relaxation since the last winding do to every order; None in what `play` returns."""

    @property
    def f_plus(self) -> Complex[Array, "k *voxel"]:
        """Transverse states $F_k$."""
        return -1j * self.plus

    @property
    def f_minus(self) -> Complex[Array, "k *voxel"]:
        """Conjugate transverse states of negative order, $F^*_{-k}$."""
        return 1j * self.minus


class EPG(AbstractEngine):
    r"""Extended phase graphs: the magnetisation as Fourier series over the dephasing across a voxel.

    $$M_{xy}(x) = \sum_k F_k e^{2\pi i k x}, \qquad M_z(x) = \sum_k Z_k e^{2\pi i k x}, \qquad 0 \le x < 1$$

    Exact for instantaneous pulses as long as no order is truncated. Includes relaxation, off-resonance, B1, and diffusion
    between and during dephasing; it cannot represent `t2_prime`, for which `Isochromats` serves.

    **Arguments:**

    - `n_states`: Number of orders kept, 0 to n_states - 1. By default as many as can reach a sample: exact, and slow for
      long trains. With fewer, `truncation_error` of the final state, which `play` returns, estimates the largest error of
      a sample relative to `m0`, per voxel; `simulate` warns where it exceeds 1 %.
    - `voxel_size`: Distance in m over which `Dephase(1)` winds one cycle. Needed for diffusion alone.

    **Raises:** `ValueError` for fewer than one state, for a tissue with `t2_prime`, for diffusion without `voxel_size`.

    **Source:** M. Weigel, J Magn Reson Imaging 41 (2015) 266-295: rotation, relaxation and shift operators, and the
    diffusion factors of longitudinal and transverse states. The truncation estimate is our own: what leaves order
    `n_states - 1` with amplitude $a$ would return to order zero by a path as long as the one that took it there, damped by
    about the same $a$, so the energy $a^2$ measures what a sample lacks. Against all orders it was 1 to 20 times the true
    error in the worst voxel of FISP, SPGR and CPMG trains (tests/physics/test_truncation.py).

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import mrjax as mr
        >>> train = mr.protocols.cpmg(refocusing_angle=jnp.full(3, jnp.pi), echo_spacing=10e-3)
        >>> print(*(f"{value:.4f}" for value in abs(mr.simulate(train, mr.Tissue(t1=1.0, t2=0.1), engine=mr.EPG(n_states=8)))))
        0.9048 0.8187 0.7408

        ```
    """

    fits_one_kernel: ClassVar[bool] = True
    n_states: int | None = eqx.field(static=True, default=None)
    voxel_size: Float[Array, ""] | None = eqx.field(default=None, converter=_checks.optional_length)

    def __check_init__(self):
        if self.n_states is not None and (not isinstance(self.n_states, int) or self.n_states < 1):
            raise ValueError(f"`n_states` must be an integer of at least 1, but got {self.n_states!r}.")

    def sized(self, sequence: AbstractContainer, tissue: Tissue, state: EPGState | None, keeps_state: bool) -> "EPG":
        require_state(state, EPGState, self)
        if tissue.has("t2_prime"):
            raise ValueError("EPG cannot represent a finite `t2_prime`; use `engine=Isochromats(...)`.")
        if tissue.has("diffusion"):
            precession.squared_winding(self.voxel_size)
        present = 0 if state is None else state.z.shape[0] - 1
        needed = 1 + present + winding(sequence) if keeps_state else _needed(sequence)
        n_states = needed if self.n_states is None else self.n_states
        if n_states <= present:
            raise ValueError(f"`n_states` must be at least the {present + 1} of the given state, but got {n_states}.")
        return dataclasses.replace(self, n_states=min(n_states, needed))

    def init(self, sequence: AbstractContainer, tissue: Tissue) -> EPGState:
        dtype = jnp.result_type(tissue.t1, 1j) if _needs_complex(sequence, tissue) else tissue.t1.dtype
        nothing = jnp.zeros((self._kept, *tissue.voxel_shape), dtype)
        never = jnp.zeros(tissue.voxel_shape, tissue.t1.dtype)
        return EPGState(nothing, nothing, nothing.at[0].set(1.0), never, never)

    def adopted(self, state: EPGState, sequence: AbstractContainer, tissue: Tissue) -> EPGState:
        missing = self._kept - state.z.shape[0]
        dtype = jnp.result_type(state.z, 1j) if _needs_complex(sequence, tissue) else state.z.dtype
        grow = lambda orders: jnp.pad(orders.astype(dtype), [(0, missing)] + [(0, 0)] * (orders.ndim - 1))
        return EPGState(
            grow(state.plus), grow(state.minus), grow(state.z), state.truncated_energy, state.truncation_error
        )

    def prepare(self, event: AbstractEvent, tissue: Tissue) -> AbstractOperator:
        match event:
            case Pulse():
                return Rotation.of(event, tissue)
            case Delay():
                return self._relaxation(event.duration, tissue, 0)
            case Dephase():
                time = event.duration if isinstance(event.duration, Array) else None
                return Shift(None if time is None else self._relaxation(time, tissue, event.order), event.order)
            case Spoil():
                return IdealSpoiling()
            case Sample():
                return Reading(jnp.exp(-1j * event.phase) if isinstance(event.phase, Array) else None)
            case _:
                raise cannot_play(self, event)

    def settled(self, state: EPGState) -> EPGState:
        return _settled(state)

    def report(self, sequence: AbstractContainer, state: EPGState) -> None:
        if self._kept >= _needed(sequence) or not state.truncation_error.size:
            return
        worst = float(np.max(_checks.held_here(state.truncation_error)))
        if worst > WORTH_A_WARNING:
            warnings.warn(
                f"EPG(n_states={self.n_states}) truncates: samples of the worst voxel are off by about {worst:.2g} of m0. "
                f"Use more states; {_needed(sequence)} are exact.",
                stacklevel=_checks.frames_to_the_caller(),
            )

    @property
    def _kept(self) -> int:
        assert self.n_states is not None, "`sized` fills it in"
        return self.n_states

    def _relaxation(self, duration: Float[Array, ""], tissue: Tissue, order: int) -> "Relaxation":
        """Relaxation and diffusion in a time during which a gradient winds `order` cycles."""
        recovered, e2 = precession.recovery(duration, tissue.t1), precession.decay(duration, tissue.t2)
        angle = precession.precession_angle(duration, tissue)
        return Relaxation(
            1 - recovered,
            e2 if angle is None else e2 * jnp.exp(1j * angle),
            recovered,
            self._attenuation(precession.finite(duration), tissue, order) if tissue.has("diffusion") else None,
        )

    def _attenuation(self, duration: Float[Array, ""], tissue: Tissue, order: int) -> "Attenuation":
        r"""$\exp(-b D)$ of each state, with $b = \tau (k_1^2 + k_1 k_2 + k_2^2) / 3$ while $k$ grows from $k_1$ to $k_2$."""
        k = jnp.arange(self._kept, dtype=duration.dtype)
        exponent = duration * tissue.diffusion * precession.squared_winding(self.voxel_size)

        def attenuation(start, end):
            b = (start**2 + start * end + end**2) / 3
            return jnp.exp(-b[:, None] * exponent[None, :])

        return Attenuation(attenuation(k, k + order), attenuation(k, k - order), attenuation(k, k))


def _needed(sequence: AbstractContainer) -> int:
    """Number of orders that take part in the samples: half of all winding takes one away, the other half back."""
    return 1 + winding(sequence) // 2


def _needs_complex(sequence: AbstractContainer, tissue: Tissue) -> bool:
    phases = [located.event.phase for located in events_of(sequence.events) if isinstance(located.event, Pulse)]
    return tissue.has("off_resonance") or any(isinstance(phase, Array) for phase in phases)


class Rotation(AbstractOperator):
    """An RF pulse: the same rotation for every order (Weigel 2015, the operator T)."""

    cosine: Float[Array, "#voxel"]  # of half the flip angle
    sine: Float[Array, "#voxel"]
    axis: Complex[Array, ""] | None  # e^{ip}

    @classmethod
    def of(cls, pulse: Pulse, tissue: Tissue) -> "Rotation":
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
            keep=self.cosine**2 - self.sine**2,
        )
        return _then(state, turning), None


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
        state = _then(state, Mixing(stay=self.e2, keep=self.e1, recovered=self.recovered))
        state = dataclasses.replace(state, truncated_energy=shrinks * state.truncated_energy)
        if self.attenuation is not None:
            factors = (self.attenuation.plus, self.attenuation.minus, self.attenuation.z)
            settled = _settled(state)
            state = _with(settled, tuple(f * orders for f, orders in zip(factors, _components(settled), strict=True)))
        return state, None


class Shift(AbstractOperator):
    """Dephasing by whole cycles, after the relaxation of the time it takes (Weigel 2015, the operator S)."""

    relaxation: Relaxation | None
    order: int = eqx.field(static=True)

    def __call__(self, state: EPGState) -> tuple[EPGState, None]:
        if self.relaxation is not None:
            state, _ = self.relaxation(state)
        for _ in range(abs(self.order)):
            state = _wind(state) if self.order > 0 else _swapped(_wind(_swapped(_settled(state))))
        return state, None


class IdealSpoiling(AbstractOperator):
    """No transverse magnetisation is left."""

    def __call__(self, state: EPGState) -> tuple[EPGState, None]:
        return _then(state, Mixing(keep=jnp.ones(1, state.truncated_energy.dtype))), None


class Reading(AbstractOperator):
    """The sample is the order that is not dephased."""

    turn: Complex[Array, ""] | None

    def __call__(self, state: EPGState) -> tuple[EPGState, Complex[Array, " voxel"]]:
        sample = -1j * _plus_of_order(state, 0)
        return state, sample if self.turn is None else sample * self.turn


def _components(state: EPGState) -> Components:
    return state.plus, state.minus, state.z


def _with(state: EPGState, components: Components) -> EPGState:
    return EPGState(*components, state.truncated_energy, state.truncation_error)


def _then(state: EPGState, mixing: Mixing) -> EPGState:
    """The state with one more mixing put off."""
    return dataclasses.replace(state, put_off=mixing.after(state.put_off))


def _settled(state: EPGState) -> EPGState:
    return state if state.put_off is None else _with(state, mixed(_components(state), state.put_off))


def _plus_of_order(state: EPGState, order: int) -> Inexact[Array, " voxel"]:
    return state.plus[order] if state.put_off is None else state.put_off.plus_of_order(_components(state), order)


def _wind(state: EPGState) -> EPGState:
    """One cycle of dephasing; the highest order is dropped, and its energy counted."""
    top = jax.lax.stop_gradient(jnp.abs(_plus_of_order(state, state.plus.shape[0] - 1)))
    plus, minus, z = mixed_and_wound(_components(state), state.put_off)
    energy = state.truncated_energy + top**2
    return EPGState(plus, minus, z, energy, jnp.maximum(state.truncation_error, energy))


def _swapped(state: EPGState) -> EPGState:
    """The state with the sense of winding reversed."""
    return _with(state, (state.minus, state.plus, state.z))
