"""Pulseq-CEST files as sequences: saturation, spoiling and a readout that only looks."""

from typing import Literal

from mrjax import _checks
from mrjax.conventions import Conventions
from mrjax.pulseq.events import PulseqFile
from mrjax.pulseq.larmor import larmor_frequency
from mrjax.pulseq.loops import looped
from mrjax.pulseq.measurements import Rules, delays_joined, measurements_of
from mrjax.pulseq.played import Played
from mrjax.sequence.containers import Sequence
from mrjax.sequence.events import Reset, Sample, SampleLongitudinal

PHYSICAL = Conventions()


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
        >>> import pathlib, tempfile
        >>> import mrjax as mr
        >>> text = '''
        ... [VERSION]
        ... major 1
        ... minor 3
        ... revision 1
        ... [BLOCKS]
        ... 1 0 1 0 0 0 0 0
        ... 2 0 0 0 0 0 1 0
        ... [RF]
        ... 1 85.1528 1 0 0 447.05 0
        ... [ADC]
        ... 1 1 1000 0 0 0
        ... [SHAPES]
        ... shape_id 1
        ... num_samples 2000000
        ... 1
        ... 0
        ... 0
        ... 1999997
        ... '''
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "block.seq"
        >>> _ = path.write_text(text)
        >>> sequence = mr.pulseq.saturation_sequence(mr.pulseq.read(path))
        >>> print(f"{sequence[1].b1:.2e} T for {sequence[1].duration:.1f} s")
        2.00e-06 T for 2.0 s

        ```
    """
    max_pulse_samples = _checks.positive_integer(max_pulse_samples, "max_pulse_samples")
    if readout not in ("longitudinal", "transverse"):
        raise ValueError(f'`readout` must be "longitudinal" or "transverse", but got {readout!r}.')
    rules = Rules(conventions, max_pulse_samples, larmor_frequency(file, conventions.gyromagnetic_ratio, b0))
    sample = Played(SampleLongitudinal if readout == "longitudinal" else Sample)
    start = [Played(Reset, () if magnetisation == 1 else (float(magnetisation),))] if reset else []
    measurements = [[*start, *measurement, sample] for measurement in measurements_of(file, rules)]
    return Sequence(*looped([delays_joined(measurement) for measurement in measurements]))
