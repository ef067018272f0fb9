"""Pulseq-CEST files as sequences: saturation, spoiling and a readout that only looks."""

import itertools
import warnings
from typing import Literal

import numpy as np
from jaxtyping import Float, Int

from mrjax import _checks
from mrjax.conventions import Conventions
from mrjax.pulseq.file import PulseqFile
from mrjax.pulseq.loops import built, folded_measurements
from mrjax.pulseq.measurements import SaturationSettings, delays_joined, measurements_of
from mrjax.pulseq.plain_events import Entries, PlainEvent
from mrjax.pulseq.rf_events import larmor_frequency, total_frequency
from mrjax.sequence.containers import Sequence
from mrjax.sequence.events import Reset, Sample, SampleLongitudinal

PHYSICAL = Conventions()

RELATIVE_ROUNDING = 1e-4
"""Of offsets, some of which files write with six digits."""

SAME_OFFSET = (1e-3, 2e-3)
"""Relatively, and in ppm: what rounding, and two values of a gyromagnetic ratio, set apart."""


def saturation_sequence(
    file: PulseqFile,
    conventions: Conventions = PHYSICAL,
    *,
    max_pulse_samples: int = 500,
    reset: bool = True,
    magnetisation: float = 1.0,
    readout: Literal["longitudinal", "transverse"] = "longitudinal",
    b0: float | None = None,
) -> Sequence:
    r"""What a Pulseq-CEST file plays, as nested repeats.

    A block of RF becomes a `ContinuousWave` where all its samples are equal, else a `ShapedPulse`; one of a z gradient free
    evolution and then a `Spoil`; one of an ADC a sample, which takes no time. Free evolution that adjoins is one `Delay`.
    The amplitude is $B_1 = 2 \pi f_1 / \gamma$; phases and offsets are those of the file, to the last digit.

    **Pulses** of more than $N_\text{max}$ samples are resampled to so many by their means, which keep duration and complex
    area, or as `conventions.pulse_samples` says. Zeros inside an RF event that last longer than a hundredth of it are free
    evolution between two pulses; $N_\text{max}$ then holds for both together.

    **Time:** a block of RF plays its delay, the zeros at the start of its waveform, the pulse, the zeros at its end, and what
    else it lasts, as a scanner does. `conventions.edge_zeros` and `conventions.plays_rf_delay` move or leave out what other
    simulators do: of a 2 s block with 100 us of delay and 30 us of zeros, BMCTool plays 30 us after the pulse, the MATLAB
    pulseq-cest 100 us, and both none before it.

    **Loops:** readouts cut the file into measurements. Neighbours that play events of the same kinds are one `Repeat`, and
    patterns that recur in each another one inside; leaves have the axes along which they change, and no others. A first
    measurement that alone has other delays or another B1, such as that of M0, stands before them.

    **Arguments:**

    - `file`: From `read`.
    - `conventions`: For the gyromagnetic ratio, the RF delay, zeros, resampling, and the sign of a block pulse's shape phase.
    - `max_pulse_samples`: $N_\text{max}$, at least 1.
    - `reset`: Whether each measurement begins with `Reset(magnetisation)`.
    - `magnetisation`: Relative to equilibrium.
    - `readout`: `"longitudinal"` for `SampleLongitudinal`, `"transverse"` for `Sample`.
    - `b0`: In T, for offsets in ppm (version 1.5); that of the file's DEFINITIONS by default.

    **Returns:** A `Sequence` with one sample for each ADC of the file; what the file plays after the last is left out.

    **Raises:** `ValueError` where the file has no ADC, or a block plays what is no part of a saturation experiment.

    **Source:** K. Herz et al., Magn Reson Med 86 (2021) 1845-1858.

    !!! example

        ```python
        >>> import mrjax as mr
        >>> pulse, readout = mr.ContinuousWave(2e-6, duration=2.0, offset=447.05), mr.Readout(1, dwell=1e-3)
        >>> file = mr.pulseq.from_sequence(mr.Sequence(pulse, readout))
        >>> sequence = mr.pulseq.saturation_sequence(file)
        >>> print(f"{sequence[1].b1:.2e} T for {sequence[1].duration:.1f} s")
        2.00e-06 T for 2.0 s

        ```
    """
    max_pulse_samples = _checks.positive_integer(max_pulse_samples, "max_pulse_samples")
    if readout not in ("longitudinal", "transverse"):
        raise ValueError(f'`readout` must be "longitudinal" or "transverse", but got {readout!r}.')
    settings = SaturationSettings(
        conventions, max_pulse_samples, larmor_frequency(file, conventions.gyromagnetic_ratio, b0)
    )
    sample = PlainEvent(SampleLongitudinal if readout == "longitudinal" else Sample)
    start = [PlainEvent(Reset, (), () if magnetisation == 1 else (float(magnetisation),))] if reset else []
    measurements = [delays_joined([*start, *events, sample]) for events in measurements_of(file, settings)]
    entries = Entries(itertools.chain.from_iterable(measurements))
    return Sequence(*built(folded_measurements(entries, list(map(len, measurements))), entries.event))


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
        >>> import mrjax as mr
        >>> readout = mr.Readout(1, dwell=1e-3)
        >>> file = mr.pulseq.from_sequence(mr.Sequence(readout), definitions={"offsets_ppm": 3.5})
        >>> mr.pulseq.offsets_ppm(file).tolist()
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
        field = file.b0
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
            longest, frequency = block.duration, total_frequency(file.rf[block.rf], larmor, file)
        if block.adc:
            found.append(frequency)
            longest, frequency = 0.0, np.nan
    return np.array(found)
