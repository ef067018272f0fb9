"""Ellipsoids on a grid, with partial volume at their surfaces."""

import numpy as np
from jaxtyping import Float, Integer

# Samples per voxel and axis.
SAMPLES = {2: 8, 3: 4}


def voxelise(
    ellipsoids: Float[np.ndarray, "n 7"],
    labels: Integer[np.ndarray, " n"],
    shape: tuple[int, ...],
    field_of_view: float,
) -> Float[np.ndarray, "n_compartments *shape"]:
    """The fraction of each voxel that each compartment fills; later ellipsoids displace earlier ones.

    **Arguments:**

    - `ellipsoids`: Centre x, y, z, semi-axes a, b, c, and the angle (rad) from the x axis to `a`, turning
      towards y. Lengths in the unit of `field_of_view`. Two-dimensional grids leave z and c out.
    - `labels`: The compartment of each ellipsoid, 0, 1, ...
    - `shape`: Voxels, two or three axes.
    - `field_of_view`: Length of every side; the origin is at its centre.

    **Returns:** Fractions in steps of 1/64, counted on a lattice of 8 x 8 (4 x 4 x 4) points in each voxel.
    """
    samples = SAMPLES[len(shape)]
    x, y, *z = (_lattice(size * samples, field_of_view) for size in shape)
    in_plane = [_squared_radius(ellipsoid, x, y) for ellipsoid in ellipsoids]
    n_compartments = int(labels.max()) + 1
    if not z:
        return _shares(_painted(in_plane, np.zeros(len(labels)), labels), n_compartments, samples)
    counted = np.zeros((n_compartments, *shape))
    for index, height in enumerate(z[0]):
        through_plane = ((height - ellipsoids[:, 2]) / ellipsoids[:, 5]) ** 2
        plane = _shares(_painted(in_plane, through_plane, labels), n_compartments, samples)
        counted[..., index // samples] += plane / samples
    return counted


def _lattice(n_points: int, field_of_view: float) -> Float[np.ndarray, " n_points"]:
    return ((np.arange(n_points) + 0.5) / n_points - 0.5) * field_of_view


def _squared_radius(ellipsoid: np.ndarray, x: np.ndarray, y: np.ndarray) -> Float[np.ndarray, "x y"]:
    right, up = x[:, None] - ellipsoid[0], y[None] - ellipsoid[1]
    cosine, sine = np.cos(ellipsoid[6]), np.sin(ellipsoid[6])
    return ((right * cosine + up * sine) / ellipsoid[3]) ** 2 + ((up * cosine - right * sine) / ellipsoid[4]) ** 2


def _painted(in_plane: list[np.ndarray], through_plane: np.ndarray, labels: np.ndarray) -> Integer[np.ndarray, "x y"]:
    image = np.full(in_plane[0].shape, -1, np.int8)
    for squared_radius, height, label in zip(in_plane, through_plane, labels, strict=True):
        if height < 1:
            image[squared_radius <= 1 - height] = label
    return image


def _shares(image: np.ndarray, n_compartments: int, samples: int) -> Float[np.ndarray, "n_compartments nx ny"]:
    nx, ny = image.shape[0] // samples, image.shape[1] // samples
    cells = image.reshape(nx, samples, ny, samples)
    return np.stack([(cells == label).mean((1, 3)) for label in range(n_compartments)])
