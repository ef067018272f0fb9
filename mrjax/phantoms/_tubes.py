"""The relaxation arrays of the NIST/ISMRM system phantom."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from . import _ellipsoids, _grid, _tables
from .phantom import Phantom

FIELD_STRENGTHS = (1.5, 3.0)
ARRAYS = ("NiCl2", "MnCl2")
FIELD_OF_VIEW = 0.14  # m
DIAMETER = 0.015  # m, inside the spheres
RING_RADIUS = 0.05  # m, of spheres 1 to 10
INNER_OFFSET = 0.02  # m, of spheres 11 to 14 from the centre, along either axis


def tubes(shape: Sequence[int] = (128, 128), array: str = "NiCl2", field_strength: float | int = 3.0) -> Phantom:
    """One relaxation array of the NIST/ISMRM system phantom: the plane through the centres of its 14 spheres.

    Spheres 1 to 10 lie on a ring of 50 mm radius, clockwise from the top (the far end of the second axis); 11
    to 14 on the corners of a square of 40 mm, clockwise from the upper left. Each is filled with a solution,
    in 15 mm inner diameter. The field of view is 140 mm. What surrounds the spheres is air here; in the
    phantom it is water.

    **Arguments:**

    - `shape`: Pixels, `(nx, ny)`.
    - `array`: "NiCl2" (the "T1 array", T1 from 22 to 1989 ms at 3 T) or "MnCl2" (the "T2 array", T2 from 6 to
      581 ms).
    - `field_strength`: 1.5 or 3.0, in T.

    **Returns:** A `Phantom` with compartments "NiCl2-1" to "NiCl2-14", or "MnCl2-...", of proton density 1.
    Pixels cut by a surface are mixed with air, in steps of 1/64.

    **Raises:** `ValueError` for another shape, array or field strength.

    **Source:** T1 and T2 at 20 degrees C: Keenan et al., ISMRM 2016, 3290, as in NIST's PhantomViewer
    (`SystemPhantom.py`), which also has the positions; these are the values of the first version of the
    phantom. Design: Stupic et al., Magn Reson Med (2021), doi 10.1002/mrm.28779.

    !!! example

        ```python
        >>> from mrjax.phantoms import tubes
        >>> phantom = tubes((64, 64), array="MnCl2")
        >>> phantom.names[0], len(phantom.names)
        ('MnCl2-1', 14)

        ```
    """
    checked = _grid.checked_shape(shape, (2,))
    if array not in ARRAYS:
        raise ValueError(f"`array` must be {' or '.join(map(repr, ARRAYS))}, but got {array!r}.")
    field = _tables.checked_field_strength(field_strength, FIELD_STRENGTHS)
    rows = [row for row in _tables.read_table("nist_system_phantom.csv") if row["array"] == array]
    names = [f"{array}-{row['sphere']}" for row in rows]
    fractions = _ellipsoids.voxelise(_spheres(), np.arange(len(rows)), checked, FIELD_OF_VIEW)
    suffix = f"{field:.1f}T_ms".replace(".", "p").replace("p0T", "T")
    t1, t2 = (_tables.column(rows, f"{time}_{suffix}", 1e-3) for time in ("T1", "T2"))
    affine = _grid.centred_affine(checked, tuple(FIELD_OF_VIEW / size for size in checked))
    return Phantom(names, fractions, t1, t2, np.ones(len(rows)), affine)


def _spheres() -> Float[np.ndarray, "14 7"]:
    angles = 2 * np.pi * np.arange(10) / 10
    ring = RING_RADIUS * np.stack([np.sin(angles), np.cos(angles)], axis=1)
    square = INNER_OFFSET * np.array([[-1, 1], [1, 1], [1, -1], [-1, -1]])
    centres = np.concatenate([ring, square])
    radii = np.full((len(centres), 3), DIAMETER / 2)
    zeros = np.zeros((len(centres), 1))
    return np.concatenate([centres, zeros, radii, zeros], axis=1)
