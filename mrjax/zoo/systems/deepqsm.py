"""DeepQSM: a U-Net that has seen the fields of random shapes alone, and maps that of a brain."""

import dataclasses

from flax import nnx

from mrjax import _checks
from mrjax.nn import UNet
from mrjax.units import mm
from mrjax.zoo.susceptibility import (
    FILLED_CUBE,
    NetworkOfField,
    SusceptibilityConfig,
    centred_square_error,
    susceptibility_system,
)
from mrjax.zoo.system import adam_to_rest, normalisation_of


@dataclasses.dataclass(frozen=True)
class DeepQSMConfig(SusceptibilityConfig):
    """As `SusceptibilityConfig`, and the network.

    The sources that were read say that the network is a U-Net in three dimensions and that it learns from synthetic shapes; its
    sizes, how many examples there were and their ranges, and how it was trained are choices of this package.

    **Arguments:**

    - `channels`: Of the finest level of the U-Net; each coarser one has twice as many.
    - `levels`: Of the U-Net.
    - `normalisation`: "batch", "group" or "none".
    """

    objects: str = "shapes"
    max_tilt: float = 0.0
    channels: int = 32
    levels: int = 4
    normalisation: str = "none"

    def __post_init__(self):
        super().__post_init__()
        for name in ("channels", "levels"):
            _checks.positive_integer(getattr(self, name), name)


def network(config: DeepQSMConfig, rngs: nnx.Rngs) -> NetworkOfField:
    """Kernels of three voxels; it is blind to units, since shapes have more susceptibility than brains."""
    widths = tuple(config.channels * 2**level for level in range(config.levels))
    normalisation = normalisation_of(config.normalisation)
    return NetworkOfField(UNet(1, 1, rank=3, channels=widths, normalisation=normalisation, rngs=rngs), own_scale=True)


SYSTEM = susceptibility_system(
    "deepqsm",
    "three-dimensional U-Net that learns from random shapes",
    "S. Bollmann et al., DeepQSM (bioRxiv 278036)",
    {
        "paper": DeepQSMConfig(n_voxels=64, patch=64, voxel_size=1 * mm, batch_size=8, steps=100_000),
        "smoke": DeepQSMConfig(channels=16, levels=3, steps=1500, learning_rate=2e-3, **FILLED_CUBE),
    },
    network,
    {"susceptibility": (1.0, centred_square_error)},
    optimiser=adam_to_rest,
)
