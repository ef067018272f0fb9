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
from mrjax._memory import remembered_together
from mrjax.physics.engine import AbstractEngine, AbstractOperator, Plan, cannot_play, require_state
from mrjax.physics.isochromats.places import voxel_extent
from mrjax.physics.pdg.finding import Wanted, accurate_graph, whole_graph
from mrjax.physics.pdg.graph import PhaseGraph
from mrjax.physics.pdg.operators import Played
from mrjax.physics.pdg.rows import GraphRows
from mrjax.physics.pdg.shapes import SHAPES, VoxelShape, extent_of
from mrjax.physics.pdg.state import PDGState
from mrjax.physics.pdg.table import PhaseGraphTable, tabulated
from mrjax.physics.pdg.typical import TypicalVoxels
from mrjax.sequence import AbstractContainer, AbstractEvent, Sequence
from mrjax.sequence.precision import is_known
from mrjax.tissue import Tissue


class PDG(AbstractEngine):
    accuracy: float = eqx.field(static=True, default=1e-3)
    voxel_size: Float[Array, "..."] | None = eqx.field(default=None, converter=voxel_extent)
    voxel_shape: VoxelShape = eqx.field(static=True, default="box")
    most_states: int = eqx.field(static=True, default=5000)
    graph: PhaseGraph | None = eqx.field(static=True, default=None)
    gyromagnetic_ratio: float = eqx.field(static=True, default=2 * math.pi * units.GAMMA_BAR["1H"])

    effects: ClassVar[frozenset[str]] = frozenset({"b1", "b1_phase", "off_resonance", "t2_prime", "diffusion"})

    def __check_init__(self):
        _checks.positive_integer(self.most_states, "most_states")
        if self.voxel_shape not in SHAPES:
            raise ValueError(f'`voxel_shape` must be "box" or "sinc", but got {self.voxel_shape!r}.')

    def with_graph(self, sequence: AbstractContainer, tissue: Tissue) -> "PDG":
        return dataclasses.replace(self, graph=_found(sequence, tissue, self._key))

    @property
    def _key(self):
        return Key(self)

    def plan(self, sequence: AbstractContainer, tissue: Tissue, state: PDGState | None, keeps_state: bool) -> Plan:
        require_state(state, PDGState, self)
        rows = GraphRows.of(sequence, self.gyromagnetic_ratio)
        graph = self.graph_for(rows, tissue)
        dtype = jnp.finfo(jnp.result_type(tissue.t1)).dtype
        table = tabulated(rows, graph, dtype, keeps_state)
        return Plan(dataclasses.replace(self, graph=None), Sequence(table), tissue, n_samples=len(rows.samples.row))

    @property
    def known_size(self):
        return None if self.voxel_size is None else np.broadcast_to(np.asarray(self.voxel_size, float), 3)

    def graph_for(self, rows: GraphRows, tissue: Tissue) -> PhaseGraph:
        return self.graph if self.graph is not None else self.found(rows, tissue)

    def found(self, rows: GraphRows, tissue: Tissue) -> PhaseGraph:
        wanted = Wanted(self._tells_apart(tissue), self.accuracy, self.most_states)
        if self.accuracy == 0:
            return whole_graph(rows, wanted)
        size = None if self.voxel_size is None else np.broadcast_to(np.asarray(self.voxel_size, float), 3)
        return accurate_graph(rows, wanted, TypicalVoxels.of(tissue, size, self.voxel_shape))

    def _tells_apart(self, tissue: Tissue) -> tuple[bool, ...]:
        """What is averaged over the voxel, or weighted by diffusion, which is another in each state."""
        by_gradients = self.voxel_size is not None or tissue.has("diffusion")
        return (by_gradients,) * 3 + (True, tissue.has("t2_prime"))

    def init(self, sequence: AbstractContainer, tissue: Tissue) -> PDGState:
        (table,) = sequence.events
        assert isinstance(table, PhaseGraphTable), "`plan` makes one"
        shape = (table.n_states, *tissue.voxel_shape)
        nothing = jnp.zeros(shape, jnp.result_type(tissue.t1, 1j))
        return PDGState(nothing, nothing, nothing.at[0].set(1.0), jnp.zeros((5, *shape), tissue.t1.dtype))

    def prepare(self, event: AbstractEvent, tissue: Tissue) -> AbstractOperator:
        if isinstance(event, PhaseGraphTable):
            return Played.of(event, tissue, extent_of(self.voxel_size), self.voxel_shape)
        raise cannot_play(self, event)
