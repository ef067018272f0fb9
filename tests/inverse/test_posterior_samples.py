"""Samples of posteriors: the closed form of a linear model, the precision of fits, coverage, and what limits do."""

import math
import sys
from collections.abc import Mapping
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array, Float

from mrjax.inverse import least_squares, posterior
from mrjax.inverse._unbounded import bounded, unbounded
from mrjax.signals.models import Decay, Parameter, SignalModel, amplitude, need

pytest.importorskip("blackjax")


class Line(SignalModel):
    """Linear in both parameters, without limits."""

    x: Float[Array, " n"] = need("s", "times")
    offset: Float[Array, "*voxels"] | float = need("signal", "a map", per_voxel=True, default=0.0)
    equation: ClassVar[str] = ""
    source: ClassVar[str] = ""

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        return amplitude("level", lower=-math.inf), amplitude("slope", lower=-math.inf)

    @property
    def n_samples(self) -> int:
        return self.x.size

    def __call__(self, parameters: Mapping[str, Array]) -> Array:
        level = parameters["level"] + self.offset
        return level[..., None] + jnp.tensordot(parameters["slope"], self.x, 0)


@pytest.fixture(scope="module")
def line():
    """Of three voxels: samples with a Gaussian prior, and the closed form."""
    rng, x = np.random.default_rng(3), np.array([0.0, 0.5, 2.0, 3.0])
    offset, noise = np.array([0.0, 5.0, -3.0]), 0.4
    model = Line(jnp.asarray(x), jnp.asarray(offset))
    data = 1 + offset[:, None] - 2 * x[None] + noise * rng.normal(size=(3, 4))
    prior = lambda p: -(p["level"] ** 2) / (2 * 0.5**2) - (p["slope"] + 1) ** 2 / (2 * 0.3**2)
    options = {"key": jax.random.key(1), "log_prior": prior, "n_samples": 1500, "n_warmup": 200}
    found = posterior(model, data, noise, **options)
    design = np.stack([np.ones(4), x], axis=1)
    precision = design.T @ design / noise**2 + np.diag([1 / 0.5**2, 1 / 0.3**2])
    right = (data - offset[:, None]) @ design / noise**2 + np.array([0, -1 / 0.3**2])[None]
    return found, np.linalg.solve(precision, right.T).T, np.linalg.inv(precision)


@pytest.mark.exhaustive
def test_a_linear_gaussian_model_has_the_closed_form(line):
    found, mean, covariance = line
    for i, name in enumerate(("level", "slope")):
        assert np.all(np.asarray(found.effective_samples[name]) > 1000)
        spread = np.sqrt(covariance[i, i])
        error = 4 * spread / np.sqrt(np.asarray(found.effective_samples[name]))
        np.testing.assert_array_less(np.abs(found.mean[name] - mean[:, i]), error)
        np.testing.assert_allclose(found.standard_deviation[name], spread, rtol=0.06)
        assert np.all(np.asarray(found.r_hat[name]) < 1.01)
    flat = np.stack([np.asarray(found.samples[name]).reshape(3, -1) for name in ("level", "slope")])
    for voxel in range(3):
        np.testing.assert_allclose(np.corrcoef(flat[:, voxel])[0, 1], correlation(covariance), atol=0.05)
    assert np.all(np.asarray(found.divergences) == 0)
    assert found.samples["level"].shape == (3, 4, 1500)


def correlation(covariance):
    return covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1])


@pytest.mark.exhaustive
def test_intervals_hold_what_they_say(line):
    found, mean, covariance = line
    lower, upper = found.interval(0.9)
    half = 1.6449 * np.sqrt(covariance[0, 0])
    np.testing.assert_allclose(lower["level"], mean[:, 0] - half, atol=0.1 * half)
    np.testing.assert_allclose(upper["level"], mean[:, 0] + half, atol=0.1 * half)
    with pytest.raises(ValueError, match="`level` must be between 0 and 1, but got 90"):
        found.interval(90.0)


@pytest.mark.parametrize(("lower", "upper"), [(0.1, 3.0), (0.1, math.inf), (-math.inf, 3.0), (-math.inf, math.inf)])
def test_coordinates_come_back_and_know_their_slope(lower, upper):
    x = jnp.asarray(0.7)
    z = unbounded(x, lower, upper)
    value, slope = bounded(z, lower, upper)
    np.testing.assert_allclose(value, x, rtol=1e-12)
    derivative = jax.grad(lambda z: bounded(z, lower, upper)[0])(z)
    np.testing.assert_allclose(slope, jnp.log(jnp.abs(derivative)), atol=1e-12)
    for limit in (lower, upper):
        assert jnp.isfinite(unbounded(jnp.asarray(limit if math.isfinite(limit) else 0.2), lower, upper))


@pytest.mark.exhaustive
def test_a_prior_alone_is_sampled_as_it_is_between_limits():
    """Without a word of the data, the flat prior between two limits: the slopes of the coordinates are right."""

    class Nothing(Line):
        @property
        def parameters(self):
            return amplitude("level", lower=-math.inf), Parameter("slope", "", "", 1.0, 3.0, (2.0,))

        def __call__(self, parameters):
            return jnp.tensordot(parameters["level"] + 0 * parameters["slope"], jnp.ones(4), 0)

    model = Nothing(jnp.arange(4.0))
    found = posterior(model, jnp.ones((1, 4)), 1.0, key=jax.random.key(0), n_samples=4000)
    share = (np.sort(np.asarray(found.samples["slope"]).ravel()) - 1) / 2
    np.testing.assert_allclose(share, np.linspace(0, 1, share.size), atol=0.03)


@pytest.mark.exhaustive
def test_far_above_the_noise_the_spread_is_that_of_least_squares(rng):
    model = Decay([0.01, 0.03, 0.06, 0.1])
    truth = {"t2": jnp.array([[0.04, 0.09]]), "m0": jnp.array([[800.0, 1200.0]])}
    data = model(truth) + rng.normal(size=(1, 2, 4))
    fit = least_squares(model, data, noise_std=1.0)
    found = posterior(model, data, 1.0, key=jax.random.key(2))
    for name in ("t2", "m0"):
        np.testing.assert_allclose(found.standard_deviation[name], fit.standard_deviation[name], rtol=0.06)
        assert np.all(np.abs(found.mean[name] - fit.parameters[name]) < 0.1 * fit.standard_deviation[name])


@pytest.mark.exhaustive
def test_intervals_cover_the_truth_as_often_as_they_say(rng):
    """Truths drawn from the prior are within 90 % intervals in 90 % of voxels, however far from linear the model is."""
    model, n, noise = Decay([0.01, 0.03, 0.06, 0.1]), 1000, 0.08
    log_t2 = rng.normal(np.log(0.06), 0.4, n)
    truth = {"t2": jnp.exp(jnp.asarray(log_t2)), "m0": jnp.asarray(rng.normal(1, 0.1, n))}
    prior = lambda p: -((jnp.log(p["t2"] / 0.06) / 0.4) ** 2) / 2 - jnp.log(p["t2"]) - ((p["m0"] - 1) / 0.1) ** 2 / 2
    data = model(truth) + noise * rng.normal(size=(n, 4))
    options = {"log_prior": prior, "n_samples": 400, "n_warmup": 300, "n_chains": 2}
    lower, upper = posterior(model, data, noise, key=jax.random.key(3), **options).interval(0.9)
    covered = np.mean((lower["t2"] < truth["t2"]) & (truth["t2"] < upper["t2"]))
    assert abs(covered - 0.9) < 0.03  # three standard deviations of the count


def test_mistakes_are_told(monkeypatch):
    model, key = Decay([0.01, 0.03]), jax.random.key(0)
    with pytest.raises(ValueError, match=r"`data` must have shape \(\*voxels, 2\) for this model, but got \(4, 3\)"):
        posterior(model, jnp.ones((4, 3)), 1.0, key=key)
    with pytest.raises(ValueError, match="`n_chains` must be at least 2, but got 1"):
        posterior(model, jnp.ones((4, 2)), 1.0, key=key, n_chains=1)
    monkeypatch.setitem(sys.modules, "blackjax", None)
    with pytest.raises(ImportError, match=r"`posterior` needs blackjax: `pip install 'mrjax\[posterior\]'`"):
        posterior(model, jnp.ones((4, 2)), 1.0, key=key)
