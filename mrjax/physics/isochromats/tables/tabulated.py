"""A table of rows played by isochromats: from change to change, and all samples after that."""

import dataclasses
import math

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float

from mrjax.physics.engine import AbstractOperator
from mrjax.physics.isochromats.kernel import Components
from mrjax.physics.isochromats.operators import weights
from mrjax.physics.isochromats.state import IsochromatState, across_the_voxel
from mrjax.physics.isochromats.tables.changes import Maps, RestingSpins, affine_maps
from mrjax.physics.isochromats.tables.table import Rows, SampleTimes, SequenceTable
from mrjax.physics.isochromats.waveforms import Surroundings
from mrjax.physics.maths import precession
from mrjax.physics.maths.loops import checkpointed_scan
from mrjax.physics.maths.sums import sum_of_given
from mrjax.physics.maths.transmit_field import TransmitField, transmit_field
from mrjax.physics.maths.trigonometry import cosine_and_sine
from mrjax.tissue import Tissue

SAMPLES_AT_ONCE = 64
"""On devices other than CPUs, where starting a kernel takes longer than running it on a few thousand spins."""

Starts = tuple[Float[Array, "row spin voxel"], Float[Array, "row spin voxel"], Float[Array, "row spin voxel"]]


class Tabulated(AbstractOperator):
    """All of a sequence: a loop over rows, whose body is the same for each, and one over samples."""

    table: SequenceTable
    surroundings: Surroundings
    transmit: TransmitField
    gyromagnetic_ratio: float = eqx.field(static=True)

    @classmethod
    def of(cls, table: SequenceTable, tissue: Tissue, gyromagnetic_ratio: float) -> "Tabulated":
        """For the spins of a tissue."""
        return cls(table, Surroundings.of(tissue), transmit_field(tissue), gyromagnetic_ratio)

    def __call__(self, state: IsochromatState) -> tuple[IsochromatState, Complex[Array, "n_samples voxel"] | None]:
        spins = self.spins(state)
        magnetisation, starts = self.played(state, spins)
        samples = None if self.table.samples is None else _sampled(self.table.samples, starts, spins, state)
        wound = state.wound * self.table.keeps_wound + self.table.winds
        return dataclasses.replace(state.with_magnetisation(*magnetisation), wound=wound), samples

    def spins(self, state: IsochromatState) -> RestingSpins:
        """What makes the spins of a state differ."""
        shape = (state.x.shape[0], state.x.shape[1])
        return RestingSpins(self.surroundings, self.transmit, state.places.coordinates, shape, self.gyromagnetic_ratio)

    def played(self, state: IsochromatState, spins: RestingSpins) -> tuple[Components, Starts]:
        """The magnetisation after all rows, and at the start of each."""
        return _played(self.table.rows, affine_maps(self.table.changes, spins), spins, state.magnetisation)


def _played(rows: Rows, maps: Maps, spins: RestingSpins, begin: Components) -> tuple[Components, Starts]:
    """The magnetisation after all rows, and at the start of each."""

    def play(magnetisation: Components, now: Array) -> tuple[Components, Components]:
        # taken by its number: rows that come with the loop would be cut out one by one, each by a kernel of its own
        row, cosine, sine = jax.tree.map(lambda column: column[now], turns)
        x, y = _precessed(magnetisation, row.duration, row.wound, -row.phase, spins)
        z = _recovered(magnetisation[2], row.duration, spins)
        of = maps[row.change].reshape(4, 3, *spins.shape)
        x, y, z = (of[0, i] * x + of[1, i] * y + of[2, i] * z + of[3, i] for i in range(3))
        return (cosine * x - sine * y, sine * x + cosine * y, z), magnetisation

    turns = (rows, jnp.cos(rows.phase), jnp.sin(rows.phase))
    n_rows = rows.duration.shape[0]
    return checkpointed_scan(play, begin, jnp.arange(n_rows), n_rows, unroll=1)


def _sampled(
    samples: SampleTimes, starts: Starts, spins: RestingSpins, state: IsochromatState
) -> Complex[Array, "n_samples voxel"]:
    weight = weights(state, spins.surroundings.t2_prime is not None)

    @jax.checkpoint
    def sample(one: SampleTimes) -> Complex[Array, " voxel"]:
        x, y = at_sample(one, starts, spins)
        return one.receiver * (jnp.sum(weight * x, axis=0) + 1j * jnp.sum(weight * y, axis=0))

    at_once = None if jax.default_backend() == "cpu" else SAMPLES_AT_ONCE
    return jax.lax.map(sample, samples, batch_size=at_once)


def at_sample(one: SampleTimes, starts: Starts, spins: RestingSpins) -> tuple[Array, Array]:
    """What a sample is of: both transverse components of each spin, or z and nothing."""
    start = jax.tree.map(lambda of: of[one.row], starts)
    x, y = _precessed(start, one.time, one.wound, jnp.zeros((), spins.dtype), spins)
    if one.longitudinal is not None:
        x = jnp.where(one.longitudinal, _recovered(start[2], one.time, spins), x)
        y = jnp.where(one.longitudinal, 0.0, y)
    return x, y


def _precessed(
    magnetisation: Components,
    time: Float[Array, ""],
    wound: Float[Array, " 4"],
    ahead: Float[Array, ""],
    spins: RestingSpins,
) -> tuple[Array, Array]:
    """Both transverse components after some time, turned ahead by an angle besides."""
    x, y, _ = magnetisation
    n = spins.shape[0]
    by_gradients = [
        spins.gyromagnetic_ratio * wound[i] * place for i, place in enumerate(spins.coordinates) if place is not None
    ]
    across = None
    if n > 1:
        across = 2 * math.pi * wound[3] * jnp.asarray(across_the_voxel(n), spins.dtype)[:, None]
    turned_by = sum_of_given(spins.surroundings.angle(time, n), across, *by_gradients)
    cosine, sine = cosine_and_sine(ahead[None, None] if turned_by is None else turned_by + ahead)
    e2 = precession.decay(time, spins.surroundings.t2)[None]
    return e2 * (cosine * x - sine * y), e2 * (sine * x + cosine * y)


def _recovered(z: Array, time: Float[Array, ""], spins: RestingSpins) -> Array:
    return z + precession.recovery(time, spins.surroundings.t1)[None] * (1 - z)
