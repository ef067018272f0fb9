"""Spectra of T2: known ones, the search for weights against SciPy's, stimulated echoes."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import brentq, nnls

import mrjax as mr
from mrjax.inverse import T2Spectrum, t2_spectrum
from mrjax.signals.relaxation import echo_train

TE = 0.01 * np.arange(1, 33)
T2 = np.geomspace(0.01, 2.0, 24)
DECAYS = np.exp(-TE[:, None] / T2)


@pytest.fixture
def echoes(rng):
    long = rng.uniform(0.06, 0.12, (12, 1))
    return 0.15 * np.exp(-TE / 0.02) + 0.85 * np.exp(-TE / long) + 0.005 * rng.normal(size=(12, 32))


def penalised(data, weight):
    x, _ = nnls(np.vstack([DECAYS, weight * np.eye(T2.size)]), np.r_[data, np.zeros(T2.size)])
    return x, np.sum((data - DECAYS @ x) ** 2)


@pytest.mark.exhaustive
def test_the_weight_that_raises_the_misfit_by_the_factor(echoes):
    found = t2_spectrum(echoes, TE, T2)
    for i, data in enumerate(echoes):
        least = penalised(data, 0.0)[1]
        weight = np.exp(brentq(lambda w, d=data, c=least: penalised(d, np.exp(w))[1] / c - 1.02, np.log(1e-5), 0.0))
        spectrum, misfit = penalised(data, weight)
        np.testing.assert_allclose(found.misfit[i], misfit, rtol=2e-5)
        np.testing.assert_allclose(found.weight[i], weight, rtol=2e-3)
        np.testing.assert_allclose(found.density[i], spectrum, atol=1e-4)


@pytest.mark.exhaustive
def test_another_factor(echoes):
    found, least = (t2_spectrum(echoes, TE, T2, regularisation=rule) for rule in ("chi_square", 0.0))
    wider = t2_spectrum(echoes, TE, T2, chi_square_factor=1.1)
    np.testing.assert_allclose(wider.misfit / least.misfit, 1.1, rtol=1e-4)
    assert np.all(wider.weight > found.weight)


def test_the_bend_of_the_l_curve(echoes):
    weights = np.geomspace(1e-3, 3.0, 25)
    found = t2_spectrum(echoes[:4], TE, T2, regularisation="l_curve")
    for i, data in enumerate(echoes[:4]):
        curve = [penalised(data, weight) for weight in weights]
        misfit = np.log([misfit for _, misfit in curve]) / 2
        size = np.log([np.sum(x**2) for x, _ in curve]) / 2
        first, second = (lambda y: (y[2:] - y[:-2]) / 2), (lambda y: y[2:] - 2 * y[1:-1] + y[:-2])
        bend = (first(misfit) * second(size) - second(misfit) * first(size)) / (
            first(misfit) ** 2 + first(size) ** 2
        ) ** 1.5
        best = 1 + np.argmax(bend)
        np.testing.assert_allclose(found.weight[i], weights[best], rtol=1e-12)
        np.testing.assert_allclose(found.density[i], curve[best][0], atol=1e-9)


def test_fraction_and_mean_of_a_known_spectrum():
    spectrum = T2Spectrum(
        jnp.array([0.01, 0.02, 0.08, 0.1]),
        jnp.array([[1.0, 1.0, 2.0, 4.0], [0.0, 0.0, 0.0, 0.0]]),
        jnp.zeros(2),
        jnp.zeros(2),
    )
    np.testing.assert_allclose(spectrum.fraction(upper=0.04), [0.25, np.nan])
    np.testing.assert_allclose(spectrum.fraction(0.02, 0.08), [3 / 8, np.nan])
    long = np.exp((2 * np.log(0.08) + 4 * np.log(0.1)) / 6)
    np.testing.assert_allclose(spectrum.geometric_mean_t2(lower=0.04), [long, np.nan])
    every = (np.log(0.01) + np.log(0.02) + 2 * np.log(0.08) + 4 * np.log(0.1)) / 8
    np.testing.assert_allclose(spectrum.geometric_mean_t2()[0], np.exp(every))


@pytest.mark.exhaustive
def test_stimulated_echoes_of_each_voxel():
    b1, angle = np.array([[0.7, 0.8, 1.0], [0.95, 1.1, 0.75]]), np.pi
    train = lambda t2: echo_train(32, 0.01, 1.0, t2, angle, b1=jnp.asarray(b1))
    data = 0.2 * train(float(T2[4])) + 0.8 * train(float(T2[10]))
    spectra = t2_spectrum(data, TE, T2, regularisation=0.0, refocusing_angle=angle, b1=b1)
    expected = np.zeros((2, 3, T2.size))
    expected[..., 4], expected[..., 10] = 0.2, 0.8
    np.testing.assert_allclose(spectra.density, expected, atol=1e-6)
    one = t2_spectrum(data[0, :1], TE, T2, regularisation=0.0, refocusing_angle=angle, b1=0.7)
    np.testing.assert_allclose(one.density[0], expected[0, 0], atol=1e-6)
    without = t2_spectrum(data[0, :1], TE, T2, regularisation=0.0)
    assert np.abs(without.density[0] - expected[0, 0]).max() > 0.1


@pytest.mark.exhaustive
def test_more_voxels_than_are_held_at_once(monkeypatch, rng):
    monkeypatch.setattr("mrjax.inverse.spectra.AT_ONCE", 3)
    b1 = np.linspace(0.7, 1.0, 8)
    data = 0.5 * echo_train(32, 0.01, 1.0, 0.07, b1=jnp.asarray(b1)) + 0.002 * rng.normal(size=(8, 32))
    together = t2_spectrum(data, TE, T2, regularisation=0.02, refocusing_angle=np.pi, b1=b1)
    for i in (0, 7):
        one = t2_spectrum(data[i], TE, T2, regularisation=0.02, refocusing_angle=np.pi, b1=b1[i])
        np.testing.assert_allclose(together.density[i], one.density, atol=1e-10)
        np.testing.assert_allclose(together.misfit[i], one.misfit, rtol=1e-9)


@pytest.mark.exhaustive
def test_float32(echoes):
    low = t2_spectrum(np.float32(echoes), np.float32(TE), np.float32(T2))
    assert low.density.dtype == jnp.float32
    high = t2_spectrum(echoes, TE, T2)
    np.testing.assert_allclose(low.density, high.density, atol=1e-3)
    np.testing.assert_allclose(low.fraction(upper=0.04), high.fraction(upper=0.04), atol=1e-4)


def test_a_voxel_without_numbers_leaves_the_others(echoes):
    data = np.array(echoes[:3])
    data[1, 4] = np.nan
    spectra = t2_spectrum(data, TE, T2)
    np.testing.assert_array_equal(np.isnan(spectra.fraction(upper=0.04)), [False, True, False])
    np.testing.assert_allclose(spectra.density[0], t2_spectrum(echoes[:3], TE, T2).density[0], atol=1e-9)


def test_mistakes_are_told():
    data = np.ones((2, 3))
    with pytest.raises(ValueError, match=r"must fit, but got \(2, 3\), \(4,\) and \(40,\)"):
        t2_spectrum(data, TE[:4])
    with pytest.raises(ValueError, match="`regularisation` must be a number, 'chi_square' or 'l_curve', but got 'gcv'"):
        t2_spectrum(data, TE[:3], regularisation="gcv")
    with pytest.raises(ValueError, match="`regularisation` must not be negative"):
        t2_spectrum(data, TE[:3], regularisation=-1.0)
    with pytest.raises(ValueError, match=r"`chi_square_factor` must be above 1, but got 1\.0"):
        t2_spectrum(data, TE[:3], chi_square_factor=1.0)
    with pytest.raises(ValueError, match=r"`te` must be 1, 2, ... times the first"):
        t2_spectrum(data, [0.01, 0.02, 0.04], refocusing_angle=3.0)
    with pytest.raises(ValueError, match=r"`b1` must be a number or have the shape of the voxels \(2,\)"):
        t2_spectrum(data, TE[:3], refocusing_angle=3.0, b1=np.ones(3))


@pytest.mark.exhaustive
def test_the_field_may_come_from_a_fit():
    model = mr.signals.models.StimulatedEchoes(32, 0.01)
    truth = {"t2": jnp.full(2, T2[10]), "b1": jnp.array([0.75, 0.85]), "m0": jnp.ones(2)}
    data = model(truth)
    b1 = mr.inverse.least_squares(model, data).parameters["b1"]
    spectra = t2_spectrum(data, TE, T2, refocusing_angle=np.pi, b1=b1, regularisation=0.0)
    np.testing.assert_allclose(spectra.density[:, 10], 1.0, rtol=1e-5)
    np.testing.assert_allclose(spectra.geometric_mean_t2(), T2[10], rtol=1e-5)
