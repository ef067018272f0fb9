"""What maps of susceptibility are judged on: brains that no training has seen, and files of a user."""

import math
from collections.abc import Sequence
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from mrjax.io import FileError, Image, read_nifti, require_same_place
from mrjax.synthesis import SusceptibilityVolume, brain_susceptibility
from mrjax.units import mm
from mrjax.zoo.susceptibility.data import Measured, SusceptibilityConfig, measured_volume

HELD_OUT = 2**31
"""Seed of the brains to be judged on, which no training starts from."""

OBLIQUE = math.radians(30)
"""Tilt of the head in the second test."""

OTHER_VOXELS = (0.9, 0.9, 1.25)
"""Sides of the voxels in the third test, over those of the training."""


def brains(config: SusceptibilityConfig, n_voxels: int | None = None) -> dict[str, Measured]:
    """Brains with B0 along the third axis, with the head tilted by 30 degrees, and with voxels of other sides.

    Each is another draw of `mrjax.synthesis.brain_susceptibility`, with noise as in training. The template behind all draws is
    that of training.

    **Arguments:**

    - `config`: What a system was trained with; voxels, noise and widening are those of it.
    - `n_voxels`: Along each side of the cube; that of `config` by default.

    **Returns:** by name, `Measured` of one volume each, samples first, with its true `susceptibility`.
    """
    shape = (config.n_voxels if n_voxels is None else n_voxels,) * 3
    turned = (0.0, math.sin(OBLIQUE), math.cos(OBLIQUE))
    usual, stretched = (config.voxel_size * np.array(sides) for sides in ((1.0, 1.0, 1.0), OTHER_VOXELS))
    scans = {
        "B0 along the axis": ((0.0, 0.0, 1.0), usual),
        f"B0 {math.degrees(OBLIQUE):.0f} degrees off": (turned, usual),
        "other voxels": ((0.0, 0.0, 1.0), stretched),
    }
    make = jax.jit(
        lambda key, sizes: brain_susceptibility(key, shape, sizes, n_lesions=config.n_lesions, widest=config.widest)
    )
    sets = {}
    for i, (name, (direction, sizes)) in enumerate(scans.items()):
        for_volume, for_noise = jax.random.split(jax.random.fold_in(jax.random.key(HELD_OUT), i))
        volume = make(for_volume, jnp.asarray(sizes, jnp.float32))
        sets[name] = _one(measured_volume(for_noise, volume, sizes, np.array(direction), config))
    return sets


def simulated(
    susceptibility: Path,
    config: SusceptibilityConfig,
    mask: Path | None = None,
    direction: Sequence[float] | None = None,
) -> Measured:
    """The field that a map of susceptibility would make, with noise as in training.

    **Arguments:**

    - `susceptibility`: NIfTI map in ppm.
    - `config`: Noise, echo time and field strength.
    - `mask`: NIfTI mask on the same grid; by default where the map is not zero.
    - `direction`: Of B0 along the axes of the map; by default the third axis of the scanner, as the map's affine has it.

    **Returns:** `Measured` of one volume with its true `susceptibility`, samples first.
    """
    image = _volume(susceptibility)
    inside = image.data != 0 if mask is None else _on_its_grid(mask, image, susceptibility) != 0
    chi = jnp.where(inside, jnp.asarray(image.data, jnp.float32), 0.0)
    volume = SusceptibilityVolume(chi, jnp.asarray(_not_empty(inside)), jnp.asarray(inside, jnp.float32))
    sizes, along = _geometry(image, direction)
    return _one(measured_volume(jax.random.key(HELD_OUT), volume, sizes, along, config))


def measured(field: Path, mask: Path, truth: Path, direction: Sequence[float] | None = None) -> Measured:
    """A local field from files.

    **Arguments:**

    - `field`: NIfTI map of the local field over that of the magnet, in ppm.
    - `mask`, `truth`: NIfTI mask, and susceptibility in ppm, on the same grid.
    - `direction`: As of `simulated`.

    **Returns:** `Measured` of one volume with its true `susceptibility`, samples first.
    """
    image = _volume(field)
    inside = _not_empty(_on_its_grid(mask, image, field) != 0)
    sizes, along = _geometry(image, direction)
    within = lambda values: jnp.where(inside, jnp.asarray(values, jnp.float32), 0.0)
    return _one(
        {
            "susceptibility": within(_on_its_grid(truth, image, field)),
            "field": within(image.data),
            "mask": jnp.asarray(inside),
            "weights": jnp.asarray(inside, jnp.float32),
            "b0_direction": jnp.asarray(along, jnp.float32),
            "voxel_size": jnp.asarray(sizes, jnp.float32),
        }
    )


def _one(measured: Measured) -> Measured:
    return {name: jnp.asarray(values)[None] for name, values in measured.items()}


def _volume(path: Path) -> Image:
    image = read_nifti(path)
    if image.data.ndim != 3:
        raise FileError(f"{path} must hold one volume, but has shape {image.data.shape}; extract one.")
    if np.iscomplexobj(image.data) or not np.all(np.isfinite(image.data)):
        raise FileError(f"{path} must hold finite real numbers; replace what is complex, infinite or NaN.")
    return image


def _on_its_grid(path: Path, image: Image, name: Path) -> Float[np.ndarray, "nx ny nz"]:
    other = _volume(path)
    if other.data.shape != image.data.shape:
        raise FileError(
            f"{path} has shape {other.data.shape}, but {name} has {image.data.shape}; resample it to that grid."
        )
    require_same_place(str(path), other, str(name), image)
    return other.data


def _not_empty(mask: Bool[np.ndarray, "nx ny nz"]) -> Bool[np.ndarray, "nx ny nz"]:
    if not mask.any():
        raise ValueError("The mask must hold at least one voxel, but is zero everywhere.")
    return mask


def _geometry(
    image: Image, direction: Sequence[float] | None
) -> tuple[Float[np.ndarray, " 3"], Float[np.ndarray, " 3"]]:
    """Sides of the voxels in m, and the direction of B0 along the axes of the volume."""
    axes = np.asarray(image.affine, float)[:3, :3]
    sides = np.linalg.norm(axes, axis=0)
    # the third row of the axes' unit vectors: how much each goes along the scanner
    return sides * mm, np.array(direction, float) if direction is not None else axes[2] / sides
