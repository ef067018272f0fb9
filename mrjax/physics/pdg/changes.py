"""What ends a row does to the three components of every state."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float, Int

from mrjax.physics.isochromats.tables.intervals import Form
from mrjax.physics.maths import cayley_klein
from mrjax.physics.maths.transmit_field import TransmitField, transmit_field, transmitted
from mrjax.tissue import Tissue

Components = tuple[Complex[Array, "state voxel"], Complex[Array, "state voxel"], Complex[Array, "state voxel"]]
r"""$F_\kappa$, $F_{-\kappa}^*$ and $Z_\kappa$ of the states."""


class StateChanges(eqx.Module):
    """All that end rows, after one that does nothing."""

    flip_angle: Float[Array, " change"]
    """Of pulses of no time, in rad; zero of others."""
    keeps_transverse: Float[Array, " change"]
    keeps_longitudinal: Float[Array, " change"]
    adds: Float[Array, " change"]
    """To the longitudinal magnetisation that nothing has wound."""
    transmit: TransmitField

    @classmethod
    def of(cls, numbers: dict[Form, Float[Array, "change number"]], tissue: Tissue) -> "StateChanges":
        """Of their numbers, form by form."""
        dtype = tissue.t1.dtype
        ones, nothing = jnp.ones(1, dtype), jnp.zeros(1, dtype)
        flips, transverse, longitudinal, added = [nothing], [ones], [ones], [nothing]
        for (kind, _), rows in numbers.items():
            same = jnp.ones(len(rows), dtype)
            turns = kind == "turn"
            flips.append(rows[:, 0].astype(dtype) if turns else 0 * same)
            transverse.append(same if turns else 0 * same)
            longitudinal.append(same if turns else rows[:, 0].astype(dtype))
            added.append(0 * same if turns else rows[:, 1].astype(dtype))
        flip, kept, left, gain = map(jnp.concatenate, (flips, transverse, longitudinal, added))
        return cls(flip, kept, left, gain, transmit_field(tissue))

    def numbered(self, number: Int[Array, ""], phase: Float[Array, ""]) -> "StateChange":
        """One of them, turned about z."""
        flip = self.flip_angle[number]
        about_x, about_y = transmitted(flip * jnp.cos(phase), flip * jnp.sin(phase), self.transmit)
        about_x, about_y = jnp.atleast_1d(about_x), jnp.atleast_1d(about_y)
        alpha, beta = cayley_klein.about(about_x, about_y, jnp.zeros_like(about_x))
        return StateChange(
            alpha, beta, self.keeps_transverse[number], self.keeps_longitudinal[number], self.adds[number]
        )


class StateChange(eqx.Module):
    r"""A rotation by its Cayley-Klein parameters, then factors of what is transverse and longitudinal, then a gain.

    $$F_\kappa \to \alpha^{*2} F_\kappa - \beta^2 F_{-\kappa}^* + 2 \alpha^* \beta Z_\kappa, \qquad
    Z_\kappa \to -\alpha^* \beta^* F_\kappa - \alpha \beta F_{-\kappa}^* + (|\alpha|^2 - |\beta|^2) Z_\kappa$$
    """

    alpha: Complex[Array, "#voxel"]
    beta: Complex[Array, "#voxel"]
    keeps_transverse: Float[Array, ""]
    keeps_longitudinal: Float[Array, ""]
    adds: Float[Array, ""]

    def __call__(self, components: Components) -> Components:
        """The components afterwards."""
        plus, minus, z = components
        a, b = self.alpha[None], self.beta[None]
        conj = jnp.conj
        transverse, longitudinal = self.keeps_transverse, self.keeps_longitudinal
        stay, swap, tip = transverse * conj(a) ** 2, -transverse * b**2, 2 * transverse * conj(a) * b
        untip, keep = -longitudinal * conj(a * b), longitudinal * jnp.real(a * conj(a) - b * conj(b))
        mixed_plus = stay * plus + swap * minus + tip * z
        mixed_minus = conj(stay) * minus + conj(swap) * plus + conj(tip) * z
        mixed_z = untip * plus + conj(untip) * minus + keep * z
        return mixed_plus, mixed_minus, mixed_z.at[0].add(self.adds)
