"""ANN-MWF: myelin water fractions from the magnitudes of multi-echo gradient echoes, by five dense layers."""

import dataclasses

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from mrjax import _checks
from mrjax.nn import FullyConnected, Loss
from mrjax.zoo import myelin_water
from mrjax.zoo.myelin_water import EVALUATION, MyelinWaterConfig, Samples
from mrjax.zoo.system import System, adam_to_rest


@dataclasses.dataclass(frozen=True)
class AnnMwfConfig(MyelinWaterConfig):
    """As `MyelinWaterConfig`, and the width of the hidden layers, which is not published in what was read.

    **Arguments:**

    - `width`: Units of each of the four hidden layers.
    """

    width: int = 128

    def __post_init__(self):
        super().__post_init__()
        _checks.positive_integer(self.width, "width")


def network(config: AnnMwfConfig, rngs: nnx.Rngs) -> FullyConnected:
    """Five layers, from echoes to a fraction."""
    return FullyConnected((config.n_echoes, *(config.width,) * 4, 1), rngs=rngs)


def estimate(network: FullyConnected, echoes: Float[Array, "voxel echo"]) -> Float[Array, " voxel"]:
    """Fractions, of signals in any unit."""
    return network(echoes / jnp.maximum(echoes.mean(-1, keepdims=True), jnp.finfo(echoes.dtype).tiny))[..., 0]


def loss(config: AnnMwfConfig) -> Loss:
    """Mean square error of the fraction."""
    del config

    def of_batch(network: FullyConnected, batch: Samples) -> tuple[Array, dict[str, Array]]:
        return jnp.mean((estimate(network, batch["echoes"]) - batch["myelin_fraction"]) ** 2), {}

    return of_batch


SYSTEM = System(
    "ann_mwf",
    "five dense layers from multi-echo magnitudes to the myelin water fraction",
    "S. Jung, H. Lee, K. Ryu, J. E. Song, M. Park, W.-J. Moon, D.-H. Kim, Magn Reson Med 2021, doi 10.1002/mrm.28407",
    {
        "paper": AnnMwfConfig(batch_size=1000, steps=10_000),
        "smoke": AnnMwfConfig(batch_size=1000, steps=3000, learning_rate=2e-3),
    },
    data=myelin_water.stream,
    described=lambda config: f"simulated magnitudes of three pools, {config.n_echoes} echoes, SNR {config.snr:g}",
    network=network,
    loss=loss,
    estimate=estimate,
    evaluation=EVALUATION,
    optimiser=adam_to_rest,
)
