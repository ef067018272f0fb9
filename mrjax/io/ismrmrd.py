"""ISMRMRD files: raw data with headers that other reconstructions read."""

import os
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from mrjax import units
from mrjax.io.nifti import FileError
from mrjax.io.raw_data import RawData

COUNTERS = {
    "LIN": "kspace_encode_step_1",
    "PAR": "kspace_encode_step_2",
    "AVG": "average",
    "SLC": "slice",
    "ECO": "contrast",
    "PHS": "phase",
    "REP": "repetition",
    "SET": "set",
    "SEG": "segment",
}
"""Labels of Pulseq and the counters that they are in a file."""

LARGEST_COUNT = 2**16 - 1

FLAGS = {"REV": "ACQ_IS_REVERSE", "NAV": "ACQ_IS_NAVIGATION_DATA"}
"""Labels that are flags there."""

ENDINGS = (".h5", ".mrd", ".hdf5")


def write_ismrmrd(path: str | Path, raw: RawData, *, b0: Any = 3.0) -> Path:
    """Write raw data as ISMRMRD: a header in XML, and an acquisition for each readout.

    Places are written in cycles per pixel, $k L / n$ with the field of view $L$ and the matrix $n$, so that the grid reaches
    from -0.5 to 0.5; signals and places in single precision. Labels become counters and flags, with the first and the last
    readout of each slice and repetition marked, and noise stands in an acquisition of its own before them.

    **Arguments:**

    - `path`: Where to; `.h5`, `.hdf5` or `.mrd`. A file that is there is replaced.
    - `raw`: From `raw_data`.
    - `b0`: Field strength in T, for the header.

    **Returns:** The path.

    **Raises:** `FileError` for another ending, and where the package `ismrmrd` is missing; `ValueError` for labels that no
    counter holds. Warns of labels that the format does not know.

    **Source:** ismrmrd.readthedocs.io, and the schema of the package `ismrmrd`.

    !!! example

        ```python
        >>> import pathlib, tempfile
        >>> import jax.numpy as jnp
        >>> import mrjax as mr
        >>> from mrjax.units import deg, mm
        >>> sequence = mr.protocols.imaging.gre_epi(200 * mm, (16, 8), 90 * deg)
        >>> raw = mr.io.raw_data(sequence, jnp.ones(128), fov=200 * mm, matrix=(16, 8))
        >>> path = mr.io.write_ismrmrd(pathlib.Path(tempfile.mkdtemp()) / "scan.h5", raw)
        >>> mr.io.read_ismrmrd(path).signal.shape
        (1, 8, 16)

        ```
    """
    ismrmrd = _package()
    path = Path(path)
    if path.suffix not in ENDINGS:
        raise FileError(f"{path} must end with {', '.join(ENDINGS)} to be written as ISMRMRD.")
    heads = _heads(ismrmrd, raw)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=path.suffix)
    os.close(handle)
    try:
        with ismrmrd.Dataset(name, mode="w") as file:
            file.write_xml_header(_xml(ismrmrd, raw, float(b0)))
            if raw.noise is not None:
                noise = ismrmrd.Acquisition.from_array(
                    np.asarray(raw.noise, np.complex64), sample_time_us=raw.dwell_time * 1e6
                )
                noise.set_flag(ismrmrd.ACQ_IS_NOISE_MEASUREMENT)
                file.append_acquisition(noise)
            for number, head in enumerate(heads):
                places = None if raw.trajectory is None else _per_pixel(raw)[number].astype(np.float32)
                samples = np.asarray(raw.signal[:, number], np.complex64)
                acquisition = ismrmrd.Acquisition(head, np.ascontiguousarray(samples), places)
                file.append_acquisition(acquisition)
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return path


def _package() -> Any:
    try:
        import ismrmrd  # here, since few need it and it imports HDF5
    except ImportError as error:
        raise FileError(
            "ISMRMRD files need the package ismrmrd; install it by `pip install mrjax[ismrmrd]`."
        ) from error
    return ismrmrd


def _per_pixel(raw: RawData) -> np.ndarray:
    """Places in cycles per pixel."""
    assert raw.trajectory is not None
    return raw.trajectory * (np.array(raw.fov) / np.array(raw.matrix))


def _heads(ismrmrd: Any, raw: RawData) -> list[Any]:
    """The header of each acquisition."""
    if unknown := [name for name in raw.labels if name not in COUNTERS | FLAGS]:
        warnings.warn(
            f"ISMRMRD has no counters for the labels {', '.join(unknown)}; they are not written.", stacklevel=3
        )
    n_coils, n_readouts, n_samples = raw.signal.shape
    center = np.full(n_readouts, n_samples // 2)
    if raw.trajectory is not None:
        center = np.argmin(np.linalg.norm(raw.trajectory, axis=-1), axis=-1)
    heads = []
    for number in range(n_readouts):
        head = ismrmrd.AcquisitionHeader()
        head.version, head.scan_counter = 1, number
        head.number_of_samples, head.active_channels, head.available_channels = n_samples, n_coils, n_coils
        head.trajectory_dimensions = 0 if raw.trajectory is None else 3
        head.sample_time_us, head.center_sample = raw.dwell_time * 1e6, int(center[number])
        head.read_dir[0] = head.phase_dir[1] = head.slice_dir[2] = 1.0
        for name, counter in COUNTERS.items():
            setattr(head.idx, counter, _count(raw, name, number))
        for name, flag in FLAGS.items():
            if name in raw.labels and raw.labels[name][number]:
                head.set_flag(getattr(ismrmrd, flag))
        heads.append(head)
    _mark_ends(ismrmrd, raw, heads)
    return heads


def _count(raw: RawData, name: str, number: int) -> int:
    value = int(raw.labels[name][number]) if name in raw.labels else 0
    if not 0 <= value <= LARGEST_COUNT:
        raise ValueError(
            f"`labels` must be from 0 to {LARGEST_COUNT} to be written, but {name} is {value} at readout {number}."
        )
    return value


def _mark_ends(ismrmrd: Any, raw: RawData, heads: list[Any]) -> None:
    """Mark the first and the last acquisition of each slice and repetition, and the last of all."""
    groups = [(_count(raw, "SLC", i), _count(raw, "REP", i)) for i in range(len(heads))]
    for group in set(groups):
        own = [i for i, other in enumerate(groups) if other == group]
        heads[own[0]].set_flag(ismrmrd.ACQ_FIRST_IN_SLICE)
        heads[own[-1]].set_flag(ismrmrd.ACQ_LAST_IN_SLICE)
    heads[-1].set_flag(ismrmrd.ACQ_LAST_IN_MEASUREMENT)


def _xml(ismrmrd: Any, raw: RawData, b0: float) -> bytes:
    """The header of the file."""
    xsd = ismrmrd.xsd
    axes = lambda kind, values: kind(**dict(zip("xyz", values, strict=True)))
    space = xsd.encodingSpaceType(
        matrixSize=axes(xsd.matrixSizeType, raw.matrix),
        fieldOfView_mm=axes(xsd.fieldOfViewMm, (length * 1e3 for length in raw.fov)),
    )
    between = lambda least, most, center: xsd.limitType(minimum=least, maximum=most, center=center)
    ends = lambda name: (int(np.min(raw.labels[name])), int(np.max(raw.labels[name]))) if name in raw.labels else (0, 0)
    limit = lambda name, size: between(*ends(name), size // 2)
    limits = xsd.encodingLimitsType(
        kspace_encoding_step_0=between(0, raw.signal.shape[2] - 1, raw.signal.shape[2] // 2),
        kspace_encoding_step_1=limit("LIN", raw.matrix[1]),
        kspace_encoding_step_2=limit("PAR", raw.matrix[2]),
        **{COUNTERS[name]: limit(name, 1) for name in COUNTERS if name not in ("LIN", "PAR")},
    )
    header = xsd.ismrmrdHeader(
        experimentalConditions=xsd.experimentalConditionsType(
            H1resonanceFrequency_Hz=round(units.GAMMA_BAR["1H"] * b0)
        ),
        acquisitionSystemInformation=xsd.acquisitionSystemInformationType(
            systemVendor="mrjax", systemFieldStrength_T=b0, receiverChannels=raw.signal.shape[0]
        ),
        encoding=[
            xsd.encodingType(
                encodedSpace=space, reconSpace=space, encodingLimits=limits, trajectory=xsd.trajectoryType(raw.kind)
            )
        ],
    )
    return xsd.ToXML(header).encode()
