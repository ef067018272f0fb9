"""Sampling patterns: how many points, where, and the same for the same key."""

import jax
import numpy as np
import pytest

from mrjax.encoding import patterns

KEY = jax.random.key(3)
CALIBRATED = np.s_[26:38, 20:32]  # 12 points about the centre of (64, 52)


def test_uniform_meets_the_center():
    for n in (8, 9):
        mask = np.asarray(patterns.uniform((n, 12), (2, 3)))
        assert mask[n // 2, 6]
        assert mask.sum() == np.ceil(n / 2) * 4
    assert patterns.uniform((64, 52), 4, n_calibration=12)[CALIBRATED].all()


@pytest.mark.exhaustive
@pytest.mark.parametrize("acceleration", [3, 5.5])
def test_variable_density_is_denser_in_the_middle(acceleration):
    mask = np.asarray(patterns.variable_density(KEY, (64, 52), acceleration, n_calibration=12))
    assert mask.sum() == round(64 * 52 / acceleration)
    assert mask[CALIBRATED].all()
    assert mask[16:48, 13:39].mean() > 2 * mask.mean() > 8 * mask[:8].mean()
    other = np.asarray(patterns.variable_density(jax.random.key(4), (64, 52), acceleration, n_calibration=12))
    assert (mask != other).any()


@pytest.mark.parametrize("growth", [0, 2.0])
def test_points_of_a_poisson_disc_keep_their_distance(growth):
    mask = np.asarray(patterns.poisson_disc(KEY, (64, 52), 6, growth))
    assert mask.sum() == round(64 * 52 / 6)
    points = np.argwhere(mask)
    apart = np.linalg.norm(points[:, None] - points[None], axis=-1) + 1e9 * np.eye(len(points))
    assert apart.min() >= (1 if growth else 2)
    if growth:
        assert mask[24:40, 20:32].mean() > 2 * mask.mean()
    np.testing.assert_array_equal(mask, patterns.poisson_disc(KEY, (64, 52), 6, growth))


def test_poisson_disc_with_calibration():
    mask = np.asarray(patterns.poisson_disc(jax.random.PRNGKey(0), (64, 52), 6, 1.0, n_calibration=12))
    assert mask[CALIBRATED].all()
    assert mask.sum() == round(64 * 52 / 6)


def test_partial_fourier_keeps_the_first_lines():
    mask = np.asarray(patterns.partial_fourier((6, 10), 0.61, axis=1))
    np.testing.assert_array_equal(mask, np.broadcast_to(np.arange(10) < 7, (6, 10)))
    np.testing.assert_array_equal(patterns.partial_fourier((10, 6), 0.61, axis=0), mask.T)
