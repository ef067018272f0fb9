"""DOPAMINE: T1 from flip angles, by a network's first maps and unrolled steps of denoiser and physics."""

import dataclasses

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from mrjax.nn import DnCNN, Loss, UNet
from mrjax.nn.consistency import GradientStep, Unrolled, step_then_network
from mrjax.zoo import relaxometry
from mrjax.zoo.relaxometry import Batch, FirstMaps, Measurement, RelaxometryConfig, relaxometry_system

FIRST_STEP = 0.2
"""Of the gradient; the normal operator of maps of order one has eigenvalues of some units at most."""


@dataclasses.dataclass(frozen=True)
class DopamineConfig(RelaxometryConfig):
    """As `RelaxometryConfig`, and the networks.

    Flip angles, the number of stages and the layers are not published in what was read.

    **Arguments:**

    - `channels`: Features of the denoiser, and at full resolution of the network for the first maps, which has three levels.
    - `n_stages`: Of denoiser and gradient step.
    """

    parameter: str = "t1"
    n_contrasts: int = 4
    channels: int = 64
    n_stages: int = 8


class Dopamine(nnx.Module):
    """First maps, then stages that go down the gradient of the fidelity and denoise, all stages with one denoiser."""

    def __init__(self, config: DopamineConfig, rngs: nnx.Rngs):
        widths = [config.channels, 2 * config.channels, 4 * config.channels]
        self.first = FirstMaps(UNet(2 * config.n_contrasts, 3, rank=2, channels=widths, zero_output=True, rngs=rngs))
        denoiser = lambda rngs: DnCNN(3, 3, rank=2, channels=config.channels, zero_output=True, rngs=rngs)
        self.stages = Unrolled(
            step_then_network(downhill), denoiser, config.n_stages, log_strength=jnp.log(FIRST_STEP), rngs=rngs
        )

    def __call__(self, measurement: Measurement) -> Float[Array, "image nx ny 3"]:
        """The maps."""
        return self.stages(self.first(measurement), measurement)


def downhill(maps: Float[Array, "image nx ny 3"], measurement: Measurement, log_step: Array) -> Array:
    """A gradient step of every image."""
    step = lambda one, maps: GradientStep()(maps, relaxometry.fidelity(one), log_step)
    return relaxometry.over_images(step)(measurement, maps)


def loss(config: DopamineConfig) -> Loss:
    """Errors of the maps."""
    del config

    def of_batch(network: Dopamine, batch: Batch) -> tuple[Array, dict[str, Array]]:
        return relaxometry.map_error(network(batch), batch), {}

    return of_batch


SYSTEM = relaxometry_system(
    "dopamine",
    "first maps by a U-Net, then unrolled denoising and gradient steps on the k-space",
    "DOPAMINE, Medical Image Analysis, article 102017",
    {
        "paper": DopamineConfig(n_pixels=256, batch_size=2, steps=40_000, learning_rate=2e-4),
        "smoke": DopamineConfig(objects="brains", channels=16, n_stages=3, batch_size=2, steps=300, learning_rate=3e-3),
    },
    Dopamine,
    loss,
    predict=lambda network, measurement: network(measurement),
)
