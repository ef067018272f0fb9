"""Sequences of pulses and samples that take no time are written for scanners, each centred where it was."""

import numpy as np
import pytest

import mrjax as mr
from mrjax.pulseq import from_sequence, read, to_sequence, write
from mrjax.units import deg, ms, us

GAMMA = 2 * np.pi * mr.units.GAMMA_BAR["1H"]
READOUT = mr.Readout(10, 20 * us, phase=0.1)
LASTING = {"pulse_duration": 0.4 * ms, "readout": READOUT}


def echo(delay=10 * ms):
    return mr.Sequence(
        mr.Pulse(90 * deg), mr.Delay(delay), mr.Pulse(180 * deg, 0.5), mr.Delay(delay), mr.Sample(0.3), mr.Delay(1 * ms)
    )


def test_the_error_offers_what_does_it():
    with pytest.raises(
        ValueError,
        match=r"event 0 \(Pulse\) cannot be played by a scanner; .* or pass `pulse_duration=` in s for block",
    ):
        from_sequence(echo())
    with pytest.raises(
        ValueError,
        match=r"event 4 \(Sample\) cannot be played by a scanner; .* or pass `readout=`, such as `readout=mr.Rea",
    ):
        from_sequence(echo(), pulse_duration=0.4 * ms)


@pytest.mark.exhaustive
@pytest.mark.parametrize("version", ["1.4.1", "1.5.0"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_pulses_and_readouts_are_centred_where_their_like_was(tmp_path, version, dtype):
    sequence = echo(np.asarray(10 * ms, dtype))
    write(sequence, tmp_path / "echo.seq", version=version, **LASTING)
    found = to_sequence(read(tmp_path / "echo.seq"))
    timeline = found.timeline()
    np.testing.assert_allclose(timeline.rf_centers, [0.2 * ms, 10.2 * ms], rtol=1e-9)
    np.testing.assert_allclose(np.mean(timeline.sample_times), 20.2 * ms, rtol=1e-9)
    np.testing.assert_allclose(found.duration, float(sequence.duration) + 0.2 * ms, rtol=1e-6)
    pulses = [track[0] for track in (found[0].tracks[0], found[2].tracks[0])]
    np.testing.assert_allclose([GAMMA * float(p.b1 * p.duration) for p in pulses], [90 * deg, 180 * deg], rtol=1e-6)
    np.testing.assert_allclose([float(p.phase) for p in pulses], [0.0, 0.5], atol=1e-12)
    np.testing.assert_allclose(timeline.receiver_phase, 0.4, rtol=1e-6)


def test_an_echo_is_refocused_as_before(tmp_path):
    write(echo(), tmp_path / "echo.seq", pulse_duration=20 * us, readout=mr.Readout(10, 4 * us))
    file = read(tmp_path / "echo.seq")
    tissue = mr.Tissue(t1=1.0, t2=0.5, off_resonance=np.array([0.0, 50.0]))
    found = mr.simulate(to_sequence(file), tissue, mr.Isochromats())
    expected = mr.simulate(echo(), tissue, mr.Isochromats())[:, 0]
    ratio = np.mean(found, axis=-1) / expected
    np.testing.assert_allclose(np.abs(ratio), 1, atol=1e-4)
    # a block pulse of 90 degrees acts on spins off resonance 2 / pi of its duration before its end, not half of it
    np.testing.assert_allclose(np.abs(np.angle(ratio)), [0, 2 * np.pi * 50 * 20 * us * (2 / np.pi - 0.5)], atol=3e-5)


@pytest.mark.exhaustive
def test_loops_stay_loops_and_their_last_delay_is_whole(tmp_path):
    n, tr, te = 4, 12 * ms, 5 * ms
    flip_angles, phases = np.linspace(10, 40, n) * deg, np.arange(n) * 0.7
    line = mr.Repeat(mr.Pulse(flip_angles, phases), mr.Delay(te), mr.Sample(phases), mr.Delay(tr - te))
    sequence = mr.Sequence(mr.Delay(1 * ms), mr.sequence.Label("LIN", 0), line)
    write(sequence, tmp_path / "loop.seq", **LASTING)
    file = read(tmp_path / "loop.seq")
    np.testing.assert_allclose(file.duration, sequence.duration, rtol=1e-12)
    uses = dict.fromkeys(file.rf, "excitation")
    timeline = to_sequence(file, uses=uses).timeline()
    np.testing.assert_allclose(timeline.rf_centers, 1 * ms + tr * np.arange(n), rtol=1e-9)
    middles = np.mean(timeline.sample_times.reshape(n, 10), axis=1)
    np.testing.assert_allclose(middles, 1 * ms + te + tr * np.arange(n), rtol=1e-9)
    np.testing.assert_allclose(timeline.receiver_phase[::10], phases + 0.1, rtol=1e-9)


REFUSED = {
    "short": (mr.Sequence(mr.Pulse(1.0), mr.Delay(0.25 * ms), mr.Sample()),
              r"event 1 \(Delay\) must last 0.0003 s or more .* but lasts 0.00025"),
    "side by side": (mr.Sequence(mr.Pulse(1.0), mr.Pulse(2.0)),
                     r"event 0 \(Pulse\) needs a `Delay` of 0.0002 s or more on both sides .* but is next to event 1 \(Pulse"),
    "after a gradient": (mr.Sequence(mr.Gradient.trapezoid(1e-3, rise=1e-4, flat=1e-3, axis="x"), mr.Sample()),
                         r"event 1 \(Sample\) needs a `Delay` of 0.0001 s or more .* is next to event 0 \(Gradient\)"),
    "spoiler": (mr.Sequence(mr.Pulse(1.0), mr.Delay(1 * ms), mr.Spoil()),
                r"event 2 \(Spoil\) cannot be played .*; write a Gradient"),
}  # fmt: skip


@pytest.mark.parametrize("fault", REFUSED)
def test_what_leaves_no_time_is_refused_by_name(fault):
    sequence, cause = REFUSED[fault]
    with pytest.raises(ValueError, match=cause):
        from_sequence(sequence, **LASTING)


@pytest.mark.parametrize(
    ("given", "cause"),
    [
        ({"pulse_duration": 0.0}, r"`pulse_duration` must be one positive time in s, but got 0.0"),
        ({"pulse_duration": np.ones(2)}, r"`pulse_duration` must be one positive time in s, but got array"),
        ({"readout": 1e-3}, r"`readout` must be a `Readout` without axes of repetitions, .* but got float"),
        ({"readout": mr.Readout(4, np.ones(3) * 1e-5)}, r"`readout` must be a `Readout` without axes of repetitions"),
    ],
)
def test_other_arguments_are_refused(given, cause):
    with pytest.raises(ValueError, match=cause):
        from_sequence(echo(), **given)


def test_a_file_is_written_as_it_is(tmp_path):
    with pytest.raises(ValueError, match=r"A `PulseqFile` is written as it is"):
        write(from_sequence(echo(), **LASTING), tmp_path / "file.seq", pulse_duration=1e-3)


def test_the_scanner_checks_what_lasts():
    scanner = mr.Scanner(rf_dead_time=0, rf_ringdown=0, adc_dead_time=0, max_b1=10e-6)
    with pytest.raises(ValueError, match=r"event 0 \(ContinuousWave\).* exceeds max_b1"):
        from_sequence(echo(), scanner=scanner, **LASTING)
