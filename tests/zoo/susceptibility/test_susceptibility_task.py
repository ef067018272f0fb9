"""Fields to learn from, losses, consistency, and what maps are judged on."""

import argparse
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import mrjax as mr
from mrjax import zoo
from mrjax.encoding import Dipole
from mrjax.zoo import susceptibility as task
from mrjax.zoo.susceptibility import SusceptibilityConfig, losses, stream, test_sets

SHAPES = SusceptibilityConfig(objects="shapes", n_voxels=16, patch=16, snr=math.inf, voxel_spread=0.2)
CUT = SusceptibilityConfig(objects="shapes", n_voxels=16, patch=8, patches_per_volume=2, snr=math.inf, batch_size=3)


@pytest.fixture(scope="module", autouse=True)
def in_single_precision():
    with jax.enable_x64(False):
        yield


@pytest.fixture(scope="module")
def whole():
    return stream(SHAPES).batch(0)


def with_axes(n_samples=2, n=12):
    """A batch with B0 and voxels of each sample, and a mask that leaves a margin."""
    rng = np.random.default_rng(0)
    mask = np.zeros((n_samples, n, n, n), bool)
    mask[:, 3:-3, 3:-3, 3:-3] = True
    chi = np.where(mask, 0.05 * rng.normal(size=mask.shape), 0).astype(np.float32)
    batch = {
        "susceptibility": jnp.asarray(chi),
        "mask": jnp.asarray(mask),
        "weights": jnp.asarray(mask, jnp.float32),
        "voxel_size": jnp.asarray(rng.uniform(1e-3, 2e-3, (n_samples, 3)), jnp.float32),
        "b0_direction": jnp.asarray(rng.normal(size=(n_samples, 3)), jnp.float32),
        "field": jnp.zeros(mask.shape, jnp.float32),
    }
    fields = [np.asarray(dipole_of(batch, i)(chi[i])) for i in range(n_samples)]
    return batch | {"field": jnp.where(mask, jnp.asarray(np.stack(fields)), 0.0)}


def dipole_of(batch, i):
    return Dipole(batch["field"].shape[1:], batch["voxel_size"][i], batch["b0_direction"][i])


@pytest.mark.exhaustive
def test_a_field_is_that_of_the_volume_with_its_own_voxels_and_direction(whole):
    assert {values.shape[0] for values in whole.values()} == {2}
    assert np.ptp(whole["voxel_size"]) > 0.1 * SHAPES.voxel_size
    for i in range(2):
        tilt = math.acos(float(whole["b0_direction"][i, 2]))
        assert 0 < tilt <= SHAPES.max_tilt
        expected = np.where(whole["mask"][i], dipole_of(whole, i)(whole["susceptibility"][i]), 0)
        np.testing.assert_allclose(whole["field"][i], expected, atol=1e-7)
        np.testing.assert_allclose(np.asarray(whole["weights"][i])[whole["mask"][i]].mean(), 1.0, rtol=1e-5)


@pytest.mark.exhaustive
def test_scales_are_of_the_size_of_the_data(whole):
    inside = np.asarray(whole["mask"])
    for name, scale in (("susceptibility", task.SCALE), ("field", task.FIELD_SCALE)):
        assert 0.3 < np.asarray(whole[name])[inside].std() / scale < 3


@pytest.mark.exhaustive
def test_patches_are_cut_from_volumes_with_their_field():
    patches = stream(CUT).batch(4)
    volumes = stream(
        SusceptibilityConfig(**{**vars(CUT), "patch": 16, "patches_per_volume": 1, "batch_size": 2})
    ).batch(4)
    assert patches["field"].shape == (3, 8, 8, 8)
    for i, volume in enumerate((0, 0, 1)):
        windows = np.lib.stride_tricks.sliding_window_view(np.asarray(volumes["field"][volume]), (8, 8, 8))
        found = np.argwhere((windows == np.asarray(patches["field"][i])).all((-3, -2, -1)))
        assert len(found) == 1
        x, y, z = found[0]
        there = volumes["susceptibility"][volume, x : x + 8, y : y + 8, z : z + 8]
        np.testing.assert_array_equal(patches["susceptibility"][i], there)
    assert (patches["field"][0] != patches["field"][1]).any()


@pytest.mark.exhaustive
def test_noise_is_that_of_the_phase():
    noisy = stream(SusceptibilityConfig(**{**vars(SHAPES), "snr": 50.0})).batch(0)
    clean = stream(SHAPES).batch(0)
    inside = np.asarray(noisy["mask"])
    magnitude = np.sqrt(np.asarray(noisy["weights"])[inside])  # relative
    scaled = (np.asarray(noisy["field"] - clean["field"])[inside]) * magnitude * task.phase_per_ppm(SHAPES)
    assert 1 / 50 < scaled.std() < 2.5 / 50  # the mean magnitude is below one
    assert task.phase_per_ppm(SHAPES) == pytest.approx(2 * math.pi * 42.577 * 3 * 0.02, rel=1e-4)


@pytest.mark.exhaustive
def test_further_orientations_are_measured_or_not():
    config = SusceptibilityConfig(**{**vars(SHAPES), "n_orientations": 3, "batch_size": 6})
    batch = stream(config).batch(0)
    assert batch["further_fields"].shape == (6, 2, 16, 16, 16)
    weights = np.asarray(batch["further_weights"])
    assert set(map(tuple, weights)) <= {(0, 0), (1, 0), (1, 1)}
    assert len(set(map(tuple, weights))) > 1
    dipole = Dipole((16, 16, 16), batch["voxel_size"][0], batch["further_b0_directions"][0, 1])
    expected = np.where(batch["mask"][0], dipole(batch["susceptibility"][0]), 0)
    np.testing.assert_allclose(batch["further_fields"][0, 1], expected, atol=1e-7)


@jax.jit
def errors(found, batch):
    """Of susceptibilities, their squares, fields and gradients."""
    measures = (losses.absolute_error, losses.square_error, losses.field_error, losses.gradient_difference)
    return [error(found, batch) for error in measures]


def test_errors_are_zero_for_the_truth_alone():
    batch = with_axes()
    assert errors(batch["susceptibility"], batch) == [0.0] * 4
    assert min(errors(0.5 * batch["susceptibility"], batch)) > 1e-2


def test_errors_in_closed_form():
    batch = with_axes()
    truth, mask = np.asarray(batch["susceptibility"]), np.asarray(batch["mask"])
    off = jnp.where(mask, batch["susceptibility"] + 0.01, 7.0)  # outside does not count
    absolute, square, of_field, _ = errors(off, batch)
    assert float(absolute) == pytest.approx(0.01 / task.SCALE, rel=1e-4)
    assert float(square) == pytest.approx((0.01 / task.SCALE) ** 2, rel=1e-4)
    fields = np.stack([dipole_of(batch, i)(jnp.asarray(0.01 * mask[i], jnp.float32)) for i in range(2)])
    assert float(of_field) == pytest.approx(np.abs(fields)[mask].mean() / task.SCALE, rel=1e-3)
    found, total = np.where(mask, 0.3 * truth, 0), 0.0
    for step in np.ndindex(3, 3, 3):
        shift = np.array(step) - 1
        if shift.any():
            rises = [np.maximum(x - np.roll(x, shift, (1, 2, 3)), 0) for x in (found, truth)]
            total += np.abs(rises[0] - rises[1])[mask].mean() / np.linalg.norm(shift) / task.SCALE
    assert float(errors(jnp.asarray(found), batch)[3]) == pytest.approx(total, rel=1e-4)


def test_centred_errors_do_not_see_the_mean_of_each_volume():
    truth = jnp.zeros((2, 1, 1, 4)).at[0, 0, 0, :2].set(jnp.array([0.1, -0.1]))
    batch = {"susceptibility": truth, "mask": jnp.array([[[[True, True, True, False]]], [[[False] * 4]]])}
    off = truth + jnp.array([0.5, -2.0])[:, None, None, None]
    halved = off - truth / 2  # which leaves errors of 0.05 in two voxels of three
    for error, power in ((losses.centred_absolute_error, 1), (losses.centred_square_error, 2)):
        assert float(error(off, batch)) == pytest.approx(0.0, abs=1e-6)
        assert float(error(halved, batch)) == pytest.approx(2 / 3 * (0.05 / task.SCALE) ** power, rel=1e-5)


class Same(nnx.Module):
    def __call__(self, images):
        return images


@pytest.mark.slow
def test_without_a_network_proximal_gradients_go_down_the_fidelity():
    batch = with_axes()
    model = task.LearnedProximalGradient(lambda rngs: Same(), 3, step=2.0, rngs=nnx.Rngs(0))
    answer = model(batch)
    for i in range(2):
        dipole, mask = dipole_of(batch, i), batch["mask"][i]
        volume = jnp.zeros(mask.shape, jnp.float32)
        for _ in range(3):
            residual = jnp.where(mask, dipole(volume) - batch["field"][i], 0.0)
            volume = jnp.where(mask, volume - 2.0 * dipole.adjoint(residual), 0.0)
        np.testing.assert_allclose(answer[i], volume, atol=1e-6)


@pytest.mark.exhaustive
def test_several_orientations_count_by_their_mean():
    batch, other = with_axes(), with_axes()
    other = other | {"b0_direction": other["b0_direction"][::-1]}
    fields = jnp.stack([dipole_of(other, i)(other["susceptibility"][i]) for i in range(2)])
    several = batch | {
        "further_fields": fields[:, None],
        "further_b0_directions": other["b0_direction"][:, None],
        "further_weights": jnp.array([[1.0], [0.0]]),
    }
    slope = lambda measured: jax.vmap(lambda f, x: f.gradient(x))(
        task.fidelities(measured), batch["susceptibility"] * 0.5
    )
    one, two, both = slope(batch), slope(other | {"field": fields}), slope(several)
    np.testing.assert_allclose(both[0], (one[0] + two[0]) / 2, atol=1e-6)
    np.testing.assert_allclose(both[1], one[1], atol=1e-6)  # the second one was not measured


def test_scores_do_not_see_the_mean():
    batch = with_axes(1)
    truth, mask = batch["susceptibility"][0], batch["mask"][0]
    scores = task.score(0.8 * truth + 0.3, truth, mask)
    assert scores.nrmse == pytest.approx(20, rel=1e-3)
    assert scores.slope == pytest.approx(0.8, rel=1e-3)
    assert task.score(truth - 1.0, truth, mask).xsim == pytest.approx(1, abs=1e-3)


@pytest.fixture
def files(tmp_path):
    """A map whose first axis is the scanner's third, its mask, and its field."""
    batch = with_axes(1)
    affine = np.zeros((4, 4))
    affine[[2, 0, 1, 3], [0, 1, 2, 3]] = (2.0, 1.0, 1.5, 1.0)
    dipole = Dipole((12, 12, 12), (2e-3, 1e-3, 1.5e-3), (1.0, 0.0, 0.0))
    volumes = {"chi": batch["susceptibility"][0], "mask": batch["mask"][0].astype(jnp.float32)}
    volumes["field"] = dipole(volumes["chi"])
    for name, values in volumes.items():
        mr.io.write_nifti(tmp_path / f"{name}.nii", np.asarray(values), affine)
    return tmp_path


def options(*arguments):
    parser = argparse.ArgumentParser()
    task.EVALUATION.add_options(parser)
    return parser.parse_args([str(argument) for argument in arguments])


@pytest.mark.exhaustive
def test_a_map_in_a_file_is_given_its_field(files):
    config = SusceptibilityConfig(snr=math.inf)
    volume = test_sets.simulated(files / "chi.nii", config)
    np.testing.assert_allclose(volume["b0_direction"], [[1, 0, 0]], atol=1e-7)
    np.testing.assert_allclose(volume["voxel_size"], [[2e-3, 1e-3, 1.5e-3]], rtol=1e-6)
    field = test_sets.measured(files / "field.nii", files / "mask.nii", files / "chi.nii")
    np.testing.assert_allclose(volume["field"], field["field"], atol=1e-7)
    for name in ("susceptibility", "mask", "b0_direction", "voxel_size"):
        np.testing.assert_allclose(volume[name], field[name], atol=1e-7)
    turned = test_sets.simulated(files / "chi.nii", config, files / "mask.nii", (0.0, 0.0, 1.0))
    assert np.abs(turned["field"] - volume["field"]).max() > 1e-3


def test_reports_on_files(files):
    truth = mr.io.read_nifti(files / "chi.nii").data
    seen = []

    def half(measured):
        seen.append(set(measured))
        return {"susceptibility": jnp.asarray(0.5 * truth)[None]}

    for arguments in (
        ("--susceptibility", files / "chi.nii"),
        ("--field", files / "field.nii", "--mask", files / "mask.nii", "--truth", files / "chi.nii"),
    ):
        report = task.EVALUATION.report(SusceptibilityConfig(), half, options(*arguments))
        ((name, n_voxels, nrmse, _, _, slope),) = report.rows
        assert (name, n_voxels, nrmse, slope) == (arguments[1].name, "216", "50.0", "0.500")
    assert seen == [{"field", "mask", "weights", "b0_direction", "voxel_size"}] * 2  # and not the truth


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--field", "field.nii"), "--field needs --mask and --truth"),
        (("--field", "field.nii", "--susceptibility", "chi.nii"), "either --susceptibility or --field"),
        (("--truth", "chi.nii"), "--truth goes with --field"),
        (("--mask", "mask.nii"), "go with --susceptibility or --field"),
        (("--susceptibility", "none.nii"), "does not exist"),
    ],
)
def test_options_that_do_not_go_together(files, arguments, message):
    given = [files / name if name.endswith(".nii") else name for name in arguments]
    with pytest.raises(ValueError, match=message):
        task.EVALUATION.report(SusceptibilityConfig(), lambda measured: measured, options(*given))


def test_files_that_do_not_fit(files):
    affine = np.eye(4)
    mr.io.write_nifti(files / "small.nii", np.ones((3, 3, 3), np.float32), affine)
    mr.io.write_nifti(files / "series.nii", np.ones((3, 3, 3, 2), np.float32), affine)
    mr.io.write_nifti(files / "nothing.nii", np.zeros((3, 3, 3), np.float32), affine)
    mr.io.write_nifti(files / "hole.nii", np.full((3, 3, 3), np.nan, np.float32), affine)
    for name, message in (
        ("series", "must hold one volume, but has shape"),
        ("hole", "must hold finite real numbers"),
        ("nothing", "mask must hold at least one voxel"),
    ):
        with pytest.raises(ValueError, match=message):
            test_sets.simulated(files / f"{name}.nii", SHAPES)
    with pytest.raises(mr.io.FileError, match=r"small\.nii has shape \(3, 3, 3\), but .*chi\.nii has \(12, 12, 12\)"):
        test_sets.simulated(files / "chi.nii", SHAPES, files / "small.nii")


@pytest.mark.exhaustive
def test_methods_are_judged_on_brains_that_are_tilted_and_of_other_voxels():
    rows = {}
    for name in ("tkd", "tv_admm"):
        evaluation, config, estimate = zoo.judged(name)
        rows[name] = evaluation.report(config, estimate, options()).rows
    assert [row[0] for row in rows["tkd"]] == ["B0 along the axis", "B0 30 degrees off", "other voxels"]
    for of_tkd, of_tv in zip(rows["tkd"], rows["tv_admm"], strict=True):
        assert int(of_tkd[1]) > 20_000
        assert float(of_tv[2]) < 0.75 * float(of_tkd[2]) < 35


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"objects": "cars"}, "`objects` must be one of brains, shapes, but got 'cars'"),
        ({"patch": 64}, "`patch` must be at most `n_voxels`, which is 48, but got 64"),
        ({"voxel_size": 0.0}, "`voxel_size` must be positive and finite"),
        ({"voxel_spread": 1.0}, "`voxel_spread` must be from 0 to below 1"),
        ({"max_tilt": 4.0}, "`max_tilt` must be from 0 to pi"),
        ({"snr": 0.0}, "`snr` must be positive"),
        ({"widest": 0.5}, "`widest` must be at least 1"),
        ({"n_orientations": 0}, "`n_orientations`"),
    ],
)
def test_settings_of_susceptibility_that_cannot_be(settings, message):
    with pytest.raises(ValueError, match=message):
        SusceptibilityConfig(**settings)
