"""RELAX: maps learned from undersampled k-space alone, without any true map."""

import dataclasses

from flax import nnx
from jaxtyping import Array

from mrjax.nn import Loss, UNet
from mrjax.zoo import relaxometry
from mrjax.zoo.relaxometry import Batch, FirstMaps, RelaxometryConfig, relaxometry_system


@dataclasses.dataclass(frozen=True)
class RelaxConfig(RelaxometryConfig):
    """As `RelaxometryConfig`, and the network and the weight of smoothness.

    Layers and weights are not published in what was read.

    **Arguments:**

    - `channels`, `levels`: Features at full resolution, doubled at each of the coarser levels.
    - `variation_weight`: Of the total variation of the maps, relative to the mean square difference to the measured samples.
    """

    channels: int = 64
    levels: int = 5
    variation_weight: float = 1e-3


def network(config: RelaxConfig, rngs: nnx.Rngs) -> FirstMaps:
    """The U-Net, from contrasts to maps."""
    widths = [config.channels * 2**level for level in range(config.levels)]
    return FirstMaps(UNet(2 * config.n_contrasts, 3, rank=2, channels=widths, zero_output=True, rngs=rngs))


def loss(config: RelaxConfig) -> Loss:
    """What the maps leave unexplained of the k-space, and their total variation."""

    def of_batch(network: FirstMaps, batch: Batch) -> tuple[Array, dict[str, Array]]:
        maps = network(batch)
        inconsistency = relaxometry.inconsistency(batch, maps)
        variation = relaxometry.total_variation(maps)
        value = inconsistency + config.variation_weight * variation
        return value, {"inconsistency": inconsistency, "variation": variation}

    return of_batch


SYSTEM = relaxometry_system(
    "relax",
    "U-Net from undersampled contrasts to maps, learned without true maps",
    "RELAX, of the authors of MANTIS (PMC9185837)",
    {
        "paper": RelaxConfig(n_pixels=256, batch_size=4, steps=40_000, learning_rate=2e-4),
        "smoke": RelaxConfig(objects="brains", channels=16, levels=4, batch_size=4, steps=600, learning_rate=3e-3),
    },
    network,
    loss,
    predict=lambda network, measurement: network(measurement),
)
