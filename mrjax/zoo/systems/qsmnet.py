"""QSMnet and QSMnet+: a U-Net whose loss also asks for the field and for sharp edges."""

import dataclasses

from flax import nnx

from mrjax import _checks
from mrjax.nn import UNet
from mrjax.units import mm
from mrjax.zoo.susceptibility import (
    FILLED_CUBE,
    NetworkOfField,
    SusceptibilityConfig,
    centred_absolute_error,
    field_error,
    gradient_difference,
    susceptibility_system,
)
from mrjax.zoo.system import adam_to_rest, normalisation_of


@dataclasses.dataclass(frozen=True)
class QSMnetConfig(SusceptibilityConfig):
    """As `SusceptibilityConfig`, and the network.

    Published: 25 epochs of patches of 64 voxels from three of five subjects at 3 T, 1 mm, in five orientations and doubled by
    augmentation, with COSMOS maps as labels: some 50,000 steps. Here brains are synthetic. Those of the preset "paper" are
    healthy, those of "plus" have up to four times the susceptibility in deep grey nuclei, and lesions, as QSMnet+ widens its
    range; its own factors are not in the sources that were read. The learning rate falls to zero along half a period of a cosine;
    how it falls as published was not in the sources that were read. Labels of COSMOS have no mean; here errors lose theirs.

    **Arguments:**

    - `channels`: Of the finest level of the U-Net; each coarser one has twice as many.
    - `levels`: Of the U-Net.
    - `normalisation`: "batch" as published, "group" or "none", which suits batches of one sample.
    """

    widest: float = 1.0
    n_lesions: int = 1
    channels: int = 32
    levels: int = 5
    normalisation: str = "batch"

    def __post_init__(self):
        super().__post_init__()
        for name in ("channels", "levels"):
            _checks.positive_integer(getattr(self, name), name)


def network(config: QSMnetConfig, rngs: nnx.Rngs) -> NetworkOfField:
    """Kernels of five voxels and leaky ReLU."""
    widths = tuple(config.channels * 2**level for level in range(config.levels))
    normalisation = normalisation_of(config.normalisation)
    return NetworkOfField(
        UNet(1, 1, rank=3, channels=widths, kernel=5, normalisation=normalisation, slope=0.1, rngs=rngs)
    )


PAPER = QSMnetConfig(
    n_voxels=192, voxel_size=1 * mm, patch=64, patches_per_volume=5, batch_size=5, steps=50_000, learning_rate=1e-3
)

SYSTEM = susceptibility_system(
    "qsmnet",
    "three-dimensional U-Net, with a loss of susceptibility, field and gradients",
    "J. Yoon et al., QSMnet, NeuroImage 179 (2018) 199-206; W. Jung et al., QSMnet+ (code: SNU-LIST/QSMnet)",
    {
        "paper": PAPER,
        "plus": dataclasses.replace(PAPER, widest=4.0, n_lesions=4),
        "smoke": QSMnetConfig(
            channels=8,
            levels=3,
            normalisation="none",
            steps=400,
            learning_rate=5e-4,
            widest=3.0,
            n_lesions=4,
            **FILLED_CUBE,
        ),
    },
    network,
    {
        "susceptibility": (1.0, centred_absolute_error),
        "field": (0.5, field_error),
        "gradients": (0.1, gradient_difference),
    },
    optimiser=adam_to_rest,
)
