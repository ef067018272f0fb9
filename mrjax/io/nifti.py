"""NIfTI images: maps and series of images."""

import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np


class FileError(ValueError):
    """A file that is missing, unreadable or not what it should be; the message names the file, the cause and a remedy."""


@dataclass(frozen=True)
class Image:
    """Voxel values and their position: `affine` takes voxel indices to mm."""

    data: np.ndarray
    affine: np.ndarray


def read_nifti(path: str | Path) -> Image:
    """Read a NIfTI image as floating-point numbers, rescaled as its header says.

    **Arguments:**

    - `path`: A `.nii` or `.nii.gz` file.

    **Returns:** An `Image`; complex where the file is.

    **Raises:** `FileError` where the file is missing, truncated, or not NIfTI.
    """
    import nibabel  # here, so that help and tables need not wait for it
    from nibabel.filebasedimages import ImageFileError
    from nibabel.spatialimages import HeaderDataError, SpatialImage

    path = Path(path)
    if not path.is_file():
        raise FileError(f"{path} does not exist or is no file; check the path.")
    try:
        image = nibabel.load(path)
        if not isinstance(image, SpatialImage):
            raise FileError(f"{path} holds no image on a grid; expected a NIfTI volume.")
        data = np.asanyarray(image.dataobj)
        affine = np.asarray(image.affine)
    except FileError:
        raise
    except ImageFileError as error:
        raise FileError(f"{path} is not a NIfTI image: expected a .nii or .nii.gz file.") from error
    except (OSError, EOFError, ValueError, zlib.error, HeaderDataError) as error:
        cause = " ".join(str(error).split())
        raise FileError(
            f"{path} cannot be read: it is truncated or damaged ({cause}). Copy or export it again."
        ) from error
    if data.dtype.fields is not None:
        raise FileError(f"{path} holds colours, not numbers; export the image as greyscale.")
    return Image(data.astype(np.result_type(data.dtype, np.float32)), affine)


def write_nifti(path: str | Path, data: Any, affine: Any) -> Path:
    """Write an array as NIfTI, in float32 (complex64 if complex); folders are made.

    **Arguments:**

    - `path`: Where to; `.nii` or `.nii.gz`.
    - `data`: An array of up to seven axes, three of space first. Masked entries are written as nan.
    - `affine`: 4 x 4, from voxel indices to mm.

    **Returns:** The path.

    **Raises:** `FileError` for another ending.
    """
    import nibabel
    from nibabel.nifti1 import Nifti1Image

    path = Path(path)
    narrow = np.complex64 if np.iscomplexobj(data) else np.float32
    # a masked array holds something below its mask, which is no data
    data = np.ma.filled(data.astype(narrow), np.nan) if isinstance(data, np.ma.MaskedArray) else np.asarray(data)
    data = data.reshape(*data.shape, *(1,) * (3 - data.ndim))
    if not path.name.endswith((".nii", ".nii.gz")):
        raise FileError(f"{path} must end with .nii or .nii.gz to be written as NIfTI.")
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(Nifti1Image(data.astype(narrow), np.asarray(affine, float)), path)
    return path
