"""The sum of what any engine says of every voxel, some voxels at a time."""

import math
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex

from mrjax.physics.engine import AbstractEngine
from mrjax.physics.execution.prepared import Options
from mrjax.physics.imaging.columns import Columns
from mrjax.physics.imaging.parting import parts_of
from mrjax.physics.imaging.parts import AbstractAcquisition, Part, numbered, sum_over
from mrjax.physics.imaging.planned import AbstractPlannedSum
from mrjax.physics.simulation import simulate
from mrjax.sequence import AbstractContainer
from mrjax.sequence.precision import is_known
from mrjax.sequence.walk import events_of
from mrjax.tissue import Tissue

LARGEST = 2**28
"""Bytes of the signals of voxels that are simulated together, at most."""


class VoxelAcquisition(AbstractAcquisition):
    """Everything but the voxels."""

    engine: AbstractEngine
    sequence: AbstractContainer

    def of(self, part: Part) -> Complex[Array, "coil sample"]:
        """Every sample of every voxel, and then their sum."""
        signal = simulate(self.sequence, part.tissue, self.engine, gradient=self.gradient)
        return jnp.matmul(
            part.weights, jnp.broadcast_to(signal, (part.weights.shape[1], signal.shape[-1])), precision="highest"
        )


@dataclass(frozen=True, eq=False)
class VoxelSum(AbstractPlannedSum):
    """Voxels in any order."""

    acquisition: VoxelAcquisition
    n_samples: int
    batch_size: int | None

    @classmethod
    def of(cls, engine: AbstractEngine, sequence: AbstractContainer, options: Options) -> "VoxelSum":
        """Of any engine."""
        n_samples = sum(math.prod(at.repeats) * at.event.n_samples for at in events_of(sequence.events))
        return cls(VoxelAcquisition(options.gradient, engine, sequence), n_samples, options.batch_size)

    def __call__(
        self, tissue: Tissue, coils: Complex[Array, "coil *voxels"] | None
    ) -> Complex[Array, "coil n_samples"]:
        n = math.prod(tissue.voxel_shape)
        at_once = min(n, self.batch_size or max(1, LARGEST // (self.n_samples * 2 * tissue.t1.dtype.itemsize)))
        columns = Columns.of_one([np.zeros(())] * 3, tissue.voxel_shape)
        parts = parts_of(tissue, coils, columns, (1, -(-n // -(-n // at_once))), 1)
        if not is_known((self.acquisition, parts)):
            return sum_over(self.acquisition, parts)
        # one after the other, each as `simulate` is fastest
        each = (self.acquisition.of(numbered(parts, number)) for number in range(parts.weights.shape[0]))
        return sum(each, start=jnp.zeros(()))
