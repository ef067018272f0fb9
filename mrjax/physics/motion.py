"""Spins that move: positions as functions of time."""

import dataclasses
import itertools
import math
from abc import abstractmethod
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from mrjax import _checks
from mrjax.physics.maths.trigonometry import sinc_and_versine
from mrjax.physics.waveforms.rf_steps import FARTHEST, PLAUSIBLE, Bounds
from mrjax.sequence import AbstractContainer, timing

MOMENTS = 65
"""At which an object is looked for, to know how far it gets."""


class AbstractMotion(eqx.Module):
    """How an object moves as a whole: where a spin is at some time that was at a given place when the sequence began."""

    @abstractmethod
    def displaced(self, x: Array, y: Array, z: Array, time: Array) -> tuple[Array, Array, Array]:
        """Coordinates in m at a time in s; arrays that broadcast."""


class RigidMotion(AbstractMotion):
    r"""Rotation about the isocentre, then translation, straight between the times that are given.

    $$r(t) = R(t)\, r_0 + d(t)$$

    **Arguments:**

    - `times`: In s from the start of the sequence, rising, `(n,)`; the motion rests before the first and after the last.
    - `translation`: $d$ in m at each time, `(n, 3)`; none by default.
    - `rotation`: Vector of rotation in rad at each time, `(n, 3)`: its direction is the axis, its length the angle,
      right-handed; none by default.

    **Raises:** `ValueError` where shapes do not fit or times do not rise.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import mrjax as mr
        >>> nod = mr.motion.RigidMotion([0.0, 1.0], rotation=[[0.0, 0.0, 0.0], [0.0, 0.0, 0.1]])
        >>> x, y, z = nod.displaced(jnp.array(0.1), jnp.array(0.0), jnp.array(0.0), jnp.array(1.0))
        >>> print(f"{x:.4f} {y:.4f} {z:.4f}")
        0.0995 0.0100 0.0000

        ```
    """

    times: Float[Array, " n"]
    translation: Float[Array, "n 3"]
    rotation: Float[Array, "n 3"]

    def __init__(self, times: Any, translation: Any = None, rotation: Any = None):
        self.times = _rising(times, "times", "s")
        still = jnp.zeros((self.times.size, 3), self.times.dtype)
        self.translation = still if translation is None else self._vectors(translation, "translation")
        self.rotation = still if rotation is None else self._vectors(rotation, "rotation")

    def _vectors(self, value: Any, name: str) -> Array:
        vectors = _checks.finite(_checks.real_array(value, name), name)
        if vectors.shape != (self.times.size, 3):
            raise ValueError(
                f"`{name}` must have three components for each of the {self.times.size} times, but got shape {vectors.shape}."
            )
        return vectors

    def displaced(self, x: Array, y: Array, z: Array, time: Array) -> tuple[Array, Array, Array]:
        at = lambda values: tuple(jnp.interp(time, self.times, values[:, i]) for i in range(3))
        u, v, w = at(self.rotation)
        sinc, versine = sinc_and_versine(u**2 + v**2 + w**2)
        cross = lambda a, b, c: (v * c - w * b, w * a - u * c, u * b - v * a)
        first = cross(x, y, z)
        second = cross(*first)
        shift = at(self.translation)
        a, b, c = (r + sinc * f + versine * s + d for r, f, s, d in zip((x, y, z), first, second, shift, strict=True))
        return a, b, c


class Displacement(AbstractMotion):
    r"""A field of displacements in time, of an object that changes its shape: breathing, a beating heart.

    $$r(t) = r_0 + d(r_0, t)$$

    **Arguments:**

    - `times`: In s from the start of the sequence, rising, `(n,)`; the object rests before the first and after the last.
    - `grid`: Coordinates in m along x, y and z at which the field is given, three arrays that rise, each of one entry or more.
    - `x`, `y`, `z`: Displacements in m at each time and place, `(n, n_x, n_y, n_z)`; none by default.

    Straight between times and between places (trilinear), so it is exact for spins on the grid, also for those of one voxel
    where they are spread over it; beyond the grid it is as at its edge. It is the place at the start that counts.

    **Raises:** `ValueError` where shapes do not fit, or times or coordinates do not rise.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import mrjax as mr
        >>> grid = ([0.0], [0.0, 0.1], [0.0])
        >>> stretch = jnp.array([[0.0, 0.0], [0.0, 0.02]])[:, None, :, None]  # by a fifth along y within a second
        >>> breath = mr.motion.Displacement([0.0, 1.0], grid, y=stretch)
        >>> _, y, _ = breath.displaced(jnp.array(0.0), jnp.array(0.05), jnp.array(0.0), jnp.array(0.5))
        >>> print(f"{y:.3f}")
        0.055

        ```
    """

    times: Float[Array, " n"]
    grid: tuple[Float[Array, " n_x"], Float[Array, " n_y"], Float[Array, " n_z"]]
    fields: tuple[Array | None, Array | None, Array | None]

    def __init__(self, times: Any, grid: Any, x: Any = None, y: Any = None, z: Any = None):
        self.times = _rising(times, "times", "s")
        if len(grid) != 3:
            raise ValueError(f"`grid` must hold the coordinates (m) along x, y and z, but holds {len(grid)} arrays.")
        along = [_rising(places, f"grid[{i}]", "m") for i, places in enumerate(grid)]
        self.grid = (along[0], along[1], along[2])
        shape = (self.times.size, *(places.size for places in along))

        def field(value: Any, name: str) -> Array | None:
            if value is None:
                return None
            array = _checks.finite(_checks.real_array(value, name), name)
            if array.shape != shape:
                raise ValueError(f"`{name}` must have shape {shape}, of times and grid, but got {array.shape}.")
            return array

        self.fields = field(x, "x"), field(y, "y"), field(z, "z")

    def displaced(self, x: Array, y: Array, z: Array, time: Array) -> tuple[Array, Array, Array]:
        axes = (self.times, *self.grid)
        between = [_between(axis, value) for axis, value in zip(axes, (time, x, y, z), strict=True)]

        def moved(place: Array, field: Array | None) -> Array:
            if field is None:
                return place
            for corner in itertools.product((0, 1), repeat=4):
                if any(side and axis.size == 1 for side, axis in zip(corner, axes, strict=True)):
                    continue
                index = tuple(first + side for (first, _), side in zip(between, corner, strict=True))
                shares = [share if side else 1 - share for (_, share), side in zip(between, corner, strict=True)]
                place = place + math.prod(shares) * field[index]
            return place

        a, b, c = (moved(place, field) for place, field in zip((x, y, z), self.fields, strict=True))
        return a, b, c


class MotionsInTurn(AbstractMotion):
    """Motions one within the other: the first moves spins, the second carries what is moved, and so on.

    **Arguments:**

    - `motions`: Two or more, from the innermost on: a heart that beats in a chest that breathes.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import mrjax as mr
        >>> shift = mr.motion.RigidMotion([0.0, 1.0], translation=[[0.0, 0.0, 0.0], [0.1, 0.0, 0.0]])
        >>> turn = mr.motion.RigidMotion([0.0, 1.0], rotation=[[0.0, 0.0, 0.0], [0.0, 0.0, jnp.pi / 2]])
        >>> still = jnp.zeros(())
        >>> x, y, _ = mr.motion.MotionsInTurn(shift, turn).displaced(still, still, still, jnp.ones(()))
        >>> print(f"{y:.1f}")
        0.1

        ```
    """

    motions: tuple[AbstractMotion, ...]

    def __init__(self, *motions: AbstractMotion):
        self.motions = motions

    def displaced(self, x: Array, y: Array, z: Array, time: Array) -> tuple[Array, Array, Array]:
        for motion in self.motions:
            x, y, z = motion.displaced(x, y, z, time)
        return x, y, z


class PeriodicMotion(AbstractMotion):
    """A motion that begins anew after each period.

    **Arguments:**

    - `motion`: Of one period, from time zero on; where its end is not its start, it jumps.
    - `period`: In s, positive.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import mrjax as mr
        >>> up_and_down = mr.motion.RigidMotion([0.0, 2.0, 4.0], translation=[[0, 0, 0.0], [0, 0, 0.01], [0, 0, 0.0]])
        >>> breath = mr.motion.PeriodicMotion(up_and_down, period=4.0)
        >>> still = jnp.zeros(())
        >>> print(f"{breath.displaced(still, still, still, jnp.array(41.0))[2]:.3f}")
        0.005

        ```
    """

    motion: AbstractMotion
    period: Float[Array, ""]

    def __init__(self, motion: AbstractMotion, period: Any):
        self.motion = motion
        self.period = _checks.positive(_checks.real_array(period, "period"), "period", "s")

    def displaced(self, x: Array, y: Array, z: Array, time: Array) -> tuple[Array, Array, Array]:
        return self.motion.displaced(x, y, z, time - self.period * jnp.floor(time / self.period))


def _rising(value: Any, name: str, unit: str) -> Array:
    array = _checks.finite(_checks.real_array(value, name), name)
    if array.ndim != 1 or not array.size:
        raise ValueError(f"`{name}` must have one axis with at least one entry ({unit}), but got shape {array.shape}.")
    return _checks.require(array, jnp.all(jnp.diff(array) > 0), f"`{name}` must rise ({unit})")


def _between(points: Array, value: Array) -> tuple[Array, Array]:
    """Between which points a value lies: the number of the first, and the share of what follows; at the ends what is there."""
    if points.size == 1:
        return jnp.zeros_like(value, int), jnp.zeros_like(value)
    first = jnp.clip(jnp.searchsorted(points, value, side="right") - 1, 0, points.size - 2)
    share = (value - points[first]) / (points[first + 1] - points[first])
    return first, jnp.clip(share, 0.0, 1.0)


def reached(bounds: Bounds, sequence: AbstractContainer, motion: AbstractMotion | None) -> Bounds:
    """Bounds that hold wherever spins get to during a sequence, and as fast as they move; where it is traced, plausible ones."""
    if not all(map(_checks.is_concrete, jax.tree.leaves((sequence, motion)))):
        return bounds.reaching(PLAUSIBLE["position"])
    with jax.ensure_compile_time_eval():
        duration = float(timing.duration(sequence))
        duration = duration if np.isfinite(duration) else 0.0
        flown = bounds.reaching(np.asarray(bounds.velocity) * duration)
        if motion is None:
            return flown
        signs = np.stack(np.meshgrid(*[(-1.0, 1.0)] * 3)).reshape(3, 8, 1)
        corners, times = signs * np.reshape(flown.position, (3, 1, 1)), np.linspace(0.0, duration, MOMENTS)[None]
        x, y, z = (jnp.asarray(np.broadcast_to(corner, (8, MOMENTS))) for corner in corners)
        places = np.stack(motion.displaced(x, y, z, jnp.asarray(np.broadcast_to(times, (8, MOMENTS)))))
    farthest = np.minimum(np.abs(places).max(axis=(1, 2)), FARTHEST)
    fastest = np.abs(np.diff(places, axis=-1)).max(axis=(1, 2)) / max(duration / (MOMENTS - 1), 1e-9)
    return dataclasses.replace(
        flown, position=tuple(map(float, farthest)), velocity=tuple(map(float, fastest + np.asarray(flown.velocity)))
    )
