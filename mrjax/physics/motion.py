"""Spins that move: positions as functions of time."""

import dataclasses
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
        self.times = _checks.finite(_checks.real_array(times, "times"), "times")
        if self.times.ndim != 1 or not self.times.size:
            raise ValueError(
                f"`times` must have one axis with at least one time (s), but got shape {self.times.shape}."
            )
        _checks.require(self.times, jnp.all(jnp.diff(self.times) > 0), "`times` must rise (s)")
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
