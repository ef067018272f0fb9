"""What networks for susceptibility are built of: a network of the field, and proximal gradients with a learned proximal map."""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float

from mrjax import _checks
from mrjax._module import Module
from mrjax.encoding import Dipole
from mrjax.inverse import qsm
from mrjax.nn import ResidualNetwork
from mrjax.nn.consistency import Fidelity, GradientStep, Stage, Unrolled
from mrjax.zoo.susceptibility.data import FIELD_SCALE, FILLED_CUBE, SCALE, Measured, SusceptibilityConfig, dipoles
from mrjax.zoo.system import normalisation_of


class NetworkOfField(nnx.Module):
    """A network that sees the field alone: what it learns holds for the voxels and directions of B0 of its training.

    **Arguments:**

    - `network`: From `(n, nx, ny, nz, 1)` to the same shape, of order one on both sides.
    - `own_scale`: Whether each field is divided by its own root mean square in the mask, and the answer multiplied by it again:
        a field twice as strong has twice the susceptibility. Otherwise all are divided by `FIELD_SCALE`.

    Called with `Measured`, it returns susceptibilities in ppm, `(n, nx, ny, nz)`.
    """

    def __init__(self, network: nnx.Module, own_scale: bool = False):
        self.network, self.own_scale = network, own_scale

    def __call__(self, measured: Measured) -> Float[Array, "n nx ny nz"]:
        """Susceptibilities in ppm."""
        field, mask = measured["field"], measured["mask"]
        scale = jax.vmap(strength)(field, mask)[:, None, None, None] if self.own_scale else FIELD_SCALE
        return SCALE / FIELD_SCALE * scale * self.network((field / scale)[..., None])[..., 0]


def strength(field: Float[Array, "nx ny nz"], mask: Bool[Array, "nx ny nz"]) -> Float[Array, ""]:
    """The root mean square of a field in the mask, above zero."""
    square = jnp.where(mask, field**2, 0.0).sum() / jnp.maximum(mask.sum(), 1)
    return jnp.sqrt(jnp.maximum(square, jnp.finfo(field.dtype).tiny))


def divided(measured: Measured) -> Float[Array, "n nx ny nz"]:
    """Susceptibilities in ppm by thresholded division of the first fields, zero outside the mask."""
    found = jax.vmap(lambda field, dipole: qsm.tkd(field, dipole))(measured["field"], dipoles(measured))
    return jnp.where(measured["mask"], found, 0.0)


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

    $$x_{k+1} = N(x_k - \alpha D^T M (D x_k - f))$$

    with the mask $M$. Directions of B0 and voxel sizes enter by way of $D$ alone.

    **Arguments:**

    - `network`: From `nnx.Rngs` to a network from `(n, nx, ny, nz, 1)` to the same shape.
    - `n_stages`: Steps.
    - `step`: $\alpha$ at the start; it is learned.
    - `start`: From `Measured` to $x_0$ in ppm, such as `divided`; by default zero.
    - `rngs`: Random numbers for the initial weights.

    Called with `Measured`, it returns susceptibilities in ppm, `(n, nx, ny, nz)`.
    """

    def __init__(
        self,
        network: Callable[[nnx.Rngs], nnx.Module],
        n_stages: int,
        step: float | int,
        start: Callable[[Measured], Array] = lambda measured: jnp.zeros_like(measured["field"]),
        *,
        rngs: nnx.Rngs,
    ):
        self.start, stage = start, step_then_network_within(GradientStep())
        self.unrolled = Unrolled(stage, network, n_stages, log_strength=jnp.log(step), share_strength=True, rngs=rngs)

    def __call__(self, measured: Measured) -> Float[Array, "n nx ny nz"]:
        """Susceptibilities in ppm."""
        return self.unrolled(self.start(measured), Problem(fidelities(measured), measured["mask"]))


class Added(nnx.Module):
    """A network whose answer is added to what it sees.

    **Arguments:**

    - `network`: From an array to one of its shape.
    """

    def __init__(self, network: nnx.Module):
        self.network: Callable[[Array], Array] = network  # pyright: ignore[reportAttributeAccessIssue]

    def __call__(self, images: Array) -> Array:
        """The images with what the network adds."""
        return images + self.network(images)


STARTS = ("zero", "tkd")

SHORT: dict[str, Any] = FILLED_CUBE | {
    "channels": 16,
    "blocks": 2,
    "dropout": 0.0,
    "start": "tkd",
    "normalisation": "none",
}
"""Settings of a `ProximalGradientConfig` for short trainings."""


@dataclasses.dataclass(frozen=True)
class ProximalGradientConfig(SusceptibilityConfig):
    """As `SusceptibilityConfig`, and the steps of a `LearnedProximalGradient` with a residual network.

    **Arguments:**

    - `stages`: Steps.
    - `channels`, `blocks`: Of the residual network.
    - `dropout`: Share of features that are dropped in its blocks.
    - `start`: "zero" as published: steps go on from nothing, and the network answers with the next image. Three steps from
        nothing leave more than half of the susceptibility unexplained, which the network has to make up for. With "tkd" they
        go on from a thresholded division, and the network answers with what it changes, which is nothing before training: that
        starts as gradient steps from there, with a smaller error than the division's, and has less to learn.
    - `normalisation`: "batch" as published, "group" or "none". Stages share the network, but not how their images are
        distributed, so that the statistics of a short training can fit none of them.
    """

    stages: int = 3
    channels: int = 32
    blocks: int = 8
    dropout: float = 0.5
    start: str = "zero"
    normalisation: str = "batch"

    def __post_init__(self):
        super().__post_init__()
        for name in ("stages", "channels", "blocks"):
            _checks.positive_integer(getattr(self, name), name)
        if not 0 <= self.dropout < 1:
            raise ValueError(f"`dropout` must be from 0 to below 1, but got {self.dropout!r}.")
        if self.start not in STARTS:
            raise ValueError(f"`start` must be one of {', '.join(STARTS)}, but got {self.start!r}.")


def proximal_gradient(config: ProximalGradientConfig, rngs: nnx.Rngs) -> LearnedProximalGradient:
    """A learned step that starts at 4, and one residual network for all stages."""
    settings: dict[str, Any] = {"channels": config.channels, "n_blocks": config.blocks, "dropout": config.dropout}
    settings |= {"normalisation": normalisation_of(config.normalisation)}
    shared = lambda rngs, **start: ResidualNetwork(1, 1, rank=3, **settings, **start, rngs=rngs)
    if config.start == "zero":
        return LearnedProximalGradient(shared, config.stages, 4.0, rngs=rngs)
    changes = lambda rngs: Added(shared(rngs, zero_output=True))
    return LearnedProximalGradient(changes, config.stages, 4.0, divided, rngs=rngs)
