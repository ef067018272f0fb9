"""Isochromats: spins across the voxel, each turned by the Bloch equations."""

import dataclasses
import math
import warnings
from typing import Any, ClassVar, Literal

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from mrjax import _checks, units
from mrjax.physics.engine import AbstractEngine, AbstractOperator, Plan, cannot_play, require_state
from mrjax.physics.isochromats import extents
from mrjax.physics.isochromats.operators import (
    AlongZ,
    Diffusion,
    IdealSpoiling,
    LongitudinalReading,
    Precession,
    Reading,
    Rotation,
    Winding,
)
from mrjax.physics.isochromats.places import Coordinates, Places, voxel_extent
from mrjax.physics.isochromats.preparation import Waveforms
from mrjax.physics.isochromats.state import IsochromatState, lattice
from mrjax.physics.isochromats.tables.playing_order import PlayingOrder, rows_of
from mrjax.physics.isochromats.tables.table import SequenceTable, tabulated
from mrjax.physics.isochromats.tables.tabulated import Tabulated
from mrjax.physics.maths import precession
from mrjax.physics.motion import AbstractMotion
from mrjax.physics.waveforms import rf_steps
from mrjax.physics.waveforms.scanner_events import together_of
from mrjax.physics.waveforms.winding import (
    gradient_axes,
    require_whole_cycles,
    wound_by_gradients,
)
from mrjax.sequence import (
    AbstractContainer,
    AbstractEvent,
    AbstractScannerEvent,
    Delay,
    Dephase,
    Pulse,
    Reset,
    Sample,
    SampleLongitudinal,
    Sequence,
    Spoil,
    Together,
)
from mrjax.sequence.containers import as_sequence
from mrjax.sequence.gradients import AXES
from mrjax.sequence.partial_orders import Order
from mrjax.sequence.walk import winding
from mrjax.tissue import EFFECTS, VELOCITY, Tissue


class Isochromats(AbstractEngine):
    r"""Spins at `n` positions across the voxel, each a solution of the Bloch equations; a sample is their mean.

    `Dephase(order)` turns the spin at position $x$ (in voxels) by $2\pi \cdot$ order $\cdot x$. With positions evenly
    spread, a mean over $n$ spins is exact until something is wound by $n$ cycles and looks unwound again.

    **Arguments:**

    - `n`: Number of spins. By default as many as the sequence needs to be exact; at least 2000 where `t2_prime` is finite, and
      at least 1000 where parts of a cycle are wound, whose mean is then right to 1e-6. `simulate` warns where `n` is too small
      for the sequence.
    - `voxel_size`: In m, one number or one for each of x, y and z. `Dephase(1)` winds one cycle over it, along the first
      axis on which a `Gradient` is played, which diffusion needs to know. Where gradients are played spins are spread over it;
      by default they are all in the middle of their voxel then.
    - `motion`: How the object moves: `mrjax.motion.RigidMotion(...)` or another `AbstractMotion`.
    - `concomitant_b0`: The static field in T; with it the concomitant fields of gradients act, integrated exactly,
      $B_c = [(x^2 + y^2) G_z^2 / 8 + z^2 (G_x^2 + G_y^2) / 2 - x z G_x G_z / 2 - y z G_y G_z / 2] / B_0$.
    - `line_shape`: How `t2_prime` dephases: `"spins"` spread over off-resonances, right in every sequence, or `"analytic"`,
      $\exp(-|\tau| / T_2')$ with $\tau$ the time since the excitation, inverted by refocusing pulses. It is exact where all
      signal has gone one way: one excitation, ideal refocusing; it warns where that is not so, and needs one spin.
    - `gyromagnetic_ratio`: In rad/s/T, protons by default.

    RF that lasts is a product of rotations, one for each sample, between halves of relaxation (Strang). Samples are cut until
    the error of a pulse is at most 1e-5 of M0, under gradients that change as well, for T2 down to 1 ms; where times or
    gradients are traced, a pulse under gradients is played in 128 steps or more. Constant RF without gradients is solved
    exactly, in one step. Between pulses gradients act by their area, which is exact, as is the flow by `velocity_x` and so
    on. Motion is taken as straight within one event, along its tangent in the middle.

    Finite `t2_prime` gives each spin an off-resonance besides its position, spread over a Lorentzian that is cut off at
    $3 \sqrt n$ times its half width. Decay over a time $t$ is then right to 5e-4 of M0 at the default `n` for
    $0.1 < t / T_2' < 10$; for shorter times it starts smoothly where an ideal Lorentzian has a kink, off by up to
    $1 / 3 \sqrt n$. Diffusion mixes neighbouring spins, computed exactly by Fourier transform over the positions. It needs
    gradients along one axis, each winding whole cycles over `voxel_size`, and RF without gradients; it cannot be combined
    with `t2_prime`.

    **Raises:** `ValueError` for fewer than one spin, diffusion without `voxel_size`, with `t2_prime`, or under gradients
    that it cannot be computed for.

    **Source:** the Bloch equations with instantaneous pulses, in the right-handed convention of `Pulse`.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import mrjax as mr
        >>> train = mr.protocols.cpmg(refocusing_angle=jnp.full(3, jnp.pi), echo_spacing=10e-3)
        >>> print(*(f"{value:.4f}" for value in abs(mr.simulate(train, mr.Tissue(t1=1.0, t2=0.1), engine=mr.Isochromats(16)))))
        0.9048 0.8187 0.7408

        ```
    """

    n: int | None = eqx.field(static=True, default=None)
    voxel_size: Float[Array, "..."] | None = eqx.field(default=None, converter=voxel_extent)
    motion: AbstractMotion | None = None
    gyromagnetic_ratio: float = eqx.field(static=True, default=2 * math.pi * units.GAMMA_BAR["1H"])
    concomitant_b0: Float[Array, ""] | None = eqx.field(default=None, converter=extents.field_strength)
    line_shape: Literal["spins", "analytic"] = eqx.field(static=True, default="spins")
    axes: tuple[str, ...] = eqx.field(static=True, default=())
    """Along which gradients are played; filled in from the sequence."""

    effects: ClassVar[frozenset[str]] = frozenset(EFFECTS) - {"pools"}

    def __check_init__(self):
        extents.require_line_shape(self.line_shape)
        if self.n is not None:
            _checks.positive_integer(self.n, "n")
        extents.require_motion(self.motion)

    def plan(
        self, sequence: AbstractContainer, tissue: Tissue, state: IsochromatState | None, keeps_state: bool
    ) -> Plan:
        del keeps_state
        engine, sequence, in_rows = self.in_rows(sequence, tissue, state)
        if in_rows is None:
            return Plan(engine, sequence, tissue)
        table = tabulated(in_rows, (sequence, tissue, engine), self.gyromagnetic_ratio)
        return Plan(engine, Sequence(table), tissue, n_samples=in_rows.n_samples)

    def in_rows(
        self, sequence: AbstractContainer, tissue: Tissue, state: IsochromatState | None, always: bool = False
    ) -> "tuple[Isochromats, AbstractContainer, PlayingOrder | None]":
        """This engine with all sizes, the sequence with RF cut finely, and its rows, where there are any and they pay."""
        if rf_steps.has_lasting_rf(sequence):
            sequence = rf_steps.finely_cut(sequence, extents.bounds_of(sequence, tissue, self))
        engine = self.with_spins_for(sequence, tissue, state)
        asked = extents.asked_of(tissue, self)
        found = rows_of(sequence, tissue, type(self).__name__, 0 if always else engine._spins, asked)
        if found is None:
            extents.require_table_for(asked, sequence)
            return engine, sequence, None
        if asked.dephasing and found.n_samples:
            found = dataclasses.replace(found, dephasing=extents.dephasing_times(sequence, tissue))
        return dataclasses.replace(engine, axes=() if self.voxel_size is None else engine.axes), sequence, found

    def magnetised(
        self, sequence: AbstractContainer, tissue: Tissue, *, transverse: Any = 0.0, longitudinal: Any = 1.0
    ) -> IsochromatState:
        r"""A state to begin with, `play(..., state=...)`, in which all spins of a voxel are alike.

        **Arguments:**

        - `sequence`, `tissue`: What is played next, of which follows how many spins there are.
        - `transverse`: $M_x + i M_y$ relative to `m0`, `(*voxels)` or broadcasting to it.
        - `longitudinal`: $M_z$ likewise.
        """
        begin = self.with_spins_for(as_sequence(sequence), tissue, None).init(sequence, tissue)
        return begin.alike(jnp.real(transverse), jnp.imag(transverse), longitudinal)

    @property
    def _spins(self) -> int:
        assert self.n is not None, "`plan` fills it in"
        return self.n

    def with_spins_for(
        self, sequence: AbstractContainer, tissue: Tissue, state: IsochromatState | None
    ) -> "Isochromats":
        """This engine with as many spins as are given, or as the sequence needs."""
        require_state(state, IsochromatState, self)
        if tissue.has("diffusion"):
            self._squared_winding()
            extents.require_playable_diffusion(sequence, tissue)
        axes = gradient_axes(sequence)
        wound = winding(sequence) + self._wound_by_gradients(sequence, tissue)
        if state is not None and _checks.is_concrete(state.wound):
            wound += int(np.max(state.wound, initial=0))
        # diffusion must tell winding from unwinding, so orders of both signs need a place
        needed = 1 + wound * (2 if tissue.has("diffusion") else 1)
        default = extents.enough_spins(needed, sequence, tissue, self)
        present = None if state is None else state.z.shape[0]
        if present is not None and self.n not in (None, present):
            raise ValueError(f"`n` must be the {present} spins of the given state, but got {self.n}.")
        n = self.n or present or default
        if n < needed:
            warnings.warn(
                f"Isochromats(n={n}) is too few: the sequence winds up to {wound} cycles across the "
                f"voxel, and what is wound by {n} looks unwound again. Use at least n={needed}.",
                stacklevel=_checks.frames_to_the_caller(),
            )
        return dataclasses.replace(self, n=n, axes=axes)

    def _wound_by_gradients(self, sequence: AbstractContainer, tissue: Tissue) -> int:
        """Cycles that gradients wind across the voxel at most."""
        if self.voxel_size is None or not gradient_axes(sequence):
            return 0
        per_area = self._extents * self.gyromagnetic_ratio / (2 * math.pi)
        if tissue.has("diffusion"):
            require_whole_cycles(sequence, per_area)
        return wound_by_gradients(sequence, per_area, known=self.n)

    @property
    def _extents(self) -> Float[Array, " 3"]:
        assert self.voxel_size is not None, "there is an extent"
        return jnp.broadcast_to(self.voxel_size, (3,))

    def bytes_per_voxel(self, sequence: AbstractContainer, tissue: Tissue) -> float:
        if isinstance(event := sequence.events[0], SequenceTable):
            return self._spins * event.bytes_per_spin
        return float(self._spins * (3 + sum(map(tissue.has, (*AXES, *VELOCITY)))) * tissue.t1.dtype.itemsize)

    def init(self, sequence: AbstractContainer, tissue: Tissue) -> IsochromatState:
        del sequence
        nothing = jnp.zeros((self._spins, *tissue.voxel_shape), tissue.t1.dtype)
        wound = jnp.zeros(tissue.voxel_shape, jnp.int32)
        places = Places.of(tissue, self.offsets(tissue), moves=tissue.moves or self.motion is not None)
        return IsochromatState(nothing, nothing, jnp.ones_like(nothing), wound, places)

    def offsets(self, tissue: Tissue) -> Coordinates:
        """Of every spin from the middle of its voxel, in m."""
        if self.voxel_size is None or not self.axes:
            return None, None, None
        positions = lattice(self._spins, self.axes)
        column = (self._spins, *(1 for _ in tissue.voxel_shape))
        offset = lambda i, axis: jnp.asarray(positions[axis], tissue.t1.dtype).reshape(column) * self._extents[i]
        x, y, z = (offset(i, axis) if axis in positions else None for i, axis in enumerate(AXES))
        return x, y, z

    def prepare(self, event: AbstractEvent, tissue: Tissue) -> AbstractOperator:
        match event:
            case Pulse():
                return Rotation.of(event, tissue)
            case Delay():
                return self._precession(event.duration, tissue, 0)
            case Dephase():
                time = event.duration if isinstance(event.duration, Array) else None
                return Winding(None if time is None else self._precession(time, tissue, event.order), event.order)
            case Spoil():
                return IdealSpoiling()
            case Reset():
                return AlongZ(jnp.asarray(event.magnetisation, tissue.t1.dtype))
            case Sample():
                turn = jnp.exp(-1j * event.phase) if isinstance(event.phase, Array) else None
                return Reading(turn, spread_over_lorentzian=tissue.has("t2_prime"))
            case SampleLongitudinal():
                return LongitudinalReading(spread_over_lorentzian=tissue.has("t2_prime"))
            case SequenceTable():
                return Tabulated.of(event, tissue, self.gyromagnetic_ratio, self.motion, self.concomitant_b0)
            case AbstractScannerEvent():
                return self._played(together_of(event, type(self).__name__), tissue)
            case _:
                raise cannot_play(self, event)

    def _played(self, event: Together, tissue: Tissue) -> AbstractOperator:
        over = self._wound_over() if tissue.has("diffusion") else None
        return Waveforms(event, tissue, self._spins, self.gyromagnetic_ratio, self.motion, over).operator()

    def _precession(self, duration: Float[Array, ""], tissue: Tissue, order: Order) -> "Precession":
        angle = precession.precession_angle(duration, tissue)
        time = precession.finite(duration)
        return Precession(
            precession.decay(duration, tissue.t1),
            precession.decay(duration, tissue.t2),
            precession.recovery(duration, tissue.t1),
            angle,
            time / tissue.t2_prime if tissue.has("t2_prime") else None,
            self._diffusion(time, tissue, order) if tissue.has("diffusion") else None,
            time,
        )

    def _diffusion(self, time: Float[Array, ""], tissue: Tissue, order: Order) -> Diffusion:
        """During a time in which a constant gradient winds `order` cycles."""
        return Diffusion(self.diffusion_rate(tissue), time, time * float(order) / 2, time * float(order) ** 2 / 3)

    def diffusion_rate(self, tissue: Tissue) -> Float[Array, "#voxel"]:
        """At which one cycle over the voxel decays, in 1/s."""
        return tissue.diffusion * self._squared_winding()

    def _squared_winding(self) -> Float[Array, ""]:
        return precession.squared_winding(None if self.voxel_size is None else self._wound_over())

    @property
    def cycles_per_area(self) -> Float[Array, ""]:
        """That a gradient of 1 T s/m winds over the extent along which spins lie in order."""
        return self._wound_over() * self.gyromagnetic_ratio / (2 * math.pi)

    def _wound_over(self) -> Float[Array, ""]:
        """Extent in m along which spins lie in order: that of the first gradient, or the first of all."""
        return self._extents[AXES.index(self.axes[0]) if self.axes else 0]
