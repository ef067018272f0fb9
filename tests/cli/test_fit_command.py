"""`mrjax fit` from files to files: measured data, and simulated data whose truth must come back."""

import csv
import itertools

import nibabel
import numpy as np
import pytest

import mrjax as mr
from mrjax.cli import batches, main
from mrjax.inverse import FitStatus
from mrjax.io import read_nifti, write_nifti, write_table
from mrjax.signals import relaxation
from mrjax.units import deg, ms

pytestmark = pytest.mark.usefixtures("no_report")

SHAPE = (4, 3, 2)
AFFINE = np.diag([2.0, 2.0, 3.0, 1.0])


@pytest.fixture
def t1(rng):
    return rng.uniform(0.3, 2.0, SHAPE)


@pytest.fixture
def m0(rng):
    return rng.uniform(500.0, 1500.0, SHAPE)


def write(path, image):
    return str(write_nifti(path, image, AFFINE))


def maps(folder):
    return {path.name.removesuffix(".nii.gz"): read_nifti(path).data for path in folder.glob("*.nii.gz")}


def test_t2star_of_a_measured_image(reference_data, tmp_path, capsys):
    source = reference_data("mrirt_gre_small/Mag.nii")
    magnitude = read_nifti(source)
    mask = np.zeros(magnitude.data.shape[:3])
    mask[20:32, 20:32, 18:21] = 1
    write_nifti(tmp_path / "mask.nii", mask, magnitude.affine)
    out = tmp_path / "maps"
    arguments = ["fit", "t2star", source, "--te", "4ms", "8ms", "0.012s", "--mask", tmp_path / "mask.nii", "--out", out]
    assert main([str(argument) for argument in arguments]) == 0
    found = maps(out)
    assert sorted(found) == ["M0map", "T2starmap", "desc-std_M0map", "desc-std_T2starmap", "residualmap", "statusmap"]
    inside = mask > 0
    for name, image in found.items():
        assert image.shape == mask.shape, name
        outside = FitStatus.OUTSIDE_MASK if name == "statusmap" else np.nan
        np.testing.assert_array_equal(image[~inside], outside, name)
    good = inside & (found["statusmap"] == FitStatus.CONVERGED)
    assert good.sum() > 0.8 * inside.sum()
    # the same by another way: a straight line through the logarithms, weighted by the squared signal
    te, signal = np.array([4.0, 8.0, 12.0]) * ms, magnitude.data[good].astype(float)
    weight = signal**2 / (signal**2).sum(-1, keepdims=True)
    dt = te - (weight * te).sum(-1, keepdims=True)
    slope = (weight * dt * np.log(signal)).sum(-1) / (weight * dt**2).sum(-1)
    np.testing.assert_allclose(np.median(1 / found["T2starmap"][good]), np.median(-slope), rtol=0.02)
    assert 10 * ms < np.median(found["T2starmap"][good]) < 100 * ms
    np.testing.assert_array_equal(nibabel.load(out / "T2starmap.nii.gz").affine, nibabel.load(source).affine)
    text = capsys.readouterr().out
    assert f"fitting {inside.sum():,} voxels with 3 images each" in text
    assert f"wrote {out / 'T2starmap.nii.gz'}" in text
    assert (out / "maps.png").stat().st_size > 10_000


def test_r1_of_a_measured_table(reference_data, tmp_path):
    source = reference_data("osipi_vfa_t1/t1_brain_data.csv")
    arguments = ["--flip-angle", "2deg", "5deg", "12deg", "--tr", "5.4ms", "--column", "s", "--out"]
    assert main(["fit", "vfa", str(source), *arguments, str(tmp_path)]) == 0
    with (tmp_path / "vfa.csv").open() as file:
        fitted = list(csv.DictReader(file))
    with source.open() as file:
        reference = list(csv.DictReader(file))
    assert [row["voxel"] for row in fitted] == [row["label"] for row in reference]
    r1 = np.array([float(row["R1"]) for row in reference])
    np.testing.assert_array_less(np.abs([1 / float(row["t1"]) for row in fitted] - r1), 0.05 + 0.05 * r1)


def test_t2_of_several_volumes(tmp_path, rng, m0):
    """One file an echo, two of them with an axis of length one behind; voxels that are dark or not finite are left out."""
    t2 = rng.uniform(0.02, 0.2, SHAPE)
    te = np.array([10, 30, 60, 120])
    images = [m0 * np.exp(-echo * ms / t2) for echo in te]
    for image in images:
        image[0, 0, 0] = 0.0
    images[2][1, 1, 1] = np.inf
    paths = [write(tmp_path / f"{echo}.nii.gz", image) for echo, image in zip(te, images, strict=True)]
    for i in (0, 3):
        nibabel.save(nibabel.Nifti1Image(images[i][..., None], AFFINE), paths[i])
    out = tmp_path / "maps"
    assert main(["fit", "t2", *paths, "--te", *(f"{echo}ms" for echo in te), "--out", str(out)]) == 0
    found = maps(out)
    left_out = np.zeros(SHAPE, bool)
    left_out[0, 0, 0] = left_out[1, 1, 1] = True
    np.testing.assert_allclose(found["T2map"], np.where(left_out, np.nan, t2), rtol=1e-4)
    np.testing.assert_allclose(found["M0map"], np.where(left_out, np.nan, m0), rtol=1e-4)
    assert np.all(found["residualmap"][~left_out] < 1e-4 * m0[~left_out])
    statuses = np.full(SHAPE, FitStatus.CONVERGED)
    statuses[0, 0, 0], statuses[1, 1, 1] = FitStatus.OUTSIDE_MASK, FitStatus.EXCLUDED
    np.testing.assert_array_equal(found["statusmap"], statuses)


@pytest.mark.parametrize("magnitude", [False, True])
def test_t1_of_an_inversion_recovery(tmp_path, t1, m0, magnitude):
    times = np.array([50, 200, 500, 1000, 2500])
    signal = relaxation.inversion_recovery(times * ms, t1, tr=3.0, m0=m0)
    image = write(tmp_path / "ir.nii", np.abs(signal) if magnitude else signal)
    out = tmp_path / "maps"
    arguments = ["--ti", *(f"{time}ms" for time in times), "--tr", "3s", "--out", str(out)]
    assert main(["fit", "ir", image, *arguments]) == 0
    found = maps(out)
    np.testing.assert_allclose(found["T1map"], t1, rtol=1e-3)
    np.testing.assert_allclose(found["InversionEfficiencymap"], 1, atol=1e-3)


def test_t1_of_variable_flip_angles_with_a_map_of_b1(tmp_path, rng, t1, m0):
    b1 = rng.uniform(0.8, 1.2, SHAPE)
    angles = np.array([2.0, 5.0, 12.0, 20.0])
    signal = relaxation.spgr(angles * deg, 5.4 * ms, t1, m0=m0, b1=b1)
    image, field = write(tmp_path / "vfa.nii", signal), write(tmp_path / "b1.nii", b1)
    arguments = ["fit", "vfa", image, "--flip-angle", *(f"{angle}deg" for angle in angles), "--tr", "5.4ms"]
    assert main([*arguments, "--b1", field, "--out", str(tmp_path / "with")]) == 0
    np.testing.assert_allclose(maps(tmp_path / "with")["T1map"], t1, rtol=2e-3)
    assert main([*arguments, "--out", str(tmp_path / "without")]) == 0
    # without the map, T1 is off by about the square of B1
    assert np.abs(maps(tmp_path / "without")["T1map"] / t1 - 1).max() > 0.1


def test_error_bars_scale_with_the_noise_that_is_given(tmp_path):
    te, t2 = np.array([10, 30, 60]) * ms, 0.05
    signal = 200 * np.exp(-te / t2)
    write_table(tmp_path / "data.csv", {f"echo {i}": [value] for i, value in enumerate(signal)})
    deviations = {}
    for noise in ("1", "3"):
        out = tmp_path / noise
        arguments = ["--te", "10ms", "30ms", "60ms", "--noise-std", noise, "--out", str(out)]
        assert main(["fit", "t2", str(tmp_path / "data.csv"), *arguments]) == 0
        with (out / "t2.csv").open() as file:
            (row,) = csv.DictReader(file)
        deviations[noise] = float(row["t2_std"])
        assert float(row["t2"]) == pytest.approx(t2, rel=1e-4)
        assert float(row["m0"]) == pytest.approx(200, rel=1e-4)
    jacobian = np.stack([np.exp(-te / t2), signal * te / t2**2], axis=-1)
    expected = np.sqrt(np.linalg.inv(jacobian.T @ jacobian)[1, 1])
    assert deviations["1"] == pytest.approx(expected, rel=1e-3)
    assert deviations["3"] == pytest.approx(3 * expected, rel=1e-3)


def test_an_interrupt_keeps_what_is_finished(tmp_path, monkeypatch, capsys, m0):
    signal = m0[..., None] * np.exp(-np.array([10, 30, 60]) * ms / 0.05)
    write(tmp_path / "t2.nii", signal)
    begun = itertools.count()  # batches begin one after the other, though some go on side by side

    def interrupted(*arguments, **options):
        if next(begun) == 2:
            raise KeyboardInterrupt
        return mr.inverse.least_squares(*arguments, **options)

    monkeypatch.setattr(batches, "least_squares", interrupted)
    in_batches = batches.fit_in_batches
    monkeypatch.setattr("mrjax.cli.fit.fit_in_batches", lambda *a, **k: in_batches(*a, **k, batch_size=5))
    out = tmp_path / "maps"
    arguments = ["--te", "10ms", "30ms", "60ms", "--out", str(out)]
    assert main(["fit", "t2", str(tmp_path / "t2.nii"), *arguments]) == 130
    text = capsys.readouterr().out
    assert "interrupted: 10 of 24 voxels are fitted and will be written" in text
    found = maps(out)
    t2 = found["T2map"].ravel()
    np.testing.assert_allclose(t2[:10], 0.05, rtol=1e-4)
    assert np.all(np.isnan(t2[10:]))
    np.testing.assert_array_equal(found["statusmap"].ravel()[10:], FitStatus.EXCLUDED)
    np.testing.assert_allclose(found["M0map"].ravel()[:10], m0.ravel()[:10], rtol=1e-4)


def test_the_version_is_told(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"mrjax {mr.__version__}\n"
