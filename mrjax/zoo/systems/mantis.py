"""MANTIS: a U-Net from undersampled echoes to maps, whose loss also asks that the maps explain the k-space."""

import dataclasses

from flax import nnx
from jaxtyping import Array

from mrjax.nn import Loss, UNet
from mrjax.zoo import relaxometry
from mrjax.zoo.relaxometry import Batch, FirstMaps, RelaxometryConfig, relaxometry_system


@dataclasses.dataclass(frozen=True)
class MantisConfig(RelaxometryConfig):
    """As `RelaxometryConfig`, and the network and the weight of the physics.

    The published U-Net maps magnitudes to T2 and the signal at TE 0; here images are complex, and so is that signal. The
    weight of its loss, the widths of its layers and their dropout are not published in what was read.

    **Arguments:**

    - `channels`, `levels`: Features at full resolution, doubled at each of the coarser levels.
    - `dropout`: Share of the features dropped within each level in training.
    - `consistency_weight`: Of the mean square difference to the measured samples.
    """

    channels: int = 64
    levels: int = 5
    dropout: float = 0.05
    consistency_weight: float = 1.0


def network(config: MantisConfig, rngs: nnx.Rngs) -> FirstMaps:
    """The U-Net, from echoes to maps."""
    widths = [config.channels * 2**level for level in range(config.levels)]
    return FirstMaps(
        UNet(2 * config.n_contrasts, 3, rank=2, channels=widths, dropout=config.dropout, zero_output=True, rngs=rngs)
    )


def loss(config: MantisConfig) -> Loss:
    """Errors of the maps, and of the k-space that they make."""

    def of_batch(network: FirstMaps, batch: Batch) -> tuple[Array, dict[str, Array]]:
        maps = network(batch)
        error = relaxometry.map_error(maps, batch)
        inconsistency = relaxometry.inconsistency(batch, maps)
        return error + config.consistency_weight * inconsistency, {"maps": error, "inconsistency": inconsistency}

    return of_batch


SYSTEM = relaxometry_system(
    "mantis",
    "U-Net from undersampled echoes to T2, with consistency in k-space",
    "F. Liu, L. Feng, R. Kijowski, MANTIS, Magn Reson Med 82 (2019) 174-188",
    {
        "paper": MantisConfig(n_pixels=256, batch_size=4, steps=40_000, learning_rate=2e-4),
        "smoke": MantisConfig(objects="brains", channels=16, levels=4, batch_size=4, steps=600, learning_rate=3e-3),
    },
    network,
    loss,
    predict=lambda network, measurement: network(measurement),
)
