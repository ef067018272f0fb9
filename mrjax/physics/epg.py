"""Extended phase graphs."""

import dataclasses
import warnings
from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from mrjax import _checks
from mrjax.physics import precession
from mrjax.physics.engine import AbstractEngine, AbstractOperator, cannot_play, require_state
from mrjax.physics.epg_operators import (
    Attenuation,
    EPGState,
    IdealSpoiling,
    Reading,
    Relaxation,
    Rotation,
    Shift,
    resized,
    settled,
)
from mrjax.physics.stages import Course, Stage
from mrjax.sequence import AbstractContainer, AbstractEvent, Delay, Dephase, Pulse, Sample, Spoil
from mrjax.sequence.walk import events_of, winding
from mrjax.tissue import Tissue

WORTH_A_WARNING = 1e-2
"""Estimated truncation error, relative to M0, above which `simulate` warns."""


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
        if self.n_states is not None:
            _checks.positive_integer(self.n_states, "n_states")

    def sized(self, sequence: AbstractContainer, tissue: Tissue, state: EPGState | None, keeps_state: bool) -> "EPG":
        require_state(state, EPGState, self)
        if tissue.has("t2_prime"):
            raise ValueError("EPG cannot represent a finite `t2_prime`; use `engine=Isochromats(...)`.")
        if tissue.has("diffusion"):
            precession.squared_winding(self.voxel_size)
        present = 0 if state is None else state.z.shape[0] - 1
        needed = 1 + present + winding(sequence) if keeps_state else needed_states(sequence)
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
        dtype = jnp.result_type(state.z, 1j) if _needs_complex(sequence, tissue) else state.z.dtype
        return resized(state, self._kept, dtype)

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
        return settled(state)

    def stages(self, loop: AbstractContainer, course: Course) -> tuple[Stage, ...]:
        return course.stages(loop, self._kept)

    def entering(self, state: EPGState, stage: Stage) -> EPGState:
        return resized(state, stage.n_states or self._kept)

    def leaving(self, state: EPGState, entered: EPGState, stage: Stage) -> EPGState:
        state = resized(state, self._kept)
        if not stage.emptying:
            return state
        # what is dropped now is lost to the samples anyway
        return dataclasses.replace(
            state, truncated_energy=entered.truncated_energy, truncation_error=entered.truncation_error
        )

    def report(self, sequence: AbstractContainer, state: EPGState) -> None:
        if self._kept >= needed_states(sequence) or not state.truncation_error.size:
            return
        worst = float(np.max(_checks.held_here(state.truncation_error)))
        if worst > WORTH_A_WARNING:
            warnings.warn(
                f"EPG(n_states={self.n_states}) truncates: samples of the worst voxel are off by about {worst:.2g} of m0. "
                f"Use more states; {needed_states(sequence)} are exact.",
                stacklevel=_checks.frames_to_the_caller(),
            )

    @property
    def _kept(self) -> int:
        assert self.n_states is not None, "`sized` fills it in"
        return self.n_states

    def _relaxation(self, duration: Float[Array, ""], tissue: Tissue, order: int) -> Relaxation:
        """Relaxation and diffusion in a time during which a gradient winds `order` cycles."""
        recovered, e2 = precession.recovery(duration, tissue.t1), precession.decay(duration, tissue.t2)
        angle = precession.precession_angle(duration, tissue)
        return Relaxation(
            1 - recovered,
            e2 if angle is None else e2 * jnp.exp(1j * angle),
            recovered,
            self._attenuation(precession.finite(duration), tissue, order) if tissue.has("diffusion") else None,
        )

    def _attenuation(self, duration: Float[Array, ""], tissue: Tissue, order: int) -> Attenuation:
        r"""$\exp(-b D)$ of each state, with $b = \tau (k_1^2 + k_1 k_2 + k_2^2) / 3$ while $k$ grows from $k_1$ to $k_2$."""
        k = jnp.arange(self._kept, dtype=duration.dtype)
        exponent = duration * tissue.diffusion * precession.squared_winding(self.voxel_size)

        def attenuation(start, end):
            b = (start**2 + start * end + end**2) / 3
            return jnp.exp(-b[:, None] * exponent[None, :])

        return Attenuation(attenuation(k, k + order), attenuation(k, k - order), attenuation(k, k))


def needed_states(sequence: AbstractContainer, present: int = 0) -> int:
    """Number of orders that take part in the samples: half of all winding takes one away, the other half back.

    `present` is the highest order that is populated at the start.
    """
    return 1 + max(present, (present + winding(sequence)) // 2)


def _needs_complex(sequence: AbstractContainer, tissue: Tissue) -> bool:
    phases = [located.event.phase for located in events_of(sequence.events) if isinstance(located.event, Pulse)]
    return tissue.has("off_resonance") or any(isinstance(phase, Array) for phase in phases)
