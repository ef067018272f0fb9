"""Spins that move while a table is played: in each row straight, along the tangent of their motion in the middle of it."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from mrjax.physics.isochromats.kernel import Components
from mrjax.physics.isochromats.places import Places
from mrjax.physics.isochromats.tables.change import Form
from mrjax.physics.isochromats.tables.changes import RestingSpins, affine_maps, played_in_steps
from mrjax.physics.motion import AbstractMotion


class Movement(eqx.Module):
    """Where spins get to from where they are when a table begins."""

    places: Places
    motion: AbstractMotion | None

    def moved(self, spins: RestingSpins, time: Float[Array, ""]) -> RestingSpins:
        """The spins as they are some time after the table has begun, in s."""
        return spins.at(*self.places.coordinates_after(time, self.motion))


class Changes(eqx.Module):
    """What changes the magnetisation: affine maps, or steps of RF where it finds spins elsewhere each time."""

    maps: Float[Array, "mapped 12 spin voxel"]
    """Of those that are the same wherever spins are, or all."""
    in_steps: Float[Array, "stepwise number"] | None
    first_in_steps: int = eqx.field(static=True)
    """The number of the first of them among all; that of no change is zero."""

    @classmethod
    def of(cls, changes: dict[Form, Float[Array, "change number"]], spins: RestingSpins, moves: bool) -> "Changes":
        """Those of a table."""
        if not moves:
            return cls(affine_maps(changes, spins), None, 0)
        mapped = {form: numbers for form, numbers in changes.items() if form[0] != "steps"}
        stepwise = [numbers for (kind, _), numbers in changes.items() if kind == "steps"]
        before = sum(len(numbers) for (kind, _), numbers in changes.items() if kind < "steps")
        return cls(affine_maps(mapped, spins), stepwise[0] if stepwise else None, 1 + before)

    def __call__(self, number: Int[Array, ""], magnetisation: Components, spins: Any) -> Components:
        """The magnetisation after one of them; `spins()` are those that it finds."""
        if self.in_steps is None:
            return self._mapped(number, magnetisation)
        n = len(self.in_steps)
        place = number - self.first_in_steps
        steps = self.in_steps[jnp.clip(place, 0, n - 1)]
        return jax.lax.cond(
            (place >= 0) & (place < n),
            lambda magnetisation: played_in_steps(steps, spins(), (magnetisation,))[0],
            lambda magnetisation: self._mapped(jnp.where(place < 0, number, number - n), magnetisation),
            magnetisation,
        )

    def _mapped(self, number: Int[Array, ""], magnetisation: Components) -> Components:
        x, y, z = magnetisation
        of = self.maps[number].reshape(4, 3, *x.shape)
        x, y, z = (of[0, i] * x + of[1, i] * y + of[2, i] * z + of[3, i] for i in range(3))
        return x, y, z
