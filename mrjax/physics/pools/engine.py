"""Water and any number of pools in exchange: the Bloch-McConnell equations."""

import dataclasses
import math
import warnings
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from mrjax import _checks
from mrjax.conventions import Conventions
from mrjax.jax_rules import in_float64_on_cpu
from mrjax.physics.engine import AbstractEngine, AbstractOperator, Plan, cannot_play, require_state
from mrjax.physics.epg.orders import needed_states
from mrjax.physics.isochromats.operators import Rotation
from mrjax.physics.loop import Loop, Samples
from mrjax.physics.maths.transmit_field import transmit_field, transmitted
from mrjax.physics.pools.dynamics import Irradiated, Pools, relative_fractions
from mrjax.physics.pools.frames import FrameRotation, in_turning_frames
from mrjax.physics.pools.operators import (
    AlongZ,
    BlochMcConnellState,
    FreeEvolution,
    InstantTurn,
    LongitudinalReading,
    NoTransverse,
    Propagation,
    TransverseReading,
    TurnTransverse,
    Winding,
)
from mrjax.physics.pools.propagation import AbstractPropagation, Propagator
from mrjax.physics.pools.waveforms import PoolWaveforms
from mrjax.physics.waveforms import rf_steps
from mrjax.physics.waveforms.scanner_events import together_of
from mrjax.sequence import (
    AbstractContainer,
    AbstractEvent,
    AbstractRF,
    AbstractScannerEvent,
    Delay,
    Dephase,
    Pulse,
    Reset,
    Sample,
    SampleLongitudinal,
    Spoil,
    Together,
)
from mrjax.sequence.walk import orders_per_cycle, winding
from mrjax.tissue import Tissue

PLAUSIBLE_SHIFT, PLAUSIBLE_B0 = 5.0, 3.0
"""Taken for what is traced, in ppm and T."""


def _require(value: Any, kind: type, name: str, example: str) -> None:
    if not isinstance(value, kind):
        raise ValueError(f"`{name}` must be one such as `{example}`, but got {value!r}.")


def _require_pools(state: BlochMcConnellState | None, tissue: Tissue) -> None:
    """Refuse a state of other pools than the tissue has."""
    n_mobile = 1 + sum(not pool.is_semisolid for pool in tissue.pools)
    due = (n_mobile, 1 + len(tissue.pools))
    if state is not None and (state.x.shape[0], state.z.shape[0]) != due:
        raise ValueError(
            f"`state` must be of a tissue with as many pools as this one, {due[0]} with a transverse part and {due[1]} in "
            f"all, but it has {state.x.shape[0]} and {state.z.shape[0]}."
        )


def _field_strength(value: Any) -> Float[Array, ""]:
    b0 = _checks.real_array(value, "b0")
    if b0.ndim:
        raise ValueError(f"`b0` must be a scalar (T), but got shape {b0.shape}.")
    return _checks.positive(b0, "b0", "T") if _checks.is_concrete(b0) else b0


class BlochMcConnell(AbstractEngine):
    r"""Water in exchange with the pools of its `Tissue`, under RF of any shape and offset.

    $$\dot m_i = \left(2\pi i f_i - \frac{1}{T_{2,i}}\right) m_i - i \omega_1 z_i + \text{exchange}, \quad
    \dot z_i = \frac{z_i^0 - z_i}{T_{1,i}} + \mathrm{Im}(\omega_1^* m_i) + \text{exchange}$$

    Pool $i$ sends $k_i$ of its magnetisation to the water per second and gets $f_i k_i$ of the water's. A semisolid pool has
    z alone, saturated at the rate $\pi \omega_1^2 g$ of its line shape. `Spoil` removes all transverse magnetisation;
    a `Pulse`, which takes no time, turns the pools that can be turned and leaves semisolid ones as they are. A sample
    is the transverse magnetisation, a `SampleLongitudinal` the z of the water. `Dephase` is played by configuration states,
    as `EPG` does: every order of dephasing obeys the same equations, and order 0 alone recovers (EPG-X, for any pulse).
    A `Gradient` turns all pools of a voxel by its position `x`, `y`, `z` in the tissue, at which the voxel is a point; without
    one it is in the middle. RF under gradients is cut into samples until gradients that change leave an error of at most 1e-5
    of M0 for each pulse; where times or gradients are traced, it is played in 128 steps or more.

    **Arguments:**

    - `b0`: Field strength in T, positive; it gives chemical shifts their frequencies.
    - `conventions`: A `Conventions`, where others than the default are wanted.
    - `n_states`: Orders of dephasing that are kept, where the sequence has gradients; by default as many as are exact. What
      is wound beyond is lost.
    - `method`: One of `mrjax.propagation`: `Propagator()`, exact for sampled waveforms, by default.

    Propagators of RF are computed once for each pulse that differs in more than its phase, so a `Repeat` of equal pulses
    costs one. Repetitions that begin with `Reset` are computed side by side.

    **Returns:** of `play`, the state as a `BlochMcConnellState`.

    **Raises:** `ValueError` where `b0` or `n_states` is not positive, and for a tissue with `t2_prime` or `diffusion`.

    **Source:** H. M. McConnell, J Chem Phys 28 (1958) 430-431; the semisolid pool: R. M. Henkelman et al., Magn Reson Med 29
    (1993) 759-766; configuration states with exchange: S. J. Malik, R. P. A. G. Teixeira, J. V. Hajnal, Magn Reson Med 80
    (2018) 767-779.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import mrjax as mr
        >>> amide = mr.Pool(fraction=1e-3, exchange_rate=50.0, t1=1.0, t2=0.1, shift_ppm=3.5)
        >>> offset = jnp.array([3.5, -3.5]) * 127.7
        >>> scan = mr.Repeat(mr.Reset(), mr.ContinuousWave(1e-6, 3.0, offset), mr.Spoil(), mr.SampleLongitudinal())
        >>> mr.simulate(scan, mr.Tissue(1.3, 0.08, pools=(amide,)), mr.BlochMcConnell(b0=3.0)).real.round(3).tolist()
        [0.83..., 0.88...]

        ```
    """

    b0: Float[Array, ""] = eqx.field(converter=_field_strength)
    conventions: Conventions = eqx.field(static=True, default=Conventions())
    n_states: int | None = eqx.field(static=True, default=None)
    method: AbstractPropagation = Propagator()

    def __check_init__(self):
        _require(self.conventions, Conventions, "conventions", "Conventions()")
        _require(self.method, AbstractPropagation, "method", "Propagator()")
        if self.n_states is not None:
            _checks.positive_integer(self.n_states, "n_states")

    effects: ClassVar[frozenset[str]] = frozenset({"b1", "b1_phase", "off_resonance", "pools"})

    def plan(
        self, sequence: AbstractContainer, tissue: Tissue, state: BlochMcConnellState | None, keeps_state: bool
    ) -> Plan:
        require_state(state, BlochMcConnellState, self)
        _require_pools(state, tissue)
        self._require_fractions(tissue)
        if rf_steps.has_lasting_rf(sequence):
            sequence = in_turning_frames(self._finely_cut(sequence, tissue), self._frames_follow)
        return Plan(self._with_orders_for(sequence, state, keeps_state), sequence, tissue, prepares_together=True)

    def play_loop(self, loop: Loop, state: BlochMcConnellState) -> tuple[BlochMcConnellState, Samples]:
        # the state is small beside the propagators, and a copy of it costs less than the events compiled twice
        loop = dataclasses.replace(loop, unroll=1)
        begins_anew = isinstance(loop.container.events[0], Reset)
        return loop.side_by_side(state) if begins_anew else loop.one_after_the_other(state)

    @property
    def _frames_follow(self) -> bool:
        """Whether the frame of a pulse begins where that of the pulse before has got to."""
        return self.conventions.rf_phase == "accumulated"

    def _finely_cut(self, sequence: AbstractContainer, tissue: Tissue) -> AbstractContainer:
        ratio = self.conventions.gyromagnetic_ratio
        bounds = rf_steps.Bounds.of(tissue, ratio, relaxes=False)
        shifts = [rf_steps.largest(pool.shift_ppm, PLAUSIBLE_SHIFT) for pool in tissue.pools]
        larmor = rf_steps.largest(self.b0, PLAUSIBLE_B0) * ratio / (2 * math.pi)
        farthest = bounds.off_resonance + max(shifts, default=0.0) * 1e-6 * larmor
        return rf_steps.finely_cut(sequence, dataclasses.replace(bounds, off_resonance=farthest))

    def _require_fractions(self, tissue: Tissue) -> None:
        if self.conventions.fractions == "of_all" and tissue.pools:
            fractions = sum((pool.fraction for pool in tissue.pools[1:]), start=tissue.pools[0].fraction)
            _checks.require(fractions, fractions < 1, '`fraction`s must sum to less than 1 where `fractions="of_all"`')

    def _with_orders_for(
        self, sequence: AbstractContainer, state: BlochMcConnellState | None, keeps_state: bool
    ) -> "BlochMcConnell":
        """This engine with as many orders as are given, or as the sequence and the state need."""
        if orders_per_cycle(sequence) > 1:
            raise ValueError(
                "`BlochMcConnell` winds whole cycles alone; play `Dephase` of integers, or use `engine=EPG()`."
            )
        present = 0 if state is None else state.z.shape[1] - 1
        needed = 1 + present + winding(sequence) if keeps_state else needed_states(sequence, present)
        if self.n_states is not None and self.n_states <= present:
            raise ValueError(
                f"`n_states` must be at least the {present + 1} of the given state, but got {self.n_states}."
            )
        if self.n_states is not None and self.n_states < needed:
            warnings.warn(
                f"BlochMcConnell(n_states={self.n_states}) loses what gradients wind beyond; {needed} states are exact.",
                stacklevel=_checks.frames_to_the_caller(),
            )
        b0 = _checks.finite(_checks.positive(self.b0, "b0", "T"), "b0")
        return dataclasses.replace(self, b0=b0, n_states=min(self.n_states or needed, needed))

    def resumed(self, state: BlochMcConnellState, sequence: AbstractContainer, tissue: Tissue) -> BlochMcConnellState:
        del sequence
        return state.resized(self._kept, self._dtype(tissue))

    @property
    def _kept(self) -> int:
        assert self.n_states is not None, "`plan` fills it in"
        return self.n_states

    def _dtype(self, tissue: Tissue) -> DTypeLike:
        return tissue.t1.dtype if self._kept == 1 else jnp.result_type(tissue.t1, 1j)

    def bytes_per_voxel(self, sequence: AbstractContainer, tissue: Tissue) -> float:
        del sequence
        n = 4 + sum(1 if pool.is_semisolid else 3 for pool in tissue.pools)
        return float(n * n * tissue.t1.dtype.itemsize)  # of one propagator, next to which the state is nothing

    def init(self, sequence: AbstractContainer, tissue: Tissue) -> BlochMcConnellState:
        del sequence
        along_z = self._along_z(self._pools(tissue), jnp.ones(1, tissue.t1.dtype), tissue.voxel_shape)
        return along_z.resized(self._kept, self._dtype(tissue))

    def prepare(self, event: AbstractEvent, tissue: Tissue) -> AbstractOperator:
        pools = self._pools(tissue)
        match event:
            case AbstractRF():
                return self._irradiation(event, pools, tissue)
            case FrameRotation():
                return TurnTransverse(jnp.cos(event.angle), jnp.sin(event.angle))
            case Pulse():
                return InstantTurn(Rotation.of(event, tissue))
            case Delay():
                return FreeEvolution.of(pools, event.duration)
            case Dephase():
                time = event.duration if isinstance(event.duration, Array) else None
                return Winding(None if time is None else FreeEvolution.of(pools, time), int(event.order))
            case Spoil():
                return NoTransverse()
            case Reset():
                z = jnp.asarray(event.magnetisation, tissue.t1.dtype).reshape(1)
                return AlongZ(self._along_z(pools, z, (len(pools.equilibrium),)))
            case Sample():
                return self._reading(jnp.exp(-1j * event.phase) if isinstance(event.phase, Array) else None, tissue)
            case SampleLongitudinal():
                return LongitudinalReading(self._received(tissue))
            case AbstractScannerEvent():
                return self._played(together_of(event, type(self).__name__), pools, tissue)
            case _:
                raise cannot_play(self, event)

    def _reading(self, turn: Array | None, tissue: Tissue) -> TransverseReading:
        return TransverseReading(turn, self._received(tissue), self.conventions.received == "water")

    def _played(self, event: Together, pools: Pools, tissue: Tissue) -> AbstractOperator:
        alone = lambda part: self.prepare(part, tissue)
        reading = self._reading(None, tissue)
        return PoolWaveforms(event, tissue, pools, self.conventions, self.method, reading, alone).operator()

    def _pools(self, tissue: Tissue) -> Pools:
        return Pools.of(tissue, self.b0, self.conventions)

    def _along_z(self, pools: Pools, relative: Float[Array, "#voxel"], shape: tuple[int, ...]) -> BlochMcConnellState:
        z = jnp.broadcast_to((pools.equilibrium.T * relative[None])[:, None], (pools.n_pools, 1, *shape))
        nothing = jnp.zeros((pools.n_mobile, 1, *shape), z.dtype)
        return BlochMcConnellState(nothing, nothing, z)

    def _irradiation(self, event: AbstractRF, pools: Pools, tissue: Tissue) -> Propagation:
        waveform, dt = jnp.asarray(event.b1_samples), event.dt
        transmit = jnp.ones(1, tissue.t1.dtype) if (given := transmit_field(tissue)) is None else given
        imaginary = (self.conventions.shape_phase_sign * waveform.imag).astype(waveform.real.dtype)
        offset = event.offset if isinstance(event.offset, Array) else 0.0
        irradiated = Irradiated(pools, offset)
        n, ratio = irradiated.size, self.conventions.gyromagnetic_ratio

        def propagator(irradiated: Irradiated, method: AbstractPropagation, *rf: Any) -> Array:
            real, imaginary, dt, transmit = rf
            strength = jax.tree.map(lambda part: (ratio * part)[None], transmit)
            field = transmitted(real[:, None], imaginary[:, None], strength)
            return method.propagator(irradiated, field, dt)[:, :n, :n]

        rf = (waveform.real, imaginary, jnp.asarray(dt, waveform.real.dtype), transmit)
        return Propagation(in_float64_on_cpu(propagator, irradiated, self.method, *rf))

    def _received(self, tissue: Tissue) -> Float[Array, "#voxel"] | None:
        """What magnetisation relative to the water's is relative to `m0`; None where that is the same."""
        if self.conventions.fractions == "of_water" or not tissue.pools:
            return None
        return 1 / (
            1 + sum(relative_fractions(list(tissue.pools), self.conventions), start=jnp.zeros(1, tissue.t1.dtype))
        )
