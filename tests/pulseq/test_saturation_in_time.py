"""RF events of a saturation experiment last as long as their file says: zeros are time, and resampling keeps time and area."""

import math

import numpy as np
import pytest

import mrjax as mr
from mrjax import ContinuousWave, Conventions, Delay, ShapedPulse
from mrjax.pulseq import read, saturation_sequence, to_sequence

BMCTOOL = Conventions.pulseq_cest()


def file_with(folder, magnitude, phase=None, *, offset=0.0, hertz=1000.0, delay=0, block=None):
    """One RF event of samples of 1 us and a readout; shapes stand uncompressed."""
    magnitude = np.asarray(magnitude, float)
    block = -(-(magnitude.size + delay) // 10) if block is None else block
    shapes = [magnitude] if phase is None else [magnitude, np.asarray(phase, float)]
    rows = "\n".join(
        f"shape_id {n}\nnum_samples {shape.size}\n" + "\n".join(f"{value:.12g}" for value in shape)
        for n, shape in enumerate(shapes, 1)
    )
    text = f"""\
[VERSION]
major 1
minor 4
revision 0
[DEFINITIONS]
BlockDurationRaster 1e-5
RadiofrequencyRasterTime 1e-6
GradientRasterTime 1e-5
AdcRasterTime 1e-7
[BLOCKS]
1 {block} 1 0 0 0 0 0
2 1 0 0 0 0 1 0
[RF]
1 {hertz} 1 {len(shapes) - 1 and 2} 0 {delay} {offset} 0
[ADC]
1 1 1000 0 0 0
[SHAPES]
{rows}
"""
    path = folder / "pulse.seq"
    path.write_text(text)
    return read(path)


def composite(folder, **options):
    """90x, 2 ms of zeros and 90-x in one event of 2.5 ms."""
    magnitude = np.concatenate([np.ones(250), np.zeros(2000), np.ones(250)])
    phase = np.concatenate([np.zeros(2250), np.full(250, 0.5)])
    return file_with(folder, magnitude, phase, **options)


def z_after(sequence, off_resonance=0.0):
    tissue = mr.Tissue(t1=math.inf, t2=math.inf, off_resonance=off_resonance)
    return mr.simulate(sequence, tissue, mr.BlochMcConnell(b0=3.0)).real.item()


def duration(events):
    return sum(float(event.duration) for event in events)


@pytest.mark.exhaustive
def test_zeros_inside_an_event_are_time(tmp_path):
    file = composite(tmp_path)
    sequence = saturation_sequence(file)
    kinds = [type(event) for event in sequence.events[1:-1]]
    assert kinds == [ContinuousWave, Delay, ContinuousWave]
    np.testing.assert_allclose(duration(sequence.events), 2.5e-3, rtol=1e-12)
    np.testing.assert_allclose(z_after(sequence, 125.0), -0.2472, atol=5e-5)
    # the other reader of the same file, and the other engine
    played = mr.Sequence(*to_sequence(file).events[:1], mr.Spoil(), mr.SampleLongitudinal())
    apart = mr.simulate(played, mr.Tissue(math.inf, math.inf, off_resonance=125.0), mr.Isochromats()).real.item()
    np.testing.assert_allclose(z_after(sequence, 125.0), apart, atol=1e-9)


def test_zeros_inside_an_event_are_time_in_the_preset_that_imitates_too(tmp_path):
    sequence = saturation_sequence(composite(tmp_path, delay=100), BMCTOOL)
    np.testing.assert_allclose(duration(sequence.events), 2.5e-3, rtol=1e-12)


@pytest.mark.parametrize("rf_phase", ["as_written", "accumulated"])
def test_the_phase_of_an_offset_runs_on_through_zeros(tmp_path, rf_phase):
    # a pulse off resonance on spins at its offset is the pulse on resonance: nothing may slip in between
    offset = 177.0
    sequence = saturation_sequence(composite(tmp_path, offset=offset), Conventions(rf_phase=rf_phase))
    engine = mr.BlochMcConnell(3.0, Conventions(rf_phase=rf_phase))
    seen = mr.simulate(sequence, mr.Tissue(math.inf, math.inf, off_resonance=offset), engine).real.item()
    np.testing.assert_allclose(seen, 1.0, atol=1e-9)


def test_a_scanner_plays_delay_zeros_pulse_zeros_and_rest(tmp_path):
    shape = np.concatenate([np.zeros(7), np.ones(40), np.zeros(13)])
    file = file_with(tmp_path, shape, delay=100, block=20, offset=500.0)
    played = lambda **conventions: [
        (type(event).__name__, round(float(event.duration) * 1e6, 6))
        for event in saturation_sequence(file, Conventions(**conventions)).events[1:-1]
    ]
    assert played() == [("Delay", 107), ("ContinuousWave", 40), ("Delay", 13 + 40)]
    assert played(plays_rf_delay=False) == [("Delay", 7), ("ContinuousWave", 40), ("Delay", 13)]
    assert played(plays_rf_delay=False, edge_zeros="after_pulse") == [("ContinuousWave", 40), ("Delay", 20)]
    assert played(edge_zeros="after_pulse") == [("ContinuousWave", 40), ("Delay", 140)]
    # the phase of an offset counts from the start of the stored waveform
    phase = lambda conventions: float(saturation_sequence(file, conventions)[-3].phase)
    np.testing.assert_allclose(phase(Conventions()), 2 * math.pi * 500 * 7e-6, rtol=1e-12)
    assert phase(BMCTOOL) == 0.0


def test_a_single_zero_does_not_cut_a_pulse(tmp_path):
    shape = np.sinc(np.arange(-150, 151) / 50)
    shape[np.abs(shape) < 1e-9] = 0.0
    (_, before, pulse, after, _) = saturation_sequence(file_with(tmp_path, shape)).events
    assert isinstance(pulse, ShapedPulse)
    assert pulse.waveform.shape == (299,)
    np.testing.assert_allclose([before.duration, after.duration], [1e-6, 10e-6], rtol=1e-9)


def area(sequence):
    """Complex, in rad about the pulse's axis."""
    gamma = Conventions().gyromagnetic_ratio
    of = lambda event: np.sum(np.asarray(getattr(event, "waveform", getattr(event, "b1", 0.0))))
    length = lambda event: float(event.dt if isinstance(event, ShapedPulse) else event.duration)
    return gamma * sum(
        of(event) * length(event) for event in sequence.events if hasattr(event, "b1") or hasattr(event, "dt")
    )


def hanning(n):
    return np.sin(math.pi * (np.arange(n) + 0.5) / n) ** 2


@pytest.mark.parametrize("n_max", [1, 2, 7, 100, 499, 1501, 5000])
def test_resampled_pulses_keep_duration_and_complex_area(tmp_path, n_max):
    n = 1501
    phase = (np.arange(n) / n - 0.4) ** 2 % 1
    sequence = saturation_sequence(file_with(tmp_path, hanning(n), phase), max_pulse_samples=n_max)
    pulse = sequence[1]
    assert pulse.waveform.size == min(n_max, n)
    np.testing.assert_allclose(pulse.duration, 1501e-6, rtol=1e-13)
    exact = 2 * math.pi * 1000.0 * 1e-6 * np.sum(hanning(n) * np.exp(2j * math.pi * phase))
    np.testing.assert_allclose(area(sequence), exact, rtol=1e-9)


def test_pulses_of_one_event_share_the_number_of_samples(tmp_path):
    shape = np.concatenate([hanning(1003), np.zeros(500), hanning(397), np.zeros(300), np.ones(100)])
    file = file_with(tmp_path, shape)
    for n_max in (3, 10, 101, 5000):
        sequence = saturation_sequence(file, max_pulse_samples=n_max)
        pulses = [event for event in sequence.events if isinstance(event, ShapedPulse | ContinuousWave)]
        n_samples = sum(getattr(pulse, "waveform", np.zeros(1)).size for pulse in pulses)
        assert n_samples <= n_max
        np.testing.assert_allclose(duration(sequence.events), 2300e-6, rtol=1e-9)
        np.testing.assert_allclose(area(sequence), 2 * math.pi * 1e-3 * shape.sum(), rtol=1e-9)


@pytest.mark.exhaustive
def test_resampling_converges_with_the_square_of_the_interval(tmp_path):
    file = file_with(tmp_path, hanning(4800), offset=150.0)
    z = [z_after(saturation_sequence(file, max_pulse_samples=n)) for n in (4800, 60, 120)]
    assert abs(z[1] - z[0]) / abs(z[2] - z[0]) == pytest.approx(4, rel=0.1)
