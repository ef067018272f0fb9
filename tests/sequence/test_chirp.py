"""The linear sweep turns a band evenly and leaves a quadratic phase."""

from math import inf

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

import mrjax as mr
from mrjax.sequence.pulses import chirp
from mrjax.units import deg, kHz, ms

DURATION, BANDWIDTH = 10 * ms, 20 * kHz


def after(pulse, frequencies):
    return mr.bloch(pulse.waveform, pulse.dt, mr.Tissue(inf, inf, off_resonance=jnp.asarray(frequencies)))


@pytest.mark.exhaustive
@pytest.mark.parametrize("angle", [10, 90, 120])
def test_the_band_is_turned_evenly(angle):
    frequencies = np.linspace(-0.35, 0.35, 15) * BANDWIDTH
    end = after(chirp(angle * deg, DURATION, BANDWIDTH, 2000), frequencies)
    np.testing.assert_allclose(np.arccos(end.longitudinal) / deg, angle, rtol=0.01)
    outside = after(chirp(angle * deg, DURATION, BANDWIDTH, 2000), np.array([-0.6, 0.6]) * BANDWIDTH)
    assert np.all(np.arccos(np.clip(outside.longitudinal, -1, 1)) / deg < 0.06 * angle)


@pytest.mark.parametrize("sign", [1, -1])
def test_the_phase_is_quadratic(sign):
    frequencies = np.linspace(-0.3, 0.3, 61) * BANDWIDTH
    end = after(chirp(20 * deg, DURATION, sign * BANDWIDTH, 4000), frequencies)
    rate = sign * BANDWIDTH / DURATION
    expected = np.exp(-1j * np.pi * frequencies**2 / rate + 2j * np.pi * frequencies * DURATION / 2)
    rest = np.angle(end.transverse / expected)
    rest = np.unwrap(rest)
    assert np.ptp(rest) < 0.1
    # a small angle about x takes z to -y, and the sweep adds an eighth of a turn
    np.testing.assert_allclose(np.mean(rest), -np.pi / 2 + sign * np.pi / 4, atol=0.05)


@pytest.mark.exhaustive
@pytest.mark.parametrize("mode", ["fwd", "rev"])
def test_derivatives_are_those_of_differences(mode):
    samples = lambda angle, duration, bandwidth: chirp(angle, duration, bandwidth, 12, edge=0.2).waveform * 1e6
    parts = lambda *numbers: (samples(*numbers).real, samples(*numbers).imag)
    with jax.enable_x64(True):
        check_grads(parts, (0.7, 1.3, 4.1), order=1, modes=[mode], rtol=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"flip_angle": 3.2}, "`flip_angle` must be from 0"),
        ({"bandwidth": 0.0}, "`bandwidth` must not be zero"),
        ({"bandwidth": 3e5}, "`bandwidth` must be below"),
        ({"edge": 0.6}, "`edge` must be from 0 to 0.5"),
    ],
)
def test_values_out_of_range_are_refused(change, message):
    usual = {"flip_angle": 1.0, "duration": DURATION, "bandwidth": BANDWIDTH, "n_samples": 2000}
    with pytest.raises(ValueError, match=message):
        chirp(**(usual | change))
