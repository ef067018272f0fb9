"""When an RF pulse acts is what it says, in sequences and in Pulseq files; where it says nothing, its shape tells."""

import dataclasses
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from test_imaging import from_text

import mrjax as mr
from mrjax import units
from mrjax.pulseq import read, to_sequence, write
from mrjax.sequence import pulses
from mrjax.units import deg, ms, mT, us

GAMMA_BAR = units.GAMMA_BAR["1H"]

HALF = mr.ShapedPulse(np.sinc(np.linspace(-2, 0, 100)) * 1e-6, 10 * us, use="excitation")


def stated(pulse, center):
    return dataclasses.replace(pulse, center=center)


@pytest.mark.exhaustive
@pytest.mark.parametrize("pulse", [HALF, mr.ContinuousWave(1e-6, 1 * ms, use="excitation")])
@pytest.mark.parametrize("center", [0.0, 0.3 * ms, 1 * ms])
def test_k_counts_from_the_stated_center(pulse, center):
    gradient = mr.Gradient([10 * mT, 10 * mT], [0.0, 2 * ms], axis="z")
    track = mr.Sequence(mr.Delay(0.2 * ms), stated(pulse, center), mr.Delay(0.3 * ms), mr.Readout(1, 100 * us))
    timeline = mr.Sequence(mr.sequence.Together(track, gradient)).timeline()
    np.testing.assert_allclose(timeline.rf_centers, [0.2 * ms + center], rtol=1e-12)
    wound = GAMMA_BAR * 10 * mT * (1.55 * ms - 0.2 * ms - center)
    np.testing.assert_allclose(timeline.trajectory()[0], [0, 0, -wound], rtol=1e-12)


@pytest.mark.parametrize("center", [[0.1], np.nan, "middle", 1j, True])
def test_a_center_is_one_known_number(center):
    with pytest.raises(ValueError, match=r"`center` must be one number in s that is known, or None, but got"):
        mr.ShapedPulse([1e-6], 1 * ms, center=center)
    with pytest.raises(ValueError, match=r"`center` must be one number in s that is known"):
        jax.jit(lambda t: mr.ContinuousWave(1e-6, 1 * ms, center=t).duration)(0.5 * ms)


def test_pulses_that_are_changed_keep_use_and_center():
    pulse = stated(HALF, 0.9 * ms)
    for changed in (pulses.with_flip_angle(pulse, 20 * deg), pulses.multiband(pulse, [-1e3, 1e3])):
        assert (changed.use, changed.center) == ("excitation", 0.9 * ms)


def test_centers_do_not_change_what_is_played():
    tissue = mr.Tissue(t1=1.0, t2=0.1)
    signal = lambda pulse: mr.simulate(mr.Sequence(pulse, mr.Sample()), tissue, engine=mr.BlochMcConnell(b0=3.0))
    np.testing.assert_array_equal(signal(stated(HALF, 0.9 * ms)), signal(HALF))


@pytest.mark.exhaustive
@pytest.mark.parametrize("pulse", [HALF, mr.ContinuousWave(1e-6, 1 * ms, use="excitation")])
def test_a_center_is_written_and_read_and_survives_folding(tmp_path, pulse):
    moved = stated(dataclasses.replace(pulse, phase=np.arange(3) * 0.5), 812.5 * us)
    gradient = mr.Gradient.trapezoid(1 * mT, rise=100 * us, flat=2 * ms, axis="z")
    block = mr.sequence.Together(mr.Sequence(mr.Delay(200 * us), moved), gradient)
    line = mr.Readout(4, 10 * us)
    sequence = mr.Sequence(mr.Repeat(block, mr.sequence.Together(line, mr.Delay(100 * us))))
    write(sequence, tmp_path / "moved.seq")
    file = read(tmp_path / "moved.seq")
    assert {event.center for event in file.rf.values()} == {812.5e-6}
    (repeat,) = to_sequence(file)
    assert repeat.n_repetitions == 3
    assert repeat.events[0].tracks[0][1].center == 812.5e-6
    expected, found = sequence.timeline(), mr.Sequence(repeat).timeline()
    np.testing.assert_allclose(found.rf_centers, expected.rf_centers, rtol=0, atol=1e-12)
    np.testing.assert_allclose(found.trajectory(), expected.trajectory(), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(found.rf_centers[0], 200e-6 + 812.5e-6, rtol=1e-12)


def test_a_center_that_the_shape_tells_too_is_not_stated_twice(tmp_path):
    write(mr.Sequence(HALF, mr.ContinuousWave(1e-6, 1 * ms)), tmp_path / "plain.seq")
    found = to_sequence(read(tmp_path / "plain.seq"))
    assert [event.tracks[0][0].center for event in found] == [None, None]


ZEROS = "[BLOCKS]\n1 40 1 0 0 0 0 0\n[RF]\n1 100 1 0 0 {} 20 0 0 0 0 e\n[SHAPES]\nshape_id 1\nnum_samples 300\n"


def test_a_center_counts_from_the_stored_shape(tmp_path):
    shape = "0\n0\n98\n1\n0\n0\n197\n"
    (delay, pulse), _ = to_sequence(from_text(tmp_path, ZEROS.format(130) + shape))[0].tracks
    np.testing.assert_allclose([float(delay.duration), pulse.center], [120e-6, 30e-6], rtol=1e-9)
    # among the zeros before the pulse
    pulse = to_sequence(from_text(tmp_path, ZEROS.format(60) + shape))[0].tracks[0][1]
    np.testing.assert_allclose(pulse.center, -40e-6, rtol=1e-9)
    with pytest.raises(ValueError, match=r"a `center` must not be before its pulse, but is at -4e-05 s"):
        write(mr.Sequence(pulse), tmp_path / "early.seq")


def half_pulse_of_pypulseq(path):
    """Blocks of a half pulse, its center at its end, and a line; with k as PyPulseq computes it."""
    pypulseq = pytest.importorskip("pypulseq")
    system = pypulseq.Opts(max_grad=28, grad_unit="mT/m", max_slew=150, slew_unit="T/m/s", rf_dead_time=100e-6)
    judge = pypulseq.Sequence(system)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pulse, select, _ = pypulseq.make_sinc_pulse(
            10 * deg, duration=1e-3, slice_thickness=3e-3, apodization=0.5, time_bw_product=2, center_pos=1, system=system,
            return_gz=True, use="excitation",
        )  # fmt: skip
        line = pypulseq.make_trapezoid("x", flat_area=500, flat_time=0.7e-3, system=system)
        for _ in range(2):
            judge.add_block(pulse, select)
            judge.add_block(line, pypulseq.make_adc(8, duration=0.64e-3, delay=50e-6, system=system))
        judge.write(str(path))
        return judge.calculate_kspace()


@pytest.mark.exhaustive
def test_k_of_a_half_pulse_is_that_of_pypulseq(tmp_path):
    trajectory, _, excitations, _, _ = half_pulse_of_pypulseq(tmp_path / "half.seq")
    timeline = to_sequence(read(tmp_path / "half.seq")).timeline()
    np.testing.assert_allclose(timeline.rf_centers, excitations, rtol=0, atol=1e-12)
    # the center is half a sample later than the shape tells; the slice gradient winds 0.33 / m meanwhile
    np.testing.assert_allclose(-timeline.trajectory(), trajectory.T, rtol=0, atol=2e-3)
    np.testing.assert_allclose(-timeline.trajectory()[0, 2], 666667 * 55e-6, atol=1e-2)
    gradient = jax.grad(lambda s: scaled(to_sequence(read(tmp_path / "half.seq")), s).timeline().trajectory()[0, 2])(
        1.0
    )
    np.testing.assert_allclose(gradient, timeline.trajectory()[0, 2], rtol=1e-9)


def scaled(sequence, factor):
    """With all gradients times a factor."""
    is_gradient = lambda node: isinstance(node, mr.Gradient)
    times = lambda node: (
        node.with_leaves({"waveform": jnp.asarray(node.waveform) * factor}) if is_gradient(node) else node
    )
    return jax.tree.map(times, sequence, is_leaf=is_gradient)
