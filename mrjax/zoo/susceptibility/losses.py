"""What networks for susceptibility are trained to make small; each is a mean over the voxels inside the masks."""

import itertools
import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from mrjax.zoo.susceptibility.data import SCALE, Measured, dipoles

Volumes = Float[Array, "n nx ny nz"]

NEIGHBOURS = tuple(step for step in itertools.product((-1, 0, 1), repeat=3) if any(step))
"""The 26 voxels about one."""


def absolute_error(found: Volumes, batch: Measured) -> Float[Array, ""]:
    """Of susceptibilities in ppm, over `SCALE`."""
    return _mean(jnp.abs(found - batch["susceptibility"]) / SCALE, batch["mask"])


def square_error(found: Volumes, batch: Measured) -> Float[Array, ""]:
    """Of susceptibilities in ppm, over `SCALE`."""
    return _mean(((found - batch["susceptibility"]) / SCALE) ** 2, batch["mask"])


def centred_absolute_error(found: Volumes, batch: Measured) -> Float[Array, ""]:
    """`absolute_error` of volumes whose error has lost its mean in the mask, which no field tells."""
    return absolute_error(_centred(found, batch), batch)


def centred_square_error(found: Volumes, batch: Measured) -> Float[Array, ""]:
    """`square_error` of volumes whose error has lost its mean in the mask, which no field tells."""
    return square_error(_centred(found, batch), batch)


def field_error(found: Volumes, batch: Measured) -> Float[Array, ""]:
    """The absolute field of the error, over `SCALE`.

    What is compared is the field of the labels and that of the estimate, both without what lies outside a patch, and with
    zeros about it: so labels have no error, in a patch or a whole volume. A circular dipole against a measured field, as
    published for patches of 64 voxels, has an error of 22 % of the field even with the true susceptibility.
    """
    errors = jnp.where(batch["mask"], found - batch["susceptibility"], 0.0)
    fields = jax.vmap(lambda dipole, error: dipole(error))(dipoles(batch), errors)
    return _mean(jnp.abs(fields) / SCALE, batch["mask"])


def gradient_difference(found: Volumes, batch: Measured) -> Float[Array, ""]:
    """How far differences to the 26 neighbours are off, each cut off below zero and divided by the distance in voxels.

    It is of QSMnet, where sharp edges count.
    """
    total = jnp.zeros((), found.dtype)
    for step in NEIGHBOURS:
        rise = lambda values, step=step: jax.nn.relu(values - jnp.roll(values, step, (1, 2, 3)))
        off = jnp.abs(rise(found) - rise(batch["susceptibility"])) / math.hypot(*step)
        total = total + _mean(off / SCALE, batch["mask"])
    return total


def _centred(found: Volumes, batch: Measured) -> Volumes:
    """Volumes moved to have the mean of the truth."""
    mask, axes = batch["mask"], (1, 2, 3)
    off = jnp.where(mask, found - batch["susceptibility"], 0.0).sum(axes, keepdims=True)
    return found - off / jnp.maximum(mask.sum(axes, keepdims=True), 1)


def _mean(values: Volumes, mask: Array) -> Float[Array, ""]:
    """Over the masks; patches can lie outside of all of them."""
    return jnp.where(mask, values, 0.0).sum() / jnp.maximum(mask.sum(), 1)
