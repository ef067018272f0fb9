"""Maps straight from k-space: what they are where all is known, what noise makes of them, and the penalties."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mrjax.encoding import sense
from mrjax.inverse import SparseDetails, TotalVariation, maps_from_k_space
from mrjax.inverse.model_based.unknowns import Unknowns
from mrjax.signals.models import Decay, InversionRecovery

N, TE = 16, np.array([0.01, 0.03, 0.06, 0.1])
NOISE = 0.01


@pytest.fixture(scope="module")
def scan():
    """An object of two tissues, with a phase, seen by four coils of which every second line is measured, others each time."""
    rng = np.random.default_rng(4)
    x, y = np.meshgrid(*[np.linspace(-1, 1, N)] * 2, indexing="ij")
    inside, core = x**2 + y**2 < 0.8, x**2 + (y - 0.2) ** 2 < 0.2
    truth = {"t2": np.where(core, 0.05, 0.1), "m0": inside * np.exp(1j * x)}
    corners = [(-1.5, -1.5), (-1.5, 1.5), (1.5, -1.5), (1.5, 1.5)]
    coils = jnp.array([np.exp(-((x - a) ** 2 + (y - b) ** 2) / 4 + 1j * a * y) for a, b in corners])
    mask = np.zeros((TE.size, N, N), bool)
    for i in range(TE.size):
        mask[i, :, i % 2 :: 2] = True
    mask[:, :, N // 2 - 2 : N // 2 + 2] = True
    encoding = sense(coils, mask=jnp.asarray(mask))
    model = Decay(TE)
    images = jnp.moveaxis(model({name: jnp.asarray(value) for name, value in truth.items()}), -1, 0)
    clean = encoding(images)
    parts = rng.normal(size=(2, *clean.shape)) * NOISE
    noisy = jnp.where(clean == 0, 0, clean + parts[0] + 1j * parts[1])
    return model, encoding, clean, noisy, truth, inside


def error(found, truth, inside):
    return np.linalg.norm((np.asarray(found) - truth)[inside]) / np.linalg.norm(truth[inside])


@pytest.mark.slow
def test_without_noise_the_maps_are_the_true_ones(scan):
    model, encoding, clean, _, truth, inside = scan
    found = maps_from_k_space(model, clean, encoding, noise_std=NOISE, n_steps=12, n_draws=0)
    for name, value in truth.items():
        assert error(found.parameters[name], value, inside) < 1e-3
    assert found.misfit[-1] < 1e-3
    assert np.isnan(found.standard_deviation["t2"]).all()


@pytest.mark.exhaustive
def test_the_misfit_is_that_of_noise_and_deviations_are_those_of_repetitions(scan):
    model, encoding, clean, noisy, _, inside = scan
    found = maps_from_k_space(model, noisy, encoding, noise_std=NOISE, n_draws=48)
    np.testing.assert_allclose(found.misfit[-1], 1.0, atol=0.2)
    rng, t2 = np.random.default_rng(5), []
    for _ in range(12):
        parts = rng.normal(size=(2, *clean.shape)) * NOISE
        again = jnp.where(clean == 0, 0, clean + parts[0] + 1j * parts[1])
        t2.append(maps_from_k_space(model, again, encoding, noise_std=NOISE, n_draws=48).parameters["t2"])
    spread = np.std(t2, axis=0, ddof=1)[inside]
    ratio = np.asarray(found.standard_deviation["t2"])[inside] / spread
    np.testing.assert_allclose(np.median(ratio), 1.0, atol=0.15)


@pytest.mark.exhaustive
@pytest.mark.parametrize("penalty", [TotalVariation(10.0), SparseDetails((N, N), 30.0, wavelet="haar")])
def test_penalties_make_the_maps_better(scan, penalty):
    model, encoding, _, noisy, truth, inside = scan
    plain = maps_from_k_space(model, noisy, encoding, noise_std=NOISE, n_draws=0)
    smooth = maps_from_k_space(model, noisy, encoding, noise_std=NOISE, n_draws=0, regularisation=penalty)
    before, after = (error(found.parameters["t2"], truth["t2"], inside) for found in (plain, smooth))
    assert after < 0.8 * before


@pytest.mark.exhaustive
@pytest.mark.parametrize("penalty", [TotalVariation(2.0, 0.1), SparseDetails((8, 8), 2.0, 0.1, n_levels=2)])
def test_weighted_squares_touch_the_penalty(penalty, rng):
    """The slope of the squares is that of the penalty, and their matrix is symmetric and positive."""
    maps, other = (jnp.asarray(rng.normal(size=(8, 8, 3))) for _ in range(2))

    def value(maps):
        squares = sum(jnp.sum(one**2, axis=-1) for one in penalty.details(maps))
        return penalty.strength * jnp.sum(jnp.sqrt(squares + penalty.rounding**2))

    added, _ = penalty.curvature(maps)
    np.testing.assert_allclose(added(maps), jax.grad(value)(maps), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(jnp.vdot(other, added(maps)), jnp.vdot(maps, added(other)), rtol=1e-10)
    assert jnp.vdot(other, added(other)) > 0


def test_unknowns_come_back():
    unknowns = Unknowns(InversionRecovery([0.1, 0.5, 2.0]), jnp.asarray(3.0), 2)
    maps = {"t1": jnp.array([0.3, 2.0]), "inversion_efficiency": jnp.array([0.8, 1.0]), "m0": jnp.array([1 + 2j, -4.0])}
    found = unknowns.maps(unknowns.unknowns(maps))
    for name, value in maps.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-12)
    far = unknowns.maps(unknowns.within(jnp.full((2, 4), 99.0)))
    np.testing.assert_allclose(far["t1"], 50.0, rtol=1e-12)
    np.testing.assert_allclose(far["inversion_efficiency"], 1.5, rtol=1e-12)


@pytest.mark.exhaustive
def test_derivatives_in_k_space_are_those_of_differences(scan):
    model, encoding, clean, noisy, *_ = scan
    settings = {
        "noise_std": NOISE,
        "n_steps": 3,
        "n_iterations": 60,
        "n_draws": 0,
        "regularisation": TotalVariation(3.0),
    }
    mean = lambda data: jnp.mean(maps_from_k_space(model, data, encoding, **settings).parameters["t2"])
    direction = jnp.where(clean == 0, 0, 1e-2 * (noisy - clean))
    slope = jnp.sum(jax.grad(mean)(noisy) * direction).real
    differences = mean(noisy + direction / 2) - mean(noisy - direction / 2)
    np.testing.assert_allclose(slope, differences, rtol=1e-2)


def test_mistakes_are_told(scan):
    model, encoding, clean, *_ = scan
    with pytest.raises(ValueError, match=r"`encoding` must take \(3, \*voxels\) for the samples of the model"):
        maps_from_k_space(Decay(TE[:3]), clean, encoding, noise_std=NOISE)
    with pytest.raises(ValueError, match="`k_space` must have the shape"):
        maps_from_k_space(model, clean[:, :2], encoding, noise_std=NOISE)
    with pytest.raises(ValueError, match="`noise_std` must be positive"):
        maps_from_k_space(model, clean, encoding, noise_std=0.0)
    with pytest.raises(ValueError, match="`strength` must be positive, but got 0"):
        TotalVariation(0.0)
