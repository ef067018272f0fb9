"""Undersampled k-space of several contrasts, to learn from and to be judged on."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Complex, Float, Key

from mrjax._module import Module
from mrjax.encoding import LinearOperator, patterns, sense
from mrjax.nn.consistency import EncodedModel, Fidelity
from mrjax.phantoms import birdcage_coils
from mrjax.synthesis import Stream, add_complex_noise
from mrjax.synthesis.fields import plane
from mrjax.tissue import Tissue
from mrjax.zoo.relaxometry.config import RelaxometryConfig
from mrjax.zoo.relaxometry.maps import RelaxationModel, relaxation_model
from mrjax.zoo.relaxometry.objects import learned_from

FIELD_OF_VIEW, CAGE_RADIUS = 0.22, 0.17
"""In m."""

CALIBRATION, DENSITY_POWER = 16, 2.0
"""One in so many lines lies in the centre and is always measured; density falls off with this power of the distance."""

LEAST_M0 = 0.3
"""Of a pixel that is judged, relative to water: those with less are edges that hold little tissue and mostly noise."""

Measurement = dict[str, Any]
"""What a scan gives: `k_space` of shape `(image, contrast, coil, nx, ny)`, `mask`, true where it was measured, of shape
`(image, contrast, nx, ny)`, `coils`, of shape `(coil, nx, ny)`, and `model`, the `RelaxationModel` of the contrasts."""

Batch = dict[str, Any]
"""A `Measurement`, and what is true: `maps` of shape `(image, nx, ny, 3)`, as the model takes them, `images`, its contrasts, of
shape `(image, contrast, nx, ny)`, and `inside`, where a pixel is mostly tissue within the limits of the model."""

AXES = {"k_space": 0, "mask": 0, "coils": None, "model": None}
"""Of the images in a `Measurement`, as for `jax.vmap`."""


def stream(config: RelaxometryConfig) -> Stream:
    """Batches to learn from."""
    shape = (config.n_pixels, config.n_pixels)
    scan = ScannedObjects(config, learned_from(config), coils(config, shape), relaxation_model(config))
    return Stream(scan, config.batch_size, config.seed, AXES | {"maps": 0, "images": 0, "inside": 0})


class ScannedObjects(Module):
    """Draws objects and measures them."""

    config: RelaxometryConfig
    drawn: Callable[[Key[Array, ""]], tuple[Array, Array]]
    coils: Complex[Array, "coil nx ny"]
    model: RelaxationModel

    def __call__(self, key: Key[Array, ""], n: int) -> Batch:
        """A batch."""
        of_objects, of_scan = jax.random.split(key)
        time, m0 = jax.vmap(self.drawn)(jax.random.split(of_objects, n))
        return measured(of_scan, time, m0, self.coils, self.model, self.config)


def measured(
    key: Key[Array, ""],
    time: Float[Array, "image nx ny"],
    m0: Complex[Array, "image nx ny"],
    coils: Complex[Array, "coil nx ny"],
    model: RelaxationModel,
    config: RelaxometryConfig,
) -> Batch:
    """A scan of given objects, with masks and noise from the key."""
    of_masks, of_noise = jax.random.split(key)
    images = jnp.moveaxis(model.signal(time, m0), -1, 1)
    draw = lambda key: sampled(key, (images.shape[2], images.shape[3]), config)
    keys = jax.random.split(of_masks, images.shape[:2])
    mask = jax.vmap(jax.vmap(draw))(keys)
    k_space = sense(coils, mask=jnp.ones(images.shape[2:], bool)).mv(images)
    noisy = add_complex_noise(of_noise, k_space, config.snr)
    low, high = model.limits
    return {
        "k_space": jnp.where(mask[:, :, None], noisy, 0),
        "mask": mask,
        "coils": coils,
        "model": model,
        "maps": model.joined(time, m0),
        "images": images,
        "inside": (jnp.abs(m0) >= LEAST_M0) & (time >= low) & (time <= high),
    }


def sampled(key: Key[Array, ""], shape: tuple[int, int], config: RelaxometryConfig) -> Bool[Array, "nx ny"]:
    """What is measured of one contrast: lines along x, or points, denser towards the centre."""
    drawn = shape[1:] if config.sampling == "lines" else shape
    centre = max(1, shape[1] // CALIBRATION)
    mask = patterns.variable_density(key, drawn, config.acceleration, DENSITY_POWER, centre)
    return jnp.broadcast_to(mask, shape)


def coils(config: RelaxometryConfig, shape: tuple[int, int]) -> Complex[Array, "coil nx ny"]:
    """A birdcage, its maps divided by the root of the sum of their squares."""
    x, y = plane(shape)
    half = FIELD_OF_VIEW / 2
    maps = birdcage_coils(Tissue(1.0, 1.0, x=half * x, y=half * y), config.n_coils, CAGE_RADIUS)
    return maps / jnp.sqrt((jnp.abs(maps) ** 2).sum(0, keepdims=True))


def encoding(measurement: Measurement) -> LinearOperator:
    """From the contrasts of one image, `(contrast, nx, ny)`, to what was measured of them."""
    return sense(measurement["coils"], mask=measurement["mask"])


def fidelity(measurement: Measurement) -> Fidelity:
    """How well maps explain what was measured of one image."""
    return Fidelity(EncodedModel(measurement["model"], encoding(measurement)), measurement["k_space"])


def over_images(function: Callable[..., Array]) -> Callable[..., Array]:
    """A function of a `Measurement` of one image and of further arrays, for all images."""

    def of_all(measurement: Measurement, *arrays: Array) -> Array:
        seen = {name: measurement[name] for name in AXES}
        return jax.vmap(function, in_axes=(AXES, *(0 for _ in arrays)))(seen, *arrays)

    return of_all


def zero_filled(measurement: Measurement) -> Complex[Array, "image contrast nx ny"]:
    """Images as if what was not measured were zero, their coils combined."""
    return over_images(lambda one: encoding(one).adjoint(one["k_space"]))(measurement)


def inconsistency(measurement: Measurement, maps: Float[Array, "image nx ny 3"]) -> Array:
    """Mean square difference of what maps would make and what was measured, over the samples that were."""
    misfit = over_images(lambda one, maps: fidelity(one)(maps))(measurement, maps)
    n_samples = measurement["mask"].sum() * len(measurement["coils"])
    return 2 * misfit.sum() / n_samples
