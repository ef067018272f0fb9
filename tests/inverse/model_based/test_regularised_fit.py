"""Fits of images whose neighbours count: the closed form of a linear model, its spread, and maps with edges."""

from collections.abc import Mapping
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array, Float

from mrjax.inverse import Tikhonov, TotalVariation, least_squares, regularised_fit
from mrjax.inverse.model_based.sparsity import differences
from mrjax.signals.models import Decay, Parameter, SignalModel, amplitude, need

SHAPE, NOISE = (7, 6), 0.05
LENGTH = 42


class Known(SignalModel):
    """A known decay, of which the amplitude alone is found: linear."""

    te: Float[Array, " n"] = need("s", "echo times")
    equation: ClassVar[str] = ""
    source: ClassVar[str] = ""

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        return (amplitude(),)

    @property
    def n_samples(self) -> int:
        return 3

    def __call__(self, parameters: Mapping[str, Array]) -> Array:
        return jnp.tensordot(parameters["m0"], jnp.exp(-self.te / 0.05), 0)


@pytest.fixture(scope="module")
def linear():
    """Model, images, noise of each sample, and the matrices of data and slope."""
    rng = np.random.default_rng(2)
    model = Known(jnp.array([0.01, 0.04, 0.08]))
    noise = NOISE * rng.uniform(0.5, 2, (*SHAPE, 3))
    images = model({"m0": jnp.asarray(rng.uniform(1, 2, SHAPE))}) + noise * rng.normal(size=noise.shape)
    weights = np.asarray(np.exp(-np.array([0.01, 0.04, 0.08]) / 0.05))[None, None] / noise
    slopes = [jnp.stack([part.ravel() for part in differences(one.reshape(*SHAPE, 1))]) for one in jnp.eye(LENGTH)]
    slope = np.stack([np.asarray(one).ravel() for one in slopes], axis=1)
    return model, images, noise, weights, slope.T @ slope


@pytest.mark.exhaustive
def test_a_linear_model_has_the_closed_form_of_tikhonov(linear):
    model, images, noise, weights, slope = linear
    found = regularised_fit(model, images, noise_std=noise, regularisation=Tikhonov(40.0), n_draws=400)
    # the penalty is of amplitudes in units of the brightest: undone by how it acts on the amplitudes
    scale = np.quantile(np.abs(np.asarray(model_guess(images))), 0.95)
    data = np.diag(np.sum(weights**2, axis=-1).ravel())
    matrix = data + 40.0 / scale**2 * slope
    right = np.sum(weights * np.asarray(images) / noise, axis=-1).ravel()
    np.testing.assert_allclose(found.parameters["m0"].ravel(), np.linalg.solve(matrix, right), rtol=1e-5)
    inverse = np.linalg.inv(matrix)
    deviation = np.sqrt(np.diag(inverse @ data @ inverse))
    ratio = np.asarray(found.standard_deviation["m0"]).ravel() / deviation
    np.testing.assert_allclose(np.sqrt(np.mean(ratio**2)), 1.0, atol=0.03)
    np.testing.assert_allclose(ratio, 1.0, atol=0.2)


def model_guess(images):
    """Amplitudes that fit without weights, from which the unit follows."""
    decay = np.exp(-np.array([0.01, 0.04, 0.08]) / 0.05)
    return images @ decay / np.sum(decay**2)


@pytest.mark.exhaustive
def test_neighbours_make_maps_better_and_their_deviations_smaller(rng):
    model = Decay([0.01, 0.03, 0.06, 0.1])
    t2 = np.where(np.arange(16)[:, None] < 8, 0.05, 0.1) * np.ones((16, 16))
    clean = np.asarray(model({"t2": jnp.asarray(t2), "m0": jnp.ones((16, 16))}))
    images = clean + NOISE * rng.normal(size=clean.shape)
    alone = least_squares(model, images, noise_std=NOISE)
    error = lambda found: np.sqrt(np.mean((np.asarray(found) / t2 - 1) ** 2))
    smooth = regularised_fit(model, images, noise_std=NOISE, regularisation=TotalVariation(10.0))
    assert error(smooth.parameters["t2"]) < 0.5 * error(alone.parameters["t2"])
    assert np.median(smooth.standard_deviation["t2"] / alone.standard_deviation["t2"]) < 0.7
    assert 0.5 < smooth.misfit[-1] < 1  # noise less what two parameters, not quite free, of four samples take
    assert not jnp.iscomplexobj(smooth.parameters["m0"])


@pytest.mark.exhaustive
def test_hardly_any_penalty_leaves_the_fit_of_each_voxel(rng):
    model = Decay([0.01, 0.03, 0.06, 0.1])
    truth = {"t2": jnp.asarray(rng.uniform(0.03, 0.1, (5, 6))), "m0": jnp.ones((5, 6))}
    images = model(truth) + 0.01 * rng.normal(size=(5, 6, 4))
    phase = np.exp(0.7j)
    alone = least_squares(model, images, noise_std=0.01)
    hardly = {"noise_std": 0.01, "regularisation": Tikhonov(1e-6), "n_draws": 400}
    for turn in (1.0, phase):
        found = regularised_fit(model, images * turn, **hardly)
        np.testing.assert_allclose(found.parameters["t2"], alone.parameters["t2"], rtol=1e-4)
        np.testing.assert_allclose(found.standard_deviation["t2"], alone.standard_deviation["t2"], rtol=0.2)


@pytest.mark.exhaustive
def test_derivatives_in_the_images_are_those_of_differences(linear):
    model, images, noise, *_ = linear
    options = {"noise_std": noise, "regularisation": TotalVariation(3.0, 0.1), "n_draws": 0, "n_iterations": 100}
    at = lambda step: jnp.sum(regularised_fit(model, images.at[2, 3].add(step), **options).parameters["m0"] ** 2)
    differences = (at(1e-4) - at(-1e-4)) / 2e-4
    np.testing.assert_allclose(jax.grad(at)(0.0), differences, rtol=1e-4)
    np.testing.assert_allclose(jax.jvp(at, (0.0,), (1.0,))[1], differences, rtol=1e-4)


def test_images_that_do_not_fit_are_refused(linear):
    model, images, *_ = linear
    options = {"noise_std": NOISE, "regularisation": Tikhonov(1.0)}
    with pytest.raises(ValueError, match=r"`images` must have shape \(\*voxels, 3\) for this model"):
        regularised_fit(model, images[..., :2], **options)
    with pytest.raises(ValueError, match="`noise_std` must broadcast"):
        regularised_fit(model, images[:1], **options | {"noise_std": np.ones((7, 6, 3))})
    with pytest.raises(ValueError, match="`strength` must be positive, but got 0"):
        Tikhonov(0.0)
