"""Gradients of any numbers are within the limits, and follow them where there is room."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import mrjax as mr
from mrjax.units import mT, us

DT, MOST, SLEW = 20 * us, 30 * mT, 150.0


def test_any_numbers_keep_the_limits(rng):
    numbers = rng.normal(size=(50, 200, 3)) * np.logspace(-2, 2, 50)[:, None, None]
    gradient = jax.vmap(lambda one: mr.design.limited_gradient(one, DT, MOST, SLEW))(jnp.asarray(numbers))
    assert gradient.shape == (50, 201, 3)
    assert float(jnp.abs(gradient).max()) == pytest.approx(MOST)
    assert float(jnp.abs(jnp.diff(gradient, axis=1)).max()) <= SLEW * DT * (1 + 1e-9)
    np.testing.assert_array_equal(gradient[:, np.array([0, -1])], 0.0)


def test_a_gradient_within_the_limits_is_what_it_was():
    wanted = np.interp(np.arange(61), [0, 10, 25, 40, 55, 60], [0.0, 20 * mT, 20 * mT, -10 * mT, -10 * mT, 0.0])
    numbers = np.arctanh(np.diff(wanted) / (SLEW * DT))
    np.testing.assert_allclose(mr.design.limited_gradient(numbers, DT, MOST, SLEW), wanted, rtol=0, atol=1e-15)


def test_its_derivative_is_that_of_finite_differences(rng):
    numbers, along = jnp.asarray(rng.normal(size=30) * 0.3), jnp.asarray(rng.normal(size=30))
    value = jax.jit(lambda x: jnp.sum(mr.design.limited_gradient(x, DT, MOST, SLEW) ** 2) / MOST**2)
    numeric = (value(numbers + 1e-6 * along) - value(numbers - 1e-6 * along)) / 2e-6
    assert float(jax.grad(value)(numbers) @ along) == pytest.approx(float(numeric), rel=1e-6)


def test_limits_that_cannot_be_say_so():
    with pytest.raises(ValueError, match="`max_slew` must be a positive number, but got 0"):
        mr.design.limited_gradient(jnp.ones(5), DT, MOST, 0.0)
    with pytest.raises(ValueError, match="`slew` must have shape"):
        mr.design.limited_gradient(jnp.ones(()), DT, MOST, SLEW)
