"""The state of isochromats: the magnetisation of each spin, and where it is."""

import dataclasses
import math
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from mrjax.physics.isochromats.places import Places
from mrjax.physics.state import AbstractState, size_of_repetitions
from mrjax.sequence import AbstractContainer
from mrjax.sequence.walk import winding
from mrjax.tissue import Tissue

GOLDEN = (math.sqrt(5) - 1) / 2
PLASTIC = 0.7548776662466927
"""The root of x^3 + x^2 = 1: its powers are as far from fractions as two numbers together can be."""


class IsochromatState(AbstractState):
    """Magnetisation of each spin relative to M0; spins on the first axis, voxels on the last."""

    x: Float[Array, "spin *voxel"]
    y: Float[Array, "spin *voxel"]
    z: Float[Array, "spin *voxel"]
    wound: Int[Array, "*voxel"]
    """Cycles wound so far by `Dephase`, whatever their sign: with fewer spins than that, magnetisation may look unwound."""
    places: Places

    @property
    def magnetisation(self) -> tuple[Array, Array, Array]:
        return self.x, self.y, self.z

    def n_mixing_axes(self, tissue: Tissue) -> int:
        # spins that diffuse mix; others are on their own
        return int(tissue.has("diffusion"))

    def repeatable(self, engine: Any, sequence: AbstractContainer) -> "IsochromatState":
        if winding(sequence):
            size_of_repetitions(engine.n, 2, "n", type(engine).__name__)
        return dataclasses.replace(self, wound=jnp.zeros_like(self.wound))

    def with_magnetisation(self, *magnetisation: Array) -> "IsochromatState":
        """The same spins with other `x`, `y` and `z`."""
        x, y, z = magnetisation
        return IsochromatState(x, y, z, self.wound, self.places)

    def alike(self, *magnetisation: Any) -> "IsochromatState":
        """The same spins with magnetisation along x, y and z of `(*voxel,)`, or broadcasting to it, alike in each voxel."""
        shape = self.wound.shape
        spread = lambda m: jnp.broadcast_to(jnp.broadcast_to(jnp.asarray(m), shape)[None], self.z.shape)
        return self.with_magnetisation(*(spread(m).astype(self.z.dtype) for m in magnetisation))

    def later(self, duration: Float[Array, ""]) -> "IsochromatState":
        """The same magnetisation after some time."""
        return IsochromatState(self.x, self.y, self.z, self.wound, self.places.later(duration))


def across_the_voxel(n: int) -> np.ndarray:
    """Positions of `n` spins in voxels, evenly spread around the middle."""
    return (np.arange(n) + 0.5) / n - 0.5


def lattice(n: int, axes: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Positions in voxels along some axes, so that each axis by itself is evenly covered, and all together nearly so.

    Along the first of the axes spins lie in order. Steps along the others are coprime to `n` and near irrational ratios.
    """
    ratios = (1.0, GOLDEN) if len(axes) < 3 else (1.0, PLASTIC, PLASTIC**2)
    positions = across_the_voxel(n)
    steps = [_coprime_near(ratio * n, n) for ratio in ratios[: len(axes)]]
    return {
        axis: positions[(np.arange(n) * step) % n] if position else positions
        for position, (axis, step) in enumerate(zip(axes, steps, strict=True))
    }


def _coprime_near(value: float, n: int) -> int:
    return next(s for s in range(max(1, round(value)), 2 * n + 2) if math.gcd(s, n) == 1)
