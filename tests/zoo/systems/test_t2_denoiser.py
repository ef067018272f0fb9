"""A network on images, trained by the same functions as those on fingerprints, against the fit of each pixel."""

import argparse

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from mrjax import zoo
from mrjax.zoo.systems import t2_denoiser
from mrjax.zoo.systems.t2_denoiser import SYSTEM, T2DenoiserConfig

CONFIG = T2DenoiserConfig(batch_size=8, steps=120, learning_rate=4e-3, n_pixels=32, channels=12)


@pytest.fixture(scope="module", autouse=True)
def in_single_precision():
    with jax.enable_x64(False):
        yield


@pytest.fixture(scope="module")
def images():
    return t2_denoiser.stream(CONFIG).batch(1000)  # of which training sees 120


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("t2_denoiser")
    zoo.trained(SYSTEM, CONFIG, folder, progress=False)
    return folder


def fitted(echoes):
    return t2_denoiser.logarithmic_fit(echoes, t2_denoiser.echo_times(CONFIG))


@pytest.mark.exhaustive
def test_it_beats_the_fit_of_each_pixel_on_unseen_images(folder, images):
    evaluation, config, estimate = zoo.judged(str(folder))
    report = evaluation.report(config, estimate, argparse.Namespace(images=12))
    assert [name for name, *_ in report.rows] == ["ellipses", "brain, T2 up to 300 ms"]
    for name, n_pixels, of_fit, of_network in report.rows:
        assert int(n_pixels) > 3000
        assert float(of_network) < 0.8 * float(of_fit), (name, of_fit, of_network)
    # the fit it is compared with is a good one: better than a straight line through the logarithms
    inside = images["inside"]
    straight = t2_denoiser.relative_error(jnp.exp(fitted(images["echoes"]))[inside], images["t2"][inside])
    assert float(report.rows[0][2]) < straight


@pytest.mark.exhaustive
def test_running_statistics_are_learned_kept_and_used(folder, images):
    system, config, network = zoo.load(folder)
    assert (system, config) == (SYSTEM, CONFIG)
    statistics = [(norm.mean[...], norm.var[...]) for norm in network.normalisations]
    assert all(np.abs(mean).max() > 1e-2 and np.abs(variance - 1).max() > 1e-2 for mean, variance in statistics)
    # with statistics that run, an image is answered alike alone and among others
    answer = nnx.jit(lambda network, echoes: network(echoes))
    alone = answer(network, images["echoes"][:1])
    np.testing.assert_allclose(alone, answer(network, images["echoes"])[:1], rtol=1e-4, atol=1e-5)


@pytest.mark.exhaustive
def test_before_training_the_network_answers_as_the_fit_it_corrects(images):
    network = t2_denoiser.T2Denoiser(CONFIG, nnx.Rngs(0))
    np.testing.assert_array_equal(network(images["echoes"]), fitted(images["echoes"]))


def test_a_straight_line_through_the_logarithms_is_exact_without_noise(images):
    t2 = images["t2"][0]
    echoes = jnp.exp(-t2_denoiser.echo_times(CONFIG)[None, None] / t2[..., None])
    np.testing.assert_allclose(jnp.exp(fitted(echoes)), t2, rtol=1e-4)


def test_images_hold_ellipses_of_one_tissue_each(images):
    t2, inside = np.asarray(images["t2"]), np.asarray(images["inside"])
    assert images["echoes"].dtype == jnp.float32
    assert np.all((t2 >= t2_denoiser.SHORTEST * 0.999) & (t2 <= t2_denoiser.LONGEST * 1.001))
    for image, mask in zip(t2, inside, strict=True):
        assert 0.3 < mask.mean() < 0.75  # an ellipse with semi-axes of 0.7 to 0.95 of half the width
        assert 2 <= len(np.unique(image[mask])) <= t2_denoiser.N_ELLIPSES
    noise = np.asarray(images["echoes"])[~inside]
    np.testing.assert_allclose(noise.mean(), np.sqrt(np.pi / 2) / CONFIG.snr, rtol=0.02)


def test_settings_that_cannot_be():
    with pytest.raises(ValueError, match="`n_echoes` must be at least 2, as a decay has two unknowns, but got 1"):
        T2DenoiserConfig(n_echoes=1)
    with pytest.raises(ValueError, match="`snr` must be positive and finite, but got 0"):
        T2DenoiserConfig(snr=0.0)
