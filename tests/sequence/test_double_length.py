"""Sums, products and angles that keep the digits which single precision loses."""

import jax
import jax.numpy as jnp
import numpy as np

from mrjax.sequence.double_length import DoubleLength, angle, count_until, multiple_of_advance, running_sum


def exact(number):
    return np.asarray(number.high, float) + np.asarray(number.low, float)


def test_running_sums_keep_nanoseconds_over_ten_minutes(rng):
    with jax.enable_x64(False):
        steps = rng.uniform(0, 10e-3, 120_000).astype(np.float32)
        summed = jax.jit(lambda steps: running_sum(DoubleLength.of(steps)))(steps)
        np.testing.assert_allclose(exact(summed), np.cumsum(steps.astype(float)), rtol=0, atol=1e-9)
        assert np.max(np.abs(np.asarray(summed.high) - np.cumsum(steps.astype(float)))) > 1e-5


def test_derivatives_of_sums_keep_their_digits_forward_and_in_reverse(rng):
    with jax.enable_x64(False):
        steps = jnp.asarray(rng.uniform(0, 1e-2, 20_000), jnp.float32)
        tangent = jnp.asarray(rng.uniform(0, 1e3, 20_000), jnp.float32)
        last = lambda steps: (lambda s: (s[-1] + -s[-2]).rounded)(running_sum(DoubleLength.of(steps)))
        np.testing.assert_allclose(jax.jit(lambda x: jax.jvp(last, (x,), (tangent,))[1])(steps), tangent[-1], rtol=1e-5)
        expected = np.zeros(20_000)
        expected[-1] = 1
        np.testing.assert_allclose(jax.jit(jax.grad(last))(steps), expected, atol=1e-6)


def test_infinite_times_stay_infinite():
    with jax.enable_x64(False):
        summed = running_sum(DoubleLength.of(jnp.array([1.0, jnp.inf, 2.0])))
        np.testing.assert_array_equal(summed.rounded, [1, np.inf, np.inf])
        assert DoubleLength.of(np.inf).rounded == np.inf


def test_keys_are_counted_by_their_lower_parts_too():
    keys = jnp.array([1.0, 2.0, 2.0, 2.0, 5.0]), jnp.array([0.0, -1e-9, 1e-9, 1e-9, 0.0])
    at = jnp.array([0.0, 2.0, 2.0, 7.0]), jnp.array([0.0, 0.0, 1e-9, 0.0])
    np.testing.assert_array_equal(count_until(keys, at), [0, 2, 4, 5])


def test_an_angle_after_many_turns_keeps_its_digits(rng):
    frequency, time = rng.uniform(-1000, 1000, 100).astype(np.float32), rng.uniform(0, 600, 100).astype(np.float32)
    expected = np.exp(2j * np.pi * frequency.astype(float) * time.astype(float))
    with jax.enable_x64(False):
        for of in (angle, jax.jit(angle)):
            np.testing.assert_allclose(np.exp(1j * np.asarray(of(frequency, time), float)), expected, atol=1e-6)
        slopes = jax.vmap(jax.grad(angle, (0, 1)))(frequency, time)
        np.testing.assert_allclose(slopes, 2 * np.pi * np.stack([time, frequency]), rtol=1e-6)


def test_multiples_of_an_advance_and_their_derivatives():
    counts = np.array([0.0, 1, 19, 300])
    with jax.enable_x64(False):
        offset, duration = jnp.float32(447.05), jnp.float32(0.0501)
        found = jax.jit(lambda f, t: multiple_of_advance(f, t, counts))(offset, duration)
        turns = float(offset) * float(duration) * counts
        np.testing.assert_allclose(np.exp(1j * np.asarray(found, float)), np.exp(2j * np.pi * turns), atol=1e-6)
        second = jax.grad(lambda t: jax.grad(lambda f: multiple_of_advance(f, t, counts)[3])(offset))(duration)
        np.testing.assert_allclose(second, 2 * np.pi * 300, rtol=1e-6)
