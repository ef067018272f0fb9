"""What the changes of a table do to every spin: affine maps of its magnetisation, worked out once for all that are equal."""

import dataclasses
import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from mrjax.jax_rules import (
    as_one_kernel,
    common_count,
    computed_once,
    counted_scan,
    on_one_cpu_device,
    unless_linearized,
)
from mrjax.physics.execution import chunks
from mrjax.physics.isochromats.kernel import Components, Spins, added_by, turn_about, turned_by
from mrjax.physics.isochromats.operators import turned
from mrjax.physics.isochromats.places import Coordinates
from mrjax.physics.isochromats.tables.change import Form
from mrjax.physics.isochromats.tables.concomitant import shapes_in_space
from mrjax.physics.isochromats.waveforms import Surroundings, under_constant_rf
from mrjax.physics.maths import precession
from mrjax.physics.maths.loops import checkpointed_scan
from mrjax.physics.maths.transmit_field import TransmitField, transmitted
from mrjax.sequence.double_length import angle

Columns = tuple[Components, ...]
"""An affine map: what becomes of magnetisation along x, y and z, and what it adds, each by its components.

The last alone is what becomes of one magnetisation.
"""

Map = Float[Array, "12 spin voxel"]
Maps = Float[Array, "change 12 spin voxel"]
"""The same in one array, column by column, which takes XLA less time to compile where nothing is hot."""


SPINS_AT_ONCE = 512
"""Of which a map in many steps is worked out: on a CPU what is known of them stays in its first-level cache."""


class RestingSpins(eqx.Module):
    """All that makes the spins of some voxels differ, each array of shape `(spin, voxel)` or broadcasting to it."""

    surroundings: Surroundings
    transmit: TransmitField
    coordinates: Coordinates
    """Along x, y and z in m; None for zero."""
    velocity: Coordinates
    """In m/s, of spins that are at their coordinates in the middle of what is played; None for zero."""
    b0: Float[Array, ""] | None
    """In T, where concomitant fields act."""
    concomitant: tuple[Array | None, ...]
    """What each integral of products of gradients is multiplied with, in m^2/T; empty where they do not act."""
    shape: tuple[int, int] = eqx.field(static=True)
    """Spins and voxels."""
    gyromagnetic_ratio: float = eqx.field(static=True)

    def at(self, coordinates: Coordinates, velocity: Coordinates = (None, None, None)) -> "RestingSpins":
        """The same spins elsewhere."""
        concomitant = () if self.b0 is None else shapes_in_space(coordinates, self.b0)
        return dataclasses.replace(self, coordinates=coordinates, velocity=velocity, concomitant=concomitant)

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
    n_spins, n_voxels = spins.shape
    maps, same = eqx.partition(spins, lambda leaf: eqx.is_array(leaf) and leaf.ndim > 0 and leaf.shape[-1] == n_voxels)
    size = max(chunks.VECTOR, SPINS_AT_ONCE // n_spins) if on_one_cpu_device() else n_voxels

    def of_some(maps: RestingSpins) -> Maps:
        n = min(size, n_voxels)
        return _affine_maps(changes, dataclasses.replace(eqx.combine(maps, same), shape=(n_spins, n)))

    return chunks.in_chunks(of_some, maps, lambda maps: maps.ndim - 1, n_voxels, size)


def _affine_maps(changes: dict[Form, Array], spins: RestingSpins) -> Maps:
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
    return _in_one_array(played_in_steps(numbers, spins, unit_columns(spins.shape, spins.dtype)))


def played_in_steps(numbers: Float[Array, " number"], spins: RestingSpins, columns: Columns) -> Columns:
    """What RF in steps makes of the columns of a map, or of magnetisation as the only one."""
    dt, offset, n = numbers[:3]
    real, imaginary, *by_step = numbers[3:].reshape(8 + len(spins.concomitant), -1)
    coordinates, along = _turning(by_step, dt, n, spins)
    ratio, n_steps = spins.gyromagnetic_ratio, real.shape[0]
    step = jnp.arange(n_steps, dtype=n.dtype)
    # each step but the last is followed by a whole relaxation; what fills up to the longest pulse does nothing
    relaxes = tuple(jnp.asarray(due, spins.dtype) for due in (step < n - 1, step == n - 1))
    frequency = spins.surroundings.angular_frequency(spins.shape[0])
    detuning = -2 * math.pi * offset + (jnp.zeros((1, 1), spins.dtype) if frequency is None else frequency)
    half, whole = _relaxation(dt / 2, spins), _relaxation(dt, spins)
    arguments = (spins.field, coordinates, spins.spread(dt * detuning), whole, half)
    angles = (ratio * dt * real, ratio * dt * imaginary, along, relaxes)

    begin = _relaxed(columns, half), jax.tree.map(jnp.zeros_like, columns)
    # those beyond the last do nothing
    count = common_count(n.astype(jnp.int32))
    columns, _ = unless_linearized(as_one_kernel(_some_steps), _all_steps)(begin, count, angles, arguments)
    ahead = angle(offset, n * dt)[None, None]
    return tuple((*turned(x, y, ahead), z) for x, y, z in columns)


def _turning(by_step: list[Array], dt: Array, n: Array, spins: RestingSpins) -> tuple[tuple, tuple]:
    """What of each spin turns it under gradients, and for each step by what angle and how the RF is skewed by it."""
    areas, moments, products = by_step[:3], by_step[3:6], by_step[6:]
    since_middle = (jnp.arange(areas[0].shape[0], dtype=n.dtype) + (1 - n) / 2) * dt
    found = [*zip(spins.coordinates, areas, moments, strict=True)]
    found += [
        # a gradient that is straight in a step has the second moment of its mean
        (speed, area * since_middle + dt * moment, moment * since_middle + area * dt / 12)
        for speed, area, moment in zip(spins.velocity, areas, moments, strict=True)
    ]
    # of so weak fields the skew is nothing
    found += [(shape, product, 0 * product) for shape, product in zip(spins.concomitant, products, strict=True)]
    given = [(spins.spread(of), area, skew) for of, area, skew in found if of is not None]
    ratio = spins.gyromagnetic_ratio
    return tuple(of for of, _, _ in given), tuple((ratio * area, ratio * skew) for _, area, skew in given)


Carried = tuple[Columns, Columns]
"""Columns, and what the sums that led to them have lost by rounding: a part in 1e7 for each of a thousand steps would count."""


def _some_steps(carried: Carried, n: Int[Array, ""], angles: Any, arguments: Any) -> Carried:
    """As many steps as the pulse has."""
    play = lambda carried, now: (_step(carried, now, *arguments), None)
    return counted_scan(play, carried, angles, len(angles[0]), n, unroll=1)[0]


def _all_steps(carried: Carried, n: Int[Array, ""], angles: Any, arguments: Any) -> Carried:
    """The same in a form that reverse mode can follow, with the steps that do nothing."""
    del n
    play = lambda carried, now: (_step(carried, now, *arguments), None)
    return checkpointed_scan(jax.checkpoint(play, prevent_cse=False), carried, angles, len(angles[0]))[0]


Relaxation = tuple[Spins, Spins]
"""Parts that are lost, of the transverse magnetisation and of z.

Not what is left: single precision rounds that, close to one, by as much in each of thousands of steps.
"""


def _relaxation(time: Float[Array, ""], spins: RestingSpins) -> Relaxation:
    around = spins.surroundings
    return spins.spread(precession.recovery(time, around.t2)), spins.spread(precession.recovery(time, around.t1))


@computed_once
def _step(
    carried: Carried, now: Any, transmit: Any, coordinates: Any, turning: Spins, whole: Any, half: Any
) -> Carried:
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
    columns, rests = carried
    grown = [added_by(turn, column) for column in columns]
    *linear, added = (_less_lost(column, more, lost) for column, more in zip(columns, grown, strict=True))
    grown = (*linear, (added[0], added[1], added[2] + lost[1]))
    if turning.dtype == jnp.float64:
        return jax.tree.map(jnp.add, columns, grown), rests
    sums = [jax.tree.map(jnp.add, more, rest) for more, rest in zip(grown, rests, strict=True)]
    totals = tuple(jax.tree.map(jnp.add, columns, tuple(sums)))
    left = lambda column, total, more: jax.lax.stop_gradient((column - total) + more)
    return totals, jax.tree.map(left, columns, totals, tuple(sums))


def _less_lost(magnetisation: Components, more: Components, lost: Relaxation) -> Components:
    """What is added to the magnetisation by a rotation and the relaxation after it, but for recovery."""
    transverse, longitudinal = lost
    rates = (transverse, transverse, longitudinal)
    return tuple(d - rate * (m + d) for m, d, rate in zip(magnetisation, more, rates, strict=True))  # pyright: ignore[reportReturnType]


def _relaxed(columns: Columns, lost: Relaxation) -> Columns:
    transverse, longitudinal = lost
    left = lambda m: (m[0] - transverse * m[0], m[1] - transverse * m[1], m[2] - longitudinal * m[2])
    *linear, added = map(left, columns)
    return (*linear, (added[0], added[1], added[2] + longitudinal))


def unit_columns(shape: tuple[int, ...], dtype: Any) -> tuple[Components, Components, Components, Components]:
    """The map that does nothing."""
    one, nothing = jnp.ones(shape, dtype), jnp.zeros(shape, dtype)
    return (one, nothing, nothing), (nothing, one, nothing), (nothing, nothing, one), (nothing, nothing, nothing)


MAPS = {"longitudinal": _longitudinal, "turn": _turn, "constant": _constant, "steps": _steps}
