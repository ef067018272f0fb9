"""Scans of several contrasts: what they hold, what they are judged by, and the methods that need no training."""

import argparse

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import mrjax as mr
from mrjax.units import deg
from mrjax.zoo import relaxometry
from mrjax.zoo.methods import cg_sense, cg_sense_then_fit, model_based
from mrjax.zoo.relaxometry import RelaxometryConfig, objects

SMALL = {"n_pixels": 16, "n_contrasts": 3, "n_coils": 4, "acceleration": 2.0, "batch_size": 2}
CONFIG = RelaxometryConfig(**SMALL)
OPTIONS = {"maps": None, "m0": None, "milliseconds": False, "acceleration": None, "snr": None, "parameter": None}


def options(**changes):
    return argparse.Namespace(**OPTIONS | changes)


def seen(batch):
    return {name: batch[name] for name in relaxometry.AXES}


@pytest.fixture(scope="module")
def batch():
    return relaxometry.stream(CONFIG).batch(3)


@pytest.fixture(scope="module")
def easy():
    """Nearly all of k-space and little noise, of T1."""
    return relaxometry.test_scan(RelaxometryConfig(**SMALL | {"acceleration": 1.0}), options(snr=1e4, parameter="t1"))


@pytest.mark.exhaustive
def test_batches_follow_from_the_step(batch):
    again = relaxometry.stream(CONFIG).batch(3)
    for one, other in zip(*map(jax.tree.leaves, (batch, again)), strict=True):
        np.testing.assert_array_equal(one, other)
    assert batch["k_space"].shape == (2, 3, 4, 16, 16)
    assert batch["maps"].shape == (2, 16, 16, 3)


@pytest.mark.exhaustive
def test_masks_are_lines_that_differ_between_contrasts(batch):
    mask = np.asarray(batch["mask"])
    assert (mask == mask[:, :, :1]).all()  # whole lines along x
    lines = mask[:, :, 0]
    assert (lines.sum(-1) == 8).all()
    assert lines[..., 8].all()  # the centre
    assert (lines[:, 0] != lines[:, 1]).any()
    points = relaxometry.stream(RelaxometryConfig(**SMALL | {"sampling": "points"})).batch(0)["mask"]
    assert (points.sum((-2, -1)) == 128).all()
    assert (points != points[:, :, :1]).any()


@pytest.mark.slow
def test_k_space_is_that_of_the_images_with_noise(batch):
    images, coils, mask = (np.asarray(batch[name]) for name in ("images", "coils", "mask"))
    np.testing.assert_allclose((np.abs(coils) ** 2).sum(0), 1, rtol=1e-6)
    shifted = np.fft.ifftshift(images[:, :, None] * coils[None, None], axes=(-2, -1))
    expected = np.fft.fftshift(np.fft.fft2(shifted, norm="ortho"), axes=(-2, -1)) * mask[:, :, None]
    difference = np.asarray(batch["k_space"]) - expected
    assert (difference[np.broadcast_to(~mask[:, :, None], difference.shape)] == 0).all()
    noise = difference[np.broadcast_to(mask[:, :, None], difference.shape)]
    np.testing.assert_allclose((noise.real.std(), noise.imag.std()), 1 / CONFIG.snr, rtol=0.05)
    # which the fidelity knows
    np.testing.assert_allclose(relaxometry.inconsistency(batch, batch["maps"]), 2 / CONFIG.snr**2, rtol=0.05)
    assert relaxometry.inconsistency(batch, 0.9 * batch["maps"]) > 3 / CONFIG.snr**2


@pytest.mark.slow
def test_slopes_of_losses_are_those_of_differences(batch):
    precise = lambda leaf: (
        leaf.astype(jnp.result_type(leaf, float)) if jnp.issubdtype(leaf.dtype, jnp.inexact) else leaf
    )
    with jax.enable_x64(True):
        batch = jax.tree.map(precise, batch)
        maps, direction = (jax.random.normal(jax.random.key(i), batch["maps"].shape, float) for i in (0, 1))
        maps = batch["maps"] + 0.1 * maps
        losses = {
            "map_error": lambda maps: relaxometry.map_error(maps, batch),
            "total_variation": relaxometry.total_variation,
            "inconsistency": lambda maps: relaxometry.inconsistency(batch, maps),
        }
        for name, loss in losses.items():
            both = lambda maps, loss=loss: (jax.grad(loss)(maps), jax.jvp(loss, (maps,), (direction,))[1])
            loss, (reverse, forward) = jax.jit(loss), jax.jit(both)(maps)
            expected = (loss(maps + 1e-5 * direction) - loss(maps - 1e-5 * direction)) / 2e-5
            np.testing.assert_allclose(jnp.vdot(reverse, direction), expected, rtol=1e-6, err_msg=name)
            np.testing.assert_allclose(forward, expected, rtol=1e-6, err_msg=name)


@pytest.mark.slow
def test_images_are_those_of_the_closed_forms(batch):
    model = batch["model"]
    t2, m0 = model.parted(batch["maps"])
    np.testing.assert_allclose(batch["images"][:, 1], m0 * np.exp(-2 * CONFIG.echo_spacing / np.asarray(t2)), atol=1e-6)
    angles = np.geomspace(3 * deg, 20 * deg, 3)
    e1 = lambda t1: np.exp(-CONFIG.tr / t1)
    ernst = lambda t1: np.sin(angles) * (1 - e1(t1)) / (1 - np.cos(angles) * e1(t1))
    of_t1 = relaxometry.relaxation_model(RelaxometryConfig(**SMALL | {"parameter": "t1"}))
    signal = of_t1(of_t1.joined(jnp.array([0.8]), jnp.array([0.5j])))
    np.testing.assert_allclose(signal[0], 0.5j * ernst(0.8) / ernst(1.2).max(), rtol=1e-6)


@pytest.mark.parametrize("parameter", ["t1", "t2"])
def test_maps_come_back_from_their_parts(parameter):
    model = relaxometry.relaxation_model(RelaxometryConfig(**SMALL | {"parameter": parameter}))
    time, m0 = model.usual * jnp.array([0.1, 5.0]), jnp.array([1.0 + 0.5j, -0.3j])
    found, density = model.parted(model.joined(time, m0))
    np.testing.assert_allclose(found, time, rtol=1e-12)
    np.testing.assert_allclose(density, m0, rtol=1e-12)
    wild = model(jnp.full((1, 3), 1e3))
    assert np.isfinite(wild).all()


@pytest.mark.exhaustive
def test_brains_are_drawn_about_the_phantom():
    drawn = relaxometry.objects.learned_from(RelaxometryConfig(**SMALL | {"objects": "brains"}))
    t2, m0 = jax.vmap(drawn)(jax.random.split(jax.random.key(0), 6))
    inside = np.abs(m0) > 0
    assert 0.1 < inside.mean() < 0.8
    assert (t2[~inside] == 1).all()
    white = mr.phantoms.brain(slice=44).t2[1]
    np.testing.assert_allclose(np.quantile(t2[inside], 0.2), white, rtol=0.3)
    assert np.abs(np.angle(np.asarray(m0)[inside])).max() > 0.5


def test_no_slice_is_learned_from_and_judged_on(monkeypatch):
    asked = []
    brain = objects.brain
    monkeypatch.setattr(objects, "brain", lambda shape, slice: (asked.append(slice), brain(shape, slice=slice))[1])
    objects.learned_from(RelaxometryConfig(**SMALL | {"objects": "brains"}))
    assert len(asked) > 20
    assert min(abs(i - j) for i in asked for j in objects.SLICES) >= 2


@pytest.mark.exhaustive
def test_the_methods_find_the_maps_where_all_is_measured(easy):
    model, inside = easy["model"], easy["inside"]
    t1, m0 = model.parted(easy["maps"])
    fitted = cg_sense_then_fit.estimated(seen(easy))
    assert relaxometry.nrmse(fitted["t1"], t1, inside) < 0.01
    found = model_based.reconstructed(seen(easy))
    assert relaxometry.nrmse(found["t1"], t1, inside) < 2e-3
    assert relaxometry.nrmse(found["m0"], m0, inside) < 2e-3


@pytest.mark.exhaustive
def test_the_physics_of_all_contrasts_beats_images_one_by_one():
    scan = relaxometry.test_scan(RelaxometryConfig(**SMALL | {"n_contrasts": 6}), options(acceleration=3.0, snr=200.0))
    t2, inside = scan["model"].parted(scan["maps"])[0], scan["inside"]
    fitted, found = (
        relaxometry.nrmse(f(seen(scan))["t2"], t2, inside)
        for f in (cg_sense_then_fit.estimated, model_based.reconstructed)
    )
    assert found < 0.9 * fitted


@pytest.mark.exhaustive
def test_images_are_better_than_zero_filled_ones():
    scan = relaxometry.test_scan(CONFIG, options())
    zero_filled, found = relaxometry.zero_filled(seen(scan)), cg_sense.images(seen(scan))
    assert found.shape == scan["images"].shape
    assert relaxometry.psnr(found, scan["images"]) > 3 + relaxometry.psnr(zero_filled, scan["images"])
    report = cg_sense.METHOD.evaluation.report(CONFIG, cg_sense.images, options())
    assert report.rows[0][2] == f"{relaxometry.psnr(found, scan['images']):.2f} dB"


@pytest.mark.exhaustive
def test_a_report_says_what_was_scanned():
    truth = lambda measurement: {"t2": jnp.full((5, 16, 16), 0.075), "m0": jnp.full((5, 16, 16), 1.0 + 0j)}
    report = relaxometry.EVALUATION.report(CONFIG, truth, options(acceleration=3.0))
    assert report.title == "T2 of 20 to 200 ms, R = 3, SNR 100"
    images, pixels, error, _ = report.rows[0]
    assert images == "5"
    assert int(pixels) > 100
    assert 1 < float(error.split()[0]) < 60
    with pytest.raises(ValueError, match="--parameter t1 is not what this network maps, m0 and t2"):
        relaxometry.EVALUATION.report(CONFIG, truth, options(parameter="t1"))


@pytest.mark.exhaustive
def test_maps_of_a_user_are_scanned(tmp_path):
    t2 = np.zeros((12, 10, 9))
    t2[3:9, 2:8, 1:8] = 60.0
    mr.io.write_nifti(tmp_path / "t2.nii", t2, np.eye(4))
    mr.io.write_nifti(tmp_path / "m0.nii", 40 * (t2 > 0), np.eye(4))
    config = RelaxometryConfig(**SMALL)
    scan = relaxometry.test_scan(config, options(maps=tmp_path / "t2.nii", m0=tmp_path / "m0.nii", milliseconds=True))
    time, m0 = scan["model"].parted(scan["maps"])
    assert time.shape == (5, 12, 10)
    np.testing.assert_allclose(time[:, 3:9, 2:8], 0.06, rtol=1e-6)
    np.testing.assert_allclose(np.abs(m0[:, 3:9, 2:8]), 1, rtol=1e-6)
    assert int(scan["inside"].sum()) == 5 * 36
    mr.io.write_nifti(tmp_path / "m0.nii", t2[:5], np.eye(4))
    with pytest.raises(ValueError, match=r"m0.nii must have the shape \(12, 10, 9\) of the map"):
        relaxometry.test_scan(config, options(maps=tmp_path / "t2.nii", m0=tmp_path / "m0.nii"))
    mr.io.write_nifti(tmp_path / "t2.nii", 0 * t2, np.eye(4))
    with pytest.raises(ValueError, match=r"t2.nii holds no voxel above zero"):
        relaxometry.test_scan(config, options(maps=tmp_path / "t2.nii"))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"parameter": "t3"}, "`parameter` must be 't1' or 't2', but got 't3'"),
        ({"objects": "knees"}, "`objects` must be 'templates' or 'brains'"),
        ({"sampling": "spirals"}, "`sampling` must be 'lines' or 'points'"),
        ({"n_coils": 0}, "`n_coils` must be an integer of at least 1"),
        ({"snr": 0.0}, "`snr` must be positive and finite"),
        ({"acceleration": 17.0}, "`acceleration` must be from 1 to a quarter of `n_pixels`, 64, but got 17"),
    ],
)
def test_settings_that_cannot_be(settings, message):
    with pytest.raises(ValueError, match=message):
        RelaxometryConfig(**settings)
