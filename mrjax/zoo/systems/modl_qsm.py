"""MoDL-QSM: three gradient steps on the field, each followed by the same residual network."""

import dataclasses

import jax
import optax
from flax import nnx

from mrjax import _checks
from mrjax.nn import ResidualNetwork
from mrjax.units import mm
from mrjax.zoo.susceptibility import (
    LearnedProximalGradient,
    SusceptibilityConfig,
    absolute_error,
    susceptibility_system,
)

PENALTY = 5e-4
"""Of the squares of the weights of convolutions."""


@dataclasses.dataclass(frozen=True)
class MoDLQSMConfig(SusceptibilityConfig):
    """As `SusceptibilityConfig`, and the network.

    Published: chi33 and the field of chi13 and chi23 as two channels, from maps of the susceptibility tensor, which synthetic
    brains do not have; here susceptibility is a scalar and has one channel. 40 epochs of 3000 steps on patches of 48 voxels,
    whose fields also hold what lies beside them, with a learning rate that halves on a plateau, which it does not here. The
    fidelity is taken inside the mask; as published it counts the field outside as zero.

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


def network(config: MoDLQSMConfig, rngs: nnx.Rngs) -> LearnedProximalGradient:
    """A learned step that starts at 4, and one network for all stages."""
    shared = lambda rngs: ResidualNetwork(
        1, 1, rank=3, channels=config.channels, n_blocks=config.blocks, dropout=config.dropout, rngs=rngs
    )
    return LearnedProximalGradient(shared, config.stages, step=4.0, rngs=rngs)


def optimiser(config: MoDLQSMConfig) -> optax.GradientTransformation:
    """Adam, with a penalty on the squares of the weights."""
    kernels = lambda weights: jax.tree.map(lambda leaf: leaf.ndim > 1, weights)
    return optax.chain(optax.add_decayed_weights(2 * PENALTY, kernels), optax.adam(config.learning_rate))


SYSTEM = susceptibility_system(
    "modl_qsm",
    "unrolled gradient steps with a shared residual network; one channel",
    "R. Feng et al., MoDL-QSM (arXiv 2101.08413; code: Ruimin-Feng/MoDL-QSM)",
    {
        "paper": MoDLQSMConfig(
            n_voxels=192, voxel_size=1 * mm, patch=48, patches_per_volume=2, batch_size=2, steps=120_000
        ),
        "smoke": MoDLQSMConfig(channels=8, blocks=2, dropout=0.0, steps=150, learning_rate=3e-3),
    },
    network,
    {"susceptibility": (1.0, absolute_error)},
    optimiser=optimiser,
)
