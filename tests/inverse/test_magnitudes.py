"""Fits of magnitudes: the sign that is lost at a null, and the floor that noise leaves."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import i0e, i1e

from mrjax.inverse import Dictionary, FitStatus, least_squares, likelihoods, recovery_polarities
from mrjax.signals import relaxation
from mrjax.synthesis import rician_magnitude

BOUNDS = ({"m0": 0.0, "t1": 1e-3, "efficiency": 0.0}, {"m0": np.inf, "t1": 50.0, "efficiency": 1.5})
INVERSION_TIMES = {
    "four": [0.05, 0.4, 1.1, 2.5],
    "close together": [0.35, 0.5, 0.65, 0.8, 1.1, 1.4],
    "unordered": [2.5, 0.03, 1.1, 0.1, 0.4],
}


def recovery(inversion_time, dtype):
    time = jnp.asarray(inversion_time, dtype)
    return lambda p: p["m0"][:, None] * (1 - (1 + p["efficiency"])[:, None] * jnp.exp(-time[None] / p["t1"][:, None]))


def start_of(model, dtype):
    """From signed data to the best of a few signed recoveries."""
    grid = {"t1": np.geomspace(0.02, 6.0, 60).astype(dtype), "efficiency": np.array([0.7, 0.85, 1.0], dtype)}
    dictionary = Dictionary.build(lambda p: model({**p, "m0": jnp.ones_like(p["t1"])}), grid)

    def start(data):
        match = dictionary.match(data)
        return {**match.parameters, "m0": match.m0}

    return start


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("times", "dtype", "tolerance"),
    [
        ("four", np.float64, 1e-9),
        ("close together", np.float64, 1e-9),
        ("unordered", np.float64, 1e-9),
        ("four", np.float32, 1e-4),
    ],
)
def test_t1_of_magnitudes_is_right_for_every_t1_and_efficiency(times, dtype, tolerance):
    inversion_time = INVERSION_TIMES[times]
    t1, efficiency = (x.ravel().astype(dtype) for x in np.meshgrid(np.linspace(0.2, 2.5, 461), [0.72, 0.93, 1.0]))
    model = recovery(inversion_time, dtype)
    magnitude = jnp.abs(model({"m0": jnp.full(t1.shape, 1.7, dtype), "t1": t1, "efficiency": efficiency}))
    polarities = recovery_polarities(inversion_time)
    fit = least_squares(model, magnitude, start_of(model, dtype), BOUNDS, polarities=polarities)
    np.testing.assert_allclose(fit.parameters["t1"], t1, rtol=tolerance)
    np.testing.assert_array_equal(fit.status, FitStatus.CONVERGED)
    np.testing.assert_allclose(fit.residual, 0, atol=1e-5)


@pytest.mark.exhaustive
def test_polarities_keep_voxel_axes_and_work_inside_jit():
    time = INVERSION_TIMES["four"]
    model = lambda p: relaxation.inversion_recovery(jnp.asarray(time), p["t1"], m0=p["m0"])
    t1 = jnp.linspace(0.3, 2.0, 6).reshape(2, 3)
    magnitude = jnp.abs(model({"m0": jnp.ones((2, 3)), "t1": t1}))
    fitted = jax.jit(lambda d: least_squares(model, d, {"m0": 1.0, "t1": 0.8}, polarities=recovery_polarities(time)))
    fit = fitted(magnitude)
    np.testing.assert_allclose(fit.parameters["t1"], t1, rtol=1e-8)
    assert fit.residual.shape == (2, 3, 4)


@pytest.mark.exhaustive
def test_signs_of_one_alternative_do_not_spoil_the_others():
    """A start that is nan for one row of signs leaves the others, a voxel that is nan is told."""
    time = INVERSION_TIMES["four"]
    model = lambda p: relaxation.inversion_recovery(jnp.asarray(time), p["t1"], m0=p["m0"])
    magnitude = jnp.abs(model({"m0": jnp.ones(2), "t1": jnp.array([0.5, 0.9])})).at[1, 2].set(jnp.nan)
    start = lambda data: {"m0": 1.0, "t1": jnp.where(jnp.all(data[:, :2] > 0, axis=-1), jnp.nan, 0.8)}
    fit = least_squares(model, magnitude, start, polarities=recovery_polarities(time))
    np.testing.assert_array_equal(fit.status, [FitStatus.CONVERGED, FitStatus.NOT_FINITE])
    np.testing.assert_allclose(fit.parameters["t1"], [0.5, np.nan], rtol=1e-8)


ECHOES = np.arange(1, 33) * 5e-3
START = {"m0": 1.0, "t2": 0.05}


def decay(params):
    return relaxation.t2_decay(jnp.asarray(ECHOES, params["t2"].dtype), params["t2"], params["m0"])


def decays_of_30_ms(snr, dtype):
    return rician_magnitude(jax.random.key(7), jnp.tile(jnp.asarray(np.exp(-ECHOES / 30e-3), dtype), (3000, 1)), snr)


@pytest.mark.exhaustive
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_rician_likelihood_does_not_take_the_floor_for_signal(dtype):
    """At an M0 of 25 times the noise a T2 of 30 ms comes out as 30 ms; least squares make 32 ms of it."""
    data = decays_of_30_ms(25.0, dtype)
    found = least_squares(decay, data, START, (1e-4, 10.0), 1 / 25, likelihood="rician")
    assert found.parameters["t2"].dtype == dtype
    np.testing.assert_array_equal(found.status, FitStatus.CONVERGED)
    assert abs(np.mean(found.parameters["t2"]) / 30e-3 - 1) < 6e-3
    assert abs(np.mean(found.parameters["m0"]) - 1) < 3e-3
    assert np.mean(least_squares(decay, data, START, (1e-4, 10.0), 1 / 25).parameters["t2"]) / 30e-3 > 1.06
    for name, value in {"t2": 30e-3, "m0": 1.0}.items():
        z = (np.asarray(found.parameters[name]) - value) / np.asarray(found.standard_deviation[name])
        assert 0.93 < np.mean(np.abs(z) < 1.96) < 0.97


@pytest.mark.exhaustive
def test_rician_equals_gaussian_where_the_floor_is_far_below():
    data = decays_of_30_ms(1e4, np.float64)
    noise_std = np.where(ECHOES < 0.1, 1e-4, 10.0)  # later echoes do not count
    gaussian, rician = (
        least_squares(decay, data, START, (1e-4, 10.0), noise_std, likelihood=kind) for kind in ("gaussian", "rician")
    )
    np.testing.assert_allclose(rician.parameters["t2"], gaussian.parameters["t2"], rtol=1e-5)
    np.testing.assert_allclose(rician.standard_deviation["t2"], gaussian.standard_deviation["t2"], rtol=1e-3)


@pytest.mark.exhaustive
def test_rician_fit_of_a_recovery_through_its_null():
    time, snr = [0.05, 0.2, 0.4, 0.6, 0.8, 1.1, 1.6, 2.5], 20.0
    model = lambda p: relaxation.inversion_recovery(jnp.asarray(time), p["t1"], m0=p["m0"])
    signal = jnp.tile(model({"m0": jnp.ones(()), "t1": jnp.asarray(0.9)}), (1000, 1))
    data = rician_magnitude(jax.random.key(3), signal, snr)
    start, polarities = {"m0": 1.0, "t1": 0.6}, recovery_polarities(time)
    fit = least_squares(
        model, data, start, noise_std=1 / snr, likelihood="rician", polarities=polarities, max_iterations=200
    )
    assert np.all(fit.status == FitStatus.CONVERGED)
    assert abs(np.mean(fit.parameters["t1"]) - 0.9) < 4 * 0.9 * np.mean(fit.standard_deviation["t1"]) / np.sqrt(1000)


@pytest.mark.parametrize("theta", [0.0, 0.4, 1.3, 4.0, 40.0])
def test_information_of_a_magnitude_is_the_variance_of_its_score(theta):
    def integrand(x):
        score = x * i1e(x * theta) / i0e(x * theta) - theta
        return score**2 * x * np.exp(-((x - theta) ** 2) / 2) * i0e(x * theta)

    expected = quad(integrand, max(0.0, theta - 12), theta + 12)[0]
    assert abs(float(likelihoods.rician_information(jnp.asarray(theta))) - expected) < 5e-6


def test_rician_expansion_is_the_derivative_of_its_cost():
    signal, columns = jnp.array([[0.02, -0.4, 3.0]]), jnp.array([[[0.3, 1.0, -2.0]]])
    data, precision = jnp.array([[0.5, 0.3, 2.8]]), jnp.array([[5.0, 10.0, 200.0]])
    cost = lambda step: likelihoods.rician(signal + step * columns[0], columns, data, precision).cost[0]
    half = 1e-6
    expected = (cost(half) - cost(-half)) / (2 * half)
    gradient = likelihoods.rician(signal, columns, data, precision).gradient[0, 0]
    np.testing.assert_allclose(2 * gradient, expected, rtol=1e-6)


DATA = np.full((2, 3), 0.5)
LINE = lambda p: p["m0"][:, None] * jnp.ones((1, 3))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"likelihood": "rice"}, "`likelihood` must be 'gaussian', 'rician' or 'noncentral_chi', but got 'rice'"),
        ({"likelihood": "rician"}, "`noise_std` must be given for a Rician likelihood"),
        ({"likelihood": "rician", "noise_std": 0.1, "data": -DATA}, "must be magnitudes, not negative.*but got -0.5"),
        ({"likelihood": "rician", "noise_std": 0.1, "data": DATA + 0j}, "but is complex; pass its magnitude"),
        ({"polarities": [[1.0, 1.0, 1.0]], "model": lambda p: 1j * LINE(p)}, "`model` must return real signals"),
        ({"polarities": [1.0, 1.0, 1.0]}, r"`polarities` must have shape \(n_alternatives, n\) with n of 3"),
        ({"polarities": [[1.0, 0.0, 1.0]]}, r"`polarities` must be \+1 or -1, but got 0"),
    ],
)
def test_impossible_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        least_squares(**{"model": LINE, "data": DATA, "init": {"m0": 1.0}, **options})


def test_times_of_polarities_have_one_axis():
    with pytest.raises(ValueError, match="`inversion_time` must have one axis"):
        recovery_polarities([[0.1, 0.2]])
