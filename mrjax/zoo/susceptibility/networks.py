"""What networks for susceptibility are built of: a network of the field, and proximal gradients with a learned proximal map."""

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float

from mrjax import _checks
from mrjax._module import Module
from mrjax.encoding import Dipole
from mrjax.nn import ResidualNetwork
from mrjax.nn.consistency import Fidelity, GradientStep, Stage, Unrolled
from mrjax.zoo.susceptibility.data import FIELD_SCALE, SCALE, Measured, SusceptibilityConfig, dipoles


class NetworkOfField(nnx.Module):
    """A network that sees the field alone: what it learns holds for the voxels and directions of B0 of its training.

    **Arguments:**

    - `network`: From `(n, nx, ny, nz, 1)` to the same shape, of order one on both sides.

    Called with `Measured`, it returns susceptibilities in ppm, `(n, nx, ny, nz)`.
    """

    def __init__(self, network: nnx.Module):
        self.network = network

    def __call__(self, measured: Measured) -> Float[Array, "n nx ny nz"]:
        """Susceptibilities in ppm."""
        return SCALE * self.network((measured["field"] / FIELD_SCALE)[..., None])[..., 0]


class Problem(NamedTuple):
    """What the stages of an unrolled network are given, samples first."""

    fidelity: Fidelity
    mask: Bool[Array, "n nx ny nz"]


def within(network: Callable[[Array], Array], volumes: Float[Array, "n nx ny nz"], mask: Array) -> Array:
    """What a network of order one makes of volumes in ppm, both zero outside the mask."""
    seen = jnp.where(mask, volumes, 0.0) / SCALE
    return jnp.where(mask, SCALE * network(seen[..., None])[..., 0], 0.0)


def step_then_network_within(step: Callable[[Array, Fidelity, Array], Array]) -> Stage:
    """A stage of proximal gradients: a consistency step for each sample of a `Problem`, then the network inside the mask."""

    def stage(image: Array, problem: Problem, log_strength: Array, network: Callable[[Array], Array]) -> Array:
        moved = jax.vmap(step, in_axes=(0, 0, None))(image, problem.fidelity, log_strength)
        return within(network, moved, problem.mask)

    return stage


class SeveralDipoles(Module):
    """The fields of one volume in several directions of B0.

    **Arguments:**

    - `dipoles`: A `Dipole` whose arrays have the directions in front.
    """

    dipoles: Dipole

    def __call__(self, volume: Float[Array, "nx ny nz"]) -> Float[Array, "n_orientations nx ny nz"]:
        """The field in each direction."""
        return jax.vmap(lambda dipole: dipole.mv(volume))(self.dipoles)


def fidelities(measured: Measured) -> Fidelity:
    """How well susceptibilities explain the fields that were measured inside the masks, samples first.

    Of several orientations it is the mean over those measured, so that a step size serves any number.
    """
    mask = measured["mask"].astype(measured["field"].dtype)
    if "further_fields" not in measured:
        return jax.vmap(Fidelity)(dipoles(measured), measured["field"], mask)
    several = lambda name, more: jnp.concatenate([measured[name][:, None], measured[more]], axis=1)
    fields, directions = several("field", "further_fields"), several("b0_direction", "further_b0_directions")
    further = measured["further_weights"]
    counted = jnp.concatenate([jnp.ones_like(further[:, :1]), further], axis=1)
    counted = counted / counted.sum(axis=1, keepdims=True)

    def of_sample(fields: Array, directions: Array, sizes: Array, weights: Array) -> Fidelity:
        each = jax.vmap(lambda direction: Dipole(fields.shape[1:], sizes, direction))(directions)
        return Fidelity(SeveralDipoles(each), fields, weights)

    weights = counted[..., None, None, None] * mask[:, None]
    return jax.vmap(of_sample)(fields, directions, measured["voxel_size"], weights)


class LearnedProximalGradient(nnx.Module):
    r"""Gradient steps on the field, each followed by the same network.

    $$x_{k+1} = N(x_k - \alpha D^T M (D x_k - f)), \qquad x_0 = 0$$

    with the mask $M$. Directions of B0 and voxel sizes enter by way of $D$ alone.

    **Arguments:**

    - `network`: From `nnx.Rngs` to a network from `(n, nx, ny, nz, 1)` to the same shape.
    - `n_stages`: Steps.
    - `step`: $\alpha$ at the start; it is learned.
    - `rngs`: Random numbers for the initial weights.

    Called with `Measured`, it returns susceptibilities in ppm, `(n, nx, ny, nz)`.
    """

    def __init__(self, network: Callable[[nnx.Rngs], nnx.Module], n_stages: int, step: float | int, *, rngs: nnx.Rngs):
        stage = step_then_network_within(GradientStep())
        self.unrolled = Unrolled(stage, network, n_stages, log_strength=jnp.log(step), share_strength=True, rngs=rngs)

    def __call__(self, measured: Measured) -> Float[Array, "n nx ny nz"]:
        """Susceptibilities in ppm."""
        problem = Problem(fidelities(measured), measured["mask"])
        return self.unrolled(jnp.zeros_like(measured["field"]), problem)


@dataclasses.dataclass(frozen=True)
class ProximalGradientConfig(SusceptibilityConfig):
    """As `SusceptibilityConfig`, and the steps of a `LearnedProximalGradient` with a residual network.

    **Arguments:**

    - `stages`: Steps.
    - `channels`, `blocks`: Of the residual network.
    - `dropout`: Share of features that are dropped in its blocks.
    """

    stages: int = 3
    channels: int = 32
    blocks: int = 8
    dropout: float = 0.5

    def __post_init__(self):
        super().__post_init__()
        for name in ("stages", "channels", "blocks"):
            _checks.positive_integer(getattr(self, name), name)
        if not 0 <= self.dropout < 1:
            raise ValueError(f"`dropout` must be from 0 to below 1, but got {self.dropout!r}.")


def proximal_gradient(config: ProximalGradientConfig, rngs: nnx.Rngs) -> LearnedProximalGradient:
    """A learned step that starts at 4, and one residual network for all stages."""
    shared = lambda rngs: ResidualNetwork(
        1, 1, rank=3, channels=config.channels, n_blocks=config.blocks, dropout=config.dropout, rngs=rngs
    )
    return LearnedProximalGradient(shared, config.stages, step=4.0, rngs=rngs)
