"""Amplitude-modulated and multiband pulses: their flip angles, profiles and measures, by the Bloch equations."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads
from scipy.optimize import brentq

import mrjax as mr
from mrjax.sequence.pulses import _arguments
from mrjax.units import GAMMA, deg, kHz, ms

pulses = mr.sequence.pulses
DURATION, N = 4 * ms, 256
FREQUENCIES = np.linspace(-6 * kHz, 6 * kHz, 301)

SHAPES = {
    "sinc, Hann": lambda angle: pulses.sinc(angle, DURATION, 4, N),
    "sinc, Hamming": lambda angle: pulses.sinc(angle, DURATION, 6.5, N, apodization="hamming"),
    "sinc, no window": lambda angle: pulses.sinc(angle, DURATION, 3, N, apodization=None),
    "sinc, number": lambda angle: pulses.sinc(angle, DURATION, 3, N, apodization=0.8),
    "Gaussian": lambda angle: pulses.gaussian(angle, DURATION, 700.0, N),
}


def played(pulse, **tissue):
    """Without relaxation, in the frame of the pulse's own offset, which is zero here."""
    waveform = pulse.waveform * jnp.exp(1j * jnp.asarray(pulse.phase))
    return mr.bloch(waveform, pulse.dt, mr.Tissue(jnp.inf, jnp.inf, **tissue))


@pytest.fixture(scope="module")
def excitations():
    """The magnetisation after each shape at 5 and 90 degrees."""
    return {
        (name, angle): played(make(angle * deg), off_resonance=FREQUENCIES)
        for name, make in SHAPES.items()
        for angle in (5, 90)
    }


@pytest.mark.slow
@pytest.mark.parametrize("name", SHAPES)
def test_flip_angle_on_resonance_is_exact(name, excitations):
    for angle in (5, 90):
        on_resonance = excitations[name, angle].transverse[150]
        np.testing.assert_allclose(on_resonance, -1j * math.sin(angle * deg), atol=1e-12)
        np.testing.assert_allclose(pulses.flip_angle_of(SHAPES[name](angle * deg)), angle * deg, rtol=1e-13)


@pytest.mark.parametrize("name", SHAPES)
def test_small_tip_profile_is_the_fourier_transform(name, excitations):
    """Up to the orders of the Dyson series that are left out, with lobes of both signs counted as positive: about 1.5e-4."""
    pulse = SHAPES[name](5 * deg)
    remaining = DURATION - (np.arange(N) + 0.5) * DURATION / N
    # of samples that are constant over their intervals
    transform = np.exp(2j * np.pi * FREQUENCIES[:, None] * remaining) @ np.asarray(pulse.waveform)
    transform *= np.sinc(FREQUENCIES * DURATION / N) * DURATION / N
    turned = GAMMA["1H"] * float(jnp.sum(jnp.abs(pulse.waveform))) * DURATION / N
    bound = math.sinh(turned) - turned
    assert bound < 1e-3
    np.testing.assert_allclose(excitations[name, 5].transverse, -1j * GAMMA["1H"] * transform, rtol=0, atol=bound)


def test_block_is_one_step_of_the_exact_flip_angle():
    pulse = pulses.hard(90 * deg, 0.5 * ms, phase=0.3, offset=20.0)
    assert isinstance(pulse, mr.ContinuousWave)
    assert float(pulse.offset) == 20.0
    end = mr.bloch([pulse.b1 * np.exp(0.3j)], pulse.duration, mr.Tissue(np.inf, np.inf))
    np.testing.assert_allclose(end.transverse, -1j * np.exp(0.3j), atol=1e-12)


@pytest.mark.exhaustive
def test_offset_and_phase_are_passed_on():
    for pulse in (
        pulses.sinc(1.0, DURATION, 4, 8, offset=70.0, phase=0.4),
        pulses.gaussian(1.0, DURATION, 700.0, 8, offset=70.0, phase=0.4),
        pulses.multiband(pulses.sinc(1.0, DURATION, 4, 8, offset=70.0, phase=0.4), [0.0]),
        pulses.with_flip_angle(pulses.sinc(1.0, DURATION, 4, 8, offset=70.0, phase=0.4), 0.5),
    ):
        assert (float(pulse.offset), float(pulse.phase)) == (70.0, 0.4)
        np.testing.assert_allclose(pulse.duration, DURATION)


@pytest.mark.exhaustive
def test_sequences_play_them():
    pulse = pulses.sinc(90 * deg, DURATION, 4, 32, phase=90 * deg)
    sequence = mr.Sequence(pulse, mr.Sample())
    signal = mr.simulate(sequence, mr.Tissue(30.0, 30.0), engine=mr.BlochMcConnell(b0=3.0))
    np.testing.assert_allclose(signal, [math.exp(-DURATION / 30) + 0j], atol=2e-4)


def test_windows_are_what_their_names_say():
    bare = pulses.sinc(1.0, DURATION, 4, N, apodization=None).waveform
    u = np.arange(N) + 0.5
    for name, edge in (("hann", 0.0), ("hamming", 0.08)):
        window = pulses.sinc(1.0, DURATION, 4, N, apodization=name).waveform / bare
        expected = (1 + edge) / 2 - (1 - edge) / 2 * np.cos(2 * np.pi * u / N)
        np.testing.assert_allclose(window / window.max(), expected / expected.max(), rtol=1e-10, atol=1e-12)


@pytest.mark.exhaustive
def test_bandwidths():
    # a Gaussian in steps has its transform times that of a step
    steps = lambda f: math.exp(-math.log(2) * (f / 300) ** 2) * np.sinc(f * 10 * ms / N) - 0.5
    half = brentq(steps, 250.0, 310.0)
    np.testing.assert_allclose(pulses.bandwidth_of(pulses.gaussian(1.0, 10 * ms, 600.0, N)), 2 * half, rtol=1e-8)
    block = mr.ShapedPulse(jnp.full(N, 1e-6), 1 * ms / N)
    np.testing.assert_allclose(pulses.time_bandwidth_product(block), 1.2067091288, rtol=1e-8)
    shifted = mr.ShapedPulse(block.waveform * jnp.exp(2j * math.pi * 120.0 * jnp.arange(N) * block.dt), block.dt)
    np.testing.assert_allclose(pulses.bandwidth_of(shifted), 1206.7, rtol=2e-2)


def test_bandwidth_is_that_of_the_small_tip_profile(excitations):
    profile = np.abs(excitations["sinc, Hann", 5].transverse)
    inside = FREQUENCIES[profile > profile.max() / 2]
    width = float(pulses.bandwidth_of(SHAPES["sinc, Hann"](5 * deg)))
    assert abs(width - (inside[-1] - inside[0])) < 2 * (FREQUENCIES[1] - FREQUENCIES[0])


def test_power_of_a_pulse():
    pulse = mr.ShapedPulse([3e-6, -4e-6j], 2 * ms)
    np.testing.assert_allclose(pulses.energy(pulse), 25e-12 * 2 * ms)
    np.testing.assert_allclose(pulses.b1_rms(pulse), 1e-6 * math.sqrt(12.5))
    np.testing.assert_allclose(pulses.peak_b1(pulse), 4e-6)


def test_scaling_to_another_flip_angle():
    pulse = pulses.with_flip_angle(SHAPES["Gaussian"](90 * deg), -40 * deg)
    np.testing.assert_allclose(pulse.waveform, SHAPES["Gaussian"](-40 * deg).waveform, rtol=1e-12)


def test_each_band_of_a_multiband_pulse_is_the_single_band():
    """Away from the other bands to 2e-3 of the magnetisation at 30 degrees."""
    band, offsets, phases = (
        pulses.sinc(30 * deg, DURATION, 4, N),
        np.array([-5e3, 0.0, 5e3]),
        np.array([0.3, 0.0, -1.1]),
    )
    near = np.linspace(-700.0, 700.0, 301)
    single = played(band, off_resonance=near)
    together = pulses.multiband(band, offsets, phases)
    for offset, phase in zip(offsets, phases, strict=True):
        end = played(together, off_resonance=near + offset)
        # the copies have their phases in the middle of the pulse, and precess with their offsets from there on
        turned = np.exp(1j * (phase + np.pi * offset * DURATION))
        np.testing.assert_allclose(end.transverse, single.transverse * turned, atol=2e-3)
        np.testing.assert_allclose(end.longitudinal, single.longitudinal, atol=2e-3)


def test_phases_of_bands_lower_the_peak():
    band, offsets = pulses.sinc(30 * deg, DURATION, 4, N), np.array([-5e3, 0.0, 5e3])
    alike, spread = (
        pulses.multiband(band, offsets, phases) for phases in (np.zeros(3), np.array([1, 0, 1]) * np.pi / 2)
    )
    # of an even number of samples the middle two are half an interval from where copies of equal phase add up
    added = np.sum(np.cos(np.pi * offsets * DURATION / N) / np.sinc(offsets * DURATION / N))
    np.testing.assert_allclose(pulses.peak_b1(alike) / pulses.peak_b1(band), added, rtol=1e-12)
    assert pulses.peak_b1(spread) < 0.8 * pulses.peak_b1(alike)


GRADIENTS = {
    "hard": lambda x: pulses.hard(x[0], x[1] * ms).b1 * 1e6,
    "sinc": lambda x: pulses.sinc(x[0], x[1] * ms, 4 * x[2], 16, apodization=x[3] / 2).waveform * 1e6,
    "gaussian": lambda x: pulses.gaussian(x[0], x[1] * ms, x[2] * kHz, 16).waveform * 1e6,
    "multiband": lambda x: (
        pulses.multiband(
            mr.ShapedPulse(x * jnp.exp(1j * x), x[1] * ms / 4), jnp.stack([x[2], x[3]]) * kHz, jnp.stack([x[0], x[1]])
        ).waveform
    ),
    "measures": lambda x: (
        jnp.stack(
            [measure(mr.ShapedPulse(x, x[1] * ms)) for measure in (pulses.flip_angle_of, pulses.energy, pulses.b1_rms)]
        )
        / jnp.array([GAMMA["1H"] * ms, ms, 1.0])
    ),
    "bandwidth_of": lambda x: pulses.bandwidth_of(mr.ShapedPulse(x, x[1] * ms)) * ms,
    "with_flip_angle": lambda x: pulses.with_flip_angle(mr.ShapedPulse(x, 1 * ms), x[2]).waveform * 1e6,
}


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", GRADIENTS)
def test_derivatives_in_every_argument(name):
    parts = lambda x: (lambda value: jnp.stack([value.real, value.imag]))(GRADIENTS[name](x) * (1 + 0j))
    point = jnp.array([1.1, 0.9, 0.7, 0.6])
    check_grads(jax.jit(parts), (point,), order=1, modes=("fwd", "rev"), rtol=1e-6, atol=1e-8, eps=1e-5)


@pytest.mark.exhaustive
def test_precision_follows_the_configuration():
    with jax.enable_x64(False):
        band = SHAPES["sinc, Hann"](1.0)
        assert band.waveform.dtype == jnp.float32
        assert pulses.multiband(band, [100.0]).waveform.dtype == jnp.complex64
        assert pulses.b1_rms(band).dtype == jnp.float32


PAIR = mr.ShapedPulse(jnp.full((2, 4), 1e-6), 1e-3)
BALANCED = mr.ShapedPulse([1e-6, -1e-6], 1e-3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: pulses.hard(1.0, 0.0), "`duration` must be positive (s), but got 0."),
        (lambda: pulses.hard([1.0, 2.0], 1.0), "`flip_angle` must be a scalar (rad), but got shape (2,)."),
        (lambda: pulses.sinc(1.0, -1e-3, 4, 8), "`duration` must be positive (s), but got -0.001."),
        (lambda: pulses.sinc(1.0, 1e-3, 0, 8), "`time_bandwidth_product` must be positive, but got 0."),
        (
            lambda: pulses.sinc(1.0, 1e-3, 9, 8),
            "`time_bandwidth_product` must be below the 8 samples of the pulse, but got 9.",
        ),
        (lambda: pulses.sinc(1.0, 1e-3, 4, 0), "`n_samples` must be an integer of at least 1, but got 0."),
        (
            lambda: pulses.sinc(1.0, 1e-3, 4, 8, apodization="hanning"),
            "`apodization` must be 'hann', 'hamming', None or a number from 0 to 1, but got 'hanning'.",
        ),
        (
            lambda: pulses.sinc(1.0, 1e-3, 4, 8, apodization=1.5),
            "`apodization` must be between 0 and 1, but got 1.5.",
        ),
        (lambda: pulses.sinc(np.nan, 1e-3, 4, 8), "`flip_angle` must be finite, but got nan."),
        (lambda: pulses.gaussian(1.0, 1e-3, 0.0, 8), "`bandwidth` must be positive (Hz), but got 0."),
        (
            lambda: pulses.gaussian(1.0, 1e-3, 9e3, 8),
            "`bandwidth` must be below 1 * n_samples / duration (Hz); take more samples, but got 9000.",
        ),
        (
            # the check of annotations in the tests would be ahead of the public ones
            lambda: _arguments.one_pulse(pulses.hard(1.0, 1e-3)),
            "`pulse` must be a `ShapedPulse`, but got ContinuousWave.",
        ),
        (
            lambda: pulses.energy(PAIR),
            "`pulse` must be one pulse, of `waveform` (n,) and scalar `dt`, but got waveform (2, 4), dt (); "
            "map over repetitions with `jax.vmap`.",
        ),
        (
            lambda: pulses.with_flip_angle(BALANCED, 1.0),
            "the integral of `pulse` must not be zero: the flip angle (rad), but got 0.",
        ),
        (
            lambda: pulses.bandwidth_of(BALANCED),
            "the integral of `pulse` must not be zero: the sum of its samples (T), but got 0.",
        ),
        (
            lambda: pulses.multiband(BALANCED, 100.0),
            "`offsets` must have shape (n_bands,) with at least one band (Hz), but got ().",
        ),
        (
            lambda: pulses.multiband(BALANCED, [100.0, 600.0]),
            "`offsets` must be below half of 1 / pulse.dt in magnitude (Hz), but got 600 (1 of 2 values).",
        ),
        (
            lambda: pulses.multiband(BALANCED, [100.0], [0.0, 1.0]),
            "`phases` must be a scalar or one for each of the 1 bands (rad), but got shape (2,).",
        ),
    ],
)
def test_messages(call, message):
    with pytest.raises(ValueError) as error:  # noqa: PT011
        call()
    assert str(error.value) == message
