"""Random flip-angle schedules."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.interpolate import CubicSpline

from mrjax.synthesis import spline_schedule

KEY = jax.random.key(3)


@pytest.mark.exhaustive
@pytest.mark.parametrize(("n_knots", "seed"), [(4, 0), (5, 1), (11, 2)])
def test_it_is_the_natural_spline_through_its_knots(n_knots, seed):
    steps = 30
    schedule = np.asarray(spline_schedule(jax.random.key(seed), (n_knots - 1) * steps + 1, n_knots))
    knots = schedule[::steps]
    assert np.ptp(knots) > 0.5
    expected = CubicSpline(np.arange(n_knots), knots, bc_type="natural")(np.linspace(0, n_knots - 1, schedule.size))
    np.testing.assert_allclose(schedule, np.clip(expected, 0, np.deg2rad(120)), atol=1e-12)


@pytest.mark.exhaustive
def test_knots_are_uniform_up_to_the_largest_angle():
    keys = jax.random.split(KEY, 4000)
    knots = jax.vmap(lambda key: spline_schedule(key, 5, 5, largest=1.5))(keys)
    counts, _ = np.histogram(knots, bins=10, range=(0, 1.5))
    np.testing.assert_allclose(counts, 2000, atol=180)


def test_angles_stay_between_zero_and_the_largest():
    for largest in (np.deg2rad(120), 0.7):
        schedule = spline_schedule(KEY, 5000, 11, largest=largest, noise=0.3)
        assert np.min(schedule) == 0
        assert np.max(schedule) == largest
    assert np.max(spline_schedule(KEY, 5000, 11, noise=0.3)) == np.deg2rad(120)


def test_noise_has_the_standard_deviation_asked_for():
    smooth = np.asarray(spline_schedule(KEY, 100_000, 5))
    noise = np.asarray(spline_schedule(KEY, 100_000, 5, noise=0.01)) - smooth
    inside = (smooth > 0.1) & (smooth < np.deg2rad(120) - 0.1)
    assert inside.sum() > 20_000
    np.testing.assert_allclose(noise[inside].std(), 0.01, rtol=0.02)
    assert abs(noise[inside].mean()) < 3e-4


def test_same_key_same_schedule_in_and_out_of_jit():
    outside = spline_schedule(KEY, 100, 5, noise=0.02)
    inside = jax.jit(lambda key, noise: spline_schedule(key, 100, 5, noise=noise))(KEY, 0.02)
    np.testing.assert_allclose(inside, outside, atol=1e-14)
    assert outside.shape == (100,)
    assert np.any(spline_schedule(jax.random.key(4), 100, 5, noise=0.02) != outside)


@pytest.mark.slow
def test_derivative_with_respect_to_the_largest_angle():
    slope = jax.jacfwd(lambda largest: spline_schedule(KEY, 50, 5, largest=largest))(1.0)
    np.testing.assert_allclose(slope, spline_schedule(KEY, 50, 5, largest=1.0), rtol=1e-12)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"n_repetitions": 0}, "`n_repetitions` must be an integer of at least 1, but got 0"),
        ({"n_knots": 0}, "`n_knots` must be an integer of at least 4, but got 0"),
        ({"n_knots": 3}, "`n_knots` must be an integer of at least 4, but got 3"),
        ({"largest": 0.0}, r"`largest` must be positive \(rad\), but got 0"),
        ({"largest": np.inf}, "`largest` must be finite, but got inf"),
        ({"largest": np.ones(2)}, r"`largest` must be a scalar \(rad\), but got shape \(2,\)"),
        ({"noise": -0.1}, r"`noise` must not be negative \(rad\), but got -0.1"),
        ({"noise": np.inf}, "`noise` must be finite, but got inf"),
        ({"noise": jnp.ones(1)}, r"`noise` must be a scalar \(rad\), but got shape \(1,\)"),
    ],
)
def test_bad_arguments_are_named(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        spline_schedule(KEY, **{"n_repetitions": 10, "n_knots": 5, **arguments})
