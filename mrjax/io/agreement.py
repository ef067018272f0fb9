"""What a pool file and a sequence both state is compared."""

from mrjax.io.nifti import FileError
from mrjax.pulseq.file import PulseqFile

NOMINAL = 0.05
"""Relatively: fields are called 3 T from 2.89 T on."""

SAME_NUCLEUS = 1e-3
"""Relatively: what tools set apart in the gyromagnetic ratio of the proton is 3e-5."""


def require_same_scanner(file: PulseqFile, b0: float, gyromagnetic_ratio: float) -> None:
    """Refuse a sequence that was written for another field, or another nucleus, than a pool file is for.

    **Raises:** `FileError` with both values.
    """
    field, ratio = file.b0, file.gyromagnetic_ratio
    if abs(field / b0 - 1) > NOMINAL:
        raise FileError(
            f"{file.path} states B0 = {field:g} T, but the pool file b0 = {b0:g} T: the offsets of the sequence, in Hz, are "
            "others in ppm there. Take a sequence for that field, or a pool file for the field of the sequence."
        )
    if abs(ratio / gyromagnetic_ratio - 1) > SAME_NUCLEUS:
        raise FileError(
            f"{file.path} states a gyromagnetic ratio of {ratio / 1e6:.6g} rad/s/uT, but the pool file gamma = "
            f"{gyromagnetic_ratio / 1e6:.6g} rad/s/uT (the proton's is 267.522); both must be of one nucleus, in that unit."
        )
