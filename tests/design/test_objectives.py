"""Objectives: closed forms, and derivatives against finite differences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from compiling import compiled_quickly

import mrjax as mr

TRAJECTORY = np.random.default_rng(3).uniform(-40, 40, (12, 2))
VOXELS = np.stack(np.meshgrid(*[0.01 * np.arange(-3, 4)] * 2, indexing="ij"), axis=-1).reshape(-1, 2)


def test_an_error_is_relative_to_what_is_wanted():
    values, target = np.array([1 + 1j, 2.0, 5.0]), np.array([1.0, 2j, 9.0])
    np.testing.assert_allclose(mr.design.relative_error(values, target, [1.0, 0.5, 0.0]), (1 + 0.5 * 8) / (1 + 0.5 * 4))


def test_contrast_is_that_of_spoiled_echoes_at_their_angle():
    """Of two T1 the contrast of one flip angle, as the closed form has it."""
    signal = lambda t1, angle: jnp.sin(angle) * (1 - jnp.exp(-0.01 / t1)) / (1 - jnp.exp(-0.01 / t1) * jnp.cos(angle))
    first, second = signal(0.8, 0.3), signal(1.4, 0.3)
    expected = (first - second) ** 2 / 0.01 / 1e-4
    np.testing.assert_allclose(mr.design.contrast(first[None], second[None], 0.01, 1e-2), expected)


def test_side_lobes_are_those_of_the_sum_over_samples():
    weights = np.linspace(0.5, 2.0, 12)
    spread = np.exp(2j * np.pi * VOXELS @ TRAJECTORY.T) @ weights / weights.sum()
    beyond = np.hypot(*VOXELS.T) > 0.015
    expected = np.mean(np.abs(spread[beyond]) ** 2)
    np.testing.assert_allclose(mr.design.side_lobes(TRAJECTORY, VOXELS, 0.015, weights), expected, rtol=1e-12)


def test_what_is_uncovered_is_the_product_over_samples():
    targets = 2000 * VOXELS
    distance = np.sum((targets[:, None] - TRAJECTORY[None]) ** 2, axis=-1)
    expected = np.mean(np.prod(1 - np.exp(-distance / (2 * 6.0**2)), axis=1))
    np.testing.assert_allclose(mr.design.uncovered(TRAJECTORY, targets, 6.0), expected, rtol=1e-12)


def test_derivatives_are_those_of_finite_differences():
    def both(k):
        lobes = mr.design.side_lobes(k, jnp.asarray(VOXELS), 0.015)
        return (
            lobes
            + mr.design.uncovered(k, jnp.asarray(2000 * VOXELS), 6.0)
            + mr.design.relative_error(k, TRAJECTORY + 1.0)
        )

    k, along = jnp.asarray(TRAJECTORY), jnp.asarray(np.random.default_rng(4).normal(size=TRAJECTORY.shape))
    value = jax.jit(both)
    numeric = (value(k + 1e-4 * along) - value(k - 1e-4 * along)) / 2e-4
    np.testing.assert_allclose(jnp.sum(compiled_quickly(jax.grad(both))(k) * along), numeric, rtol=1e-6)
    np.testing.assert_allclose(compiled_quickly(lambda k: jax.jvp(both, (k,), (along,))[1])(k), numeric, rtol=1e-6)


def test_what_cannot_be_says_so():
    with pytest.raises(ValueError, match="`target` must not be zero everywhere where it counts"):
        mr.design.relative_error([1.0], [0.0])
    with pytest.raises(ValueError, match="`target` must broadcast to the shape of `values`"):
        mr.design.relative_error(np.ones(3), np.ones((2, 3)))
    with pytest.raises(ValueError, match="`first` and `second` must have one shape"):
        mr.design.contrast([1.0], [1.0, 2.0])
    with pytest.raises(ValueError, match=r"`position` must have rows farther than `radius` \(m\)"):
        mr.design.side_lobes(TRAJECTORY, VOXELS, 1.0)
    with pytest.raises(ValueError, match="`trajectory` and `targets` must have one number of axes"):
        mr.design.uncovered(TRAJECTORY, np.ones((3, 1)), 1.0)
    with pytest.raises(ValueError, match=r"`trajectory` must have shape \(n, n_axes\)"):
        mr.design.uncovered(np.ones(3), np.ones((3, 1)), 1.0)


def test_an_error_of_magnitudes_knows_no_phase(rng):
    magnitude, target = rng.uniform(1, 2, size=6), rng.uniform(1, 2, size=6)
    values = magnitude * np.exp(1j * rng.uniform(0, 6, size=6))
    wanted = np.sum(np.arange(6) * (magnitude - target) ** 2) / np.sum(np.arange(6) * target**2)
    assert float(mr.design.magnitude_error(values, -1j * target, np.arange(6.0))) == pytest.approx(wanted, rel=1e-12)
    slope = jax.grad(lambda real: mr.design.magnitude_error(real + 0j, jnp.ones(2)))(jnp.array([0.0, 2.0]))
    np.testing.assert_allclose(slope, [0.0, 1.0], rtol=1e-12)
