"""The Bloch equations by a solver of diffrax, in waveforms as they are."""

import dataclasses
import math
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Inexact, Int

from mrjax import _checks, units
from mrjax.physics.engine import AbstractEngine, AbstractOperator, Plan, require_state
from mrjax.physics.isochromats.continuous_rf import knots, rf_at
from mrjax.physics.isochromats.engine import Isochromats
from mrjax.physics.isochromats.operators import weights
from mrjax.physics.isochromats.state import IsochromatState
from mrjax.physics.isochromats.torrey import FreeDiffusion
from mrjax.physics.isochromats.waveforms import Surroundings
from mrjax.physics.motion import AbstractMotion
from mrjax.physics.state import AbstractState
from mrjax.physics.waveforms.scanner_events import is_waveform, together_of
from mrjax.sequence import (
    AbstractContainer,
    AbstractEvent,
    AbstractRF,
    Gradient,
    Readout,
    Together,
)
from mrjax.sequence.gradients import AXES
from mrjax.tissue import Tissue

if TYPE_CHECKING:
    import diffrax

TOLERANCES = {jnp.float32: (1e-5, 1e-6), jnp.float64: (1e-8, 1e-10)}
"""Relative and absolute, by default."""


def _default_solver() -> "diffrax.AbstractSolver":
    import diffrax  # takes as long as all that mrjax needs without it

    return diffrax.Dopri8()


def _default_adjoint() -> "diffrax.AbstractAdjoint":
    import diffrax

    return diffrax.RecursiveCheckpointAdjoint()


class BlochODEState(AbstractState):
    """As `IsochromatState`, with the work of the solver so far."""

    spins: IsochromatState
    n_steps: Int[Array, "*voxel"]
    """Steps that were tried."""
    n_rejected: Int[Array, "*voxel"]
    """Those of them that were too long for the tolerances and were tried again."""

    @property
    def magnetisation(self) -> tuple[Array, Array, Array]:
        return self.spins.magnetisation

    def with_magnetisation(self, *magnetisation: Array) -> "BlochODEState":
        return dataclasses.replace(self, spins=self.spins.with_magnetisation(*magnetisation))

    def n_mixing_axes(self, tissue: Tissue) -> int:
        return self.spins.n_mixing_axes(tissue)

    def repeatable(self, engine: Any, sequence: AbstractContainer) -> "BlochODEState":
        return dataclasses.replace(self, spins=self.spins.repeatable(engine, sequence))


class BlochODE(AbstractEngine):
    r"""`Isochromats` whose RF and gradients are solved by diffrax: for continuous waveforms, and to check the others.

    $$\dot M = \omega(t) \times M - \left(\frac{M_x}{T_2}, \frac{M_y}{T_2}, \frac{M_z - 1}{T_1}\right) + D \nabla^2 M, \qquad
    \omega = (\gamma\,\mathrm{Re}\,B_1, \gamma\,\mathrm{Im}\,B_1, 2\pi\Delta f + \gamma\, G \cdot r)$$

    in the frame of the scanner. Hundreds of times slower than `Isochromats`. Events without waveforms are played as there.

    **Arguments:**

    - `n`, `voxel_size`, `motion`, `gyromagnetic_ratio`: As for `Isochromats`; positions are followed through all of an event.
    - `waveform`: Of `ShapedPulse`s: `"constant"` over each sample, as all other engines take them, or `"linear"` between
      the middles of samples.
    - `solver`: Any solver of diffrax for ordinary differential equations; `diffrax.Dopri8()` by default.
    - `stepsize_controller`: An adaptive one of diffrax; it is made to stop where waveforms jump or bend. By default a
      `PIDController` whose largest error over all spins stays within 1e-8, relative, and 1e-10 for each step, or 1e-5 and
      1e-6 in float32.
    - `adjoint`: How it is differentiated. `diffrax.RecursiveCheckpointAdjoint()`, the default, knows reverse mode alone;
      `diffrax.DirectAdjoint()` knows both, `diffrax.ForwardMode()` forward mode.
    - `max_steps`: Allowed for each event.

    The state that `play` returns counts the steps tried and rejected: `n_steps`, `n_rejected`.

    Diffusion acts as Torrey's term across the spins of a voxel, under the same gradients as in `Isochromats`.

    **Raises:** `ValueError` for a tissue with `pools`, and as `Isochromats`; an error at run time where `max_steps` do not
    suffice.

    !!! example

        ```python
        >>> import mrjax as mr
        >>> pulse = mr.sequence.ShapedPulse([5.87e-6] * 100, dt=10e-6)
        >>> tipped = mr.Sequence(pulse, mr.Sample())
        >>> print(f"{mr.simulate(tipped, mr.Tissue(1.0, 0.1), mr.BlochODE())[0].imag:.3f}")
        -0.995

        ```
    """

    n: int | None = eqx.field(static=True, default=None)
    voxel_size: Any = None
    motion: AbstractMotion | None = None
    gyromagnetic_ratio: float = eqx.field(static=True, default=2 * math.pi * units.GAMMA_BAR["1H"])
    waveform: Literal["constant", "linear"] = eqx.field(static=True, default="constant")
    solver: "diffrax.AbstractSolver" = eqx.field(default_factory=_default_solver)
    stepsize_controller: "diffrax.AbstractAdaptiveStepSizeController | None" = None
    adjoint: "diffrax.AbstractAdjoint" = eqx.field(default_factory=_default_adjoint)
    max_steps: int = eqx.field(static=True, default=2**16)
    isochromats: Isochromats | None = None
    """What plays all other events; filled in from the sequence."""

    effects: ClassVar[frozenset[str]] = Isochromats.effects

    def __check_init__(self):
        import diffrax

        if self.waveform not in ("constant", "linear"):
            raise ValueError(f"`waveform` must be 'constant' or 'linear', but got {self.waveform!r}.")
        kinds = {
            "solver": (diffrax.AbstractSolver, "diffrax.Dopri8()"),
            "stepsize_controller": (
                diffrax.AbstractAdaptiveStepSizeController | None,
                "diffrax.PIDController(rtol, atol)",
            ),
            "adjoint": (diffrax.AbstractAdjoint, "diffrax.RecursiveCheckpointAdjoint()"),
        }
        for name, (kind, such) in kinds.items():
            if not isinstance(getattr(self, name), kind):
                raise ValueError(f"`{name}` must be one of diffrax, such as {such}, but got {getattr(self, name)!r}.")
        _checks.positive_integer(self.max_steps, "max_steps")
        _ = self._plain()

    def _plain(self) -> Isochromats:
        return Isochromats(self.n, self.voxel_size, self.motion, self.gyromagnetic_ratio)

    def plan(self, sequence: AbstractContainer, tissue: Tissue, state: BlochODEState | None, keeps_state: bool) -> Plan:
        del keeps_state
        require_state(state, BlochODEState, self)
        others = self._plain().with_spins_for(sequence, tissue, None if state is None else state.spins)
        return Plan(dataclasses.replace(self, isochromats=others), sequence, tissue)

    @property
    def _others(self) -> Isochromats:
        assert self.isochromats is not None, "`plan` fills it in"
        return self.isochromats

    def init(self, sequence: AbstractContainer, tissue: Tissue) -> BlochODEState:
        nothing = jnp.zeros(tissue.voxel_shape, jnp.int32)
        return BlochODEState(self._others.init(sequence, tissue), nothing, nothing)

    def prepare(self, event: AbstractEvent, tissue: Tissue) -> AbstractOperator:
        if not is_waveform(event):
            return Unchanged(self._others.prepare(event, tissue))
        transmit = jnp.asarray(tissue.b1) if tissue.has("b1") else None
        diffusion = self._free_diffusion(tissue) if tissue.has("diffusion") else None
        return Integrated(together_of(event, type(self).__name__), self, Surroundings.of(tissue), transmit, diffusion)

    def _free_diffusion(self, tissue: Tissue) -> FreeDiffusion:
        return FreeDiffusion(self._others.diffusion_rate(tissue), self._others.cycles_per_area)


class Unchanged(AbstractOperator):
    """An event that `Isochromats` plays."""

    operator: AbstractOperator

    def __call__(self, state: BlochODEState) -> tuple[BlochODEState, Any]:
        spins, sample = self.operator(state.spins)
        return dataclasses.replace(state, spins=spins), sample


class Integrated(AbstractOperator):
    """Waveforms, solved from their start to their end."""

    event: Together
    engine: BlochODE
    surroundings: Surroundings
    transmit: Inexact[Array, "#voxel"] | None
    diffusion: FreeDiffusion | None

    def __call__(self, state: BlochODEState) -> tuple[BlochODEState, Any]:
        spins = state.spins
        solution = self._solution(spins)
        assert solution.ys is not None, "it was asked for"
        components = solution.ys["end"]
        x, y, z = (component[-1] for component in components)
        count = lambda name: solution.stats[name].astype(jnp.int32)
        state = BlochODEState(
            spins.with_magnetisation(x, y, z).later(self.event.duration),
            state.n_steps + count("num_steps"),
            state.n_rejected + count("num_rejected_steps"),
        )
        return state, self._received(solution.ys["samples"]) if self.event.n_samples else None

    def _solution(self, spins: IsochromatState) -> "diffrax.Solution":
        import diffrax

        start, end = jnp.zeros_like(self.event.duration), self.event.duration
        kept = {"end": diffrax.SubSaveAt(t1=True)}
        if self.event.n_samples:
            weight = weights(spins, self.surroundings.t2_prime is not None)
            mean = lambda t, m, args: jnp.sum(weight * (m[0] + 1j * m[1]), axis=0)
            kept["samples"] = diffrax.SubSaveAt(ts=self.event.sample_offsets(), fn=mean)
        return diffrax.diffeqsolve(
            diffrax.ODETerm(lambda t, m, spins: self._slope(t, m, spins)),
            self.engine.solver,
            t0=start,
            t1=end,
            dt0=None,
            y0=(spins.x, spins.y, spins.z),
            args=spins,
            saveat=diffrax.SaveAt(subs=kept),
            stepsize_controller=self._controller(spins.x.dtype),
            adjoint=self.engine.adjoint,
            max_steps=self.engine.max_steps,
        )

    def _controller(self, dtype: Any) -> "diffrax.AbstractAdaptiveStepSizeController":
        import diffrax

        rtol, atol = TOLERANCES[jnp.float64 if dtype == jnp.float64 else jnp.float32]
        largest = lambda tree: jnp.max(jnp.stack([jnp.max(jnp.abs(leaf)) for leaf in jax.tree.leaves(tree)]))
        controller = self.engine.stepsize_controller or diffrax.PIDController(rtol=rtol, atol=atol, norm=largest)
        # steps that straddle a jump of the waveform would be rejected one after the other
        return diffrax.ClipStepSizeController(controller, jump_ts=self._jumps())

    def _jumps(self) -> Float[Array, " n"]:
        edges = [start + gradient.times for start, gradient in self.event.started(Gradient)]
        edges += [knots(start, pulse, self.engine.waveform) for start, pulse in self.event.started(AbstractRF)]
        return jnp.sort(jnp.concatenate([jnp.zeros(1), *edges]))

    def _slope(self, time: Any, magnetisation: Any, spins: IsochromatState) -> Any:
        x, y, z = magnetisation
        field = self._field(time)
        field = field if self.transmit is None else field * self.transmit[None]
        about_x, about_y = field.real, field.imag
        about_z = self._precession(time, spins)
        r1, r2 = 1 / self.surroundings.t1[None], 1 / self.surroundings.t2[None]
        slope = (
            about_y * z - about_z * y - r2 * x,
            about_z * x - about_x * z - r2 * y,
            about_x * y - about_y * x - r1 * (z - 1),
        )
        if self.diffusion is None:
            return slope
        areas = (gradient.area_until((time - start)[None])[0] for start, gradient in self.event.started(Gradient))
        return jax.tree.map(jnp.add, slope, self.diffusion.slope(x, y, z, sum(areas, start=jnp.zeros_like(time))))

    def _field(self, time: Array) -> Array:
        """RF in rad/s, of shape (1, 1)."""
        total = jnp.zeros((), jnp.result_type(time, 1j))
        for start, pulse in self.event.started(AbstractRF):
            total = total + self.engine.gyromagnetic_ratio * rf_at(pulse, start, time, self.engine.waveform)
        return total[None, None]

    def _precession(self, time: Array, spins: IsochromatState) -> Array:
        frequency = self.surroundings.angular_frequency(spins.x.shape[0])
        about_z = jnp.zeros((1, 1), spins.x.dtype) if frequency is None else frequency
        position, _ = spins.places.coordinates_after(time, self.engine.motion)
        for start, gradient in self.event.started(Gradient):
            coordinate = position[AXES.index(gradient.axis)]
            if coordinate is not None:
                slope = gradient.line_at((time - start)[None])[0][0]
                about_z = about_z + self.engine.gyromagnetic_ratio * slope * coordinate
        return about_z

    def _received(self, samples: Array) -> Array:
        phases = [readout.receiver_phase() for _, readout in self.event.started(Readout)]
        return samples * jnp.exp(-1j * jnp.concatenate(phases))[:, None]
