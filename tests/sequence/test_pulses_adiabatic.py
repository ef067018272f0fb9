"""Adiabatic pulses over a range of B1, their bands, and the closed form of the hyperbolic secant."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

import mrjax as mr
from mrjax.physics.bloch import Magnetisation
from mrjax.units import GAMMA, deg, kHz, ms, uT

pulses = mr.sequence.pulses
N = 400


def played(pulse, start=None, **tissue):
    waveform = pulse.waveform * jnp.exp(1j * jnp.asarray(pulse.phase))
    return mr.bloch(waveform, pulse.dt, mr.Tissue(jnp.inf, jnp.inf, **tissue), start=start)


@pytest.mark.slow
def test_hyperbolic_secant_is_the_closed_form():
    """sech(beta' t)^(1 + i mu), whose phase passes through zero in the middle; mu is pi bandwidth / beta'."""
    beta, bandwidth, duration = 5.3, 1.5 * kHz, 10 * ms
    pulse = pulses.hyperbolic_secant(duration, bandwidth, 20 * uT, N, beta=beta)
    sech = 1 / np.cosh(2 * beta * ((np.arange(N) + 0.5) / N - 0.5))
    mu = math.pi * bandwidth * duration / (2 * beta) / math.tanh(beta)  # the sweep ends with the pulse, not at infinity
    np.testing.assert_allclose(pulse.waveform, 20 * uT * sech * np.exp(1j * mu * np.log(sech)), rtol=1e-11)
    assert abs(mu * (2 * beta / duration) / math.pi - bandwidth) < 1e-4 * bandwidth


@pytest.mark.exhaustive
def test_hyperbolic_secant_has_the_profile_of_silver_joseph_and_hoult():
    """At any B1, for a pulse cut where 1e-5 of its peak are left."""
    duration, bandwidth, beta, n, b1 = 10 * ms, 1.5 * kHz, 12.0, 2000, np.array([1.0, 0.6, 0.3])[:, None]
    pulse = pulses.hyperbolic_secant(duration, bandwidth, 20 * uT, n, beta=beta)
    b, mu = 2 * beta / duration, math.pi * bandwidth * duration / (2 * beta)
    offsets = np.linspace(-1.2, 1.2, 81)[None, :] * bandwidth
    up, down = (np.pi * (np.pi * offsets / b + sign * mu / 2) for sign in (1, -1))
    root = np.sqrt((GAMMA["1H"] * b1 * 20 * uT / b) ** 2 - mu**2 + 0j)
    expected = np.tanh(up) * np.tanh(down) + np.cos(np.pi * root).real / (np.cosh(up) * np.cosh(down))
    end = played(pulse, off_resonance=offsets, b1=b1)
    np.testing.assert_allclose(end.longitudinal, expected, atol=1e-4)


DURATION, BANDWIDTH, BETA = 10 * ms, 1.5 * kHz, 5.3
# sqrt(mu) beta' / gamma, where the sweep through resonance is as fast as the precession about the field
THRESHOLD = math.sqrt(math.pi * BANDWIDTH * DURATION / (2 * BETA)) * 2 * BETA / DURATION / GAMMA["1H"]


@pytest.mark.exhaustive
def test_hyperbolic_secant_inverts_its_band_whatever_the_b1():
    """From 1.8 to 5.4 times the threshold, half to one and a half times the nominal B1."""
    pulse = pulses.hyperbolic_secant(DURATION, BANDWIDTH, 3.6 * THRESHOLD, N)
    offsets = np.array([0.0, -0.35, 0.35, -0.75, 0.75])[:, None] * BANDWIDTH
    end = np.asarray(played(pulse, off_resonance=offsets, b1=np.linspace(0.5, 1.5, 11)[None, :]).longitudinal)
    assert end[0].max() < -0.99
    assert end[1:3].max() < -0.95
    assert end[3:].min() > 0.99


@pytest.mark.exhaustive
def test_higher_orders_invert_with_less_b1_the_same_band():
    centre, edges = [], []
    for order in (1, 2, 4):
        pulse = pulses.hyperbolic_secant(DURATION, BANDWIDTH, 3.6 * THRESHOLD, N, order=order)
        offsets, b1 = np.array([0.0, -0.5, 0.5])[:, None] * BANDWIDTH, np.array([1 / 3.6, 1.0])[None, :]
        end = np.asarray(played(pulse, off_resonance=offsets, b1=b1).longitudinal)
        centre.append(end[0, 0])
        edges.append(end[1:, 1])
    assert centre[0] > -0.7
    assert centre[2] < centre[1] - 0.02 < centre[0] - 0.2
    assert centre[2] < -0.98
    np.testing.assert_allclose(edges, 0.0, atol=0.02)


def test_sweep_goes_from_the_top_of_the_band_to_its_bottom():
    for order in (1, 3):
        pulse = pulses.hyperbolic_secant(10 * ms, 2 * kHz, 20 * uT, 2000, order=order)
        frequency = np.diff(np.unwrap(np.angle(pulse.waveform))) / (2 * np.pi * float(pulse.dt))
        np.testing.assert_allclose(frequency[[0, -1]], [1e3, -1e3], rtol=1e-3)
        assert np.all(np.diff(frequency) < 1e-6)


@pytest.mark.exhaustive
def test_half_passage_tips_to_where_ninety_degrees_would():
    pulse = pulses.adiabatic_half_passage(8 * ms, 10 * kHz, 20 * uT, 800, phase=0.5)
    end = played(pulse, b1=np.linspace(0.7, 2.0, 14))
    np.testing.assert_allclose(end.transverse * np.exp(-0.5j), np.full(14, -1j), atol=0.05)
    assert np.abs(end.transverse).min() > 0.9999


@pytest.mark.exhaustive
@pytest.mark.parametrize("angle", [45, 90, 180, -60])
def test_bir4_rotates_every_direction_by_its_flip_angle(angle):
    """About x to 0.04 where B1 is 0.7 to 1.5 of nominal, and by its angle to 1e-4."""
    b1 = np.linspace(0.7, 1.5, 8)
    pulse = pulses.bir4(angle * deg, 10 * ms, 30 * kHz, 100 * uT, 800)
    start = Magnetisation(
        jnp.array([1, 1j, 0])[:, None] * jnp.ones((1, 8)), jnp.array([0.0, 0.0, 1.0])[:, None] * jnp.ones((1, 8))
    )
    end = played(pulse, start, b1=b1[None, :])
    c, s = math.cos(angle * deg), math.sin(angle * deg)
    np.testing.assert_allclose(end.transverse, np.array([1, 1j * c, -1j * s])[:, None] + np.zeros(8), atol=0.04)
    np.testing.assert_allclose(end.longitudinal[2], np.full(8, c), atol=1e-4)
    np.testing.assert_allclose(end.longitudinal, np.array([0, s, c])[:, None] + np.zeros(8), atol=0.04)


GRADIENTS = {
    "hyperbolic_secant": lambda x: pulses.hyperbolic_secant(
        x[0] * ms, x[1] * kHz, x[2] * uT, 12, beta=5 * x[3], order=2, phase=x[3], offset=x[1]
    ),
    "adiabatic_half_passage": lambda x: pulses.adiabatic_half_passage(
        x[0] * ms, x[1] * kHz, x[2] * uT, 12, beta=5 * x[3], kappa=x[3] + 0.5
    ),
    "bir4": lambda x: pulses.bir4(x[4], x[0] * ms, x[1] * kHz, x[2] * uT, 12, beta=5 * x[3], kappa=x[3] + 0.5),
}


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", GRADIENTS)
def test_derivatives_in_every_argument(name):
    def values(x):
        pulse = GRADIENTS[name](x)
        scaled = pulse.waveform * 1e6
        return jnp.concatenate([scaled.real, scaled.imag, jnp.stack([pulse.dt * 1e3, jnp.asarray(pulse.phase)])])

    point = jnp.array([2.0, 1.1, 1.5, 0.9, 0.7])
    check_grads(jax.jit(values), (point,), order=1, modes=("fwd", "rev"), rtol=1e-6, atol=1e-8, eps=1e-5)


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: pulses.hyperbolic_secant(1e-3, 1e3, [1e-6, 2e-6], 8),
            "`max_b1` must be a scalar (T), but got shape (2,).",
        ),
        (
            lambda: pulses.hyperbolic_secant(1e-3, 9e3, 1e-6, 8),
            "`bandwidth` must be below 1 * n_samples / duration (Hz); take more samples, but got 9000.",
        ),
        (
            lambda: pulses.hyperbolic_secant(1e-3, 1e3, 1e-6, 8, order=1.5),
            "`order` must be an integer of at least 1, but got 1.5.",
        ),
        (lambda: pulses.hyperbolic_secant(1e-3, 1e3, 1e-6, 8, beta=-1), "`beta` must be positive, but got -1."),
        (
            lambda: pulses.adiabatic_half_passage(1e-3, 5e3, 1e-6, 8),
            "`frequency_sweep` must be below 0.5 * n_samples / duration (Hz); take more samples, but got 5000.",
        ),
        (
            lambda: pulses.adiabatic_half_passage(1e-3, 1e3, 1e-6, 8, kappa=1.6),
            "`kappa` must be below pi / 2 (rad), but got 1.6.",
        ),
        (
            lambda: pulses.bir4(1.0, 1e-3, 1e3, 1e-6, 10),
            "`n_samples` must be a multiple of 4, one part for each quarter, but got 10.",
        ),
        (lambda: pulses.bir4(1.0, 0.0, 1e3, 1e-6, 8), "`duration` must be positive (s), but got 0."),
    ],
)
def test_messages(call, message):
    with pytest.raises(ValueError) as error:  # noqa: PT011
        call()
    assert str(error.value) == message
