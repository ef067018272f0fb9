"""From echoes to fields: unwrapping, the fit of echoes, masks; exactness, noise, derivatives, and what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from compiling import compiled_quickly

from mrjax.inverse import qsm

SHAPE = (20, 18, 16)
TE = (4e-3, 8e-3, 13e-3)


def axes():
    return np.stack(np.meshgrid(*[np.linspace(-1, 1, n) for n in SHAPE], indexing="ij"))


@pytest.fixture
def scan():
    """Off-resonance, phase offset, mask, and images of three echoes; outside of the mask there is noise alone."""
    x, y, z = axes()
    mask = x**2 + y**2 + z**2 < 0.9
    off_resonance, offset = 200 * x + 150 * y * z + 60 * z**2, 1.5 + 2 * x - y
    decay = np.exp(-np.array(TE) / 30e-3)
    images = decay * np.exp(1j * (offset[..., None] + 2 * np.pi * off_resonance[..., None] * np.array(TE)))
    noise = np.exp(2j * np.pi * np.random.default_rng(0).uniform(size=images.shape))
    return off_resonance, offset, mask, np.where(mask[..., None], images, noise)


def wrapped(phase):
    return np.angle(np.exp(1j * phase))


@pytest.mark.parametrize("unwrap", [qsm.unwrap, qsm.unwrap_by_path])
def test_steep_phases_are_unwrapped_in_a_mask(unwrap, scan, rng):
    if unwrap is qsm.unwrap_by_path:
        pytest.importorskip("skimage")
    x, y, z = axes()
    true = 15 * x + 9 * y**2 - 8 * y * z + 0.2 * rng.normal(size=SHAPE)
    mask = scan[2]
    noise = rng.uniform(-np.pi, np.pi, SHAPE)
    found = np.asarray(unwrap(np.where(mask, wrapped(true), noise), mask))
    turns = (found - true)[mask] / (2 * np.pi)
    np.testing.assert_allclose(turns, np.round(turns[0]), atol=1e-9)
    assert abs(found[mask].mean()) <= np.pi
    assert np.all(found[~mask] == 0)


@pytest.mark.exhaustive
def test_unwrapping_is_the_identity_where_nothing_wrapped(scan):
    phase = 2.5 * np.tanh(axes()[0])
    np.testing.assert_allclose(qsm.unwrap(phase), phase, atol=1e-12)
    single = qsm.unwrap(phase.astype(np.float32))
    assert single.dtype == np.float32
    gradient = compiled_quickly(jax.grad(lambda phase: (qsm.unwrap(phase, scan[2]) ** 3).sum()))(jnp.asarray(phase))
    np.testing.assert_allclose(gradient, np.where(scan[2], 3 * phase**2, 0), atol=1e-9)


def test_the_line_through_echoes_is_found(scan):
    """Whatever is outside; up to whole turns between the first two echoes, which are the same everywhere."""
    off_resonance, offset, mask, images = scan
    fit = qsm.fit_echoes(images, TE, mask)
    away = (np.asarray(fit.off_resonance) - off_resonance)[mask] * (TE[1] - TE[0])
    np.testing.assert_allclose(away, np.round(away[0]), atol=1e-9)
    np.testing.assert_allclose(np.exp(1j * (np.asarray(fit.phase_offset) - offset))[mask], 1, atol=1e-9)
    for values in (fit.off_resonance, fit.phase_offset, fit.weights, fit.residual):
        assert np.all(np.asarray(values)[~mask] == 0)


def test_one_echo_has_its_phase_from_the_field_alone(scan):
    off_resonance, _, mask, _ = scan
    images = np.exp(2j * np.pi * off_resonance * 4e-3)[..., None]
    fit = qsm.fit_echoes(images, 4e-3, mask)
    away = (np.asarray(fit.off_resonance) - off_resonance)[mask] * 4e-3
    np.testing.assert_allclose(away, np.round(away[0]), atol=1e-9)
    with pytest.raises(ValueError, match="at least three echoes"):
        fit.noise_std(mask)


def test_noise_is_as_the_weights_say(scan, rng):
    off_resonance, _, mask, images = scan
    noise = rng.normal(size=(*images.shape, 2)) @ np.array([1, 1j]) * 0.02
    fit = qsm.fit_echoes(images + noise, TE, mask)
    np.testing.assert_allclose(fit.noise_std(mask), 0.02, rtol=0.1)
    away = (np.asarray(fit.off_resonance) - off_resonance)[mask]
    away -= np.median(away)
    normalised = away * np.sqrt(np.asarray(fit.weights)[mask]) / 0.02
    np.testing.assert_allclose(np.std(normalised), 1, rtol=0.06)


@pytest.mark.slow
def test_derivatives_of_the_fit_are_those_of_differences(scan, rng):
    _, _, mask, images = scan
    images = jnp.asarray(images + 0.02 * rng.normal(size=images.shape))
    toward, seed = rng.normal(size=images.shape) + 1j * rng.normal(size=images.shape), rng.normal(size=SHAPE)

    @compiled_quickly
    def product(h):
        # the choice of turns, which takes long to compile, has no derivative
        fit = qsm.fit_echoes(images + h * toward, TE, mask, unwrapping=lambda phase, _: phase)
        return jnp.vdot(seed, fit.off_resonance)

    h = 1e-6
    expected = (product(h) - product(-h)) / (2 * h)
    np.testing.assert_allclose(compiled_quickly(jax.grad(product))(0.0), expected, rtol=1e-5)


def test_masks_hold_one_object_without_holes(rng):
    x, y, z = axes()
    ball = x**2 + y**2 + z**2 < 0.6
    magnitude = np.where(ball, 1 + 0.2 * x, 0) + 0.03 * np.abs(rng.normal(size=SHAPE))
    magnitude[10, 9, 8] = 0
    magnitude[0:2, 0:2, 0:2] = 1
    found = qsm.signal_mask(magnitude)
    assert found.dtype == bool
    assert np.mean(found != ball) < 0.01
    assert found[10, 9, 8]
    assert not found[0, 0, 0]


def test_where_phases_are_noise_there_is_no_mask(rng):
    x, y, _ = axes()
    magnitude, noisy = np.ones(SHAPE), x > 0.3
    phase = np.where(noisy, rng.uniform(-np.pi, np.pi, SHAPE), wrapped(6 * y))
    found = qsm.signal_mask(magnitude, phase, threshold=0.5)
    assert np.mean(found[x < 0.1]) > 0.95
    assert np.mean(found[x > 0.5]) < 0.1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda s: qsm.unwrap(s[..., 0].real[0]), "`phase` must be a volume"),
        (lambda s: qsm.unwrap(s[..., 0].real * np.nan), "`phase` must be finite"),
        (lambda s: qsm.unwrap(s[..., 0].real, np.zeros(SHAPE)), "`mask` must hold"),
        (lambda s: qsm.fit_echoes(s.real, TE), "`images` must be complex"),
        (lambda s: qsm.fit_echoes(s, TE[:2]), "with the 2 echoes"),
        (lambda s: qsm.fit_echoes(s, TE[::-1]), "`te` must be positive and increase"),
        (lambda s: qsm.fit_echoes(s, TE, np.ones(3)), "`mask` must have the shape"),
        (lambda s: jax.jit(lambda te: qsm.fit_echoes(s, te))(jnp.array(TE)), "`te` must be known"),
        (lambda s: qsm.signal_mask(s.real), "`magnitude` must be a volume"),
        (lambda s: qsm.signal_mask(np.ones(SHAPE), np.ones((2, 2, 2))), "`phase` must have the shape"),
        (lambda s: qsm.signal_mask(np.ones(SHAPE), threshold=2.0), "`magnitude` must have an object"),
    ],
)
def test_mistakes_are_named(scan, call, message):
    with pytest.raises(ValueError, match=message):
        call(scan[3])
