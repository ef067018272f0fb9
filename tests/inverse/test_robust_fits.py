"""Robust losses: the minima that SciPy finds, error bars that hold, and wrong samples that do not decide."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize

from mrjax.inverse import FitStatus, least_squares, robust_losses

TE = np.linspace(0.01, 0.12, 10)
SIGMA = 0.01


def decay(p):
    return p["m0"][..., None] * jnp.exp(-jnp.asarray(TE)[None] / p["t2"][..., None])


@pytest.fixture
def spoilt(rng):
    """Two decays of 50 ms with one sample far off."""
    data = np.exp(-TE / 0.05) + SIGMA * rng.standard_normal((2, 10))
    data[0, 2] += 0.5
    data[1, 7] -= 0.3
    return data


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["huber", "cauchy", "soft_l1"])
def test_the_minimum_is_that_of_scipy_and_not_at_the_outlier(loss, spoilt):
    fit = least_squares(decay, spoilt, {"m0": 0.9, "t2": 0.06}, (1e-3, 10.0), SIGMA, loss=loss)
    np.testing.assert_array_equal(fit.status, FitStatus.CONVERGED)
    for voxel in range(2):
        of_one = lambda x, voxel=voxel: x[0] * np.exp(-TE / x[1]) - spoilt[voxel]
        exact = {"xtol": 1e-15, "ftol": 1e-15, "gtol": 1e-15, "x_scale": [1.0, 0.05]}
        found = scipy.optimize.least_squares(of_one, [0.9, 0.06], loss=loss, f_scale=SIGMA, **exact).x
        got = [fit.parameters["m0"][voxel], fit.parameters["t2"][voxel]]
        spread = [fit.standard_deviation["m0"][voxel], fit.standard_deviation["t2"][voxel]]
        assert np.all(np.abs(np.array(got) - found) < 2e-3 * np.array(spread))  # a search ends where noise decides
        np.testing.assert_allclose(got[1], 0.05, rtol=0.08)
        squares = scipy.optimize.least_squares(of_one, [0.9, 0.06], **exact).x
        assert abs(squares[1] / 0.05 - 1) > 2 * abs(got[1] / 0.05 - 1)


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["huber", "cauchy", "soft_l1"])
@pytest.mark.parametrize("is_complex", [False, True])
def test_the_gradient_is_that_of_the_cost(loss, is_complex, rng):
    draw = lambda *n: jnp.asarray(rng.standard_normal(n) + (1j * rng.standard_normal(n) if is_complex else 0))
    signal, columns, data = draw(1, 6), draw(2, 1, 6), draw(1, 6)
    precision = jnp.asarray(rng.uniform(0.5, 2.0, (1, 6)))
    of = lambda step: robust_losses.expansion(loss, signal + jnp.tensordot(step, columns, 1), columns, data, precision)
    step = 1e-6 * np.eye(2)
    expected = [(of(step[i]).cost - of(-step[i]).cost)[0] / 4e-6 for i in range(2)]
    np.testing.assert_allclose(of(np.zeros(2)).gradient[0], expected, rtol=1e-7)


@pytest.mark.exhaustive
@pytest.mark.parametrize("is_complex", [False, True])
def test_error_bars_of_good_and_spoilt_data_hold(is_complex, rng):
    """The mean of 30 samples, of which every tenth is ten times as noisy."""
    draw = lambda: np.where(np.arange(30) % 10 == 0, 10, 1) * rng.standard_normal((4000, 30))
    data = 1.0 + SIGMA * (draw() + (1j * draw() if is_complex else 0))
    model = lambda p: p["m"][..., None] * jnp.ones((1, 30), data.dtype)
    fit = least_squares(model, data, {"m": 0.9}, noise_std=SIGMA, loss="huber")
    z = np.asarray((fit.parameters["m"] - 1.0) / fit.standard_deviation["m"])
    assert abs(np.std(z) - 1) < 0.06
    assert 0.93 < np.mean(np.abs(z) < 1.96) < 0.97
    spread = np.std(np.mean(data.real, axis=-1))
    assert np.std(fit.parameters["m"]) < 0.6 * spread


def test_large_residuals_keep_their_digits():
    """In single precision, where 1 + z - 1 would have lost a small z."""
    z = jnp.asarray([1e-6, 1e6], jnp.float32)
    np.testing.assert_allclose(robust_losses.soft_l1(z), 2 * (np.sqrt(1 + np.array([1e-6, 1e6])) - 1), rtol=1e-6)
    for loss in robust_losses.LOSSES.values():
        assert np.all(np.isfinite(jax.vmap(jax.grad(lambda z, loss=loss: loss(z)))(jnp.asarray([0.0, 1.0, 1e6]))))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"loss": "l1", "noise_std": 1.0},
            "`loss` must be one of 'squared', 'huber', 'soft_l1', 'cauchy', but got 'l1'",
        ),
        ({"loss": "huber"}, "`noise_std` must be given for `loss='huber'`, whose scale it is, but got None"),
        ({"loss": "huber", "noise_std": 1.0, "likelihood": "rician"}, "goes with a Gaussian `likelihood` alone"),
    ],
)
def test_losses_that_cannot_be_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        least_squares(decay, np.ones((1, 10)), {"m0": 1.0, "t2": 0.05}, **options)
