"""Networks that learn pools without any label: what they say has to give the images back, through the physics."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from mrjax.nn.encoders import normalised
from mrjax.zoo.saturation_transfer.experiment import Parameters
from mrjax.zoo.saturation_transfer.network import ImagedVoxels, ScheduledNetwork


def within_limits(network: ScheduledNetwork, images: Float[Array, "*voxels image"]) -> Parameters:
    """What a network says of images, kept within the limits of each parameter by a hyperbolic tangent.

    **Arguments:**

    - `network`: With outputs of any size.
    - `images`: `(*voxels, n_images)`, in any unit.

    **Returns:** the parameters in SI units, by name.
    """
    return network.experiment.parameters(jnp.tanh(network(images)))


def signal_error(network: ScheduledNetwork, batch: ImagedVoxels) -> tuple[Array, dict[str, Array]]:
    r"""Mean square difference of measured images and those of the tissues that the network says, both of unit norm.

    $$L = \frac{1}{V N} \sum_{v, n} \left| \hat S_n(N(S_v)) - \hat S_{vn} \right|^2$$

    The true parameters take no part. The history also tells how far the estimates are off, which the loss does not see: in
    units of half the width of each parameter's limits, squared.

    **Arguments:**

    - `network`: Which reads the images.
    - `batch`: Tissues, which stand for voxels that are measured, and their noise.

    **Returns:** the error, and `signal`, the same, with the unseen error of each parameter by name.

    **Source:** B. Kang, B. Kim, M. Schär, H. Park, H.-Y. Heo, Magn Reson Med 85 (2021) 2040.
    """
    experiment, images = network.experiment, network.images(batch)
    found = within_limits(network, images)
    again = experiment.magnitudes(network.played(), found)
    error = jnp.mean((normalised(again) - normalised(images)) ** 2)
    off = jnp.mean((experiment.units(found) - experiment.units(batch.tissue)) ** 2, axis=0)
    return error, {"signal": error, **dict(zip(experiment.estimated, off, strict=True))}


def estimate_within_limits(
    network: ScheduledNetwork, measured: ImagedVoxels | Float[Array, "*voxels image"]
) -> Parameters:
    """As `estimate`, within the limits of each parameter.

    **Arguments:**

    - `network`: Trained by `signal_error`.
    - `measured`: Images `(*voxels, n_images)` in any unit, or `ImagedVoxels`.

    **Returns:** the parameters in SI units, by name.
    """
    return within_limits(network, network.images(measured) if isinstance(measured, ImagedVoxels) else measured)
