"""Whether two images lie on the same voxels."""

from itertools import product

import numpy as np

from mrjax.io.nifti import FileError, Image

SAME_PLACE = 0.1
"""Distance between corresponding voxels, in voxels, up to which two images lie in the same place."""


def require_same_place(name: str, image: Image, other_name: str, other: Image) -> None:
    """Refuse an image whose voxels lie elsewhere than those of another of the same shape.

    **Arguments:**

    - `image`, `other`: Images, three axes of space first. Their affines may differ by rounding: by what moves no voxel by
      more than a tenth of its side.
    - `name`, `other_name`: What the error calls them.

    **Raises:** `FileError` that says how far apart, in mm, corresponding voxels are.
    """
    shape = (*other.data.shape[:3], 1, 1, 1)[:3]
    corners = np.array([(*corner, 1.0) for corner in product(*((0, n - 1) for n in shape))]).T
    apart = np.linalg.norm(((image.affine - other.affine) @ corners)[:3], axis=0).max()
    sides = np.linalg.norm(other.affine[:3, :3], axis=0)
    # the axis of a single slice may have any length
    extended = sides[np.array(shape) > 1]
    if not apart <= SAME_PLACE * np.min(extended if extended.size else sides):
        raise FileError(
            f"{name} lies elsewhere than {other_name}: voxels are up to {apart:.4g} mm apart. Resample it to their grid; "
            "if only the header is wrong, correct its affine."
        )
