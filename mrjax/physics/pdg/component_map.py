"""How a change mixes the three components of a state."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float

Components = tuple[Complex[Array, "state voxel"], Complex[Array, "state voxel"], Complex[Array, "state voxel"]]
r"""$F_\kappa$, $F_{-\kappa}^*$ and $Z_\kappa$ of the states."""


class ComponentMap(eqx.Module):
    r"""A linear map of the components of every state, and what is added where nothing is wound.

    $$F_\kappa \to a F_\kappa + b F_{-\kappa}^* + c Z_\kappa, \qquad
    Z_\kappa \to d F_\kappa + d^* F_{-\kappa}^* + e Z_\kappa$$
    """

    stay: Complex[Array, "*change #voxel"]
    swap: Complex[Array, "*change #voxel"]
    tip: Complex[Array, "*change #voxel"]
    untip: Complex[Array, "*change #voxel"]
    keep: Float[Array, "*change #voxel"]
    """These are a to e."""
    adds_transverse: Complex[Array, "*change #voxel"] | None
    adds_longitudinal: Float[Array, "*change #voxel"]

    @classmethod
    def by_rotation(cls, alpha: Complex[Array, "#voxel"], beta: Complex[Array, "#voxel"]) -> "ComponentMap":
        """By its Cayley-Klein parameters."""
        conj = jnp.conj
        keep = jnp.real(alpha * conj(alpha) - beta * conj(beta))
        return cls(
            conj(alpha) ** 2, -(beta**2), 2 * conj(alpha) * beta, -conj(alpha * beta), keep, None, jnp.zeros_like(keep)
        )

    def scaled(
        self, transverse: Float[Array, ""], longitudinal: Float[Array, ""], adds: Float[Array, ""]
    ) -> "ComponentMap":
        """With factors of what is transverse and longitudinal afterwards, and a gain of what is longitudinal."""
        return ComponentMap(
            transverse * self.stay,
            transverse * self.swap,
            transverse * self.tip,
            longitudinal * self.untip,
            longitudinal * self.keep,
            self.adds_transverse,
            longitudinal * self.adds_longitudinal + adds,
        )

    def __call__(self, components: Components) -> Components:
        """The components after one change."""
        plus, minus, z = components
        conj = jnp.conj
        each = (self.stay, self.swap, self.tip, self.untip, self.keep)
        stay, swap, tip, untip, keep = (coefficient[None] for coefficient in each)
        mixed_plus = stay * plus + swap * minus + tip * z
        mixed_minus = conj(stay) * minus + conj(swap) * plus + conj(tip) * z
        mixed_z = (untip * plus + conj(untip) * minus + keep * z).at[0].add(self.adds_longitudinal)
        if self.adds_transverse is None:
            return mixed_plus, mixed_minus, mixed_z
        added = self.adds_transverse
        return mixed_plus.at[0].add(added), mixed_minus.at[0].add(conj(added)), mixed_z

    def turned(self, phase: Float[Array, ""]) -> "ComponentMap":
        """About z."""
        once = jnp.exp(1j * phase)
        added = None if self.adds_transverse is None else once * self.adds_transverse
        turned = self.stay, once**2 * self.swap, once * self.tip, jnp.conj(once) * self.untip
        return ComponentMap(*turned, self.keep, added, self.adds_longitudinal)
