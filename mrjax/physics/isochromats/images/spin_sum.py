"""A sequence played on many spins that rest, and their sum in each coil."""

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Array, Complex, Float

from mrjax._memory import remembered_together
from mrjax.physics.execution.cores import available_cores
from mrjax.physics.execution.prepared import Options
from mrjax.physics.imaging.blocks import KnownSamples
from mrjax.physics.imaging.columns import Columns
from mrjax.physics.imaging.parting import part_shape, parts_of, spins_at_once
from mrjax.physics.imaging.parts import Part, spread_over_cores, sum_on_cores
from mrjax.physics.imaging.planned import AbstractPlannedSum
from mrjax.physics.imaging.rates import SHARE, rates_of, within_rates
from mrjax.physics.isochromats.engine import Isochromats
from mrjax.physics.isochromats.images.acquisition import SpinAcquisition
from mrjax.physics.isochromats.operators import lorentzian
from mrjax.physics.isochromats.state import across_the_voxel
from mrjax.physics.isochromats.tables.playing_order import PlayingOrder
from mrjax.physics.isochromats.tables.table import tabulated, turns_of_columns
from mrjax.sequence.precision import is_known
from mrjax.tissue import Tissue


@dataclass(frozen=True, eq=False)
class SpinSum(AbstractPlannedSum):
    """Spins in columns, and the rows of a sequence."""

    acquisition: SpinAcquisition
    columns: Columns
    n_samples: int
    batch_size: int | None

    @classmethod
    def of(
        cls, engine: Isochromats, order: PlayingOrder, tissue: Tissue, tolerance: float, options: Options
    ) -> "SpinSum":
        """Of spins that rest, in the rows of a sequence."""
        ratio = engine.gyromagnetic_ratio
        table = tabulated(order, (tissue, engine), ratio, fewest_rows=1)
        samples, columns = None, Columns.of_one([np.zeros(())] * 3, tissue.voxel_shape)
        is_smooth = not order.asked.n_columns and order.dephasing is None
        taken = order.samples() if tolerance > 0 and is_smooth else ()
        if taken and is_known(taken) and not taken[-1].any():
            row, time, area, receiver, _ = map(np.asarray, taken)
            wound = area * turns_of_columns(4, ratio)
            columns = Columns.of(tissue, np.abs(np.diff(wound[:, :3], axis=0)).sum(axis=0))
            spread = float(lorentzian(engine.n or 1)[0].max()) if tissue.has("t2_prime") else 0.0
            samples = KnownSamples(row, time, wound).encoded(
                receiver, _across(columns, engine, tissue), rates_of(tissue, spread), SHARE * tolerance, tissue.t1.dtype
            )
            table = dataclasses.replace(table, samples=None)
        acquisition = SpinAcquisition(options.gradient, engine, table, samples)
        return cls(acquisition, columns, order.n_samples, options.batch_size)

    def __call__(
        self, tissue: Tissue, coils: Complex[Array, "coil *voxels"] | None
    ) -> Complex[Array, "coil n_samples"]:
        parts = _parts_once(tissue, tissue if coils is None else coils, self, coils is None)
        signal = sum_on_cores(self.acquisition, parts)
        if self.acquisition.samples is not None:
            signal = self.acquisition.samples.in_order(signal)
        return signal[:, : self.n_samples]

    def parts(self, tissue: Tissue, coils: Complex[Array, "coil *voxels"] | None) -> tuple[Part, ...]:
        """The spins of each core."""
        if self.acquisition.samples is not None:
            tissue = within_rates(tissue)
        n_coils = 1 if coils is None else len(coils)
        shape = part_shape(self.columns, self.batch_size or self._at_once(tissue, n_coils))
        is_one = math.prod(shape) >= self.columns.spin.size
        n_cores = available_cores() if is_known((tissue, coils, self.acquisition)) and not is_one else 1
        return spread_over_cores(parts_of(tissue, coils, self.columns, shape, n_cores), n_cores)

    def _at_once(self, tissue: Tissue, n_coils: int) -> int:
        """Voxels of one part."""
        table, samples = self.acquisition.table, self.acquisition.samples
        numbers = 12 * sum(map(len, table.changes.values())) + 3 * table.rows.duration.shape[0] + 20 + 4 * n_coils
        if samples is not None:
            numbers += 4 * n_coils * max(len(blocks.instants) for blocks in samples.blocks)
        return spins_at_once(numbers * tissue.t1.dtype.itemsize, self.acquisition.engine.n or 1, tissue.voxel_shape)


@remembered_together
def _parts_once(tissue: Tissue, coils: Any, plan: SpinSum, without_coils: bool) -> tuple[Part, ...]:
    return plan.parts(tissue, None if without_coils else coils)


def _across(columns: Columns, engine: Isochromats, tissue: Tissue) -> Float[np.ndarray, "column 4"]:
    """Places of the columns in m and across the voxel, or what reaches as far."""
    middle = columns.reached
    n = engine.n or 1
    if n == 1:
        return np.concatenate([middle, np.zeros((len(middle), 1))], axis=1)
    half = np.diag([0.0 if x is None else np.ptp(np.asarray(x)) / 2 for x in engine.offsets(tissue)])
    corners = np.concatenate([half, -half])
    edges = np.tile(across_the_voxel(n)[[0, -1]], len(corners) // 2)[:, None]
    within = np.concatenate([corners, edges], axis=1)
    return (np.pad(middle, [(0, 0), (0, 1)])[:, None] + within[None]).reshape(-1, 4)
