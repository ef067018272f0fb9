"""CG-SENSE of every contrast: what learned reconstructions of images are compared with."""

from collections.abc import Callable

from jaxtyping import Array, Complex

from mrjax import reconstruction
from mrjax.zoo import relaxometry
from mrjax.zoo.relaxometry import IMAGES, Measurement, RelaxometryConfig
from mrjax.zoo.system import Method

TIKHONOV = 0.02
"""Coils are scaled so that the normal operator is between zero and one."""


def estimator(config: RelaxometryConfig) -> Callable[[Measurement], Complex[Array, "image contrast nx ny"]]:
    """The images that explain the data best and are not large.

    **Arguments:**

    - `config`: Not used: a measurement holds all.

    **Returns:** a function from a `Measurement` to images of shape `(image, contrast, nx, ny)`.
    """
    del config
    return images


def images(measurement: Measurement) -> Complex[Array, "image contrast nx ny"]:
    """The images of a `Measurement`."""
    of_one = lambda one: reconstruction.cg_sense(relaxometry.encoding(one), one["k_space"], tikhonov=TIKHONOV)
    return relaxometry.over_images(of_one)(measurement)


METHOD = Method("cg_sense", RelaxometryConfig(n_contrasts=1), estimator, IMAGES)
