"""What ends a row does to the three components of every state."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from mrjax.physics.isochromats.tables.change import Form
from mrjax.physics.maths import cayley_klein
from mrjax.physics.maths.transmit_field import TransmitField, transmit_field, transmitted
from mrjax.physics.pdg.component_map import ComponentMap
from mrjax.physics.pdg.lasting import LASTING, PulseSteps, maps_of
from mrjax.tissue import Tissue


class StateChanges(eqx.Module):
    """All that end rows, after one that does nothing."""

    flip_angle: Float[Array, " change"]
    """Of pulses of no time, in rad; zero of others."""
    keeps_transverse: Float[Array, " change"]
    keeps_longitudinal: Float[Array, " change"]
    adds: Float[Array, " change"]
    """To the longitudinal magnetisation that nothing has wound."""
    transmit: TransmitField
    lasting: ComponentMap | None
    """By all RF that lasts, `(pulse, voxel)`."""
    pulse: Int[Array, " change"] | None
    """Which of it each change is; -1 for others."""

    @classmethod
    def of(
        cls, numbers: dict[Form, Float[Array, "change number"]], tissue: Tissue, gyromagnetic_ratio: float
    ) -> "StateChanges":
        """Of their numbers, form by form."""
        dtype = tissue.t1.dtype
        ones, nothing = jnp.ones(1, dtype), jnp.zeros(1, dtype)
        flips, transverse, longitudinal, added = [nothing], [ones], [ones], [nothing]
        for (kind, _), rows in numbers.items():
            same, spoils = jnp.ones(len(rows), dtype), kind == "longitudinal"
            flips.append(rows[:, 0].astype(dtype) if kind == "turn" else 0 * same)
            transverse.append(0 * same if spoils else same)
            longitudinal.append(rows[:, 0].astype(dtype) if spoils else same)
            added.append(rows[:, 1].astype(dtype) if spoils else 0 * same)
        flip, kept, left, gain = map(jnp.concatenate, (flips, transverse, longitudinal, added))
        lasting = {form: PulseSteps.of(form, rows) for form, rows in numbers.items() if form[0] in LASTING}
        if not lasting:
            return cls(flip, kept, left, gain, transmit_field(tissue), None, None)
        maps = maps_of(lasting, tissue, gyromagnetic_ratio)
        return cls(flip, kept, left, gain, transmit_field(tissue), maps, _places(numbers))

    def numbered(self, number: Int[Array, ""], phase: Float[Array, ""]) -> ComponentMap:
        """One of them, turned about z."""
        flip = self.flip_angle[number]
        about_x, about_y = transmitted(flip * jnp.cos(phase), flip * jnp.sin(phase), self.transmit)
        about_x, about_y = jnp.atleast_1d(about_x), jnp.atleast_1d(about_y)
        alpha, beta = cayley_klein.about(about_x, about_y, jnp.zeros_like(about_x))
        kept = self.keeps_transverse[number], self.keeps_longitudinal[number]
        at_once = ComponentMap.by_rotation(alpha, beta).scaled(*kept, self.adds[number])
        if self.lasting is None or self.pulse is None:
            return at_once
        pulse = self.pulse[number]
        lasting = jax.tree.map(lambda entries: entries[jnp.maximum(pulse, 0)], self.lasting).turned(phase)
        nothing = jnp.zeros_like(lasting.adds_transverse)
        at_once = eqx.tree_at(lambda own: own.adds_transverse, at_once, nothing, is_leaf=lambda x: x is None)
        return jax.tree.map(lambda one, other: jnp.where(pulse >= 0, one, other), lasting, at_once)


def _places(numbers: dict[Form, Float[Array, "change number"]]) -> Int[Array, " _all"]:
    """Of each change among those that last."""
    lasts = np.concatenate([[False], *(np.full(len(rows), kind in LASTING) for (kind, _), rows in numbers.items())])
    return jnp.asarray(np.where(lasts, np.cumsum(lasts) - 1, -1))
