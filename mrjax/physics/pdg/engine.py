"""Phase distribution graphs as an engine."""

import dataclasses
import math
import warnings
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from mrjax import _checks, units
from mrjax.physics.engine import (
    AbstractEngine,
    AbstractOperator,
    Plan,
    cannot_play,
    require_effects_known,
    require_state,
)
from mrjax.physics.isochromats.places import voxel_extent
from mrjax.physics.pdg.finding import Wanted, accurate_graph, whole_graph
from mrjax.physics.pdg.graph import PhaseGraph, require_merged_alike
from mrjax.physics.pdg.operators import Played
from mrjax.physics.pdg.rows import N_DEPHASING, GraphRows
from mrjax.physics.pdg.shapes import SHAPES, VoxelShape, extent_of
from mrjax.physics.pdg.state import PDGState, resized
from mrjax.physics.pdg.table import PhaseGraphTable, tabulated
from mrjax.physics.pdg.typical import TypicalVoxels
from mrjax.physics.slice_profile import SliceProfile
from mrjax.physics.slices import lasting_rf_with_a_profile, require_profile, sliced
from mrjax.physics.waveforms import rf_steps
from mrjax.sequence import AbstractContainer, AbstractEvent, Sequence
from mrjax.sequence.containers import as_sequence
from mrjax.sequence.precision import is_known
from mrjax.sequence.walk import validated
from mrjax.tissue import Tissue


class PDG(AbstractEngine):
    r"""Phase distribution graphs: the magnetisation by what gradients and time have wound it, in any direction.

    $$M_{xy}(r, \delta) = \sum_\kappa F_\kappa\, e^{2 \pi i (q \cdot r + p\,c + \tau \delta)}, \qquad \kappa = (q, c, \tau),$$

    with $q$ in cycles per m along x, y and z, $c$ the cycles that `Dephase` has wound over $-\frac12 \le p < \frac12$, and $\tau$
    the time for which the off-resonance $\delta$ has acted. A pulse mixes $F_\kappa$, $F^*_{-\kappa}$ and $Z_\kappa$; what lies
    between two pulses moves $F_\kappa$ to another $\kappa$, where states that are equal become one. A sample is

    $$s = \sum_\kappa F_\kappa\, e^{2 \pi i (q \cdot r_0 + \tau \Delta f)}\, e^{-|\tau| / T_2'}\, A(q)\, \mathrm{sinc}(c)$$

    for a voxel in the middle of $r_0$, $\Delta f$ its off-resonance, $T_2'$ that of a Lorentzian about it, and $A$ the Fourier
    transform of its shape. Exact where no state is left out, with relaxation, diffusion, complex B1 and gradients along all axes.
    `acquire` adds up, for each readout, the states that gradients have wound alike, and encodes these few images.

    RF that lasts (`ShapedPulse`, `ContinuousWave`), with or without gradients, does to all of a voxel what it does to spins in
    the middle, which relax meanwhile; it finds what was wound at the middle of the pulse. This is exact where voxels are points
    along the gradient of the slice: give the tissue positions across the slice, and a `voxel_size` that is short there. Under
    $T_2'$ it is off by up to half of the duration over $T_2'$, as part of M0.

    **Arguments:**

    - `accuracy`: Largest error of a sample relative to the largest, that leaving out states may cause: from 0 to below 1. Which
      states matter is tried out on about a dozen of the voxels, with what they are when the graph is found; the error is that of
      the worst of them. 0 leaves out none.
    - `voxel_size`: In m, one number or one for each of x, y and z; `Dephase(1)` winds one cycle over that along z. By default
      voxels are points to gradients.
    - `voxel_shape`: `"box"`, whose Fourier transform is $\mathrm{sinc}(q_x \Delta x) \cdots$, or `"sinc"`, of which nothing is
      seen beyond $|q_x| = 1 / 2 \Delta x$, and all below.
    - `most_states`: Between two pulses; a warning says where more would be needed. Memory and time grow with them.
    - `slice_profile`: A `SliceProfile`, as of `EPG`: every voxel is played at each of its positions, where a `Pulse` turns by
      its flip angle times that of the profile relative to the nominal angle, and the signal is the integral over them.
    - `graph`: What `with_graph` finds. By default it is found for each call from the sequence and the tissue, whose numbers must
      be known then.
    - `gyromagnetic_ratio`: In rad/s/T, protons by default.

    Where flip angles, gradients or tissue are traced (by `jax.jit` or `jax.grad`), use `engine.with_graph(sequence, tissue)`;
    with `accuracy=0` known gradients and times are enough. Other flip angles and tissues then share the program. Where gradients
    or times are traced, `acquire` computes each sample of each voxel by itself, which is slower.

    **Raises:** `ValueError` for an accuracy outside its range, more states than `most_states` where none may be left out, a
    graph of a sequence that winds otherwise, RF that lasts with a slice profile, diffusion under `Dephase` without `voxel_size`,
    numbers that are traced without a graph.

    **Source:** J. Endres et al., Magn Reson Med (2024), doi 10.1002/mrm.30055: states in space and in time under T2', and a
    selection of states by their latent signal. What is latent is estimated here in our own way, as the power that reaches samples
    through a state if nothing interferes, and the accuracy is tried out. Image signals of MRzero-Core 1.2.0 are met to 2e-5 and
    2e-6 of the largest sample (tests/physics/acquisition/test_graph_images.py).

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import mrjax as mr
        >>> refocused = mr.Sequence(mr.Pulse(jnp.pi / 2), mr.Delay(5e-3), mr.Pulse(jnp.pi, jnp.pi / 2), mr.Delay(4e-3))
        >>> echo = refocused + mr.Readout(3, 1e-3)
        >>> voxel = mr.Tissue(t1=1.0, t2=0.1, t2_prime=0.02)
        >>> print(*(f"{value:.4f}" for value in abs(mr.simulate(echo, voxel, engine=mr.PDG()))))
        0.8869 0.8781 0.8270

        ```
    """

    accuracy: float = eqx.field(static=True, default=1e-3)
    voxel_size: Float[Array, "..."] | None = eqx.field(default=None, converter=voxel_extent)
    voxel_shape: VoxelShape = eqx.field(static=True, default="box")
    most_states: int = eqx.field(static=True, default=5000)
    slice_profile: SliceProfile | None = None
    graph: PhaseGraph | None = eqx.field(static=True, default=None)
    gyromagnetic_ratio: float = eqx.field(static=True, default=2 * math.pi * units.GAMMA_BAR["1H"])

    effects: ClassVar[frozenset[str]] = frozenset({"b1", "b1_phase", "off_resonance", "t2_prime", "diffusion"})

    def __check_init__(self):
        is_number = isinstance(self.accuracy, float | int) and not isinstance(self.accuracy, bool)
        if not is_number or not 0 <= self.accuracy < 1:
            raise ValueError(
                f"`accuracy` must be a number from 0 to below 1, of the largest sample, but got {self.accuracy!r}."
            )
        if self.voxel_shape not in SHAPES:
            raise ValueError(f'`voxel_shape` must be "box" or "sinc", but got {self.voxel_shape!r}.')
        _checks.positive_integer(self.most_states, "most_states")
        require_profile(self.slice_profile)
        if not isinstance(self.graph, PhaseGraph | None):
            raise ValueError(f"`graph` must be what `with_graph` finds, but got {type(self.graph).__name__}.")

    def with_graph(self, sequence: AbstractContainer, tissue: Tissue) -> "PDG":
        """This engine with the graph of a sequence, for other flip angles, phases and tissues with the same gradients and times.

        **Arguments:**

        - `sequence`: Of known numbers, near to those that will be played; what was left out may matter for others.
        - `tissue`: Likewise; a `Tissue` of any voxel shape.

        **Returns:** A `PDG`, whose `graph` holds the states, their dephasing, and the estimated error.

        **Raises:** `ValueError` where numbers are traced.
        """
        tissue = tissue.checked()
        require_effects_known(self, tissue)
        tissue = self.spread(tissue)
        rows = self.rows_of(validated(as_sequence(sequence)), tissue)
        return dataclasses.replace(self, graph=dataclasses.replace(self, graph=None).graph_of(rows, tissue))

    def spread(self, tissue: Tissue) -> Tissue:
        """A tissue at all positions of the slice profile, along one axis more."""
        if self.slice_profile is None:
            return tissue
        with jax.ensure_compile_time_eval():  # what is known stays known inside of `jit`, and so does that it is a grid
            return sliced(tissue, self.slice_profile)

    def rows_of(self, sequence: AbstractContainer, tissue: Tissue) -> GraphRows:
        """A sequence, with RF that lasts in steps that are short enough for a tissue."""
        if rf_steps.has_lasting_rf(sequence):
            if self.slice_profile is not None:
                raise lasting_rf_with_a_profile()
            sequence = rf_steps.finely_cut(sequence, rf_steps.Bounds.of(tissue, self.gyromagnetic_ratio, relaxes=True))
        return GraphRows.of(sequence, self.gyromagnetic_ratio)

    def graph_of(
        self, rows: GraphRows, tissue: Tissue, begins: Float[np.ndarray, "state 5"] | None = None
    ) -> PhaseGraph:
        """The given graph, which must fit, or the one that is found."""
        tells_apart = self._tells_apart(tissue)
        if self.graph is not None:
            self.graph.require_fitting(rows.n_rows, tells_apart)
            if rows.is_wound_known:
                require_merged_alike(self.graph, Wanted(self.graph.tells_apart, 0.0, 1).wound(rows))
            return self.graph
        known = rows.is_wound_known and (self.accuracy == 0 or is_known((tissue, rows.changes, rows.phase)))
        if not known:
            raise ValueError(
                "`engine` must have its graph, since numbers of the sequence or the tissue are traced: pass "
                "`engine=engine.with_graph(sequence, tissue)` with known ones like them; build the sequence outside of what is "
                "traced, and change its leaves inside."
            )
        wanted = Wanted(tells_apart, float(self.accuracy), self.most_states)
        if self.accuracy == 0 or begins is not None:
            return whole_graph(rows, wanted, begins)
        graph = accurate_graph(rows, wanted, TypicalVoxels.of(tissue, self.known_size, self.voxel_shape))
        if graph.error > self.accuracy:
            warnings.warn(
                f"PDG(most_states={self.most_states}) is too coarse: samples are off by about {graph.error:.2g} of the largest, "
                f"not by {self.accuracy:.2g}. Allow more states.",
                stacklevel=_checks.frames_to_the_caller(),
            )
        return graph

    @property
    def known_size(self) -> Float[np.ndarray, "3"] | None:
        """The voxel along x, y and z in m, in double precision."""
        if self.voxel_size is None:
            return None
        if not _checks.is_concrete(self.voxel_size):
            raise ValueError(
                "`voxel_size` must be known before compiling, for the graph follows from it, but it is traced."
            )
        return np.broadcast_to(np.asarray(self.voxel_size, float), 3)

    def _tells_apart(self, tissue: Tissue) -> tuple[bool, ...]:
        """What is averaged over the voxel, or weighted by diffusion, which is another in each state."""
        by_gradients = self.voxel_size is not None or tissue.has("diffusion")
        return (by_gradients,) * 3 + (True, tissue.has("t2_prime"))

    def table(self, rows: GraphRows, graph: PhaseGraph, played: Any, keeps_state: bool) -> PhaseGraphTable:
        """The sequence with its graph, in the widest precision of all that is played."""
        sequence, tissue = played
        if tissue.has("diffusion") and self.voxel_size is None and rows.dephases_across:
            raise ValueError(
                "Diffusion needs the distance in m that `Dephase` winds one cycle over: pass `voxel_size` to the engine."
            )
        leaves = (leaf for leaf in jax.tree.leaves((sequence, tissue, self)) if eqx.is_inexact_array(leaf))
        return tabulated(rows, graph, jnp.finfo(jnp.result_type(*leaves)).dtype, keeps_state)

    def plan(self, sequence: AbstractContainer, tissue: Tissue, state: PDGState | None, keeps_state: bool) -> Plan:
        require_state(state, PDGState, self)
        tissue = self.spread(tissue)
        rows = self.rows_of(sequence, tissue)
        graph = self.graph_of(rows, tissue, None if state is None else state.known_dephasing)
        table = self.table(rows, graph, (sequence, tissue), keeps_state)
        # the graph is in the table: programs do not depend on it
        engine = dataclasses.replace(self, graph=None, slice_profile=None)
        return Plan(engine, Sequence(table), tissue, n_samples=len(rows.samples.row))

    def init(self, sequence: AbstractContainer, tissue: Tissue) -> PDGState:
        (table,) = sequence.events
        assert isinstance(table, PhaseGraphTable), "`plan` makes one"
        shape = (table.n_states, *tissue.voxel_shape)
        nothing = jnp.zeros(shape, jnp.result_type(tissue.t1, 1j))
        return PDGState(nothing, nothing, nothing.at[0].set(1.0), jnp.zeros((N_DEPHASING, *shape), tissue.t1.dtype))

    def resumed(self, state: PDGState, sequence: AbstractContainer, tissue: Tissue) -> PDGState:
        (table,) = sequence.events
        assert isinstance(table, PhaseGraphTable), "`plan` makes one"
        return resized(state, table.n_states, jnp.result_type(tissue.t1, 1j))

    def bytes_per_voxel(self, sequence: AbstractContainer, tissue: Tissue) -> float:
        (table,) = sequence.events
        assert isinstance(table, PhaseGraphTable), "`plan` makes one"
        # of three components and their samples, and of pulses that last their maps and what they mix
        numbers = 2.0 * table.n_states * 3 / STATES_TOGETHER + 24 * table.n_lasting
        return numbers * tissue.t1.dtype.itemsize

    def prepare(self, event: AbstractEvent, tissue: Tissue) -> AbstractOperator:
        if isinstance(event, PhaseGraphTable):
            return Played.of(event, tissue, extent_of(self.voxel_size), self.voxel_shape, self.gyromagnetic_ratio)
        raise cannot_play(self, event)


STATES_TOGETHER = 4
"""By which the bytes of a state are divided: its steps are kernels, which only many voxels make worth starting."""
