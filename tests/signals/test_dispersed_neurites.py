"""Neurites that spread about a direction: against closed forms, quadrature over the sphere, and noise-free fits."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads
from scipy.integrate import dblquad
from scipy.special import dawsn, erf

import mrjax as mr
from mrjax.inverse import FitStatus, least_squares
from mrjax.signals import models
from mrjax.signals.diffusion import dispersed_neurites, dispersed_sticks, mean_square_cosine

WEIGHTING = np.array([0.3, 1.7, 5.1, 20.0])
COSINE = np.array([0.0, 0.3, 0.8, 1.0])


def test_all_directions_alike_are_the_powder_average():
    x = np.sqrt(WEIGHTING)
    average = np.sqrt(np.pi) / 2 * erf(x) / x
    for cosine in COSINE:
        np.testing.assert_allclose(dispersed_sticks(WEIGHTING, cosine, 0.0), average, rtol=1e-10)


def test_one_direction_alone_is_a_stick():
    """To first order in the inverse of the concentration, n - mu has the variance 1 / 2 kappa in each direction across."""
    kappa = 1000.0
    signal = dispersed_sticks(WEIGHTING[:, None], COSINE[None], jnp.full((1, 1), kappa))
    c2 = COSINE**2
    stick = np.exp(-WEIGHTING[:, None] * c2[None])
    np.testing.assert_allclose(signal, stick, atol=0.02)
    # A = exp(-w c^2) (1 + ((w^2 2 c^2 s^2) - w s^2 / 2 + w c^2) / kappa + ...)
    w = WEIGHTING[:, None]
    first = (2 * w**2 * (c2 * (1 - c2))[None] - w * (1 - c2)[None] + 2 * w * c2[None]) / (2 * kappa)
    np.testing.assert_allclose(signal, stick * (1 + first), atol=2e-4)


@pytest.mark.parametrize("kappa", [0.5, 20.0, 300.0])
def test_in_between_it_is_the_integral_over_the_sphere(kappa):
    weighting, cosine = 3.0, 0.6
    sine = np.sqrt(1 - cosine**2)
    density = lambda u: np.exp(kappa * (u**2 - 1))
    along = lambda phi, u: cosine * u + sine * np.sqrt(1 - u**2) * np.cos(phi)
    top, _ = dblquad(
        lambda phi, u: density(u) * np.exp(-weighting * along(phi, u) ** 2),
        0,
        1,
        0,
        2 * np.pi,
        epsabs=1e-13,
        epsrel=1e-11,
    )
    bottom, _ = dblquad(lambda phi, u: density(u), 0, 1, 0, 2 * np.pi, epsabs=1e-13, epsrel=1e-11)
    np.testing.assert_allclose(dispersed_sticks(weighting, cosine, kappa), top / bottom, rtol=1e-9)
    closed = -1 / (2 * kappa) + 1 / (2 * np.sqrt(kappa) * dawsn(np.sqrt(kappa)))
    np.testing.assert_allclose(mean_square_cosine(jnp.array(kappa)), closed, rtol=1e-10)


def test_without_neurites_it_is_water():
    bvals, bvecs = np.array([0.0, 1e9, 2e9]), np.eye(3)
    free = dispersed_neurites(bvals, bvecs, np.array([0.0, 0, 1]), 0.0, 0.3, 0.25)
    np.testing.assert_allclose(free, 0.75 * np.exp(-bvals * 1.7e-9) + 0.25 * np.exp(-bvals * 3e-9), rtol=1e-12)


@pytest.mark.slow
def test_derivatives_also_where_eigenvalues_meet():
    f = lambda w, c, kappa: dispersed_sticks(w, c, kappa)
    for at in ((1.7, 0.4, 6.0), (3.0, 0.999, 2.9), (0.5, 0.0, 0.1)):
        check_grads(f, tuple(map(jnp.array, at)), 1, modes=("fwd", "rev"), rtol=1e-5)
    meeting = jax.grad(f, argnums=(0, 1, 2))(jnp.array(4.0), jnp.array(1.0), jnp.array(4.0))
    beside = jax.grad(f, argnums=(0, 1, 2))(jnp.array(4.0), jnp.array(1.0), jnp.array(4.0 + 1e-5))
    np.testing.assert_allclose(meeting, beside, rtol=1e-3)


def test_single_precision():
    with jax.enable_x64(False):
        low = dispersed_sticks(jnp.asarray(WEIGHTING, jnp.float32), jnp.float32(0.6), jnp.float32(400.0))
    assert low.dtype == jnp.float32
    np.testing.assert_allclose(low, dispersed_sticks(WEIGHTING, 0.6, 400.0), atol=1e-5)


@pytest.mark.exhaustive
def test_neurites_are_recovered_from_the_directions_of_a_scanner(reference_data, rng):
    bvecs = np.loadtxt(reference_data("dti_small/small_64D.bvec"))
    bvecs = bvecs.T if bvecs.shape[0] == 3 else bvecs
    weighted = bvecs[np.linalg.norm(bvecs, axis=1) > 0.5]
    directions = np.concatenate([np.zeros((2, 3)), weighted, weighted])
    bvals = 1e9 * np.r_[0.0, 0.0, np.full(len(weighted), 0.7), np.full(len(weighted), 2.0)]
    model = models.DispersedNeurites(bvals, directions)
    uniform = lambda low, high: jnp.asarray(rng.uniform(low, high, 50))
    truth = {
        "neurite_density": uniform(0.3, 0.8),
        "dispersion": uniform(0.05, 0.5),
        "free_water": uniform(0.02, 0.3),
        "polar": uniform(0.3, 2.8),
        "azimuth": uniform(0.0, np.pi),
        "s0": uniform(50.0, 150.0),
    }
    fit = least_squares(model, model(truth))
    np.testing.assert_array_equal(fit.status, FitStatus.CONVERGED)
    for name in ("neurite_density", "dispersion", "free_water", "s0"):
        np.testing.assert_allclose(fit.parameters[name], truth[name], rtol=1e-6)


def test_mistakes_are_told():
    bvals, bvecs = np.array([0.0, 1e9, 2e9]), np.eye(3)
    with pytest.raises(ValueError, match=r"`dispersion` must be from 0\.001 to 1, but got 0"):
        dispersed_neurites(bvals, bvecs, np.array([0.0, 0, 1]), 0.5, 0.0)
    with pytest.raises(ValueError, match=r"`direction` must have shape \(\*voxels, 3\), but got \(2,\)"):
        dispersed_neurites(bvals, bvecs, np.array([0.0, 1]), 0.5, 0.1)
    with pytest.raises(ValueError, match="`concentration` must be from 0 to 1000, but got 2000"):
        dispersed_sticks(1.0, 0.0, 2000.0)
    with pytest.raises(ValueError, match="`diffusion` must be positive"):
        mr.signals.models.DispersedNeurites(bvals, bvecs, diffusion=-1.0)
