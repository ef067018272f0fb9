"""Fingerprinting of saturation transfer for scanners: the file plays what is simulated, and other tools accept it."""

import jax.numpy as jnp
import numpy as np
import pypulseq
import pytest

import mrjax as mr
from mrjax.protocols.cest import fingerprinting, played_fingerprinting

ARGUMENTS = {
    "b1": np.array([2e-6, 0.0, 5e-6]),
    "offset_ppm": np.array([3.0, 3.0, 2.5]),
    "saturation_time": np.array([2.5, 1.0, 0.30001]),
    "tr": np.array([3.6, 1.6, 2.5]),
    "b0": 9.4,
    "flip_angle": np.array([1.5, 1.0, 1.5]),
    "flip_duration": 2e-3,
    "crusher_duration": 4e-3,
    "te": 40e-6,
}


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("played") / "fingerprinting.seq"
    mr.pulseq.write(played_fingerprinting(**ARGUMENTS), path, version="1.4.1")
    return path


def test_the_file_plays_what_is_simulated(path):
    solute = mr.Pool(fraction=1.4e-3, exchange_rate=300.0, t1=2.8, t2=0.04, shift_ppm=3.0)
    tissue, engine = mr.Tissue(jnp.array([2.8, 2.0]), 0.9, pools=(solute,)), mr.BlochMcConnell(b0=9.4)
    read = mr.pulseq.saturation_sequence(mr.pulseq.read(path), reset=False, readout="transverse")
    images = abs(mr.simulate(read, tissue, engine))
    np.testing.assert_allclose(images, abs(mr.simulate(fingerprinting(**ARGUMENTS), tissue, engine)), atol=1e-7)


def test_another_tool_finds_nothing_wrong_with_its_times(path):
    sequence = pypulseq.Sequence(
        pypulseq.Opts(rf_dead_time=100e-6, rf_ringdown_time=30e-6, adc_dead_time=10e-6, adc_raster_time=1e-7)
    )
    sequence.read(str(path))
    fits, report = sequence.check_timing()
    assert fits, report
    readouts = 3 * 30e-6
    assert sequence.duration()[0] == pytest.approx(ARGUMENTS["tr"].sum() + readouts, abs=1e-9)


@pytest.mark.filterwarnings("ignore:.*does not say what all RF pulses are for")  # limits do not depend on it
def test_a_scanner_plays_the_file(path):
    file = mr.pulseq.to_sequence(mr.pulseq.read(path))
    assert mr.Scanner().breaches(file) == []
    slower = mr.Scanner(rf_dead_time=200e-6, rf_ringdown=35e-6, adc_dead_time=40e-6)
    assert slower.breaches(file) != []
    assert slower.breaches(played_fingerprinting(**ARGUMENTS, scanner=slower)) == []


@pytest.mark.exhaustive
def test_crushers_take_their_time():
    """Between the saturation and the readout z recovers towards equilibrium."""
    water, engine = mr.Tissue(t1=0.05, t2=0.02), mr.BlochMcConnell(b0=3.0)
    scan = lambda **crusher: fingerprinting(3e-6, 1.0, 0.2, 1.0, 3.0, **crusher)
    at_once, later = (abs(mr.simulate(one, water, engine))[0] for one in (scan(), scan(crusher_duration=0.02)))
    np.testing.assert_allclose(1 - later, (1 - at_once) * np.exp(-0.02 / 0.05), rtol=1e-9)


def test_what_does_not_fit_is_refused():
    with pytest.raises(
        ValueError, match=r"`saturation_time \+ flip_duration \+ te \+ 2 crusher_duration` must not be longer"
    ):
        fingerprinting(1e-6, 3.0, 1.0, 1.005, 3.0, crusher_duration=3e-3)
    with pytest.raises(ValueError, match="`crusher_duration` must be zero where `spoiled` is False"):
        fingerprinting(1e-6, 3.0, 1.0, 2.0, 3.0, crusher_duration=3e-3, spoiled=False)
    with pytest.raises(ValueError, match="`crusher_duration` must be positive"):
        played_fingerprinting(1e-6, 3.0, 1.0, 2.0, 3.0, crusher_duration=0.0)
    with pytest.raises(ValueError, match="`flip_duration` must be positive"):
        played_fingerprinting(1e-6, 3.0, 1.0, 2.0, 3.0, flip_duration=0.0)
    with pytest.raises(ValueError, match="`te` must be at least 3e-05 s, in which RF rings down, but got 2e-05 s"):
        played_fingerprinting(1e-6, 3.0, 1.0, 2.0, 3.0, te=2e-5)
    with pytest.raises(ValueError, match=r"longer than the dead times of pulses, 0\.00013 s, but got 0\.0001 s"):
        played_fingerprinting(1e-6, 3.0, 1.0, 2.0, 3.0, crusher_duration=1e-4)
