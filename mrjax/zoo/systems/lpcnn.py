"""LPCNN: learned proximal gradients from the fields of one or several orientations of the head."""

import dataclasses

import optax
from flax import nnx

from mrjax import _checks
from mrjax.nn import ResidualNetwork
from mrjax.units import mm
from mrjax.zoo.susceptibility import LearnedProximalGradient, SusceptibilityConfig, square_error, susceptibility_system


@dataclasses.dataclass(frozen=True)
class LPCNNConfig(SusceptibilityConfig):
    """As `SusceptibilityConfig`, with up to three orientations, and the network.

    Published: eight subjects at 7 T with COSMOS of four or five orientations as labels, patches of 64 voxels, 100 epochs, a
    learning rate that falls to 0.8 of it every 25; how many steps an epoch has was not in the sources that were read. A step is
    the sum over orientations there, and their mean here, so that its length does not depend on how many there are. Dropout of
    whole channels is one of single features here. Batches of a training have one to three orientations, at random.

    **Arguments:**

    - `stages`: Steps.
    - `channels`, `blocks`: Of the residual network.
    - `dropout`: Share of features that are dropped in its blocks.
    """

    n_orientations: int = 3
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


def network(config: LPCNNConfig, rngs: nnx.Rngs) -> LearnedProximalGradient:
    """A learned step that starts at 4, and one network for all stages."""
    shared = lambda rngs: ResidualNetwork(
        1, 1, rank=3, channels=config.channels, n_blocks=config.blocks, dropout=config.dropout, rngs=rngs
    )
    return LearnedProximalGradient(shared, config.stages, step=4.0, rngs=rngs)


def optimiser(config: LPCNNConfig) -> optax.GradientTransformation:
    """Adam, at 0.8 of the learning rate after each quarter of the training."""
    quarter = max(1, config.steps // 4)
    return optax.adam(optax.exponential_decay(config.learning_rate, quarter, 0.8, staircase=True))


SYSTEM = susceptibility_system(
    "lpcnn",
    "learned proximal gradients, one to three orientations",
    "K.-W. Lai et al., Learned proximal networks for quantitative susceptibility mapping, MICCAI 2020 (Sulam-Group/LPCNN)",
    {
        "paper": LPCNNConfig(
            n_voxels=192,
            voxel_size=1 * mm,
            patch=64,
            patches_per_volume=2,
            b0=7.0,
            batch_size=2,
            steps=100_000,
            learning_rate=1e-4,
        ),
        "smoke": LPCNNConfig(channels=8, blocks=2, dropout=0.0, steps=150, learning_rate=3e-3),
    },
    network,
    {"susceptibility": (1.0, square_error)},
    optimiser=optimiser,
)
