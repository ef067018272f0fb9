"""A brain: grey matter, white matter and CSF of the MNI ICBM-152 template."""

import functools
import operator
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, UInt8

from . import _grid, _tables
from .phantom import Phantom

NAMES = ("grey matter", "white matter", "CSF")
FIELD_STRENGTHS = (1.5, 3.0)
VENTRICLES = 44  # the slice at z = 16 mm


def brain(shape: Sequence[int] | None = None, slice: int | None = None, field_strength: float | int = 3.0) -> Phantom:
    """A brain of grey matter, white matter and CSF, from the MNI ICBM-152 template.

    Array axes are x (left to right), y (posterior to anterior) and z (inferior to superior), and `affine`
    gives positions in MNI space (mm). The grid has 109 x 109 x 81 voxels of 2 mm; it is square in axial
    planes, 218 mm.

    **Arguments:**

    - `shape`: Voxels of the grid to resample to, `(nx, ny)` or `(nx, ny, nz)`; the field of view stays. Two
      entries give one axial slice, by default through the lateral ventricles. `None` for 2 mm voxels.
    - `slice`: The axial slice to take, an index into the third axis of the grid (81 slices, or `nz`).
      Negative ones count from the top. `None` for the volume.
    - `field_strength`: 1.5 or 3.0, in T.

    **Returns:** A `Phantom` with compartments "grey matter", "white matter" and "CSF", in two or three
    dimensions.

    **Raises:** `ValueError` for another shape, slice or field strength.

    **What it is not:** one person's brain. It is sharpened from an average over 152 people
    (`scripts/build_brain_phantom.py`, `data/NOTICE.md`), so that 97 % of the voxels inside white matter and
    86 % of those inside grey matter are at least 95 % pure ("inside": the six neighbours are mostly the same
    tissue). Small gyri are smoother than yours, and the white matter of the cerebellum is thin. The brain is
    large (1.9 l) and left-right symmetric. Skull, scalp and vessels are air. What averages as both tissues,
    such as the thalamus and the brain stem, is a mixture.

    **Source:** anatomy: Fonov et al., NeuroImage 54 (2011) 313-327. T1 of grey and white matter, in vivo:
    Wright et al., MAGMA 21 (2008) 121-130 (MPRAGE). T2: Cox and Gowland, Magn Reson Med 64 (2010) 1440-1445
    (grey matter: frontal). CSF: frontal horns at 3 T in "Quantification of T1 and T2 of subarachnoid CSF"
    (PMC10696635), used at 1.5 T too, for want of values of the same kind. Proton density relative to CSF:
    Oros-Peusquens et al., Front Neurol 10 (2019) 1333.

    !!! example

        ```python
        >>> from mrjax.phantoms import brain
        >>> phantom = brain(shape=(64, 64))
        >>> phantom.names, phantom.shape
        (('grey matter', 'white matter', 'CSF'), (64, 64))
        >>> tissue = phantom.tissue()  # T1, T2 and M0 per voxel
        >>> tissue.voxel_shape
        (64, 64)

        ```
    """
    stored, affine = template()
    rows = _tissues(_tables.checked_field_strength(field_strength, FIELD_STRENGTHS))
    volume_shape, plane_shape = stored.shape[1:], None
    if shape is not None:
        checked = _grid.checked_shape(shape, (2, 3))
        if len(checked) == 3:
            volume_shape = checked
        else:
            plane_shape, slice = checked, VENTRICLES if slice is None else slice
    fractions, affine = _grid.resample(stored / 255, affine, volume_shape)
    if slice is not None:
        index = _checked_slice(slice, volume_shape[2])
        fractions, affine = fractions[..., index], _moved_up(affine, index)
    if plane_shape is not None:
        fractions, affine = _grid.resample(fractions, affine, plane_shape)
    t1, t2 = _tables.column(rows, "t1_ms", 1e-3), _tables.column(rows, "t2_ms", 1e-3)
    return Phantom(NAMES, fractions, t1, t2, _tables.column(rows, "proton_density"), affine)


@functools.cache
def template() -> tuple[UInt8[np.ndarray, "3 nx ny nz"], Float[np.ndarray, "4 4"]]:
    """Fractions of the tissues in 1/255 on voxels of 2 mm, and where they are."""
    with _tables.data_file("brain_2mm.npz").open("rb") as file, np.load(file) as arrays:
        fractions, affine = arrays["fractions"], arrays["affine"]
    fractions.flags.writeable = affine.flags.writeable = False
    return fractions, affine


def _tissues(field_strength: float) -> list[dict[str, str]]:
    table = _tables.read_table("brain_tissues.csv")
    at_field = {row["tissue"]: row for row in table if float(row["field_strength_T"]) == field_strength}
    return [at_field[name] for name in NAMES]


def _checked_slice(slice: int, n_slices: int) -> int:
    message = f"`slice` must be an integer from {-n_slices} to {n_slices - 1}, but got {slice!r}."
    try:
        index = operator.index(slice)
    except TypeError:
        raise ValueError(message) from None
    if not -n_slices <= index < n_slices:
        raise ValueError(message)
    return index % n_slices


def _moved_up(affine: Float[np.ndarray, "4 4"], slices: int) -> Float[np.ndarray, "4 4"]:
    step = np.eye(4)
    step[2, 3] = slices
    return affine @ step
