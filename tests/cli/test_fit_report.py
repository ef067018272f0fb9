"""What `mrjax fit` leaves behind: maps with BIDS-like names and sidecars, and a report in one file."""

import base64
import json
import re

import numpy as np
import pytest

from mrjax.cli import main, map_files, model_help, worst_voxels
from mrjax.cli.batches import Result
from mrjax.cli.contrasts import CONTRASTS
from mrjax.cli.fit import contrast_parser
from mrjax.cli.measurement import Measurement
from mrjax.inverse import FitStatus
from mrjax.io import read_nifti, write_nifti

SHAPE = (5, 4, 2)
B_VALUES = np.array([800.0, 0.0, 400.0, 200.0])


@pytest.mark.parametrize(
    ("contrast", "key", "name"),
    [
        ("vfa", "t1", "T1map"),
        ("t2", "t2_std", "desc-std_T2map"),
        ("t2star", "t2star", "T2starmap"),
        ("epg-t2", "b1", "TB1map"),
        ("multi-exponential", "t2_1", "T2Component1map"),
        ("adc", "diffusion", "ADCmap"),
        ("adc", "diffusion_std", "desc-std_ADCmap"),
        ("ivim", "perfusion_fraction", "PerfusionFractionmap"),
        ("dti", "d_xy", "Dxymap"),
        ("dti", "FA", "FAmap"),
        ("dki", "w_xxyz_std", "desc-std_Wxxyzmap"),
        ("asl", "cbf", "CBFmap"),
        ("t2", "status", "statusmap"),
        ("t2", "residual_rms", "residualmap"),
    ],
)
def test_names_of_maps(contrast, key, name):
    assert map_files.map_name(CONTRASTS[contrast], key) == name


@pytest.mark.parametrize("contrast", CONTRASTS.values(), ids=CONTRASTS)
def test_names_of_the_maps_of_a_model_differ_in_files_that_ignore_case(contrast):
    model = model_help.example_model(contrast, contrast_parser(contrast))
    keys = [*map_files.described(contrast, model), "status"]
    names = [map_files.map_name(contrast, key).lower() for key in keys]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"(desc-std_)?[a-z0-9]+map", name) for name in names)


def test_what_all_images_of_a_subject_share_begins_their_maps(tmp_path):
    assert map_files.prefix(tmp_path / "sub-01_ses-2_run-1_echo-3_part-mag_MEGRE.nii.gz") == "sub-01_ses-2_run-1_"
    assert map_files.prefix(tmp_path / "echoes_te-10.nii.gz") == ""


@pytest.fixture
def fitted(tmp_path, monkeypatch, rng):
    """Apparent diffusion of a subject, one voxel of which follows no exponential."""
    monkeypatch.chdir(tmp_path)
    truth = rng.uniform(0.5e-9, 2e-9, SHAPE)
    images = 500 * np.exp(-B_VALUES * 1e6 * truth[..., None])
    images[3, 2, 1] = [200.0, 500.0, 100.0, 450.0]
    write_nifti("sub-7_dwi.nii.gz", images, np.diag([2.0, 2, 2, 1]))
    np.savetxt("sub-7_dwi.bval", B_VALUES[None])
    assert main(["fit", "adc", "sub-7_dwi.nii.gz", "--out", "maps"]) == 0
    return truth


@pytest.mark.exhaustive
def test_maps_have_sidecars_and_a_report_shows_them(fitted, tmp_path, capsys):
    out = tmp_path / "maps"
    names = ["S0map", "ADCmap", "desc-std_ADCmap", "desc-std_S0map", "residualmap", "statusmap"]
    assert sorted(path.name for path in out.glob("*.nii.gz")) == sorted(f"sub-7_{name}.nii.gz" for name in names)
    assert not (out / "unfinished").exists()
    right = np.ones(SHAPE, bool)
    right[3, 2, 1] = False
    np.testing.assert_allclose(read_nifti(out / "sub-7_ADCmap.nii.gz").data[right], fitted[right], rtol=1e-3)
    told = json.loads((out / "sub-7_ADCmap.json").read_text())
    assert (told["Units"], told["Description"]) == ("m^2/s", "diffusion coefficient")
    assert told["Sources"] == ["sub-7_dwi.nii.gz"]
    assert json.loads((out / "sub-7_S0map.json").read_text())["Units"] == "that of the images"
    assert json.loads((out / "sub-7_statusmap.json").read_text())["Levels"]["0"] == "converged"
    page = (out / "sub-7_report.html").read_text()
    pictures = dict(re.findall(r'<img alt="([^"]+)" src="data:image/png;base64,([^"]+)">', page))
    assert list(pictures) == ["histograms", "maps", "standard deviations", "worst voxels"]
    for picture in pictures.values():
        assert base64.b64decode(picture, validate=True).startswith(b"\x89PNG")
    # nothing is loaded from elsewhere
    assert not re.search(r"(src|href)=\"(?!data:)", page)
    for text in (
        "mrjax fit adc sub-7_dwi.nii.gz",
        "<td>converged</td><td>40</td>",
        "diffusion coefficient",
        "do not ascend",
    ):
        assert text in page
    record = json.loads((out / "mrjax_fit.json").read_text())
    assert record["voxels"] == {"converged": 40}
    np.testing.assert_allclose(record["bval"], 1e6 * B_VALUES)


def test_the_worst_voxels_are_those_with_the_largest_part_unexplained():
    signals = np.array([[10.0, 10.0], [1.0, 1.0], [0.0, 0.0], [5.0, 5.0]])
    residual = np.array([1.0, 0.9, 0.1, np.nan])
    status = np.full(4, FitStatus.CONVERGED)
    result = Result({}, {}, residual, status, np.ones(4, bool))
    assert worst_voxels.worst(result, Measurement(signals, {}, None, None, list("abcd"))).tolist() == [1, 0]
