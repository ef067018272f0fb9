"""Where spins are during a sequence."""

import dataclasses
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from mrjax import _checks, _plausibility
from mrjax.physics.maths.sums import sum_of_given
from mrjax.physics.motion import AbstractMotion
from mrjax.sequence.double_length import DoubleLength
from mrjax.sequence.gradients import AXES
from mrjax.tissue import VELOCITY, Tissue

Coordinates = tuple[Array | None, Array | None, Array | None]
"""Along x, y and z, of shapes that broadcast to `(spin, voxel)`; None for zero."""


def voxel_extent(value: Any) -> Array | None:
    """A voxel size in m, or three."""
    if np.ndim(value) == 0:
        return _plausibility.optional_length(value)
    size = _checks.real_array(value, "voxel_size")
    if size.shape != (3,):
        raise ValueError(f"`voxel_size` must be a scalar (m) or three, along x, y and z, but got shape {size.shape}.")
    _plausibility.warn_if_implausible(size, "voxel_size")
    return _checks.positive(size, "voxel_size", "m") if _checks.is_concrete(size) else size


class Places(eqx.Module):
    """Where spins are at the start of the sequence in m, how fast they move in m/s, and the time since then."""

    coordinates: Coordinates
    velocity: Coordinates
    time: DoubleLength | None
    """In s, `(*voxel,)`, in two parts, since single precision loses milliseconds over thousands of events; None where nothing
    moves."""

    @classmethod
    def of(cls, tissue: Tissue, offsets: Coordinates, moves: bool) -> "Places":
        """Spins at some offsets from the middle of every voxel."""
        given = lambda name: getattr(tissue, name)[None] if tissue.has(name) else None
        spread = lambda x: None if x is None else jnp.broadcast_to(x, (x.shape[0], *tissue.voxel_shape))
        x, y, z = (spread(sum_of_given(given(name), offset)) for name, offset in zip(AXES, offsets, strict=True))
        velocity_x, velocity_y, velocity_z = (spread(given(name)) for name in VELOCITY)
        time = DoubleLength.of(jnp.zeros(tissue.voxel_shape, tissue.t1.dtype)) if moves else None
        return cls((x, y, z), (velocity_x, velocity_y, velocity_z), time)

    def later(self, duration: Float[Array, ""]) -> "Places":
        """After some time."""
        return self if self.time is None else dataclasses.replace(self, time=self.time + duration)

    def coordinates_after(self, duration: Array, motion: AbstractMotion | None) -> tuple[Coordinates, Coordinates]:
        """Positions and velocities some time after now; None for zero."""
        if self.time is None:
            return self.coordinates, (None, None, None)
        time = (self.time + duration).rounded[None]
        flown = tuple(
            sum_of_given(start, None if speed is None else speed * time)
            for start, speed in zip(self.coordinates, self.velocity, strict=True)
        )
        if motion is None:
            return flown, self.velocity  # pyright: ignore[reportReturnType]
        filled = [jnp.zeros_like(time) if x is None else x for x in flown]
        speeds = [jnp.zeros_like(time) if x is None else x for x in self.velocity]
        shape = jnp.broadcast_shapes(time.shape, *(x.shape for x in (*filled, *speeds)))
        spread = lambda x: jnp.broadcast_to(x, shape)
        # velocities of the flow turn with the object
        return jax.jvp(
            motion.displaced,
            tuple(map(spread, (*filled, time))),
            tuple(map(spread, (*speeds, jnp.ones_like(time)))),
        )
