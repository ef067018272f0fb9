"""The Shepp-Logan head with MR tissues."""

from collections.abc import Sequence

import numpy as np

from . import _ellipsoids, _grid, _tables
from .phantom import Phantom

FIELD_OF_VIEW = 0.2  # m, from -1 to 1 in the lengths of the table below

# T1 = A * B0^C (s, T); T2 (s); spin density. Gach et al. 2008.
TISSUES = {
    "scalp": (0.324, 0.137, 0.070, 0.800),
    "bone and marrow": (0.533, 0.088, 0.050, 0.120),
    "CSF": (4.20, 0.0, 1.99, 0.980),
    "grey matter": (0.857, 0.376, 0.100, 0.745),
    "white matter": (0.583, 0.382, 0.080, 0.617),
    "tumour": (0.926, 0.217, 0.100, 0.950),
}

# Tissue; centre x, y, z; semi-axes a, b, c; angle of a from the x axis (degrees). Gach et al. 2008.
ELLIPSOIDS = (
    ("scalp", 0, 0, 0, 0.72, 0.95, 0.93, 0),
    ("bone and marrow", 0, 0, 0, 0.69, 0.92, 0.90, 0),
    ("CSF", 0, -0.0184, 0, 0.6624, 0.874, 0.88, 0),
    ("grey matter", 0, -0.0184, 0, 0.6524, 0.864, 0.87, 0),
    ("CSF", -0.22, 0, -0.25, 0.41, 0.16, 0.21, -72),
    ("CSF", 0.22, 0, -0.25, 0.31, 0.11, 0.22, 72),
    ("white matter", 0, 0.35, -0.25, 0.21, 0.25, 0.35, 0),
    ("tumour", 0, 0.1, -0.25, 0.046, 0.046, 0.046, 0),
    ("tumour", -0.08, -0.605, -0.25, 0.046, 0.023, 0.020, 0),
    ("tumour", 0.06, -0.605, -0.25, 0.046, 0.023, 0.020, -90),
    ("tumour", 0, -0.1, -0.25, 0.046, 0.046, 0.046, 0),
    ("tumour", 0, -0.605, -0.25, 0.023, 0.023, 0.023, 0),
    ("tumour", 0.06, -0.105, 0.0625, 0.056, 0.040, 0.100, -90),
    ("CSF", 0, 0.1, 0.625, 0.056, 0.056, 0.100, 0),
)
IN_PLANE = 12  # the first ones make the two-dimensional phantom


def shepp_logan(shape: Sequence[int] = (128, 128), field_strength: float | int = 3.0) -> Phantom:
    """The Shepp-Logan head with T1, T2 and spin density of tissues, in two or three dimensions.

    Array axes are x (left to right), y (posterior to anterior) and z. The field of view is 200 mm along every
    axis, so the head measures 144 x 190 x 186 mm, and the origin is at its centre.

    **Arguments:**

    - `shape`: Voxels, `(nx, ny)` or `(nx, ny, nz)`. A volume of 128^3 takes some seconds.
    - `field_strength`: Any positive one, in T: $T_1 = A B_0^C$ with A and C of each tissue.

    **Returns:** A `Phantom` with compartments "scalp", "bone and marrow", "CSF", "grey matter", "white
    matter" and "tumour". Voxels cut by a surface are mixed, in steps of 1/64.

    **Raises:** `ValueError` for another shape or a field strength that is not positive.

    **Conventions:** where inner ellipsoids overlap, the later one displaces the earlier one, so that every
    point belongs to one tissue; implementations that add and subtract relaxation times get those of no tissue
    there. The optional blood clot is left out.

    **Source:** Gach, Tanase and Boada, "2D & 3D Shepp-Logan phantom standards for MRI", 19th Int Conf Systems
    Engineering (2008) 521-526, doi 10.1109/ICSEng.2008.15; numbers as transcribed in phantominator, checked
    against two other transcriptions.

    !!! example

        ```python
        >>> from mrjax.phantoms import shepp_logan
        >>> phantom = shepp_logan((64, 64), field_strength=1.5)
        >>> float(phantom.t1[phantom.names.index("CSF")]).__round__(3)
        4.2

        ```
    """
    checked = _grid.checked_shape(shape, (2, 3))
    field = _tables.positive_number(field_strength, "field_strength", "T")
    names = tuple(TISSUES)
    rows = ELLIPSOIDS if len(checked) == 3 else ELLIPSOIDS[:IN_PLANE]
    geometry = np.array([row[1:] for row in rows], float)
    geometry[:, 6] = np.deg2rad(geometry[:, 6])
    labels = np.array([names.index(row[0]) for row in rows])
    fractions = _ellipsoids.voxelise(geometry, labels, checked, field_of_view=2.0)
    factor, exponent, t2, density = np.array(list(TISSUES.values())).T
    affine = _grid.centred_affine(checked, tuple(FIELD_OF_VIEW / size for size in checked))
    return Phantom(names, fractions, factor * field**exponent, t2, density, affine)
