"""What the changes of a table do to every spin: affine maps of its magnetisation, worked out once for all that are equal."""

import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from mrjax.jax_rules import as_one_kernel, computed_once, unless_linearized
from mrjax.physics.isochromats.kernel import Components, Spins, turn_about, turned_by
from mrjax.physics.isochromats.operators import turned
from mrjax.physics.isochromats.tables.intervals import Form
from mrjax.physics.isochromats.waveforms import Surroundings, under_constant_rf
from mrjax.physics.maths import precession
from mrjax.physics.maths.loops import checkpointed_scan, counted_scan
from mrjax.physics.maths.transmit_field import TransmitField, transmitted
from mrjax.sequence.double_length import angle

Columns = tuple[Components, Components, Components, Components]
"""An affine map: what becomes of magnetisation along x, y and z, and what it adds, each by its components."""

Map = Float[Array, "12 spin voxel"]
Maps = Float[Array, "change 12 spin voxel"]
"""The same in one array, column by column, which takes XLA less time to compile where nothing is hot."""


class RestingSpins(eqx.Module):
    """All that makes the spins of some voxels differ, each array of shape `(spin, voxel)` or broadcasting to it."""

    surroundings: Surroundings
    transmit: TransmitField
    coordinates: tuple[Array | None, Array | None, Array | None]
    """Along x, y and z in m; None for zero."""
    shape: tuple[int, int] = eqx.field(static=True)
    """Spins and voxels."""
    gyromagnetic_ratio: float = eqx.field(static=True)

    @property
    def dtype(self) -> Any:
        """Of real numbers."""
        return self.surroundings.t1.dtype

    def spread(self, values: Array) -> Spins:
        """One value for each spin."""
        return jnp.broadcast_to(values, self.shape).astype(self.dtype)

    @property
    def field(self) -> tuple[Spins, Spins]:
        """What RF along x turns about, by real and imaginary part."""
        x, y = transmitted(jnp.ones((), self.dtype), jnp.zeros((), self.dtype), self.transmit)
        return self.spread(x), self.spread(y)


def affine_maps(changes: dict[Form, Array], spins: RestingSpins) -> Maps:
    """Of all changes, after one that does nothing."""
    of_kind = lambda kind: lambda numbers: MAPS[kind](numbers, spins)
    # one after the other: matrices of all spins for all changes would fill the memory
    maps = [jax.lax.map(of_kind(kind), numbers) for (kind, _), numbers in changes.items()]
    return jnp.concatenate([_in_one_array(unit_columns(spins.shape, spins.dtype))[None], *maps])


def _in_one_array(columns: Columns) -> Map:
    return jnp.stack([component for column in columns for component in column])


def _longitudinal(numbers: Float[Array, " 2"], spins: RestingSpins) -> Map:
    kept, added = numbers
    place = jnp.arange(12)
    entries = jnp.where(place == 8, kept, 0.0) + jnp.where(place == 11, added, 0.0)
    return jnp.broadcast_to(entries[:, None, None], (12, *spins.shape))


def _turn(numbers: Float[Array, " 1"], spins: RestingSpins) -> Map:
    x, y = spins.field
    turn = turn_about(numbers[0] * x, numbers[0] * y, jnp.zeros_like(x))
    *linear, added = unit_columns(spins.shape, spins.dtype)
    x_column, y_column, z_column = (turned_by(turn, column) for column in linear)
    return _in_one_array((x_column, y_column, z_column, added))


def _constant(numbers: Float[Array, " 4"], spins: RestingSpins) -> Map:
    real, imaginary, offset, duration = numbers
    x, y = spins.field
    field = spins.gyromagnetic_ratio * (real + 1j * imaginary) * (x + 1j * y)
    less_one = under_constant_rf(field, offset, duration, spins.surroundings, spins.shape[0])
    propagator = less_one[..., :3, :] + jnp.eye(3, 4, dtype=spins.dtype)[None, None]
    ahead = angle(offset, duration)
    cosine, sine, nothing = jnp.cos(ahead), jnp.sin(ahead), jnp.zeros_like(ahead)
    frame = jnp.stack([cosine, -sine, nothing, sine, cosine, nothing, nothing, nothing, nothing + 1]).reshape(3, 3)
    turned_on = jnp.sum(frame[None, None, :, :, None] * propagator[:, :, None], axis=-2)
    return jnp.moveaxis(turned_on, (3, 2), (0, 1)).reshape(12, *spins.shape)


def _steps(numbers: Float[Array, " number"], spins: RestingSpins) -> Map:
    """RF in steps between halves of relaxation, as `Irradiation` plays it."""
    dt, offset, n = numbers[:3]
    n_steps = (numbers.shape[0] - 3) // 8
    real, imaginary, *by_axis = numbers[3:].reshape(8, n_steps)
    where = [(i, place) for i, place in enumerate(spins.coordinates) if place is not None]
    coordinates = tuple(spins.spread(place) for _, place in where)
    ratio = spins.gyromagnetic_ratio
    along = tuple((ratio * by_axis[i], ratio * by_axis[3 + i]) for i, _ in where)
    step = jnp.arange(n_steps, dtype=n.dtype)
    # each step but the last is followed by a whole relaxation; what fills up to the longest pulse does nothing
    relaxes = tuple(jnp.asarray(due, spins.dtype) for due in (step < n - 1, step == n - 1))
    frequency = spins.surroundings.angular_frequency(spins.shape[0])
    detuning = -2 * math.pi * offset + (jnp.zeros((1, 1), spins.dtype) if frequency is None else frequency)
    half, whole = _relaxation(dt / 2, spins), _relaxation(dt, spins)
    arguments = (spins.field, coordinates, spins.spread(dt * detuning), whole, half)
    angles = (ratio * dt * real, ratio * dt * imaginary, along, relaxes)

    columns = _relaxed(unit_columns(spins.shape, spins.dtype), half)
    columns = unless_linearized(as_one_kernel(_some_steps), _all_steps)(columns, n.astype(jnp.int32), angles, arguments)
    ahead = angle(offset, n * dt)[None, None]
    x, y, z, added = ((*turned(x, y, ahead), z) for x, y, z in columns)
    return _in_one_array((x, y, z, added))


def _some_steps(columns: Columns, n: Int[Array, ""], angles: Any, arguments: Any) -> Columns:
    """As many steps as the pulse has."""
    play = lambda columns, now: (_step(columns, now, *arguments), None)
    return counted_scan(play, columns, angles, len(angles[0]), n, unroll=1)[0]


def _all_steps(columns: Columns, n: Int[Array, ""], angles: Any, arguments: Any) -> Columns:
    """The same in a form that reverse mode can follow, with the steps that do nothing."""
    del n
    play = lambda columns, now: (_step(columns, now, *arguments), None)
    return checkpointed_scan(jax.checkpoint(play, prevent_cse=False), columns, angles, len(angles[0]))[0]


Relaxation = tuple[Spins, Spins]
"""Parts that are lost, of the transverse magnetisation and of z.

Not what is left: single precision rounds that, close to one, by as much in each of thousands of steps.
"""


def _relaxation(time: Float[Array, ""], spins: RestingSpins) -> Relaxation:
    around = spins.surroundings
    return spins.spread(precession.recovery(time, around.t2)), spins.spread(precession.recovery(time, around.t1))


@computed_once
def _step(
    columns: Columns, now: Any, transmit: Any, coordinates: Any, turning: Spins, whole: Any, half: Any
) -> Columns:
    """The hot step: rotate, then relax."""
    about_x, about_y, along, (is_whole, is_half) = now
    about_x, about_y = transmitted(about_x, about_y, transmit)
    about_z = (is_whole + is_half) * turning
    if along:
        skew = sum(moment * place for (_, moment), place in zip(along, coordinates, strict=True))
        about_z = about_z + sum(area * place for (area, _), place in zip(along, coordinates, strict=True))
        about_x, about_y = about_x - skew * about_y, about_y + skew * about_x
    lost = tuple(is_whole * long + is_half * short for long, short in zip(whole, half, strict=True))
    turn = turn_about(about_x, about_y, about_z)
    x, y, z, added = (turned_by(turn, column) for column in columns)
    return _relaxed((x, y, z, added), lost)


def _relaxed(columns: Columns, lost: Relaxation) -> Columns:
    transverse, longitudinal = lost
    left = lambda m: (m[0] - transverse * m[0], m[1] - transverse * m[1], m[2] - longitudinal * m[2])
    x, y, z, added = map(left, columns)
    return x, y, z, (added[0], added[1], added[2] + longitudinal)


def unit_columns(shape: tuple[int, ...], dtype: Any) -> Columns:
    """The map that does nothing."""
    one, nothing = jnp.ones(shape, dtype), jnp.zeros(shape, dtype)
    return (one, nothing, nothing), (nothing, one, nothing), (nothing, nothing, one), (nothing, nothing, nothing)


MAPS = {"longitudinal": _longitudinal, "turn": _turn, "constant": _constant, "steps": _steps}
