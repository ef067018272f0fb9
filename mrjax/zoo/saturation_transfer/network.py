"""A schedule and the network that reads its images: one module, trained as a whole."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Key

from mrjax.nn import FullyConnected, Loss
from mrjax.nn.encoders import normalised
from mrjax.synthesis import Stream
from mrjax.zoo.saturation_transfer.experiment import Parameters, PoolExperiment, Schedule
from mrjax.zoo.saturation_transfer.scheduling import Scheduling


class ImagedVoxels(NamedTuple):
    """Voxels to be imaged."""

    tissue: Parameters
    noise: Float[Array, "voxel image"]
    """Of their images, with a standard deviation of one."""


class ScheduledNetwork(nnx.Module):
    r"""From tissue through images to estimates: a schedule, its images through the physics, and a network that reads them.

    Images are divided by their norm, so that what they are relative to need not be known; then come linear layers, whose
    outputs are -1 to 1 between the limits of each parameter.

    **Arguments:**

    - `scheduling`: The schedule; what has bounds is learned.
    - `hidden`: Units of the hidden layers.
    - `rngs`: Of the weights at the start.

    Called with images `(*voxels, n_images)`, in any unit, it returns `(*voxels, n_estimated)`.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> from flax import nnx
        >>> from mrjax.zoo.saturation_transfer import ScheduledNetwork, Scheduling, constant_schedule, l_arginine
        >>> start = constant_schedule(4, b1=3e-6, offset_ppm=3.0, saturation_time=2.5, recovery=1.0)
        >>> network = ScheduledNetwork(Scheduling(l_arginine(2e-3), start, {"b1": (0.0, 6e-6)}), (30,), nnx.Rngs(0))
        >>> network.played()["b1"].shape, network(jnp.ones((5, 4))).shape
        ((4,), (5, 2))

        ```
    """

    def __init__(self, scheduling: Scheduling, hidden: tuple[int, ...], rngs: nnx.Rngs):
        self.scheduling = scheduling
        if scheduling.bounds:
            self.schedule = scheduling.learned()
        widths = (scheduling.n_images, *hidden, len(scheduling.experiment.estimated))
        self.reconstruction = FullyConnected(widths, rngs=rngs)

    @property
    def experiment(self) -> PoolExperiment:
        """What the schedule is for."""
        return self.scheduling.experiment

    def played(self) -> Schedule:
        """The schedule as it is now."""
        return self.scheduling.played(self.schedule() if self.scheduling.bounds else self.scheduling.start)

    def images(self, samples: ImagedVoxels) -> Float[Array, "voxel image"]:
        """Of tissues, with noise."""
        clean = self.experiment.magnitudes(self.played(), samples.tissue)
        return clean + self.experiment.noise_std * samples.noise.astype(clean.dtype)

    def __call__(self, images: Float[Array, "*voxels image"]) -> Float[Array, "*voxels estimated"]:
        return self.reconstruction(normalised(images))


def samples(scheduling: Scheduling, batch_size: int, seed: int) -> Stream:
    """Batches without end of tissues, and of noise for their images.

    **Arguments:**

    - `scheduling`: Of the tissues and the number of images.
    - `batch_size`: Tissues in each batch.
    - `seed`: Not negative.

    **Returns:** the `mrjax.synthesis.Stream` of `ImagedVoxels`, their noise of shape `(batch_size, n_images)`.
    """

    def make(key: Key[Array, ""], n: int) -> ImagedVoxels:
        of_tissue, of_noise = jax.random.split(key)
        noise = jax.random.normal(of_noise, (n, scheduling.n_images), jnp.result_type(float))
        return ImagedVoxels(scheduling.experiment.drawn(of_tissue, n), noise)

    return Stream(make, batch_size, seed)


def estimation_error(network: ScheduledNetwork, batch: ImagedVoxels) -> tuple[Array, dict[str, Array]]:
    """Mean square error of what is estimated, in units of half the widths of its limits, and of each parameter by itself.

    **Arguments:**

    - `network`: Which images the tissues, and reads the images.
    - `batch`: Tissues and noise.

    **Returns:** the mean over parameters, and the error of each by name.
    """
    truth = network.experiment.units(batch.tissue)
    square = jnp.mean((network(network.images(batch)) - truth) ** 2, axis=0)
    return jnp.mean(square), dict(zip(network.experiment.estimated, square, strict=True))


OF_ESTIMATES: Loss = estimation_error


def estimate(network: ScheduledNetwork, measured: ImagedVoxels | Float[Array, "*voxels image"]) -> Parameters:
    """What the network says of images, or of tissues, which it images first, with the schedule that it has learned.

    **Arguments:**

    - `network`: Trained.
    - `measured`: Images `(*voxels, n_images)` in any unit, or `ImagedVoxels`.

    **Returns:** the parameters in SI units, by name.
    """
    images = network.images(measured) if isinstance(measured, ImagedVoxels) else measured
    return network.experiment.parameters(network(images))
