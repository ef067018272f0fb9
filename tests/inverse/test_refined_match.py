"""A match that is refined: nearer than the grid, without bias, and as bad input is told."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mrjax.inverse import Dictionary, FitStatus, crlb, refined_match

TE = jnp.linspace(0.01, 0.2, 10)
GRID = np.geomspace(0.02, 0.3, 12)


def decay(parameters):
    return jnp.exp(-jnp.tensordot(parameters.get("b1", 1.0) / parameters["t2"], TE, 0))


@pytest.fixture(scope="module")
def dictionary():
    return Dictionary.build(decay, {"t2": GRID})


N, NOISE = 2000, 0.01
"""The same for most tests, so that one program serves them."""


@pytest.mark.exhaustive
def test_without_noise_the_parameters_are_the_true_ones(dictionary):
    t2, m0 = jnp.geomspace(0.03, 0.25, N), jnp.linspace(-1, 2, N)
    fit = refined_match(dictionary, decay, m0[:, None] * decay({"t2": t2}), noise_std=NOISE)
    np.testing.assert_allclose(fit.parameters["t2"], t2, rtol=1e-7)
    np.testing.assert_allclose(fit.parameters["m0"], m0, rtol=1e-7)
    matched = dictionary.match(decay({"t2": t2})).parameters["t2"]
    assert np.max(np.abs(matched / t2 - 1)) > 0.1  # which the grid alone leaves


@pytest.mark.exhaustive
def test_with_noise_they_are_unbiased_and_as_precise_as_can_be(dictionary, rng):
    signals = decay({"t2": jnp.full(N, 0.081)}) + NOISE * jnp.asarray(rng.standard_normal((N, 10)))
    fit = refined_match(dictionary, decay, signals, noise_std=NOISE)
    scaled = lambda p: p["m0"][..., None] * decay(p)
    best = crlb(scaled, {"t2": 0.081, "m0": 1.0}, NOISE).standard_deviation["t2"]
    found = np.asarray(fit.parameters["t2"])
    assert abs(found.mean() - 0.081) < 4 * best / np.sqrt(N) + 1e-4 * 0.081
    np.testing.assert_allclose(found.std(), best, rtol=0.06)
    np.testing.assert_allclose(np.median(fit.standard_deviation["t2"]), best, rtol=0.02)


@pytest.mark.exhaustive
def test_a_fit_stays_within_the_grid_or_other_bounds(dictionary):
    signals = decay({"t2": jnp.full(N, 0.06).at[0].set(0.01)}).at[1].set(0.0)
    fit = refined_match(dictionary, decay, signals, noise_std=NOISE)
    np.testing.assert_allclose(fit.parameters["t2"][0], 0.02)
    assert fit.status[0] == FitStatus.AT_BOUND
    assert fit.status[1] != FitStatus.CONVERGED  # without signal
    wider = refined_match(dictionary, decay, signals, bounds=(0.001, {"t2": 1.0}), noise_std=NOISE)
    np.testing.assert_allclose(wider.parameters["t2"][jnp.array([0, 2])], [0.01, 0.06], rtol=1e-7)


@pytest.mark.exhaustive
def test_known_maps_are_taken_as_they_are_in_batches():
    pairs = Dictionary.build(decay, {"t2": GRID, "b1": [0.8, 1.0]})
    b1, t2 = jnp.array([0.83, 0.95, 1.02]), jnp.array([0.05, 0.08, 0.11])
    signals = decay({"t2": t2, "b1": b1})
    fit = refined_match(pairs, decay, signals, known={"b1": b1}, batch_size=2)
    np.testing.assert_allclose(fit.parameters["t2"], t2, rtol=1e-8)
    assert set(fit.parameters) == {"t2", "m0"}


@pytest.mark.exhaustive
def test_the_derivative_is_that_of_the_minimum(dictionary):
    signals = decay({"t2": jnp.array([0.06])}) + 0.01 * jnp.cos(jnp.arange(10.0))[None]
    t2 = lambda step: refined_match(dictionary, decay, signals + step * jnp.arange(10.0)[None]).parameters["t2"][0]
    differences = (t2(1e-5) - t2(-1e-5)) / 2e-5
    np.testing.assert_allclose(jax.grad(t2)(0.0), differences, rtol=1e-5)
    np.testing.assert_allclose(jax.jvp(t2, (0.0,), (1.0,))[1], differences, rtol=1e-5)


def test_nothing_to_fit_is_refused(dictionary):
    with pytest.raises(ValueError, match="`known` must leave a parameter to be fitted, but names all: t2"):
        refined_match(dictionary, decay, jnp.ones((2, 10)), known={"t2": 0.05})
