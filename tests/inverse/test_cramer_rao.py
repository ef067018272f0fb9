"""The Cramér-Rao bound: the inverse of an information in closed form, and what simulated fits reach."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import mrjax as mr
from mrjax.inverse import crlb, least_squares, monte_carlo
from mrjax.inverse.likelihoods import rician_information

TE = np.array([0.01, 0.03, 0.06, 0.1])
MODEL = mr.signals.models.Decay(TE)
TRUTH = {"t2": np.array([0.04, 0.08]), "m0": 2.0}


def columns(voxel, phase=1.0):
    """Of M0 and T2, in this order, in closed form."""
    t2 = TRUTH["t2"][voxel]
    shape = np.exp(-TE / t2)
    return np.stack([shape, 2.0 * shape * TE / t2**2], axis=-1) * phase


@pytest.mark.parametrize("phase", [1.0, np.exp(0.7j)])
def test_it_is_the_inverse_of_the_information(phase):
    """Of real signals, and of complex ones, whose two parts have the same noise each."""
    noise = np.array([0.01, 0.02, 0.01, 0.03])
    model = MODEL if phase == 1.0 else lambda p: MODEL(p) * phase
    bound = crlb(model, TRUTH, noise)
    for voxel in range(2):
        weighted = columns(voxel, phase) / noise[:, None]
        expected = np.linalg.inv((weighted.conj().T @ weighted).real)
        np.testing.assert_allclose(bound.covariance[voxel], expected, rtol=1e-10)
        got = [bound.standard_deviation[name][voxel] for name in ("m0", "t2")]
        np.testing.assert_allclose(got, np.sqrt(np.diag(expected)), rtol=1e-10)


def test_parameters_that_are_known_cost_nothing():
    alone = crlb(MODEL, TRUTH, 0.01, free=["t2"])
    assert set(alone.standard_deviation) == {"t2"}
    assert alone.covariance.shape == (2, 1, 1)
    expected = [0.01 / np.linalg.norm(columns(voxel)[:, 1]) for voxel in range(2)]
    np.testing.assert_allclose(alone.standard_deviation["t2"], expected, rtol=1e-10)


@pytest.mark.parametrize(("likelihood", "n_coils"), [("rician", 1), ("noncentral_chi", 8)])
def test_magnitudes_tell_less_where_the_signal_is_low(likelihood, n_coils):
    flat = lambda p: p["a"][..., None] * jnp.ones(5)[None]
    bound = crlb(flat, {"a": np.array([0.5, 3.0, 1e4])}, 1.0, likelihood=likelihood, n_coils=n_coils)
    relative = (1 / np.asarray(bound.standard_deviation["a"])) ** 2 / 5
    np.testing.assert_allclose(relative[2], 1.0, rtol=1e-4)
    assert relative[0] < relative[1] < 1
    if n_coils == 1:
        np.testing.assert_allclose(relative, rician_information(jnp.array([0.5, 3.0, 1e4])), rtol=1e-6)


def test_it_has_derivatives_by_which_a_protocol_is_chosen():
    def spread(te):
        return crlb(mr.signals.models.Decay(te), {"t2": 0.05, "m0": 1.0}, 0.01).standard_deviation["t2"]

    reverse, forward = jax.jit(lambda te: (jax.grad(spread)(te), jax.jacfwd(spread)(te)))(jnp.asarray(TE))
    spread = jax.jit(spread)
    for i in range(4):
        step = 1e-6 * np.eye(4)[i]
        expected = (spread(TE + step) - spread(TE - step)) / 2e-6
        np.testing.assert_allclose([reverse[i], forward[i]], expected, rtol=1e-6)


def test_what_the_signal_does_not_tell_has_no_bound():
    idle = lambda p: MODEL({"t2": p["t2"], "m0": p["m0"]}) + 0.0 * p["idle"][..., None]
    bound = crlb(idle, TRUTH | {"idle": 1.0}, 0.01)
    assert np.all(np.isinf(bound.standard_deviation["idle"]))
    np.testing.assert_allclose(bound.standard_deviation["t2"], crlb(MODEL, TRUTH, 0.01).standard_deviation["t2"])


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((MODEL, TRUTH, 0.01), {"free": "t2"}, r"`free` must be a list of names of `params` \(\['m0', 't2'\]\)"),
        ((MODEL, TRUTH, 0.01), {"free": ["t3"]}, r"but got \['t3'\]"),
        ((MODEL, TRUTH, 0.0), {}, r"`noise_std` must be positive \(unit of the signal\), but got 0"),
        ((MODEL, TRUTH, np.ones(3)), {}, r"but got noise_std \(3,\), the signal \(2, 4\)"),
        ((MODEL, TRUTH, np.ones((5, 2, 4))), {}, r"`noise_std` must broadcast to the signal, \(2, 4\)"),
        ((lambda p: 1j * MODEL(p), TRUTH, 0.01), {"likelihood": "rician"}, "`model` must return real signals"),
        ((MODEL, TRUTH | {"m0": np.ones(3)}, 0.01), {}, r"must broadcast to one voxel shape, but got params\['m0'\]"),
    ],
)
def test_mistakes_are_told(arguments, options, message):
    with pytest.raises(ValueError, match=message):
        crlb(*arguments, **options)


def test_simulated_fits_reach_the_bound():
    n = 4000
    found, bound = monte_carlo(MODEL, TRUTH, 0.02, jax.random.key(2), n), crlb(MODEL, TRUTH, 0.02)
    np.testing.assert_array_equal(found.fraction_fitted, 1.0)
    for name in ("t2", "m0"):
        spread = np.asarray(bound.standard_deviation[name])
        np.testing.assert_allclose(found.standard_deviation[name], spread, rtol=0.05)
        assert np.all(np.abs(found.bias[name]) < 0.1 * spread)


def test_simulated_fits_that_failed_do_not_count():
    """A function starts at the truth, unless it is told to start elsewhere, from where some do not arrive."""
    start = {"t2": np.array([0.04, 3.0]), "m0": 2.0}
    model = lambda p: MODEL(p)
    key = jax.random.key(1)
    with_options = monte_carlo(model, TRUTH, 0.02, key, 20, init=start, bounds=(1e-3, 10.0), max_iterations=3)
    assert with_options.fraction_fitted[0] > 0
    np.testing.assert_array_equal(with_options.fraction_fitted[1], 0.0)
    assert np.isnan(with_options.bias["t2"][1])
    with pytest.raises(ValueError, match="`n` must be at least 2"):
        monte_carlo(MODEL, TRUTH, 0.02, key, 1)


@pytest.mark.exhaustive
def test_at_an_snr_of_five_the_rician_likelihood_is_unbiased_and_least_squares_is_not():
    te, sigma, n = np.arange(1, 33) * 5e-3, 0.2, 10_000
    model, truth = mr.signals.models.Decay(te), {"t2": 0.05, "m0": 1.0}
    rician = monte_carlo(model, truth, sigma, jax.random.key(3), n, likelihood="rician")
    noise = sigma * np.asarray(jax.random.normal(jax.random.key(4), (2, n, 32)))
    squares = np.asarray(least_squares(model, np.hypot(np.exp(-te / 0.05) + noise[0], noise[1])).parameters["t2"])
    assert rician.fraction_fitted > 0.99
    assert abs(rician.bias["t2"]) < 0.05 * 0.05
    assert np.median(squares) > 1.5 * 0.05


@pytest.mark.exhaustive
def test_noise_of_magnitudes_has_its_moments():
    """The mean square of a magnitude of L coils is that of the signal and 2 L of the noise; a fit of it tells both."""
    flat = mr.signals.models.Decay(np.full(400, 1e-6))
    for n_coils in (1, 4):
        found = monte_carlo(
            flat,
            {"t2": 1.0, "m0": 2.0},
            1.0,
            jax.random.key(4),
            200,
            likelihood="noncentral_chi",
            n_coils=n_coils,
            bounds=({"t2": 0.9, "m0": 0.0}, {"t2": 1.1, "m0": 9.0}),
        )
        bound = crlb(flat, {"t2": 1.0, "m0": 2.0}, 1.0, free=["m0"], likelihood="noncentral_chi", n_coils=n_coils)
        assert abs(found.bias["m0"]) < 4 * bound.standard_deviation["m0"] / np.sqrt(200)
        np.testing.assert_allclose(found.standard_deviation["m0"], bound.standard_deviation["m0"], rtol=0.2)
