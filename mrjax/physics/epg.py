"""Extended phase graphs."""

import dataclasses
import warnings

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float, Inexact

from mrjax import _checks
from mrjax.physics import precession
from mrjax.physics.engine import AbstractEngine, AbstractOperator, cannot_play, require_state
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

    def report(self, sequence: AbstractContainer, state: EPGState) -> None:
        if self._kept >= _needed(sequence) or not state.truncation_error.size:
            return
        worst = float(jnp.max(state.truncation_error))
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

    stay: Float[Array, "#voxel"]  # cos^2(a/2)
    swap: Inexact[Array, "#voxel"]  # sin^2(a/2) e^{2ip}
    tip: Inexact[Array, "#voxel"]  # sin(a) e^{ip}
    keep: Float[Array, "#voxel"]  # cos(a)

    @classmethod
    def of(cls, pulse: Pulse, tissue: Tissue) -> "Rotation":
        angle = pulse.flip_angle * (tissue.b1 if tissue.has("b1") else jnp.ones(1, tissue.t1.dtype))
        axis = jnp.exp(1j * pulse.phase) if isinstance(pulse.phase, Array) else 1.0
        # half angles: two transcendental functions for each voxel and repetition instead of four
        cosine, sine = jnp.cos(angle / 2), jnp.sin(angle / 2)
        return cls(cosine**2, sine**2 * axis**2, 2 * sine * cosine * axis, cosine**2 - sine**2)

    def __call__(self, state: EPGState) -> tuple[EPGState, None]:
        stay, swap, tip, keep = self.stay[None], self.swap[None], self.tip[None], self.keep[None]
        plus, minus, z = state.plus, state.minus, state.z
        turned = (
            stay * plus - swap * minus + tip * z,
            stay * minus - jnp.conj(swap) * plus + jnp.conj(tip) * z,
            keep * z - (jnp.conj(tip) * plus + tip * minus) / 2,
        )
        return EPGState(*turned, state.truncated_energy, state.truncation_error), None


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
        plus, minus = self.e2[None] * state.plus, jnp.conj(self.e2)[None] * state.minus
        z = self.e1[None] * state.z
        if self.attenuation is not None:
            plus, minus = self.attenuation.plus * plus, self.attenuation.minus * minus
            z = self.attenuation.z * z
        z = z + _first_row(self.recovered[None], z)
        shrinks = jax.lax.stop_gradient(jnp.maximum(self.e1, jnp.abs(self.e2)))
        return EPGState(plus, minus, z, shrinks * state.truncated_energy, state.truncation_error), None


class Shift(AbstractOperator):
    """Dephasing by whole cycles, after the relaxation of the time it takes (Weigel 2015, the operator S)."""

    relaxation: Relaxation | None
    order: int = eqx.field(static=True)

    def __call__(self, state: EPGState) -> tuple[EPGState, None]:
        if self.relaxation is not None:
            state, _ = self.relaxation(state)
        for _ in range(abs(self.order)):
            state = _wind(state) if self.order > 0 else _swapped(_wind(_swapped(state)))
        return state, None


class IdealSpoiling(AbstractOperator):
    """No transverse magnetisation is left."""

    def __call__(self, state: EPGState) -> tuple[EPGState, None]:
        nothing = jnp.zeros_like(state.plus)
        return EPGState(nothing, nothing, state.z, state.truncated_energy, state.truncation_error), None


class Reading(AbstractOperator):
    """The sample is the order that is not dephased."""

    turn: Complex[Array, ""] | None

    def __call__(self, state: EPGState) -> tuple[EPGState, Complex[Array, "#voxel"]]:
        sample = -1j * state.plus[0]
        return state, sample if self.turn is None else sample * self.turn


def _wind(state: EPGState) -> EPGState:
    """One cycle of dephasing: every transverse order grows by one, and the highest is dropped."""
    top = jax.lax.stop_gradient(jnp.abs(state.plus[-1]))
    minus = _pad(state.minus, -1, 1)
    plus = _pad(state.plus, 1, -1) + _first_row(jnp.conj(minus[:1]), minus)
    energy = state.truncated_energy + top**2
    return EPGState(plus, minus, state.z, energy, jnp.maximum(state.truncation_error, energy))


def _swapped(state: EPGState) -> EPGState:
    """The state with the sense of winding reversed."""
    return EPGState(state.minus, state.plus, state.z, state.truncated_energy, state.truncation_error)


def _pad(orders: Inexact[Array, "k voxel"], before: int, after: int) -> Inexact[Array, "m voxel"]:
    # pad, not concatenate or roll: several times faster on CPU
    return jax.lax.pad(orders, jnp.zeros((), orders.dtype), [(before, after, 0), (0, 0, 0)])


def _first_row(row: Inexact[Array, "1 #voxel"], like: Inexact[Array, "k voxel"]) -> Inexact[Array, "k voxel"]:
    """An array of zeros with `row` as order zero."""
    row = jnp.broadcast_to(row.astype(like.dtype), (1, like.shape[1]))
    return _pad(row, 0, like.shape[0] - 1)
