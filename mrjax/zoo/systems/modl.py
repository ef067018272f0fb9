"""MoDL: images by stages of one denoiser and a least squares solution that stays near its answer."""

import dataclasses
from collections.abc import Callable

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Complex

from mrjax import _checks
from mrjax.nn import DnCNN, Loss, channels_as_complex, complex_as_channels
from mrjax.nn.consistency import Fidelity, ProximalStep, Unrolled, network_then_step
from mrjax.zoo import relaxometry
from mrjax.zoo.relaxometry import IMAGES, Batch, Measurement, RelaxometryConfig
from mrjax.zoo.system import System, adam_to_rest, normalisation_of

FIRST_WEIGHT = 0.05
"""Of the distance to the denoised image, as in the published code; it is learned."""


@dataclasses.dataclass(frozen=True)
class ModlConfig(RelaxometryConfig):
    """As `RelaxometryConfig`, and the networks; every contrast is an image of its own.

    **Arguments:**

    - `channels`: Features of the denoiser, which has five convolutions.
    - `n_stages`: Of denoiser and least squares.
    - `n_iterations`: Of conjugate gradients in each.
    - `normalisation`: "batch" as published, "group" or "none". Stages share the denoiser, but not how their images are
        distributed, so that the statistics of a short training can fit none of them.
    """

    n_contrasts: int = 1
    channels: int = 64
    n_stages: int = 5
    n_iterations: int = 10
    normalisation: str = "batch"

    def __post_init__(self):
        super().__post_init__()
        for name in ("channels", "n_stages", "n_iterations"):
            _checks.positive_integer(getattr(self, name), name)


class ComplexDenoiser(nnx.Module):
    """`DnCNN` of real and imaginary parts, `(image, contrast, nx, ny)` to the same."""

    def __init__(self, channels: int, normalisation: str | None, rngs: nnx.Rngs):
        self.network = DnCNN(
            2, 2, rank=2, channels=channels, normalisation=normalisation, zero_output=normalisation is None, rngs=rngs
        )

    def __call__(self, images: Array) -> Array:
        """The denoised images."""
        each = images.reshape(-1, *images.shape[2:], 1)
        return channels_as_complex(self.network(complex_as_channels(each))).reshape(images.shape)


def network(config: ModlConfig, rngs: nnx.Rngs) -> Unrolled:
    """The stages, which share the denoiser and the weight."""
    normalisation = normalisation_of(config.normalisation)
    return Unrolled(
        network_then_step(near_to_data(config.n_iterations)),
        lambda rngs: ComplexDenoiser(config.channels, normalisation, rngs),
        config.n_stages,
        log_strength=jnp.log(FIRST_WEIGHT),
        share_strength=True,
        rngs=rngs,
    )


def near_to_data(n_iterations: int) -> Callable[[Array, Measurement, Array], Array]:
    """From images to the least squares ones near them."""
    solve = ProximalStep(n_iterations)

    def of_all(images: Array, measurement: Measurement, log_weight: Array) -> Array:
        fidelity = lambda one: Fidelity(relaxometry.encoding(one), one["k_space"])
        step = lambda one, images: solve(images, fidelity(one), log_weight)
        return relaxometry.over_images(step)(measurement, images)

    return of_all


def estimate(network: Unrolled, measurement: Measurement) -> Complex[Array, "image contrast nx ny"]:
    """Images, from zero-filled ones on."""
    return network(relaxometry.zero_filled(measurement), measurement)


def loss(config: ModlConfig) -> Loss:
    """Mean square error of the complex images."""
    del config

    def of_batch(network: Unrolled, batch: Batch) -> tuple[Array, dict[str, Array]]:
        return jnp.mean(jnp.abs(estimate(network, batch) - batch["images"]) ** 2), {}

    return of_batch


SYSTEM = System(
    "modl",
    "unrolled denoiser and least squares, for images",
    "H. K. Aggarwal, M. P. Mani, M. Jacob, MoDL, IEEE Trans Med Imaging 38 (2019) 394-405 (code: hkaggarwal/modl)",
    {
        "paper": ModlConfig(
            n_pixels=256, n_coils=12, acceleration=6.0, sampling="points", snr=100.0, batch_size=1, steps=18_000
        ),
        "smoke": ModlConfig(
            objects="brains",
            channels=24,
            n_stages=3,
            n_iterations=5,
            normalisation="none",
            batch_size=2,
            steps=300,
            learning_rate=2e-3,
        ),
    },
    data=relaxometry.stream,
    described=relaxometry.described,
    network=network,
    loss=loss,
    estimate=estimate,
    evaluation=IMAGES,
    optimiser=adam_to_rest,
)
