"""Magnitudes of many coils: Bessel functions, information, and fits that do not take the floor for signal."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import ive

from mrjax.inverse import FitStatus, least_squares, likelihoods
from mrjax.inverse.noncentral_chi import noncentral_chi, noncentral_chi_information, scaled_bessel


@pytest.mark.slow
@pytest.mark.parametrize("order", [0, 3, 31])
def test_bessel_functions_are_those_of_scipy(order):
    z = np.geomspace(0.1 if order else 1e-4, 1e5, 60)
    logarithm, ratio = scaled_bessel(jnp.asarray(z), order)
    np.testing.assert_allclose(ratio, ive(order + 1, z) / ive(order, z), rtol=1e-8)
    np.testing.assert_allclose(logarithm, np.log(ive(order, z)) - order * np.log(z), rtol=1e-8, atol=1e-8)
    low = scaled_bessel(jnp.asarray([0.0, 1e-20, 1.0, 1e9], jnp.float32), order)
    assert all(np.all(np.isfinite(part)) for part in low)


@pytest.mark.exhaustive
@pytest.mark.parametrize("theta", [0.5, 2.0, 6.0])
def test_information_is_the_variance_of_the_score(theta):
    n_coils = 4

    def integrand(x):
        bessel = ive([n_coils - 1, n_coils], x * theta)
        density = x * (x / theta) ** (n_coils - 1) * np.exp(-((x - theta) ** 2) / 2) * bessel[0]
        return density * (x * bessel[1] / bessel[0] - theta) ** 2

    expected = quad(integrand, 1e-3, theta + 14, epsabs=1e-9)[0]
    assert abs(float(noncentral_chi_information(jnp.asarray(theta), n_coils)) - expected) < 2e-5


SIGNAL, COLUMNS = jnp.array([[0.02, -0.4, 3.0]]), jnp.array([[[0.3, 1.0, -2.0]]])
DATA, PRECISION = jnp.array([[0.5, 0.3, 2.8]]), jnp.array([[5.0, 10.0, 200.0]])


@pytest.mark.exhaustive
def test_one_coil_is_rician():
    one, rician = (
        of(SIGNAL, COLUMNS, DATA, PRECISION, *n) for of, n in ((noncentral_chi, [1]), (likelihoods.rician, []))
    )
    for name in ("cost", "gradient", "noise"):
        np.testing.assert_allclose(getattr(one, name), getattr(rician, name), rtol=1e-8)
    np.testing.assert_allclose(one.information, rician.information, rtol=1e-4)


@pytest.mark.slow
def test_the_gradient_is_the_derivative_of_the_cost():
    of = lambda step: noncentral_chi(SIGNAL + step * COLUMNS[0], COLUMNS, DATA, PRECISION, 6)
    expected = (of(1e-6).cost - of(-1e-6).cost)[0] / 4e-6
    np.testing.assert_allclose(of(0.0).gradient[0, 0], expected, rtol=1e-6)


@pytest.mark.exhaustive
def test_the_floor_of_many_coils_is_not_taken_for_signal():
    te, n_coils, sigma = np.arange(1, 17) * 8e-3, 8, 0.04
    model = lambda p: p["m0"][..., None] * jnp.exp(-jnp.asarray(te)[None] / p["t2"][..., None])
    signal = np.tile(np.exp(-te / 0.04), (800, 1))
    noise = sigma * np.asarray(jax.random.normal(jax.random.key(5), (2 * n_coils, 800, 16)))
    data = np.sqrt((signal + noise[0]) ** 2 + np.sum(noise[1:] ** 2, axis=0))
    start = {"m0": 1.0, "t2": 0.05}
    fit = least_squares(model, data, start, (1e-3, 5.0), sigma, likelihood="noncentral_chi", n_coils=n_coils)
    good = np.asarray(fit.status) == FitStatus.CONVERGED
    assert good.mean() > 0.99
    for name, value in {"t2": 0.04, "m0": 1.0}.items():
        error = np.asarray(fit.parameters[name])[good] - value
        assert abs(error.mean()) < 0.25 * error.std()
        z = error / np.asarray(fit.standard_deviation[name])[good]
        assert 0.92 < np.mean(np.abs(z) < 1.96) < 0.98
    biased = np.asarray(least_squares(model, data, start, (1e-3, 5.0), sigma).parameters["t2"])
    assert np.median(biased) > 0.05


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_coils": 0}, "`n_coils` must be an integer from 1 to 64, but got 0"),
        ({"n_coils": 65}, "`n_coils` must be an integer from 1 to 64, but got 65"),
        (
            {"n_coils": 4, "likelihood": "rician"},
            "`n_coils` of 4 needs `likelihood='noncentral_chi'`, but got 'rician'",
        ),
        ({"noise_std": None}, "`noise_std` must be given for a noncentral chi likelihood"),
    ],
)
def test_coils_that_cannot_be_are_refused(options, message):
    options = {"likelihood": "noncentral_chi", "noise_std": 0.1, "n_coils": 4} | options
    with pytest.raises(ValueError, match=message):
        least_squares(lambda p: p["a"][..., None] * jnp.ones((1, 2)), np.ones((1, 2)), {"a": 1.0}, **options)
