"""Extended phase graphs."""

import dataclasses
import math
import warnings
from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from mrjax import _checks, _plausibility, units
from mrjax.physics.engine import AbstractEngine, AbstractOperator, Plan, cannot_play, require_state
from mrjax.physics.epg.events import (
    ApplyPending,
    PulseRotation,
    WindingInterval,
    is_played_in_parts,
    reads_while_winding,
)
from mrjax.physics.epg.extent import Extent, in_parts
from mrjax.physics.epg.operators import (
    AlongZ,
    ApplyingPending,
    EPGState,
    IdealSpoiling,
    LongitudinalReading,
    Reading,
    Rotation,
    Shift,
    refined,
    resized,
    up_to_date,
)
from mrjax.physics.epg.orders import Orders, are_complex, in_multiples, needed_states
from mrjax.physics.epg.stages import StagedRepeat, WindingAround, in_stages, played_in_stages
from mrjax.physics.epg.waveforms import Waveforms
from mrjax.physics.loop import Loop, Samples
from mrjax.physics.maths import precession
from mrjax.physics.slice_profile import SliceProfile
from mrjax.physics.slices import lasting_rf_with_a_profile, require_profile, sliced
from mrjax.physics.waveforms import rf_steps
from mrjax.sequence import (
    AbstractContainer,
    AbstractEvent,
    Delay,
    Dephase,
    Pulse,
    Reset,
    Sample,
    SampleLongitudinal,
    Spoil,
)
from mrjax.sequence.gradients import AXES, Axis
from mrjax.sequence.walk import events_of, orders_per_cycle, winding
from mrjax.tissue import Tissue

WORTH_A_WARNING = 1e-2
"""Estimated truncation error, relative to M0, above which `simulate` warns."""


class EPG(AbstractEngine):
    r"""Extended phase graphs: the magnetisation as Fourier series over the dephasing across a voxel.

    $$M_{xy}(x) = \sum_k F_k e^{2\pi i k x}, \qquad M_z(x) = \sum_k Z_k e^{2\pi i k x}, \qquad -\tfrac12 \le x < \tfrac12$$

    Exact for instantaneous pulses as long as no order is truncated. Includes relaxation, off-resonance, B1, and diffusion
    between and during dephasing; it cannot represent `t2_prime`, for which `Isochromats` serves.

    Where parts of a cycle are wound (`Dephase(0.5)`, gradients), orders are steps of $1/u$ cycle, with $u$ their common
    denominator, and a sample is the mean over the voxel, $\sum_k F_k\, \mathrm{sinc}(k/u)$.

    RF that lasts (`ShapedPulse`, `ContinuousWave`) is one rotation with all precession during the pulse, between two halves
    of its relaxation: exact without relaxation, and otherwise off by its duration over T2, times half after 180 degrees, a
    third after 90, and a sixth of the square of a small flip angle, as part of M0; `PDG` and `Isochromats` relax meanwhile.
    Under gradients that change meanwhile its samples are cut until the error of a pulse is at most 1e-5 of M0; where times or
    gradients are traced, the pulse is played in 128 steps or more. Played together with gradients, it acts on what they have
    wound at the middle of the pulse, at the position of the voxel.

    Gradients wind orders across `voxel_size` along one axis, and turn voxels by their positions `x`, `y`, `z` in the tissue.
    What each of them winds in all must be known before compiling, equal in all repetitions, and a whole number of orders;
    gradients in a row count as one, and diffusion takes the true shape of each. Those that are balanced between pulses need
    no `voxel_size`, unless there is diffusion or a readout meanwhile. A `Readout` while gradients are on takes the mean over
    the voxel at every sample.

    **Arguments:**

    - `n_states`: Number of orders kept, 0 to n_states - 1. By default as many as can reach a sample: exact, and slow for
      long trains. With fewer, `truncation_error` of the final state, which `play` returns, estimates the largest error of
      a sample relative to `m0`, per voxel; `simulate` warns where it exceeds 1 %. Inside of `jit`, `grad` or `vmap` the
      numbers are not known yet and nothing can warn: there take the error from `play`, as one more output.
    - `voxel_size`: Distance in m over which `Dephase(1)` winds one cycle. Needed for diffusion and gradients alone.
    - `axis`: `"x"`, `"y"` or `"z"`, along which gradients wind; by default the one axis along which the tissue has no
      positions. Along others it must have them, and voxels are points there.
    - `orders_per_cycle`: Orders by which one cycle is wound; by default as few as the sequence needs, with gradients that
      wind parts of a cycle with a denominator of at most 16.
    - `slice_profile`: A `SliceProfile`; see below. By default every pulse turns all of the slice alike.
    - `gyromagnetic_ratio`: In rad/s/T, protons by default.

    With a slice profile every voxel is played at each of its positions: a `Pulse` turns by its flip angle times that of the
    profile there relative to the profile's nominal angle, about an axis whose phase is that of the pulse and the profile
    together. The signal is the integral over the positions relative to the `thickness` of the profile, so that a perfect
    slice gives the same as no profile; for a profile without `thickness` it is the mean over the positions.

    **Raises:** `ValueError` for fewer than one state, for a tissue with `t2_prime`, for diffusion without `voxel_size`, for
    gradients that wind what is traced, no whole number of orders, or along several axes, for RF that lasts with a slice
    profile.

    **Source:** M. Weigel, J Magn Reson Imaging 41 (2015) 266-295: rotation, relaxation and shift operators, and the
    diffusion factors of longitudinal and transverse states. The truncation estimate is our own: what leaves order
    `n_states - 1` with amplitude $a$ would return to order zero by a path as long as the one that took it there, damped by
    about the same $a$, so the energy $a^2$ measures what a sample lacks. Against all orders it was 1 to 20 times the true
    error in the worst voxel of FISP, SPGR and CPMG trains (tests/physics/epg/test_truncation.py).

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import mrjax as mr
        >>> train = mr.protocols.cpmg(refocusing_angle=jnp.full(3, jnp.pi), echo_spacing=10e-3)
        >>> print(*(f"{value:.4f}" for value in abs(mr.simulate(train, mr.Tissue(t1=1.0, t2=0.1), engine=mr.EPG(n_states=8)))))
        0.9048 0.8187 0.7408

        ```

        The error of few states, inside of `jit`:

        ```python
        >>> import jax
        >>> steady = mr.protocols.spgr(0.2, tr=6e-3, te=3e-3, n_repetitions=100)
        >>> @jax.jit
        ... def signal_and_error(t2):
        ...     signal, state = mr.play(steady, mr.Tissue(1.0, t2), mr.EPG(n_states=4))
        ...     return signal, state.truncation_error
        >>> bool(signal_and_error(0.1)[1] > 0.01)
        True

        ```
    """

    n_states: int | None = eqx.field(static=True, default=None)
    voxel_size: Float[Array, ""] | None = eqx.field(default=None, converter=_plausibility.optional_length)
    axis: Axis | None = eqx.field(static=True, default=None)
    orders_per_cycle: int | None = eqx.field(static=True, default=None)
    slice_profile: SliceProfile | None = None
    gyromagnetic_ratio: float = eqx.field(static=True, default=2 * math.pi * units.GAMMA_BAR["1H"])

    effects: ClassVar[frozenset[str]] = frozenset({"b1", "b1_phase", "off_resonance", "diffusion"})

    def __check_init__(self):
        if self.n_states is not None:
            _checks.positive_integer(self.n_states, "n_states")
        if self.orders_per_cycle is not None:
            _checks.positive_integer(self.orders_per_cycle, "orders_per_cycle")
        if self.axis not in (*AXES, None):
            raise ValueError(f'`axis` must be "x", "y" or "z", but got {self.axis!r}.')
        require_profile(self.slice_profile)

    def plan(self, sequence: AbstractContainer, tissue: Tissue, state: EPGState | None, keeps_state: bool) -> Plan:
        require_state(state, EPGState, self)
        if tissue.has("diffusion"):
            precession.squared_winding(self.voxel_size)
        sequence = self._in_parts(sequence, tissue)
        engine = self._with_orders_for(sequence, state, keeps_state)
        if self.slice_profile is not None:
            self._require_instantaneous_pulses(sequence)
            tissue = sliced(tissue, self.slice_profile)
        reads_all_orders = engine._reads_all_orders(sequence)
        place = WindingAround.start(sequence, from_equilibrium=state is None, keeps_all=keeps_state or reads_all_orders)
        place = place if engine._finely == 1 else None
        sequence = in_stages(sequence, place, engine._kept, math.prod(tissue.voxel_shape))
        # the mean over the voxel is a sum over orders
        return Plan(engine, sequence, tissue, one_kernel=not reads_all_orders)

    def _in_parts(self, sequence: AbstractContainer, tissue: Tissue) -> AbstractContainer:
        """The sequence in events of which it is known how far they wind."""
        if not is_played_in_parts(sequence):
            return sequence
        if rf_steps.has_lasting_rf(sequence):
            bounds = rf_steps.Bounds.of(tissue, self.gyromagnetic_ratio, relaxes=False)
            sequence = rf_steps.finely_cut(sequence, bounds)
        size, parts = self.voxel_size, self.orders_per_cycle
        return in_parts(sequence, Extent.of(sequence, tissue, self.axis, size, self.gyromagnetic_ratio, parts))

    def _with_orders_for(self, sequence: AbstractContainer, state: EPGState | None, keeps_state: bool) -> "EPG":
        """This engine with as many orders, as finely, as are given or as the sequence and the state need."""
        of_state = 1 if state is None else state.orders_per_cycle
        parts = in_multiples(math.lcm(orders_per_cycle(sequence), of_state), self.orders_per_cycle)
        present = 0 if state is None else (state.z.shape[0] - 1) * (parts // of_state)
        if keeps_state or parts > 1 or reads_while_winding(sequence):
            needed = 1 + present + winding(sequence, parts)
        else:
            needed = needed_states(sequence)
        n_states = needed if self.n_states is None else self.n_states
        if n_states <= present:
            raise ValueError(f"`n_states` must be at least the {present + 1} of the given state, but got {n_states}.")
        return dataclasses.replace(self, n_states=min(n_states, needed), orders_per_cycle=parts, slice_profile=None)

    def _reads_all_orders(self, sequence: AbstractContainer) -> bool:
        """Whether samples depend on orders that are dephased when they are taken, so that none may be dropped before."""
        return self._finely > 1 or reads_while_winding(sequence)

    def _require_instantaneous_pulses(self, sequence: AbstractContainer) -> None:
        for located in events_of((sequence,)):
            if isinstance(located.event, PulseRotation):
                raise lasting_rf_with_a_profile()

    def plays_as(self, planned: AbstractEngine, keeps_state: bool) -> bool:
        # more orders than a sample needs do not change it
        return not keeps_state or super().plays_as(planned, keeps_state)

    def init(self, sequence: AbstractContainer, tissue: Tissue) -> EPGState:
        dtype = jnp.result_type(tissue.t1, 1j) if are_complex(sequence, tissue) else tissue.t1.dtype
        nothing = jnp.zeros((self._kept, *tissue.voxel_shape), dtype)
        never = jnp.zeros(tissue.voxel_shape, tissue.t1.dtype)
        return EPGState(nothing, nothing, nothing.at[0].set(1.0), never, never, None, self._finely)

    def resumed(self, state: EPGState, sequence: AbstractContainer, tissue: Tissue) -> EPGState:
        dtype = jnp.result_type(state.z, 1j) if are_complex(sequence, tissue) else state.z.dtype
        return resized(refined(state, self._finely), self._kept, dtype)

    def bytes_per_voxel(self, sequence: AbstractContainer, tissue: Tissue) -> float:
        # as by default, without tracing `init`: this is half of what a small call takes
        real = tissue.t1.dtype.itemsize
        return float((2 + 3 * self._kept * (2 if are_complex(sequence, tissue) else 1)) * real)

    def prepare(self, event: AbstractEvent, tissue: Tissue) -> AbstractOperator:
        match event:
            case Pulse():
                return Rotation.of(event, tissue)
            case Delay():
                return self._orders.relaxation(event.duration, tissue, 0)
            case Dephase():
                time = event.duration if isinstance(event.duration, Array) else None
                steps = int(event.order * self._finely)
                return Shift(None if time is None else self._orders.relaxation(time, tissue, event.order), steps)
            case Spoil():
                return IdealSpoiling()
            case Reset():
                return AlongZ(jnp.asarray(event.magnetisation, tissue.t1.dtype))
            case SampleLongitudinal():
                return LongitudinalReading()
            case Sample():
                return Reading(jnp.exp(-1j * event.phase) if isinstance(event.phase, Array) else None)
            case WindingInterval():
                return self._waveforms(tissue).evolution(event)
            case ApplyPending():
                return ApplyingPending()
            case PulseRotation():
                return self._waveforms(tissue).tipping(event)
            case _:
                raise cannot_play(self, event)

    def play_loop(self, loop: Loop, state: EPGState) -> tuple[EPGState, Samples]:
        loop = dataclasses.replace(loop, one_kernel=not self._reads_all_orders(loop.container))
        if isinstance(loop.container, StagedRepeat):
            return played_in_stages(loop, loop.container.stages, state)
        return loop.one_after_the_other(state)

    def settled(self, state: EPGState) -> EPGState:
        return up_to_date(state)

    def reported(self, state: EPGState) -> EPGState:
        orders = {name: getattr(state, name)[:0] for name in ("plus", "minus", "z")}
        return dataclasses.replace(state, **orders)

    def report(self, sequence: AbstractContainer, state: EPGState) -> None:
        all_orders = self._reads_all_orders(sequence)
        exact = 1 + winding(sequence, self._finely) if all_orders else needed_states(sequence)
        if self._kept >= exact or not state.truncation_error.size:
            return
        worst = float(np.max(_checks.held_here(state.truncation_error)))
        if worst > WORTH_A_WARNING:
            warnings.warn(
                f"EPG(n_states={self.n_states}) truncates: samples of the worst voxel are off by about {worst:.2g} of m0. "
                f"Use more states; {exact} are exact.",
                stacklevel=_checks.frames_to_the_caller(),
            )

    @property
    def _kept(self) -> int:
        assert self.n_states is not None, "`plan` fills it in"
        return self.n_states

    @property
    def _finely(self) -> int:
        return self.orders_per_cycle or 1

    @property
    def _orders(self) -> Orders:
        return Orders(self._kept, self._finely, self.voxel_size)

    def _waveforms(self, tissue: Tissue) -> Waveforms:
        return Waveforms(tissue, self.gyromagnetic_ratio, self.voxel_size, self._kept, self._finely)
