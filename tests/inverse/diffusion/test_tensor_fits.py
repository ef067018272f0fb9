"""Estimates of diffusion and kurtosis tensors: against solvers written out, another library's maps, noise, constraints."""

import json

import jax
import jax.numpy as jnp
import nibabel
import numpy as np
import pytest
import scipy.optimize

from mrjax.inverse import FitStatus, diffusion, least_squares
from mrjax.signals import models
from mrjax.signals.diffusion import KURTOSIS_ELEMENTS, TENSOR_ELEMENTS, direction_products
from mrjax.units import mm

ISOTROPIC = np.array([1, 0, 0, 1 / 3, 0, 1 / 3, 0, 0, 0, 0, 1, 0, 1 / 3, 0, 1])


def spread(n):
    z = (np.arange(n) + 0.5) / n
    angle = 2.4 * np.arange(n)
    return np.stack([np.sqrt(1 - z**2) * np.cos(angle), np.sqrt(1 - z**2) * np.sin(angle), z], axis=-1)


TENSOR = models.DiffusionTensor(1e9 * np.r_[0, 0, np.ones(20)], np.r_[np.zeros((2, 3)), spread(20)])
KURTOSIS = models.DiffusionKurtosis(
    1e9 * np.r_[0, 0, np.ones(20), 2 * np.ones(20)], np.r_[np.zeros((2, 3)), spread(20), spread(20)[:, [1, 2, 0]]]
)
THREE = np.array([[2.0, 0.5, 0.3], [1.2, 1.0, 0.4], [1.7, 0.3, 0.25]])
"""Eigenvalues of three voxels."""


def turned(rng, eigenvalues):
    frames = np.linalg.qr(rng.normal(size=(len(eigenvalues), 3, 3)))[0]
    full = 1e-9 * np.einsum("vij,vj,vkj->vik", frames, eigenvalues, frames)
    places = [(0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)]
    named = {name: jnp.asarray(full[:, i, j]) for name, (i, j) in zip(TENSOR_ELEMENTS, places, strict=True)}
    return {"s0": jnp.full(len(eigenvalues), 500.0)} | named, frames


def with_kurtosis(rng, eigenvalues, size=0.5, apart=0.02):
    parameters, _ = turned(rng, eigenvalues)
    values = size * ISOTROPIC + apart * rng.normal(size=(len(eigenvalues), 15))
    return parameters | {name: jnp.asarray(values[:, i]) for i, name in enumerate(KURTOSIS_ELEMENTS)}


def with_noise(rng, signal, deviation):
    parts = rng.normal(size=(2, *signal.shape)) * deviation
    return np.hypot(signal + parts[0], parts[1])


@pytest.fixture
def brain(reference_data):
    folder = reference_data("dti_small")
    bvals, bvecs = (np.loadtxt(folder / f"small_64D.{name}") for name in ("bval", "bvec"))
    images = np.asarray(nibabel.load(folder / "small_64D.nii").dataobj, float)
    return models.DiffusionTensor(bvals / mm**2, bvecs), images


@pytest.mark.slow
def test_exact_signals_give_back_their_tensors(rng):
    for model, truth in ((TENSOR, turned(rng, THREE)[0]), (KURTOSIS, with_kurtosis(rng, THREE))):
        fit = diffusion.weighted_fit(model, model(truth))
        np.testing.assert_array_equal(fit.status, FitStatus.CONVERGED)
        for name in model.names:
            size = 1e-9 if name.startswith("d_") else 1.0
            np.testing.assert_allclose(fit.parameters[name] / size, truth[name] / size, rtol=1e-9, atol=1e-9)


def test_weights_are_the_squares_of_what_equal_weights_predict(rng):
    data = with_noise(rng, np.asarray(TENSOR(turned(rng, THREE)[0])), 40.0)
    fit = diffusion.weighted_fit(TENSOR, data)
    design = np.asarray(TENSOR.log_design(1e-9))
    for voxel, signal in enumerate(data):
        first = np.linalg.lstsq(design, np.log(signal), rcond=None)[0]
        weight = np.exp(design @ first)
        second = np.linalg.lstsq(design * weight[:, None], weight * np.log(signal), rcond=None)[0]
        found = [fit.parameters[name][voxel] / 1e-9 for name in TENSOR_ELEMENTS]
        np.testing.assert_allclose(found, second[1:], rtol=1e-9, atol=1e-10)
        np.testing.assert_allclose(fit.parameters["s0"][voxel], np.exp(second[0]), rtol=1e-10)


@pytest.mark.slow
def test_maps_of_a_brain_are_those_of_dipy(brain):
    """dipy 1.12.1: `TensorModel(table, fit_method="WLS")` of three voxels: FA, MD, AD, RD in mm^2/s, direction."""
    model, images = brain
    voxels = ((5, 5, 5), (2, 7, 4), (8, 1, 6))
    maps = diffusion.tensor_maps(diffusion.weighted_fit(model, np.stack([images[v] for v in voxels])).parameters)
    np.testing.assert_allclose(
        maps.fractional_anisotropy, [0.6508432957797246, 0.8877847380867896, 0.5433610273928864], rtol=1e-9
    )
    np.testing.assert_allclose(
        maps.mean_diffusivity / mm**2, [0.0006591954070170202, 0.00017908996389736167, 0.0006782289652874475], rtol=1e-9
    )
    np.testing.assert_allclose(
        maps.axial_diffusivity / mm**2, [0.0011237467947528513, 0.0004419325411614672, 0.0011176013927974026], rtol=1e-9
    )
    np.testing.assert_allclose(
        maps.radial_diffusivity / mm**2,
        [0.00042691971314910476, 4.76686752653089e-05, 0.00045854275153247014],
        rtol=1e-9,
    )
    directions = [
        [0.84099522, 0.42445756, 0.33550384],
        [0.30034626, 0.9518552, 0.06134986],
        [0.84490816, 0.42725103, 0.32184897],
    ]
    np.testing.assert_allclose(np.abs(maps.principal_direction), directions, atol=1e-8)


@pytest.mark.slow
def test_deviations_are_those_of_repeated_measurements(rng):
    truth = with_kurtosis(rng, THREE[1:2], 0.4)
    many = {name: jnp.repeat(value, 1500) for name, value in truth.items()}
    data = np.asarray(KURTOSIS(many)) + 5.0 * rng.normal(size=(1500, KURTOSIS.n_samples))
    fit = diffusion.weighted_fit(KURTOSIS, data)
    for name in ("s0", "d_xx", "d_yz", "w_xxxx", "w_xxyz"):
        stated = np.sqrt(np.mean(np.asarray(fit.standard_deviation[name]) ** 2))
        assert stated / np.std(fit.parameters[name]) == pytest.approx(1.0, abs=0.08)


def test_what_cannot_be_fitted_is_told(rng):
    truth, _ = turned(rng, THREE)
    data = np.asarray(TENSOR(truth)).repeat(2, 0)
    data[1, 3], data[2], data[3, 4] = np.nan, 0.0, -1.0
    fit = diffusion.weighted_fit(TENSOR, data.reshape(2, 3, -1))
    expected = [FitStatus.CONVERGED, FitStatus.NOT_FINITE, FitStatus.UNIDENTIFIABLE, *[FitStatus.CONVERGED] * 3]
    np.testing.assert_array_equal(fit.status.ravel(), expected)
    np.testing.assert_array_equal(np.isnan(fit.parameters["d_xx"].ravel()), [False, True, True, False, False, False])
    # a sample that is not positive has no weight, and the others suffice
    np.testing.assert_allclose(fit.parameters["d_xx"].ravel()[3], truth["d_xx"][1], rtol=1e-9)
    maps = diffusion.tensor_maps(fit.parameters)
    assert np.isnan(maps.fractional_anisotropy.ravel()[1])
    assert np.isfinite(maps.fractional_anisotropy.ravel()[3])


@pytest.mark.exhaustive
def test_derivatives_pass_the_fit(rng):
    data = with_noise(rng, np.asarray(TENSOR(turned(rng, THREE[:2])[0])), 20.0)

    @jax.jit
    def anisotropy(data):
        maps = diffusion.tensor_maps(diffusion.weighted_fit(TENSOR, data).parameters)
        return (maps.fractional_anisotropy + 1e9 * maps.axial_diffusivity).sum()

    direction, step = rng.normal(size=data.shape), 1e-3
    difference = (anisotropy(data + step * direction) - anisotropy(data - step * direction)) / (2 * step)
    forward = jax.jvp(anisotropy, (jnp.asarray(data),), (jnp.asarray(direction),))[1]
    reverse = jnp.vdot(jax.grad(anisotropy)(jnp.asarray(data)), direction)
    np.testing.assert_allclose([forward, reverse], difference, rtol=1e-6)


@pytest.mark.exhaustive
def test_single_precision_keeps_five_digits(rng):
    low = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), KURTOSIS)
    truth = with_kurtosis(rng, THREE, 0.4)
    fit = diffusion.weighted_fit(low, jnp.asarray(KURTOSIS(truth), jnp.float32))
    assert fit.parameters["w_xxxx"].dtype == jnp.float32
    for name in TENSOR_ELEMENTS:
        np.testing.assert_allclose(fit.parameters[name] * 1e9, truth[name] * 1e9, atol=1e-5)
    np.testing.assert_allclose(fit.parameters["w_xxyy"], truth["w_xxyy"], atol=2e-4)


@pytest.mark.exhaustive
def test_no_tensor_of_a_brain_has_a_negative_eigenvalue(brain):
    model, images = brain
    images = images.reshape(-1, model.n_samples)
    negative = diffusion.tensor_maps(diffusion.weighted_fit(model, images).parameters).eigenvalues[:, 2] < 0
    assert negative.sum() > 20
    fit = diffusion.positive_tensor_fit(model, np.concatenate([images[negative], images[:20]]))
    least = np.asarray(diffusion.tensor_maps(fit.parameters).eigenvalues[:, 2])
    assert np.all(least > 0)
    assert np.isin(fit.status, [FitStatus.CONVERGED, FitStatus.AT_BOUND]).mean() > 0.8
    held = np.asarray(fit.status) == FitStatus.AT_BOUND
    assert held.sum() > 10
    assert np.all(least[held] < 2e-12)
    np.testing.assert_array_equal(np.isnan(fit.standard_deviation["d_xx"]), fit.status != FitStatus.CONVERGED)


@pytest.mark.exhaustive
def test_an_eigenvalue_that_the_data_want_negative_is_held(rng):
    truth, _ = turned(rng, np.array([[1.5, 0.4, -0.3], [1.0, 0.8, -0.4], [0.9, 0.7, 0.3]]))
    fit = diffusion.positive_tensor_fit(TENSOR, TENSOR(truth))
    np.testing.assert_array_equal(fit.status, [FitStatus.AT_BOUND, FitStatus.AT_BOUND, FitStatus.CONVERGED])
    least = diffusion.tensor_maps(fit.parameters).eigenvalues[:, 2]
    assert np.all(least > 0)
    assert np.all(least[:2] < 2e-12)
    np.testing.assert_array_equal(np.isnan(fit.standard_deviation["d_xx"]), [True, True, False])


@pytest.mark.exhaustive
def test_positive_tensors_are_the_least_squares_of_the_signal(rng):
    truth, _ = turned(rng, THREE)
    data = with_noise(rng, np.asarray(TENSOR(truth)), 10.0)
    positive, free = diffusion.positive_tensor_fit(TENSOR, data), least_squares(TENSOR, data)
    for name in TENSOR.names:
        np.testing.assert_allclose(positive.parameters[name], free.parameters[name], rtol=1e-3, atol=1e-13)
        np.testing.assert_allclose(positive.standard_deviation[name], free.standard_deviation[name], rtol=1e-3)


@pytest.mark.exhaustive
def test_constrained_kurtosis_is_the_solution_of_the_quadratic_program(rng):
    truth = with_kurtosis(rng, THREE, 0.1, 0.05)
    data = with_noise(rng, np.asarray(KURTOSIS(truth)), 15.0)
    fit = diffusion.constrained_kurtosis_fit(KURTOSIS, data)
    np.testing.assert_array_equal(fit.status, FitStatus.AT_BOUND)
    design, directions = np.asarray(KURTOSIS.log_design(1e-9)), half_sphere_spiral(60)
    along, curved = (np.asarray(direction_products(jnp.asarray(directions), rank)) for rank in (2, 4))
    nothing = np.zeros((60, 1))
    falls = np.concatenate([nothing, along, -2 / 3 * curved], axis=1)
    constraints = np.concatenate([np.concatenate([nothing, np.zeros((60, 6)), curved], axis=1), falls])
    for voxel in range(2):
        logarithm = np.log(data[voxel])
        weight = np.exp(design @ np.linalg.lstsq(design, logarithm, rcond=None)[0])
        weight = weight / weight.max()
        found = coefficients(fit, voxel)
        assert np.all(constraints @ found > -1e-9)
        best = by_multipliers(design * weight[:, None], weight * logarithm, constraints)
        cost = lambda p, weight=weight, logarithm=logarithm: np.sum((weight * (design @ p - logarithm)) ** 2)
        assert cost(found) == pytest.approx(cost(best), rel=2e-3)
        np.testing.assert_allclose(found[1:7], best[1:7], atol=5e-3)


@pytest.mark.exhaustive
def test_constraints_that_hold_by_themselves_change_nothing(rng):
    truth = with_kurtosis(rng, THREE * [0.8, 1, 1], 0.5, 0.01)
    fit = diffusion.constrained_kurtosis_fit(KURTOSIS, KURTOSIS(truth))
    np.testing.assert_array_equal(fit.status, FitStatus.CONVERGED)
    for name in KURTOSIS.names:
        size = 1e-9 if name.startswith("d_") else 1.0
        np.testing.assert_allclose(fit.parameters[name] / size, truth[name] / size, rtol=1e-6, atol=1e-7)


@pytest.mark.exhaustive
def test_noise_alone_gives_tensors_that_exist(rng):
    data = np.hypot(*rng.normal(size=(2, 3, KURTOSIS.n_samples)))
    weighted = diffusion.weighted_fit(KURTOSIS, data)
    kept = diffusion.constrained_kurtosis_fit(KURTOSIS, data, max_iterations=30)  # long before the end, too
    assert np.any(kept.status == FitStatus.MAX_ITERATIONS)
    assert np.any(diffusion.tensor_maps(weighted.parameters).eigenvalues < 0)
    assert np.all(diffusion.tensor_maps(kept.parameters).eigenvalues > 0)
    assert np.all(diffusion.kurtosis_maps(kept.parameters).mean_kurtosis_tensor > -1e-9)


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", ["generic", "generic_brain"])
def test_ivim_signals_of_osipi_are_fitted_within_their_tolerances(reference_data, name):
    """Those of OSIPI TF2.4 are 10 % and 0.2 for f, 5e-4 mm^2/s for D, 0.04 mm^2/s for D* above that; these are narrower."""
    cases = json.loads(reference_data(f"ivim/{name}.json").read_text())
    bvals = np.asarray(cases.pop("config")["bvalues"]) / mm**2
    data = np.array([case["data"] for case in cases.values()])
    fit = least_squares(models.IntravoxelIncoherentMotion(bvals), data)
    np.testing.assert_array_equal(fit.status, FitStatus.CONVERGED)
    truth = {key: np.array([case[key] for case in cases.values()]) for key in ("f", "D", "Dp")}
    np.testing.assert_allclose(fit.parameters["perfusion_fraction"], truth["f"], atol=5e-3)
    np.testing.assert_allclose(fit.parameters["diffusion"] / mm**2, truth["D"], atol=2e-5)
    np.testing.assert_allclose(fit.parameters["pseudo_diffusion"] / mm**2, truth["Dp"], rtol=0.1)


def test_mistakes_are_told():
    few = models.DiffusionTensor(1e9 * np.r_[0, np.ones(5)], np.r_[np.zeros((1, 3)), spread(5)])
    with pytest.raises(
        ValueError, match="`model` must have b-values and directions that tell its 7 coefficients apart"
    ):
        diffusion.weighted_fit(few, np.ones((2, 6)))
    with pytest.raises(ValueError, match=r"`data` must have shape \(\*voxels, 22\) for this model, but got \(2, 6\)"):
        diffusion.weighted_fit(TENSOR, np.ones((2, 6)))


def coefficients(fit, voxel):
    """Those of the design: the logarithm of s0, the tensor, and the kurtosis tensor times the square of the mean diffusivity."""
    tensor = [fit.parameters[name][voxel] / 1e-9 for name in TENSOR_ELEMENTS]
    mean = (tensor[0] + tensor[3] + tensor[5]) / 3
    kurtosis = [fit.parameters[name][voxel] * mean**2 for name in KURTOSIS_ELEMENTS]
    return np.array([np.log(fit.parameters["s0"][voxel]), *tensor, *kurtosis])


def half_sphere_spiral(n):
    z, angle = (np.arange(n) + 0.5) / n, np.arange(n) * np.pi * (3 - np.sqrt(5))
    return np.stack([np.sqrt(1 - z**2) * np.cos(angle), np.sqrt(1 - z**2) * np.sin(angle), z], axis=-1)


def by_multipliers(design, data, constraints):
    """The least squares that meet constraints, by non-negative least squares of the dual problem."""
    triangle = np.linalg.qr(design)[1]
    free = np.linalg.lstsq(design, data, rcond=None)[0]
    rows = np.linalg.solve(triangle.T, constraints.T)
    multipliers = scipy.optimize.nnls(np.vstack([rows, (constraints @ free)[None]]), np.r_[np.zeros(len(rows)), -1.0])[
        0
    ]
    scale = 1 + multipliers @ constraints @ free
    return free + np.linalg.solve(triangle, rows @ multipliers) / scale
