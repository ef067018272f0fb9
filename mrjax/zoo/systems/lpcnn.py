"""LPCNN: learned proximal gradients from the fields of one or several orientations of the head."""

import dataclasses

import optax

from mrjax.units import mm
from mrjax.zoo.susceptibility import (
    SHORT,
    ProximalGradientConfig,
    centred_square_error,
    proximal_gradient,
    susceptibility_system,
)


@dataclasses.dataclass(frozen=True)
class LPCNNConfig(ProximalGradientConfig):
    """As `ProximalGradientConfig`, with up to three orientations.

    Published: eight subjects at 7 T with COSMOS of four or five orientations as labels, patches of 64 voxels, 100 epochs, a
    learning rate that falls to 0.8 of it every 25; how many steps an epoch has was not in the sources that were read. A step is
    the sum over orientations there, and their mean here, so that its length does not depend on how many there are. Dropout of
    whole channels is one of single features here. Batches of a training have one to three orientations, at random.
    """

    n_orientations: int = 3


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
        "smoke": LPCNNConfig(steps=500, learning_rate=3e-3, **SHORT),
    },
    proximal_gradient,
    {"susceptibility": (1.0, centred_square_error)},
    optimiser=optimiser,
)
