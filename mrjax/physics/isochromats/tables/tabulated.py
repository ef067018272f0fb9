"""A table of rows played by isochromats: from change to change, and all samples after that."""

import dataclasses
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float

from mrjax.jax_rules import computed_once
from mrjax.physics.engine import AbstractOperator
from mrjax.physics.isochromats.kernel import Components
from mrjax.physics.isochromats.operators import weights
from mrjax.physics.isochromats.places import Coordinates
from mrjax.physics.isochromats.state import IsochromatState, across_the_voxel
from mrjax.physics.isochromats.tables.changes import RestingSpins
from mrjax.physics.isochromats.tables.moving import Changes, Movement
from mrjax.physics.isochromats.tables.table import Rows, SampleTimes, SequenceTable
from mrjax.physics.isochromats.waveforms import Surroundings
from mrjax.physics.maths import precession
from mrjax.physics.maths.loops import checkpointed_scan
from mrjax.physics.maths.sums import sum_of_given
from mrjax.physics.maths.transmit_field import TransmitField, transmit_field
from mrjax.physics.maths.trigonometry import cosine_and_sine
from mrjax.physics.maths.turns import Turns
from mrjax.physics.motion import AbstractMotion
from mrjax.tissue import Tissue

SAMPLES_AT_ONCE = 64
"""On devices other than CPUs, where starting a kernel takes longer than running it on a few thousand spins."""

_NOWHERE = (None, None, None)

Starts = tuple[Any, Coordinates, Coordinates]
"""The magnetisation at the start of each row, and where spins are in the middle of it and how fast they move, where they do."""


class Tabulated(AbstractOperator):
    """All of a sequence: a loop over rows, whose body is the same for each, and one over samples."""

    table: SequenceTable
    surroundings: Surroundings
    line_width: Float[Array, "#voxel"] | None
    """In rad/s, where what dephases is answered by a Lorentzian line."""
    transmit: TransmitField
    motion: AbstractMotion | None
    b0: Float[Array, ""] | None
    """In T, where concomitant fields act."""
    gyromagnetic_ratio: float = eqx.field(static=True)

    @classmethod
    def of(
        cls,
        table: SequenceTable,
        tissue: Tissue,
        gyromagnetic_ratio: float,
        motion: AbstractMotion | None = None,
        b0: Float[Array, ""] | None = None,
    ) -> "Tabulated":
        """For the spins of a tissue."""
        surroundings, line_width = Surroundings.of(tissue), None
        if table.samples is not None and table.samples.dephased is not None:
            surroundings, line_width = (
                dataclasses.replace(surroundings, t2_prime=None),
                1 / jnp.asarray(tissue.t2_prime),
            )
        return cls(table, surroundings, line_width, transmit_field(tissue), motion, b0, gyromagnetic_ratio)

    def __call__(self, state: IsochromatState) -> tuple[IsochromatState, Complex[Array, "n_samples voxel"] | None]:
        spins = self.spins(state)
        magnetisation, starts = self.played(state, spins)
        samples = (
            None if self.table.samples is None else _sampled(self.table.samples, starts, spins, state, self.line_width)
        )
        wound = state.wound * self.table.keeps_wound + self.table.winds
        state = dataclasses.replace(state.with_magnetisation(*magnetisation), wound=wound)
        return state if self.table.lasts is None else state.later(self.table.lasts), samples

    def spins(self, state: IsochromatState) -> RestingSpins:
        """What makes the spins of a state differ, where they are now."""
        shape = (state.x.shape[0], state.x.shape[1])
        return RestingSpins(
            self.surroundings, self.transmit, _NOWHERE, _NOWHERE, self.b0, (), shape, self.gyromagnetic_ratio
        ).at(state.places.coordinates)

    def played(self, state: IsochromatState, spins: RestingSpins) -> tuple[Components, Starts]:
        """The magnetisation after all rows, and at the start of each."""
        movement = None if self.table.lasts is None else Movement(state.places, self.motion)
        changes = Changes.of(self.table.changes, spins, movement is not None)
        return _played(self.table.rows, changes, spins, movement, state.magnetisation)


def _played(
    rows: Rows, changes: Changes, spins: RestingSpins, movement: Movement | None, begin: Components
) -> tuple[Components, Starts]:
    """The magnetisation after all rows, and at the start of each."""
    moved = lambda time: spins if movement is None else movement.moved(spins, time)

    def play(magnetisation: Components, now: Array) -> tuple[Components, tuple]:
        # taken by its number: rows that come with the loop would be cut out one by one, each by a kernel of its own
        row, cosine, sine = jax.tree.map(lambda column: column[now], turns)
        there = moved(row.middle)
        x, y = _kept(*_precessed(magnetisation, row.duration, row.wound, -row.phase, there))
        z = _recovered(magnetisation[2], row.duration, spins)
        x, y, z = changes(row.change, (x, y, z), lambda: moved(row.change_middle))
        where = (_NOWHERE, _NOWHERE) if movement is None else (there.coordinates, there.velocity)
        return (cosine * x - sine * y, sine * x + cosine * y, z), (magnetisation, *where)

    turns = (rows, jnp.cos(rows.phase), jnp.sin(rows.phase))
    n_rows = rows.duration.shape[0]
    return checkpointed_scan(play, begin, jnp.arange(n_rows), n_rows, unroll=1)


@computed_once
def _kept(x: Array, y: Array) -> tuple[Array, Array]:
    """Both, which XLA would compute anew for each component of what a change makes of them."""
    return x * 1, y * 1


def _sampled(
    samples: SampleTimes,
    starts: Starts,
    spins: RestingSpins,
    state: IsochromatState,
    line_width: Float[Array, "#voxel"] | None,
) -> Complex[Array, "n_samples voxel"]:
    weight = weights(state, spins.surroundings.t2_prime is not None)

    @jax.checkpoint
    def sample(one: SampleTimes) -> Complex[Array, " voxel"]:
        x, y = at_sample(one, starts, spins, line_width)
        return one.receiver * (jnp.sum(weight * x, axis=0) + 1j * jnp.sum(weight * y, axis=0))

    at_once = None if jax.default_backend() == "cpu" else SAMPLES_AT_ONCE
    return jax.lax.map(sample, samples, batch_size=at_once)


def at_sample(
    one: SampleTimes, starts: Starts, spins: RestingSpins, line_width: Float[Array, "#voxel"] | None
) -> tuple[Array, Array]:
    """What a sample is of: both transverse components of each spin, or z and nothing; `line_width` is 1/T2' of each voxel, where
    it is no spread of spins."""
    start, *where = jax.tree.map(lambda of: of[one.row], starts)
    there = spins if where == [_NOWHERE, _NOWHERE] else spins.at(*where)
    x, y = _precessed(start, one.time, one.wound, jnp.zeros((), spins.dtype), there)
    if one.dephased is not None and line_width is not None:
        dephased = jnp.exp(-jnp.abs(one.dephased) * line_width)[None]
        x, y = dephased * x, dephased * y
    if one.longitudinal is not None:
        x = jnp.where(one.longitudinal, _recovered(start[2], one.time, spins), x)
        y = jnp.where(one.longitudinal, 0.0, y)
    return x, y


def _precessed(
    magnetisation: Components,
    time: Float[Array, ""],
    wound: Turns,
    ahead: Float[Array, ""],
    spins: RestingSpins,
) -> tuple[Array, Array]:
    """Both transverse components after some time, turned ahead by an angle besides."""
    x, y, _ = magnetisation
    n = spins.shape[0]
    n_columns = wound.coarse.shape[-1]
    across = None if n == 1 else jnp.asarray(across_the_voxel(n), spins.dtype)[:, None]
    by_column = [*spins.coordinates, across, *(spins.velocity if n_columns in (7, 11) else ()), *spins.concomitant]
    by_gradients = [wound[column].angle(of) for column, of in enumerate(by_column) if of is not None]
    turned_by = sum_of_given(spins.surroundings.angle(time, n), *by_gradients)
    cosine, sine = cosine_and_sine(ahead[None, None] if turned_by is None else turned_by + ahead)
    e2 = precession.decay(time, spins.surroundings.t2)[None]
    return e2 * (cosine * x - sine * y), e2 * (sine * x + cosine * y)


def _recovered(z: Array, time: Float[Array, ""], spins: RestingSpins) -> Array:
    return z + precession.recovery(time, spins.surroundings.t1)[None] * (1 - z)
