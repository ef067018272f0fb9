"""What the DEFINITIONS of a Pulseq file state about the scanner: field and gyromagnetic ratio."""

import math

from mrjax.pulseq.events import PulseqFile

HERTZ = 1e6
"""From here on a stated ratio is in Hz/T, below in MHz/T."""


def stated_field(file: PulseqFile) -> float:
    """B0 in T; NaN where the file states no positive number."""
    return _positive(file, "B0")


def stated_gyromagnetic_ratio(file: PulseqFile) -> float:
    """`gamma_hz`, which files give in MHz/T or in Hz/T, in rad/s/T; NaN where the file states no positive number."""
    stated = _positive(file, "gamma_hz")
    return 2 * math.pi * (stated if stated >= HERTZ else stated * HERTZ)


def _positive(file: PulseqFile, name: str) -> float:
    """The one number that stands under a name, whatever its capitals."""
    stated = [value for key, value in file.definitions.items() if key.lower() == name.lower()]
    if len(stated) != 1 or isinstance(stated[0], str) or len(stated[0]) != 1 or not stated[0][0] > 0:
        return math.nan
    return stated[0][0]
