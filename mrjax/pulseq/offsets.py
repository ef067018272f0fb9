"""At which offset each measurement of a Pulseq-CEST file saturates."""

import warnings

import numpy as np
from jaxtyping import Float, Int

from mrjax import _checks
from mrjax.conventions import Conventions
from mrjax.pulseq.events import PulseqFile
from mrjax.pulseq.larmor import larmor_frequency
from mrjax.pulseq.measurements import full_frequency
from mrjax.pulseq.statements import stated_field

PHYSICAL = Conventions()

RELATIVE_ROUNDING = 1e-4
"""Of offsets, some of which files write with six digits."""

SAME_OFFSET = (1e-3, 2e-3)
"""Relatively, and in ppm: what rounding, and two values of a gyromagnetic ratio, set apart."""


def offsets_ppm(
    file: PulseqFile, conventions: Conventions = PHYSICAL, *, b0: float | None = None
) -> Float[np.ndarray, " n_measurements"]:
    r"""The saturation offset of each measurement, $10^6 f / (\gamma B_0 / 2 \pi)$, with the frequency $f$ of its longest pulse.

    They are those of `offsets_ppm` in the file's DEFINITIONS, which have more digits, where these are as many as the file
    has readouts and what is played agrees with them, or where there is no RF, or no field, to compare them with. Where it
    does not agree, the offsets are those that are played: a sequence for 3 T that states 3.5 ppm plays 1.5 ppm at 7 T.

    **Arguments:**

    - `file`: From `read`.
    - `conventions`: For the gyromagnetic ratio.
    - `b0`: In T; that of the file's DEFINITIONS by default.

    **Returns:** In ppm, NaN for a measurement without RF for which the file states none.

    **Warns:** where the file states other offsets than it plays.

    **Raises:** `ValueError` where they must be computed and the field is not known.

    !!! example

        ```python
        >>> import pathlib, tempfile
        >>> import mrjax as mr
        >>> text = '''
        ... [VERSION]
        ... major 1
        ... minor 3
        ... revision 1
        ... [DEFINITIONS]
        ... offsets_ppm 3.5
        ... [BLOCKS]
        ... 1 0 0 0 0 0 1 0
        ... [ADC]
        ... 1 1 1000 0 0 0
        ... '''
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "readout.seq"
        >>> _ = path.write_text(text)
        >>> mr.pulseq.offsets_ppm(mr.pulseq.read(path)).tolist()
        [3.5]

        ```
    """
    stated = _stated(file)
    larmor = larmor_frequency(file, conventions.gyromagnetic_ratio, b0)
    if np.isnan(larmor):
        if stated is None:
            raise ValueError(
                f"{file.path} has no positive B0 in its DEFINITIONS, so ppm are not known; pass `b0` in T."
            )
        return stated
    played = 1e6 * _frequencies(file, larmor) / larmor
    if stated is None:
        return played
    relative, absolute = SAME_OFFSET
    differs = np.abs(played - stated) > absolute + relative * np.abs(stated)  # False where nothing is played
    if differs.any():
        worst = int(np.nanargmax(np.abs(played - stated)))
        warnings.warn(
            f"{file.path} states other offsets than it plays: measurement {worst + 1} is said to be at {stated[worst]:g} "
            f"ppm, but is at {played[worst]:g} ppm of {larmor / 1e6:.6g} MHz. Those that are played are used.",
            stacklevel=_checks.frames_to_the_caller(),
        )
    return np.where(differs, played, stated)


def m0_measurements(
    file: PulseqFile, conventions: Conventions = PHYSICAL, *, b0: float | None = None
) -> Int[np.ndarray, " n_m0"]:
    """Indices of the measurements that normalise the others: those at `M0_offset` of the file's DEFINITIONS.

    It is compared with the offsets that the file states, or else with those of its pulses in the field that it states.

    **Arguments:** as of `offsets_ppm`; `b0` serves where the file states no field.

    **Returns:** None of them where the file has no `M0_offset`, or NaN there.
    """
    written = file.definitions.get("M0_offset", ())
    offset = written[0] if not isinstance(written, str) and len(written) == 1 else np.nan
    if np.isnan(offset):
        return np.zeros(0, int)
    of_file = _stated(file)
    if of_file is None:
        field = stated_field(file)
        of_file = offsets_ppm(file, conventions, b0=b0 if np.isnan(field) else field)
    return np.flatnonzero(np.isclose(of_file, offset, rtol=RELATIVE_ROUNDING, atol=0))


def _stated(file: PulseqFile) -> Float[np.ndarray, " n_measurements"] | None:
    """The offsets in the DEFINITIONS, where they are as many as the readouts."""
    written = file.definitions.get("offsets_ppm", ())
    n_measurements = sum(block.adc > 0 for block in file.blocks)
    return np.array(written, float) if not isinstance(written, str) and len(written) == n_measurements else None


def _frequencies(file: PulseqFile, larmor: float) -> Float[np.ndarray, " n_measurements"]:
    """The frequency in Hz of the longest pulse of each measurement."""
    found, longest, frequency = [], 0.0, np.nan
    for block in file.blocks:
        if block.rf and block.duration > longest:
            longest, frequency = block.duration, full_frequency(file.rf[block.rf], larmor, file)
        if block.adc:
            found.append(frequency)
            longest, frequency = 0.0, np.nan
    return np.array(found)
