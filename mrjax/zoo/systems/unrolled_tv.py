"""Total variation whose shrinkage is learned: iterations that start where total variation is, and go on as a network says."""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jaxtyping import Array, Float

from mrjax import _checks
from mrjax.encoding import Dipole
from mrjax.inverse.qsm._differences import Slopes, differences
from mrjax.inverse.qsm._multipliers import SmoothnessProblem, SmoothnessState, improved, posed, shrunk, started
from mrjax.inverse.qsm._volumes import mean_within, off_the_grid, on_the_grid, referenced
from mrjax.nn.consistency import Unrolled
from mrjax.nn.convolutions import convolution
from mrjax.units import mm
from mrjax.zoo.susceptibility import FILLED_CUBE, Measured, SusceptibilityConfig, susceptibility_system

PADDING = 1.1
"""Of the grid, on which what lies beyond is free, so that nothing wraps around."""

FEATURES, ANSWERS = 8, 4
STRONGEST = 3.0
"""A feature saturates about here, so that no voxel drowns the others."""


@dataclasses.dataclass(frozen=True)
class UnrolledTVConfig(SusceptibilityConfig):
    """As `SusceptibilityConfig`, and the iterations.

    **Arguments:**

    - `plain`: Iterations of total variation before the learned ones.
    - `stages`: Learned iterations, each with a network of its own.
    - `channels`: Of the networks.
    - `strength`: Of the total variation at the start, see `mrjax.inverse.qsm.tv`; it is learned.
    """

    plain: int = 12
    stages: int = 5
    channels: int = 16
    strength: float = 4e-5

    def __post_init__(self):
        super().__post_init__()
        for name in ("plain", "stages", "channels"):
            _checks.positive_integer(getattr(self, name), name)
        if not self.strength > 0:
            raise ValueError(f"`strength` must be positive, but got {self.strength!r}.")


class ShrinkageNetwork(nnx.Module):
    """Three convolutions, from what an iteration knows of a voxel and its neighbours to how its slopes are shrunk.

    The last starts at zero: nothing is changed.

    **Arguments:**

    - `channels`: Features of the hidden layers.
    - `rngs`: Random numbers for the initial weights.

    Called with `(n, nx, ny, nz, 8)`, it returns `(n, nx, ny, nz, 4)`.
    """

    def __init__(self, channels: int, rngs: nnx.Rngs):
        self.first = convolution(FEATURES, channels, 3, 3, rngs)
        self.second = convolution(channels, channels, 3, 3, rngs)
        self.last = convolution(channels, ANSWERS, 3, 3, rngs, zero=True)

    def __call__(self, features: Float[Array, "n nx ny nz i"]) -> Float[Array, "n nx ny nz o"]:
        """What is added to the slopes, and the logarithm of what the threshold is multiplied by."""
        return self.last(jax.nn.relu(self.second(jax.nn.relu(self.first(features)))))


class Iterated(NamedTuple):
    """What the learned iterations of a batch are given, samples first."""

    problem: SmoothnessProblem
    mask: Float[Array, "n nx ny nz"]
    """On the padded grid."""
    scale: Float[Array, " n"]
    """The root mean square of the field in ppm."""


def stage(state: SmoothnessState, of_batch: Iterated, log_threshold: Array, network: Callable) -> SmoothnessState:
    """An iteration whose slopes are moved and shrunk as the network says."""
    answers = network(jax.vmap(_features)(state, of_batch))

    def of_sample(state: SmoothnessState, given: Iterated, answer: Array) -> SmoothnessState:
        answer = answer * given.mask[..., None]
        step = given.problem.step
        moved = tuple(slope + step * answer[..., axis] for axis, slope in enumerate(state.slopes))
        return improved(given.problem, state, shrunk(moved, step * jnp.exp(log_threshold + answer[..., 3])))

    return jax.vmap(of_sample)(state, of_batch, answers)


def _features(state: SmoothnessState, given: Iterated) -> Float[Array, "nx ny nz i"]:
    """Slopes with their multipliers, slopes of the image, the image and the mask, each of order one."""
    of_step: Callable[[Slopes], list[Array]] = lambda slopes: [slope / given.problem.step for slope in slopes]
    image = state.image / (5 * given.scale)
    seen = jnp.stack([*of_step(state.slopes), *of_step(differences(state.image)), image, given.mask], axis=-1)
    return STRONGEST * jnp.tanh(seen / STRONGEST)


class UnrolledTV(nnx.Module):
    r"""Iterations of total variation, of which the last are learned.

    Each iteration of the alternating direction method of multipliers for

    $$\min_\chi \tfrac12 \sum_r w_r (D \chi - f)_r^2 + \lambda \sum_r |(\nabla \chi)_r|$$

    shrinks slopes by a threshold. In a learned one, a network of convolutions sees the slopes, the image and the mask, moves the
    slopes, and multiplies the threshold from voxel to voxel. The physics is in $D$ and $w$ alone, so directions of B0, voxel
    sizes and noise are told, not learned; the network is blind to the unit, as all that it sees is over the size of the field.
    At the start it changes nothing: this is total variation with as many iterations.

    **Arguments:**

    - `config`: Iterations, channels and strength.
    - `rngs`: Random numbers for the initial weights.

    Called with `Measured`, it returns susceptibilities in ppm, `(n, nx, ny, nz)`, with a mean of zero in the mask.
    """

    def __init__(self, config: UnrolledTVConfig, rngs: nnx.Rngs):
        self.plain = config.plain
        self.log_strength = nnx.Param(jnp.log(jnp.asarray(config.strength, jnp.float32)))
        shrinkage = lambda rngs: ShrinkageNetwork(config.channels, rngs)
        self.learned = Unrolled(stage, shrinkage, config.stages, share_network=False, rngs=rngs)

    def __call__(self, measured: Measured) -> Float[Array, "n nx ny nz"]:
        """Susceptibilities in ppm."""
        strength = jnp.exp(self.log_strength[...])
        state, of_batch = jax.vmap(lambda sample: self._begun(sample, strength))(measured)
        state = self.learned(state, of_batch)
        within = lambda image, problem, mask: referenced(off_the_grid(image, problem.dipole), mask)
        return jax.vmap(within)(state.image, of_batch.problem, measured["mask"])

    def _begun(self, sample: Measured, strength: Array) -> tuple[SmoothnessState, Iterated]:
        field, mask = sample["field"], sample["mask"]
        dipole = Dipole(field.shape, sample["voxel_size"], sample["b0_direction"], PADDING)
        problem = posed(field, dipole, sample["weights"], strength.astype(field.dtype), None, mask)
        scale = jnp.sqrt(jnp.maximum(mean_within(field**2, mask), jnp.finfo(field.dtype).tiny))
        plain = lambda state, _: (improved(problem, state), None)
        state = jax.lax.scan(plain, started(problem), length=self.plain)[0]
        return state, Iterated(problem, on_the_grid(mask, dipole).astype(field.dtype), scale)


def relative_error(found: Float[Array, "n nx ny nz"], batch: Measured) -> Float[Array, ""]:
    """The root of the sum of squares over that of the truth, each less its mean in the mask: the mean over samples."""

    def of_sample(found: Array, true: Array, mask: Array) -> Array:
        true = referenced(true, mask)
        floor = jnp.finfo(true.dtype).tiny
        size = lambda volume: jnp.sqrt(jnp.maximum((volume**2).sum(), floor))
        return size(referenced(found, mask) - true) / size(true)

    return jax.vmap(of_sample)(found, batch["susceptibility"], batch["mask"]).mean()


def optimiser(config: UnrolledTVConfig) -> optax.GradientTransformation:
    """Adam, with a rate that falls to nothing by a cosine, and gradients of at most one."""
    rate = optax.cosine_decay_schedule(config.learning_rate, config.steps)
    return optax.chain(optax.clip_by_global_norm(1.0), optax.adam(rate))


HARD: dict[str, Any] = {"max_tilt": 1.0, "voxel_spread": 0.25, "snr_spread": 2.0, "learning_rate": 2e-3}
"""Many directions, voxel sizes and noises."""

SYSTEM = susceptibility_system(
    "unrolled_tv",
    "unrolled total variation with learned shrinkage",
    "an example of this package, not a published network",
    {
        "paper": UnrolledTVConfig(
            n_voxels=96, patch=96, voxel_size=2 * mm, channels=32, stages=8, batch_size=1, steps=20_000, **HARD
        ),
        "hour": UnrolledTVConfig(n_voxels=48, patch=48, voxel_size=3.6 * mm, batch_size=1, steps=600, **HARD),
        "smoke": UnrolledTVConfig(voxel_size=3.6 * mm, steps=800, **FILLED_CUBE, **HARD),
    },
    UnrolledTV,
    {"error": (1.0, relative_error)},
    optimiser=optimiser,
)
