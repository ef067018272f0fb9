"""Non-negative least squares: SciPy's, the conditions of the minimum, hard matrices, derivatives."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import nnls

from mrjax.inverse import non_negative_least_squares

TE, T2 = 0.01 * np.arange(1, 33), np.geomspace(0.01, 2.0, 40)
DECAYS = np.exp(-TE[:, None] / T2)


def of_scipy(matrix, data, weight=0.0):
    m = matrix.shape[-1]
    penalised = lambda a, w: np.vstack([a, w * np.eye(m)])
    matrices = np.broadcast_to(matrix, (len(data), *matrix.shape[-2:]))
    weights = np.broadcast_to(weight, len(data))
    return np.array(
        [nnls(penalised(a, w), np.r_[d, np.zeros(m)])[0] for a, d, w in zip(matrices, data, weights, strict=True)]
    )


@pytest.fixture
def echoes(rng):
    long = rng.uniform(0.06, 0.12, (40, 1))
    return 0.15 * np.exp(-TE / 0.02) + 0.85 * np.exp(-TE / long) + 0.005 * rng.normal(size=(40, 32))


@pytest.mark.parametrize("weight", [0.0, 0.03])
def test_decays_as_by_scipy(echoes, weight):
    found = np.asarray(non_negative_least_squares(DECAYS, echoes, weight))
    np.testing.assert_allclose(found, of_scipy(DECAYS, echoes, weight), atol=1e-6)


def test_the_conditions_of_the_minimum_hold(echoes):
    x = np.asarray(non_negative_least_squares(DECAYS, echoes))
    gradient = (echoes - x @ DECAYS.T) @ DECAYS
    assert x.min() == 0
    assert np.abs(gradient[x > 0]).max() < 1e-9
    assert gradient[x == 0].max() < 1e-9
    assert (x > 0).sum(axis=1).max() < 9


def test_a_matrix_and_a_weight_for_each_voxel(rng):
    matrix, data, weight = rng.normal(size=(6, 9, 5)), rng.normal(size=(6, 9)), rng.uniform(0, 1, 6)
    found = non_negative_least_squares(matrix.reshape(2, 3, 9, 5), data.reshape(2, 3, 9), weight.reshape(2, 3))
    np.testing.assert_allclose(np.asarray(found).reshape(6, 5), of_scipy(matrix, data, weight), atol=1e-12)


def test_more_columns_than_samples(rng):
    matrix, data = rng.uniform(size=(6, 20)), rng.normal(size=(30, 6))
    x = np.asarray(non_negative_least_squares(matrix, data))
    misfit, of_reference = (((data - y @ matrix.T) ** 2).sum(axis=1) for y in (x, of_scipy(matrix, data)))
    np.testing.assert_allclose(misfit, of_reference, rtol=1e-9, atol=1e-12)


def test_what_is_degenerate(rng):
    column = rng.uniform(size=(7, 1))
    twice = np.hstack([column, column, np.zeros((7, 1))])
    data = np.stack([3 * column[:, 0], -column[:, 0], np.zeros(7), np.full(7, np.nan)])
    x = np.asarray(non_negative_least_squares(twice, data))
    np.testing.assert_allclose(x[0].sum(), 3.0, rtol=1e-12)
    np.testing.assert_array_equal(x[:, 2], [0, 0, 0, np.nan])
    np.testing.assert_array_equal(x[1:3], 0)
    assert np.isnan(x[3]).all()


def test_float32_is_computed_in_float64(echoes):
    low = np.float32(echoes)
    found = non_negative_least_squares(np.float32(DECAYS), low)
    assert found.dtype == jnp.float32
    exact = of_scipy(np.float64(np.float32(DECAYS)), np.float64(low))
    np.testing.assert_allclose(found, exact, atol=2e-6)


@pytest.mark.exhaustive
def test_derivatives_are_those_of_differences(rng):
    matrix, data, weight = rng.uniform(size=(6, 4)), rng.uniform(size=(3, 6)), np.array([0.1, 0.2, 0.3])
    toward = [rng.normal(size=np.shape(x)) for x in (matrix, data, weight)]
    arguments = tuple(jnp.asarray(x) for x in (matrix, data, weight))
    x, forward = jax.jvp(non_negative_least_squares, arguments, tuple(map(jnp.asarray, toward)))
    assert np.any(np.asarray(x) == 0)
    step = 1e-6
    above, below = (
        np.asarray(non_negative_least_squares(*(a + s * step * t for a, t in zip(arguments, toward, strict=True))))
        for s in (1, -1)
    )
    np.testing.assert_allclose(forward, (above - below) / (2 * step), rtol=1e-6, atol=1e-8)
    weights = rng.normal(size=x.shape)
    reverse = jax.grad(lambda *a: jnp.sum(weights * non_negative_least_squares(*a)), argnums=(0, 1, 2))(*arguments)
    along = sum(np.sum(np.asarray(g) * t) for g, t in zip(reverse, toward, strict=True))
    np.testing.assert_allclose(along, np.sum(weights * np.asarray(forward)), rtol=1e-10)


@pytest.mark.exhaustive
def test_derivatives_by_a_matrix_for_each_voxel(rng):
    matrix, data = jnp.asarray(rng.uniform(size=(3, 6, 4))), jnp.asarray(rng.uniform(size=(3, 6)))
    gradient = jax.jit(jax.grad(lambda a: jnp.sum(non_negative_least_squares(a, data) ** 2)))(matrix)
    each = [jax.grad(lambda a, i=i: jnp.sum(non_negative_least_squares(a, data[i]) ** 2))(matrix[i]) for i in range(3)]
    np.testing.assert_allclose(gradient, np.stack(each), rtol=1e-9, atol=1e-12)


def test_mistakes_are_told():
    with pytest.raises(ValueError, match=r"must have one n, but got \(3, 2\) and \(4,\)"):
        non_negative_least_squares(np.ones((3, 2)), np.ones(4))
    with pytest.raises(ValueError, match=r"one for each of the voxels \(4,\), but got \(5, 3, 2\)"):
        non_negative_least_squares(np.ones((5, 3, 2)), np.ones((4, 3)))
    with pytest.raises(ValueError, match="`weight` must not be negative"):
        non_negative_least_squares(np.ones((3, 2)), np.ones((4, 3)), -1.0)
    with pytest.raises(ValueError, match=r"`weight` must be a number or have the shape of the voxels \(4,\)"):
        non_negative_least_squares(np.ones((3, 2)), np.ones((4, 3)), np.ones(3))
