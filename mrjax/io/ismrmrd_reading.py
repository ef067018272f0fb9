"""Reading ISMRMRD files."""

from pathlib import Path
from typing import Any

import numpy as np

from mrjax.io.ismrmrd import COUNTERS, FLAGS, _package
from mrjax.io.nifti import FileError
from mrjax.io.raw_data import RawData


def read_ismrmrd(path: str | Path) -> RawData:
    """Read raw data from an ISMRMRD file.

    Places are taken for cycles per pixel of the encoded space, as `write_ismrmrd` writes them, and converted to cycles/m.
    Flags beside noise, reverse and navigator are passed over.

    **Arguments:**

    - `path`: Of the file.

    **Returns:** A `RawData`, in single precision.

    **Raises:** `FileError` where the file is missing, damaged, holds no acquisitions or such as differ in length.
    """
    ismrmrd, path = _package(), Path(path)
    if not path.is_file():
        raise FileError(f"{path} does not exist or is no file; check the path.")
    try:
        with ismrmrd.Dataset(str(path), mode="r") as file:
            header = ismrmrd.xsd.CreateFromDocument(file.read_xml_header())
            acquisitions = [file.read_acquisition(i) for i in range(file.number_of_acquisitions())]
        return _raw(ismrmrd, path, header.encoding[0], acquisitions)
    except FileError:
        raise
    except Exception as error:  # HDF5, XML and the package each raise errors of their own where bytes are damaged
        cause = " ".join(str(error).split())[:200] or type(error).__name__
        raise FileError(f"{path} cannot be read as ISMRMRD: {cause}. Copy or export it again.") from error


def _raw(ismrmrd: Any, path: Path, encoding: Any, acquisitions: list[Any]) -> RawData:
    is_noise = [one.is_flag_set(ismrmrd.ACQ_IS_NOISE_MEASUREMENT) for one in acquisitions]
    noise = [one.data for one, apart in zip(acquisitions, is_noise, strict=True) if apart]
    read = [one for one, apart in zip(acquisitions, is_noise, strict=True) if not apart]
    shapes = sorted({(*one.data.shape, one.traj.shape[1]) for one in read})
    if len(shapes) != 1:
        kinds = ", ".join(map(str, shapes)) or "none"
        raise FileError(
            f"{path} must hold acquisitions of one size (coils, samples, axes of the trajectory), but holds {kinds}."
        )
    space = encoding.encodedSpace
    matrix = (space.matrixSize.x, space.matrixSize.y, space.matrixSize.z)
    fov = tuple(getattr(space.fieldOfView_mm, axis) * 1e-3 for axis in "xyz")
    labels = {
        name: np.array([getattr(one.idx, counter) for one in read])
        for name, counter in COUNTERS.items()
        if any(getattr(one.idx, counter) for one in read)
    }
    labels |= {
        name: np.array([int(one.is_flag_set(getattr(ismrmrd, flag))) for one in read])
        for name, flag in FLAGS.items()
        if any(one.is_flag_set(getattr(ismrmrd, flag)) for one in read)
    }
    return RawData(
        signal=np.stack([one.data for one in read], axis=1),
        trajectory=_places(path, np.stack([one.traj for one in read]), np.array(matrix) / np.array(fov)),
        fov=fov,  # pyright: ignore[reportArgumentType]
        matrix=matrix,
        dwell_time=round(float(read[0].sample_time_us), 4) * 1e-6,
        labels=labels,
        kind=encoding.trajectory.value,
        noise=np.concatenate(noise, axis=1) if noise else None,
    )


def _places(path: Path, per_pixel: np.ndarray, per_metre: np.ndarray) -> np.ndarray | None:
    """Places in cycles/m along three axes."""
    n_axes = per_pixel.shape[-1]
    if n_axes == 0:
        return None
    if n_axes > 3:
        raise FileError(
            f"{path} must have trajectories along one to three axes, but has {n_axes}; density weights are not read."
        )
    padded = np.zeros((*per_pixel.shape[:-1], 3))
    padded[..., :n_axes] = per_pixel
    return padded * per_metre
