"""Several transmit channels with static weights."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import mrjax as mr


def test_channels_are_summed_and_turn_spins_so():
    random = np.random.default_rng(0)
    with jax.enable_x64(True):
        maps = random.normal(size=(4, 2, 3)) + 1j * random.normal(size=(4, 2, 3))
        weights = random.normal(size=4) / 5 + 1j * random.normal(size=4) / 5
        b1 = mr.transmit.combined(maps, weights)
        np.testing.assert_allclose(b1, sum(w * m for w, m in zip(weights, maps, strict=True)), rtol=1e-14)
        signal = mr.simulate(mr.Sequence(mr.Pulse(0.8, 0.3), mr.Sample()), mr.Tissue(1.0, 0.1, b1=b1))[..., 0]
        expected = -1j * np.exp(0.3j) * np.sin(0.8 * np.abs(b1)) * np.exp(1j * np.angle(b1))
        np.testing.assert_allclose(signal, expected, rtol=1e-10)
        power = lambda w: jnp.sum(jnp.abs(mr.transmit.combined(maps, w)) ** 2)
        slope = (power(weights + 1e-6j) - power(weights - 1e-6j)) / 2e-6
        reverse = jax.grad(power)(jnp.asarray(weights))
        forward = jax.jvp(power, (jnp.asarray(weights),), (jnp.full(4, 1j),))[1]
    np.testing.assert_allclose([-jnp.sum(reverse.imag), forward], slope, rtol=1e-7)


def test_other_numbers_of_channels_are_refused():
    with pytest.raises(ValueError, match="`weights` must have one entry for each channel"):
        mr.transmit.combined(np.ones((3, 4)), np.ones(4))
