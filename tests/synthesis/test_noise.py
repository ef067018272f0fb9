"""Noise of the receiver."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mrjax.synthesis import add_complex_noise, rician_magnitude

KEY = jax.random.key(11)


def test_standard_deviation_is_reference_over_snr_in_each_part():
    noise = np.asarray(add_complex_noise(KEY, jnp.full(1_000_000, 2 - 1j), snr=25, reference=3.0)) - (2 - 1j)
    for part in (noise.real, noise.imag):
        np.testing.assert_allclose(part.std(), 3 / 25, rtol=0.01)
        assert abs(part.mean()) < 5 * 3 / 25 / 1000
    assert abs(np.corrcoef(noise.real, noise.imag)[0, 1]) < 5e-3
    within = np.mean(np.abs(noise.real) < 3 / 25)
    np.testing.assert_allclose(within, 0.6827, atol=2e-3)


def test_rician_mean_without_signal():
    magnitude = rician_magnitude(KEY, jnp.zeros(1_000_000), snr=10, reference=2)
    np.testing.assert_allclose(magnitude.mean(), 0.2 * np.sqrt(np.pi / 2), rtol=2e-3)
    assert magnitude.dtype == jnp.float64


def test_rician_second_moment_with_signal():
    magnitude = rician_magnitude(KEY, jnp.full(1_000_000, 0.6 + 0.8j), snr=4)
    np.testing.assert_allclose(jnp.mean(magnitude**2), 1 + 2 / 16, rtol=2e-3)


def test_magnitude_is_that_of_the_complex_noise():
    signal = jnp.linspace(0, 1, 7)
    np.testing.assert_array_equal(rician_magnitude(KEY, signal, 5), jnp.abs(add_complex_noise(KEY, signal, 5)))


@pytest.mark.parametrize("argument", ["snr", "reference"])
def test_one_value_per_voxel_or_per_sample(argument):
    signal, each = jnp.zeros((3, 20)), np.array([1.0, 2.0, 4.0])
    plain = add_complex_noise(KEY, signal, 1)
    scale = each if argument == "reference" else 1 / each
    arguments = {"snr": 1.0, argument: each}
    np.testing.assert_allclose(add_complex_noise(KEY, signal, **arguments), scale[:, None] * plain, rtol=1e-14)
    arguments[argument] = np.broadcast_to(each[:, None], (3, 20))
    np.testing.assert_allclose(add_complex_noise(KEY, signal, **arguments), scale[:, None] * plain, rtol=1e-14)
    arguments[argument] = each[:, None]
    np.testing.assert_allclose(add_complex_noise(KEY, signal, **arguments), scale[:, None] * plain, rtol=1e-14)


def test_infinite_snr_adds_nothing():
    signal = jnp.array([1.0, 2.0])
    np.testing.assert_array_equal(add_complex_noise(KEY, signal, jnp.inf), signal)


@pytest.mark.exhaustive
@pytest.mark.parametrize(("dtype", "noisy"), [(np.float32, np.complex64), (np.complex64, np.complex64), (int, complex)])
def test_precision_of_the_signal_is_kept(dtype, noisy):
    result = add_complex_noise(KEY, np.ones(4, dtype), np.full(4, 10.0))
    assert result.dtype == noisy
    assert rician_magnitude(KEY, np.ones(4, dtype), 10).dtype == np.ones(1, noisy).real.dtype


@pytest.mark.exhaustive
def test_same_key_same_noise_in_and_out_of_jit():
    signal = jnp.ones((2, 5))
    outside = add_complex_noise(KEY, signal, 10)
    np.testing.assert_allclose(jax.jit(add_complex_noise)(KEY, signal, 10), outside, rtol=1e-14)
    assert np.all(add_complex_noise(jax.random.key(12), signal, 10) != outside)


def test_traced_values_are_checked():
    with pytest.raises(Exception, match="`snr` must be positive"):
        jax.block_until_ready(jax.jit(add_complex_noise)(KEY, jnp.ones(3), -1.0))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"snr": 0}, "`snr` must be positive, but got 0"),
        ({"snr": [1.0, -2.0]}, r"`snr` must be positive, but got -2 \(1 of 2 values\)"),
        ({"snr": 1j}, "`snr` must be real"),
        ({"snr": np.ones(3)}, r"`snr` must be .* leading axes of `signal`, \(2, 3\), but got shape \(3,\)"),
        ({"snr": np.ones((2, 3, 1))}, r"`snr` must be .* but got shape \(2, 3, 1\)"),
        ({"snr": 1, "reference": -1}, "`reference` must be positive, but got -1"),
        ({"snr": 1, "reference": np.ones(3)}, "`reference` must be a scalar or broadcast"),
        ({"snr": 1, "signal": "loud"}, "`signal` must be a number or an array of numbers, but got 'loud'"),
    ],
)
@pytest.mark.parametrize("function", [add_complex_noise, rician_magnitude])
def test_bad_arguments_are_named(function, arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        function(KEY, **{"signal": np.ones((2, 3)), **arguments})
