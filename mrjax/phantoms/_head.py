"""The susceptibility of a head around the brain of the template: soft tissue, skull, sinuses, ears and neck as ellipsoids."""

import functools
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from ._brain import NAMES, template

AIR = 9.2
SUSCEPTIBILITY_PPM = {"grey matter": 0.020, "white matter": -0.030, "CSF": 0.019, "skull": -2.1, "soft tissue": 0.0}
"""Relative to muscle and water, as is that of `AIR`; Marques et al. 2021."""

# Centre x, y, z and semi-axes a, b, c in mm, in MNI space.
SKIN = ((0, -17, 5, 85, 104, 95), (0, 50, -60, 62, 52, 75), (0, -35, -130, 62, 68, 110))  # skull, face, neck
BONE_OUTSIDE, BONE_INSIDE = (0, -17, 5, 80, 99, 89), (0, -17, 5, 75, 93, 83)
CAVITIES = (
    (0, 20, -42, 15, 13, 10),  # sphenoid sinus
    (0, 48, -40, 12, 20, 11),  # ethmoid cells
    (0, 80, -14, 17, 6, 11),  # frontal sinus
    (0, 52, -70, 15, 36, 22),  # nose
    (0, 12, -95, 12, 14, 26),  # throat
    (60, -36, -42, 9, 13, 13),  # mastoid cells
    (-60, -36, -42, 9, 13, 13),
    (72, -20, -38, 16, 4, 4),  # ear canals
    (-72, -20, -38, 16, 4, 4),
)

STEP = 2
"""Voxels of the template that make one here, along each axis."""

MARGINS = ((2, 3), (6, 17), (52, 13))
"""Voxels of the template added before and after it along each axis, so that the head and half the neck are within."""


class Head(NamedTuple):
    """A map of susceptibility and where it is."""

    susceptibility_ppm: Float[np.ndarray, "nx ny nz"]
    """Relative to air."""
    brain: Float[np.ndarray, "nx ny nz"]
    """The share of each voxel that the brain fills."""
    affine: Float[np.ndarray, "4 4"]


@functools.cache
def head() -> Head:
    """On voxels of 4 mm, each the mean of eight of the template."""
    stored, affine = template()
    fractions = np.pad(stored / 255.0, ((0, 0), *MARGINS))
    affine = affine.copy()
    affine[:3, 3] -= affine[:3, :3] @ [before for before, _ in MARGINS]
    x, y, z = (affine[i, i] * np.arange(n) + affine[i, 3] for i, n in enumerate(fractions.shape[1:]))
    within = lambda ellipsoid: _within(x[:, None, None], y[None, :, None], z[None, None], ellipsoid)
    brain = fractions.sum(0)
    rest = 1 - brain
    is_cavity = np.any([within(cavity) for cavity in CAVITIES], axis=0)
    is_tissue = np.any([within(skin) for skin in SKIN], axis=0) & ~is_cavity
    is_bone = is_tissue & within(BONE_OUTSIDE) & ~within(BONE_INSIDE)
    ppm = SUSCEPTIBILITY_PPM
    chi = sum((ppm[name] - AIR) * fraction for name, fraction in zip(NAMES, fractions, strict=True))
    chi = chi + rest * (is_tissue * (ppm["soft tissue"] - AIR) + is_bone * (ppm["skull"] - ppm["soft tissue"]))
    middle = np.diag([STEP, STEP, STEP, 1.0])
    middle[:3, 3] = (STEP - 1) / 2
    return Head(_means(chi), _means(brain), affine @ middle)


def _within(x: np.ndarray, y: np.ndarray, z: np.ndarray, ellipsoid: tuple[float | int, ...]) -> np.ndarray:
    scaled = [((value - c) / a) ** 2 for value, c, a in zip((x, y, z), ellipsoid[:3], ellipsoid[3:], strict=True)]
    return scaled[0] + scaled[1] + scaled[2] < 1


def _means(values: Float[np.ndarray, "_ _ _"]) -> Float[np.ndarray, "_ _ _"]:
    nx, ny, nz = (n // STEP for n in values.shape)
    return values.reshape(nx, STEP, ny, STEP, nz, STEP).mean((1, 3, 5))
