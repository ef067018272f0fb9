"""What the spins of some voxels answer to a sequence, summed in each coil."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float

from mrjax.physics.imaging.blocks import Blocks, EncodedSamples
from mrjax.physics.imaging.encoding import Answer, ColumnPlaces, encoded
from mrjax.physics.imaging.evolution import decayed_and_turned
from mrjax.physics.imaging.parts import AbstractAcquisition, Part
from mrjax.physics.isochromats.engine import Isochromats
from mrjax.physics.isochromats.images.exact import summed
from mrjax.physics.isochromats.operators import weights
from mrjax.physics.isochromats.state import across_the_voxel
from mrjax.physics.isochromats.tables.changes import RestingSpins
from mrjax.physics.isochromats.tables.table import SequenceTable
from mrjax.physics.isochromats.tables.tabulated import Starts, Tabulated
from mrjax.physics.maths.sums import sum_of_given
from mrjax.sequence import Sequence
from mrjax.sequence.double_length import angle


class SpinAcquisition(AbstractAcquisition):
    """All but the spins."""

    engine: Isochromats
    table: SequenceTable
    samples: EncodedSamples | None
    """None where each sample is summed by itself."""

    def of(self, part: Part) -> Complex[Array, "coil sample"]:
        """Samples in the order of their blocks, if there are any."""
        operator = self.engine.prepare(self.table, part.tissue)
        assert isinstance(operator, Tabulated), "a table is played"
        state = self.engine.init(Sequence(self.table), part.tissue)
        spins = operator.spins(state)
        _, starts = operator.played(state, spins)
        counted = part.weights[:, None, :] * weights(state, operator.surroundings.t2_prime is not None)[None]
        counted = jnp.broadcast_to(counted, (len(counted), *spins.shape))
        if self.samples is None:
            assert self.table.samples is not None, "there are samples"
            return summed(self.table.samples, starts, spins, counted, operator.line_width, self.computed_again)
        places = self._places(part)
        shape = places.shape
        answer_of = lambda blocks: _Answers(blocks, starts, spins, shape)
        by_column = jnp.moveaxis(counted.reshape(len(counted), *shape), 0, 1)
        return encoded(self.samples, answer_of, places, by_column, self.computed_again)

    def _places(self, part: Part) -> ColumnPlaces:
        """Of all spins, those of a voxel as columns of their own."""
        n, dtype = self.engine.n or 1, part.tissue.t1.dtype

        def columns(middle: Any, offset: Array | None) -> Array | None:
            total = sum_of_given(
                None if middle is None else middle[None], None if offset is None else offset.reshape(-1, 1)
            )
            return None if total is None else jnp.broadcast_to(total, (n, part.n_columns)).reshape(-1)

        within = self.engine.offsets(part.tissue)
        x, y, z = (columns(middle, offset) for middle, offset in zip(part.across, within, strict=True))
        across = jnp.repeat(jnp.asarray(across_the_voxel(n), dtype), part.n_columns)
        return ColumnPlaces(part.along, (x, y, z, across))  # pyright: ignore[reportArgumentType]


class _Answers:
    """Of some blocks, from the magnetisation at the start of their rows."""

    def __init__(self, blocks: Blocks, starts: Starts, spins: RestingSpins, shape: tuple[int, int]):
        self.starts, self.spins, self.shape = starts, spins, shape
        frequency = spins.surroundings.angular_frequency(spins.shape[0])
        self.rates = (
            spins.spread(1 / spins.surroundings.t2[None]),
            spins.spread(frequency) if frequency is not None else None,
        )

        def during(time: Float[Array, ""]) -> Array:
            return self._decayed_and_turned(time, -angle(blocks.middle, time)[None, None])

        self.during = jnp.moveaxis(jax.lax.map(during, blocks.instants), 0, 1)

    def __call__(self, row: Any, time: Any) -> Answer:
        x, y, _ = (of[row] for of in self.starts[0])
        start = jnp.asarray(x + 1j * y).reshape(self.shape)
        return self._decayed_and_turned(time, None) * start, self.during

    def _decayed_and_turned(self, time: Any, by: Any) -> Complex[Array, "column place"]:
        surroundings = jax.lax.stop_gradient(self.spins.surroundings)
        turned = sum_of_given(surroundings.angle(jax.lax.stop_gradient(time), self.spins.shape[0]), by)
        return decayed_and_turned(time, self.rates, None if turned is None else self.spins.spread(turned)).reshape(
            self.shape
        )
