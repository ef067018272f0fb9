"""At which offset each measurement of a Pulseq-CEST file saturates."""

import numpy as np
from jaxtyping import Float, Int

from mrjax.conventions import Conventions
from mrjax.sequence.pulseq.events import PulseqFile
from mrjax.sequence.pulseq.larmor import larmor_frequency
from mrjax.sequence.pulseq.measurements import full_frequency

PHYSICAL = Conventions()

RELATIVE_ROUNDING = 1e-4
"""Of offsets, some of which files write with six digits."""


def offsets_ppm(
    file: PulseqFile, conventions: Conventions = PHYSICAL, *, b0: float | None = None
) -> Float[np.ndarray, " n_measurements"]:
    r"""The saturation offset of each measurement, $10^6 f / (\gamma B_0 / 2 \pi)$.

    They are those of `offsets_ppm` in the file's DEFINITIONS where these are as many as the file has readouts; else they
    follow from the frequency $f$ of the longest pulse before each readout.

    **Arguments:**

    - `file`: From `read`.
    - `conventions`: For the gyromagnetic ratio.
    - `b0`: In T; that of the file's DEFINITIONS by default.

    **Returns:** In ppm, NaN for a measurement without RF.

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
        >>> mr.sequence.pulseq.offsets_ppm(mr.sequence.pulseq.read(path)).tolist()
        [3.5]

        ```
    """
    written = file.definitions.get("offsets_ppm", ())
    n_measurements = sum(block.adc > 0 for block in file.blocks)
    if not isinstance(written, str) and len(written) == n_measurements:
        return np.array(written, float)
    larmor = larmor_frequency(file, conventions.gyromagnetic_ratio, b0)
    if np.isnan(larmor):
        raise ValueError(f"{file.path} has no positive B0 in its DEFINITIONS, so ppm are not known; pass `b0` in T.")
    return 1e6 * _frequencies(file, larmor) / larmor


def m0_measurements(
    file: PulseqFile, conventions: Conventions = PHYSICAL, *, b0: float | None = None
) -> Int[np.ndarray, " n_m0"]:
    """Indices of the measurements that normalise the others: those at `M0_offset` of the file's DEFINITIONS.

    **Arguments:** as of `offsets_ppm`.

    **Returns:** None of them where the file has no `M0_offset`, or NaN there.
    """
    written = file.definitions.get("M0_offset", ())
    offset = written[0] if not isinstance(written, str) and len(written) == 1 else np.nan
    if np.isnan(offset):
        return np.zeros(0, int)
    return np.flatnonzero(np.isclose(offsets_ppm(file, conventions, b0=b0), offset, rtol=RELATIVE_ROUNDING, atol=0))


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
