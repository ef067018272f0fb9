"""The Larmor frequency of a Pulseq file, to which its offsets in ppm are relative."""

import math

import numpy as np

from mrjax.pulseq.events import PulseqFile
from mrjax.pulseq.statements import stated_field


def larmor_frequency(file: PulseqFile, gyromagnetic_ratio: float, b0: float | None) -> float:
    """In Hz, of a field in T or else of that in the file's DEFINITIONS; NaN where neither is a positive number.

    **Raises:** `ValueError` where `b0` is given and is not positive.
    """
    if b0 is not None and not (np.isfinite(b0) and b0 > 0):
        raise ValueError(f"`b0` must be positive (T), but got {b0!r}.")
    field = stated_field(file) if b0 is None else b0
    return field * gyromagnetic_ratio / (2 * math.pi)


def of_larmor(fraction: float, larmor: float, file: PulseqFile) -> float:
    """A fraction of the Larmor frequency.

    **Raises:** `ValueError` where the frequency is not known.
    """
    if fraction == 0:
        return 0.0
    if math.isnan(larmor):
        raise ValueError(f"{file.path} gives offsets in ppm but no positive B0 in its DEFINITIONS; pass `b0` in T.")
    return fraction * larmor
