"""What `mrjax fit` takes: images, maps and settings in the shapes and units that converters write."""

import argparse
import json

import nibabel
import numpy as np
import pytest

from mrjax.cli import main, measurement
from mrjax.inverse import FitStatus
from mrjax.io import FileError, read_nifti, write_nifti
from mrjax.signals import relaxation
from mrjax.units import deg, ms

pytestmark = pytest.mark.usefixtures("no_report")

SHAPE = (4, 3, 2)
AFFINE = np.diag([2.0, 2.0, 3.0, 1.0])
TE, ANGLES, TI = np.array([10, 30, 60]) * ms, np.array([2.0, 5.0, 12.0]), np.array([0.05, 0.3, 0.8, 1.6])


@pytest.fixture
def t2(rng):
    return rng.uniform(0.02, 0.1, SHAPE)


@pytest.fixture
def echoes(t2):
    return 900 * np.exp(-TE / t2[..., None])


@pytest.fixture
def fitted(tmp_path):
    """Runs the command on an image and returns the maps."""

    def run(contrast, image, *words, status=0):
        path, out = tmp_path / "image.nii", tmp_path / "maps"
        # no reshaping to three axes on the way
        nibabel.save(
            nibabel.Nifti1Image(image.astype(np.complex64 if np.iscomplexobj(image) else np.float32), AFFINE), path
        )
        assert main(["fit", contrast, str(path), *map(str, words), "--out", str(out)]) == status
        return {path.name.removesuffix(".nii.gz"): read_nifti(path).data for path in out.glob("*.nii.gz")}

    return run


@pytest.mark.exhaustive
def test_one_slice_over_time_with_commas(fitted, t2, echoes, capsys):
    found = fitted("t2", echoes.reshape(24, 1, 1, 3)[:, 0], "--te", "10ms,30ms,60ms")
    np.testing.assert_allclose(found["T2map"], t2.reshape(24, 1, 1), rtol=1e-4)
    assert "fitting 24 voxels with 3 images each" in capsys.readouterr().out


def test_settings_from_a_sidecar_and_a_record_of_all(fitted, tmp_path, t2, echoes, capsys):
    (tmp_path / "image.json").write_text(json.dumps({"EchoTime": TE.tolist()}))
    found = fitted("t2", echoes)
    np.testing.assert_allclose(found["T2map"], t2, rtol=1e-4)
    assert "--te is EchoTime of the sidecars (0.01, 0.03, 0.06 s)" in capsys.readouterr().out
    record = json.loads((tmp_path / "maps" / "mrjax_fit.json").read_text())
    assert record["command_line"].startswith("mrjax fit t2 ")
    assert record["te"] == TE.tolist()
    assert record["units"] == dict.fromkeys(("t2", "t2_std"), "s") | dict.fromkeys(
        ("m0", "m0_std", "residual_rms"), "that of the images"
    )
    assert record["voxels"] == {"converged": 24}
    assert record["status"]["7"] == "outside mask"


def test_some_of_the_echoes(fitted, t2, echoes, capsys):
    wrong_first = np.concatenate([0.3 * echoes[..., :1], echoes], axis=-1)
    found = fitted("t2", wrong_first, "--te", "5ms,10ms,30ms,60ms", "--echoes", "2-4")
    np.testing.assert_allclose(found["T2map"], t2, rtol=1e-4)
    fitted("t2", wrong_first, "--te", "5ms,10ms,30ms,60ms", "--echoes", "2,5", status=2)
    assert "--echoes must lie between 1 and 4, the number of values of --te, but got 5." in capsys.readouterr().err


def test_magnitudes_of_complex_images(fitted, t2, echoes, rng, capsys):
    found = fitted("t2", echoes * np.exp(1j * rng.uniform(-3, 3, echoes.shape)), "--te", "10ms", "30ms", "60ms")
    np.testing.assert_allclose(found["T2map"], t2, rtol=1e-4)
    assert "the images are complex; their magnitudes are fitted" in capsys.readouterr().out


def test_complex_images_are_refused_where_their_magnitude_is_no_spectrum(tmp_path):
    path = write_nifti(tmp_path / "image.nii", np.ones((*SHAPE, 3), complex), AFFINE)
    options = argparse.Namespace(data=[path], mask=None)
    with pytest.raises(FileError, match=r"image\.nii is complex; pass magnitudes\."):
        measurement.read_images(options, 3, "--te")
    assert measurement.read_images(options, 3, "--te", complex_images=True).signals.dtype == np.complex64


@pytest.mark.exhaustive
def test_b1_in_percent_is_refused_and_b1_of_nothing_is_not_fitted(fitted, tmp_path, rng, capsys):
    t1, b1 = rng.uniform(0.4, 2.0, SHAPE), rng.uniform(0.8, 1.2, SHAPE)
    images = 900 * relaxation.spgr(ANGLES * deg, 5.4 * ms, t1, b1=b1)
    words = ["--flip-angle", "2deg,5deg,12deg", "--tr", "5.4ms", "--b1", tmp_path / "b1.nii"]
    write_nifti(tmp_path / "b1.nii", 100 * b1, AFFINE)
    assert fitted("vfa", images, *words, status=2) == {}
    assert "about 1, but its median is 1" in (error := capsys.readouterr().err)
    assert "It looks like percent: divide it by 100." in error
    left_out = np.zeros(SHAPE, bool)
    left_out[0, :3, 0] = True
    b1[0, :3, 0] = [0.0, np.nan, -1.0]
    write_nifti(tmp_path / "b1.nii", b1[..., None], AFFINE)
    found = fitted("vfa", images, *words)
    np.testing.assert_allclose(found["T1map"], np.where(left_out, np.nan, t1), rtol=2e-3)
    np.testing.assert_array_equal(np.isnan(found["desc-std_M0map"]), left_out)
    np.testing.assert_array_equal(found["statusmap"], np.where(left_out, FitStatus.EXCLUDED, FitStatus.CONVERGED))
    assert "not fitted: 3 where B1 is zero, negative or not finite" in capsys.readouterr().out


@pytest.mark.exhaustive
@pytest.mark.parametrize("stored", ["magnitude", "complex"])
def test_t1_of_an_inversion_recovery_however_it_is_stored(fitted, rng, stored, capsys):
    t1 = rng.uniform(0.3, 2.0, SHAPE)
    signal = np.asarray(800 * relaxation.inversion_recovery(TI, t1, tr=6.0))
    right = np.ones(SHAPE, bool)
    if stored == "complex":
        signal = signal * np.exp(1j * rng.uniform(-3, 3, (*SHAPE, 1)))
    else:
        signal = np.abs(signal)
        signal[1, 1, 1, 1], right[1, 1, 1] = -0.01, False
    found = fitted("ir", signal, "--ti", "50ms,300ms,800ms,1.6s", "--tr", "6s")
    np.testing.assert_allclose(found["T1map"][right], t1[right], rtol=1e-3)
    assert {
        "magnitude": "the images are taken as magnitude: 0 of 24 voxels have a clearly negative sample",
        "complex": "the images are complex; signs are taken from their phase",
    }[stored] in capsys.readouterr().out
