"""`mrjax qsm` from files to files: a phantom, a measured scan, and mistakes that end with one sentence."""

import json

import numpy as np
import pytest

import mrjax as mr
from mrjax.cli import main
from mrjax.cli.qsm import stem
from mrjax.io import read_nifti, write_nifti

SHAPE, B0 = (22, 20, 18), 3.0
AFFINE = np.diag([2.0, 2.0, 2.0, 1.0])
TE = ["--te", "5ms", "10ms", "15ms"]


@pytest.fixture
def scan(tmp_path):
    """Paths of magnitude, phase and mask of a phantom, and its susceptibility."""
    rng = np.random.default_rng(3)
    x, y, z = np.stack(np.meshgrid(*[np.arange(n) - n // 2 for n in SHAPE], indexing="ij"))
    ball, te = x**2 + y**2 + z**2 < 8.5**2, np.array([5e-3, 10e-3, 15e-3])
    truth = np.where((x - 1) ** 2 + (y + 2) ** 2 + z**2 < 3**2, 0.2, 0.0)
    phase = 2 * np.pi * np.asarray(mr.signals.susceptibility.off_resonance(truth, 2e-3, B0))[..., None] * te
    noise = 0.005 * (rng.normal(size=phase.shape) + 1j * rng.normal(size=phase.shape))
    images = ball[..., None] * np.exp(1j * phase) + noise
    paths = [tmp_path / f"sub-01_part-{part}_MEGRE.nii.gz" for part in ("mag", "phase")] + [tmp_path / "mask.nii"]
    for path, volume in zip(paths, (np.abs(images), np.angle(images), ball), strict=True):
        write_nifti(path, volume, AFFINE)
    return *paths, truth, ball


def run(*arguments):
    return main(["qsm", *map(str, arguments)])


def test_a_phantom_is_mapped(scan, tmp_path, capsys):
    magnitude, phase, mask, truth, ball = scan
    out = tmp_path / "maps"
    assert run(magnitude, phase, *TE, "--b0", "3T", "--mask", mask, "--out", out) == 0
    found = read_nifti(out / "sub-01_Chimap.nii.gz")
    np.testing.assert_array_equal(found.affine, AFFINE)
    known = read_nifti(out / "sub-01_desc-local_mask.nii.gz").data > 0
    assert np.all(found.data[~known] == 0)
    assert np.corrcoef(found.data[known], truth[known])[0, 1] > 0.85
    field = read_nifti(out / "sub-01_fieldmap.nii.gz").data
    expected = np.asarray(mr.signals.susceptibility.off_resonance(truth, 2e-3, B0))
    np.testing.assert_allclose(np.std((field - expected)[ball]), 0.11, rtol=0.2)  # noise alone
    assert json.loads((out / "sub-01_fieldmap.json").read_text()) == {"Units": "Hz"}
    assert json.loads((out / "sub-01_Chimap.json").read_text()) == {"Units": "ppm"}
    record = json.loads((out / "mrjax_qsm.json").read_text())
    assert record["te"] == [5e-3, 10e-3, 15e-3]
    assert record["b0_direction"] == [0, 0, 1]
    assert (out / "sub-01_qsm.png").stat().st_size > 10_000
    assert f"wrote {out / 'sub-01_Chimap.nii.gz'}" in capsys.readouterr().out


@pytest.mark.exhaustive
def test_volumes_of_echoes_with_sidecars_and_other_units_are_the_same_scan(scan, tmp_path, capsys):
    """In any order; phases in the scanner's integers, and the direction of an image whose axes are turned."""
    magnitude, phase, mask, *_ = scan
    run(magnitude, phase, *TE, "--b0", "3T", "--mask", mask, "--out", tmp_path / "first")
    capsys.readouterr()
    sizes, angles = read_nifti(magnitude).data, read_nifti(phase).data
    paths = {"mag": [], "phase": []}
    for echo in (2, 0, 1):
        for part, volume in (("mag", sizes), ("phase", np.round(angles * 4096 / np.pi))):
            path = tmp_path / f"sub-02_echo-{echo + 1}_part-{part}_MEGRE.nii.gz"
            paths[part].append(write_nifti(path, volume[..., echo], AFFINE))
            sidecar = {"EchoTime": 5e-3 * (echo + 1), "MagneticFieldStrength": 3}
            path.with_name(path.name.replace(".nii.gz", ".json")).write_text(json.dumps(sidecar))
    assert run(*paths["mag"], *paths["phase"], "--mask", mask, "--out", tmp_path / "second") == 0
    said = capsys.readouterr().out
    assert "rescaled to -pi..pi" in said
    assert "--b0 is that of the sidecar, 3 T" in said
    first, second = (
        read_nifti(tmp_path / name).data for name in ("first/sub-01_Chimap.nii.gz", "second/sub-02_Chimap.nii.gz")
    )
    assert np.std(first - second) < 0.05 * np.std(first)


@pytest.mark.exhaustive
def test_the_direction_of_the_field_follows_from_the_header(scan, tmp_path):
    magnitude, phase, mask, *_ = scan
    turned = np.array([[0, 0, 2.0, 0], [0, 2.0, 0, 0], [2.0, 0, 0, 0], [0, 0, 0, 1]])
    for path in (magnitude, phase, mask):
        write_nifti(path, read_nifti(path).data, turned)
    options = [magnitude, phase, *TE, "--b0", "3T", "--mask", mask, "--inversion", "tkd", "--background", "none"]
    assert run(*options, "--out", tmp_path / "a") == 0
    assert run(*options, "--b0-direction", 2, 0, 0, "--out", tmp_path / "b") == 0
    records = [json.loads((tmp_path / name / "mrjax_qsm.json").read_text()) for name in "ab"]
    assert records[0]["b0_direction"] == records[1]["b0_direction"] == [1, 0, 0]


def test_a_phase_that_is_counted_down_is_reversed(scan, tmp_path):
    magnitude, phase, mask, truth, _ = scan
    write_nifti(phase, -read_nifti(phase).data, AFFINE)
    assert run(magnitude, phase, *TE, "--b0", "3T", "--mask", mask, "--reverse-phase", "--out", tmp_path) == 0
    found, known = (read_nifti(tmp_path / f"sub-01_{name}.nii.gz").data for name in ("Chimap", "desc-local_mask"))
    assert np.corrcoef(found[known > 0], truth[known > 0])[0, 1] > 0.85


@pytest.mark.exhaustive
def test_a_measured_scan_is_mapped(reference_data, tmp_path, capsys):
    """Veins are paramagnetic: bright in the map, dark in the last echo."""
    magnitude, phase = (reference_data(f"mrirt_gre_small/{name}.nii") for name in ("Mag", "Phase"))
    assert run(magnitude, phase, "--te", "4ms,8ms,12ms", "--b0", "3T", "--strength", "1e-3", "--out", tmp_path) == 0
    assert "it is rescaled to -pi..pi" in capsys.readouterr().out
    found, known = (read_nifti(tmp_path / f"Mag_{name}.nii.gz").data for name in ("Chimap", "desc-local_mask"))
    inside = known > 0
    assert inside.mean() > 0.8
    assert 0.01 < np.std(found[inside]) < 0.2
    decay = read_nifti(magnitude).data[..., 2] / read_nifti(magnitude).data[..., 0]
    fast = decay < np.percentile(decay[inside], 1)
    assert found[inside & fast].mean() > found[inside].mean() + 0.02


def test_names_of_maps():
    from pathlib import Path

    assert stem(Path("a/sub-01_ses-2_echo-1_part-mag_MEGRE.nii.gz")) == "sub-01_ses-2"
    assert stem(Path("Mag.nii")) == "Mag"


def changed(change):
    """Arguments after a change to the files of the scan."""

    def arguments(scan, tmp_path):
        magnitude, phase, mask, *_ = scan
        return change(magnitude, phase, mask, tmp_path) or [magnitude, phase, *TE, "--b0", "3T"]

    return arguments


def damaged(magnitude, phase, mask, folder):
    phase.write_bytes(phase.read_bytes()[:2000])


def elsewhere(magnitude, phase, mask, folder):
    write_nifti(phase, read_nifti(phase).data, AFFINE + np.diag([0, 0, 0, 0]) + np.eye(4, k=3) * 9)


def of_another_shape(magnitude, phase, mask, folder):
    write_nifti(phase, read_nifti(phase).data[1:], AFFINE)


def negative(magnitude, phase, mask, folder):
    return [phase, magnitude, *TE, "--b0", "3T"]


def constant(magnitude, phase, mask, folder):
    write_nifti(phase, np.ones((*SHAPE, 3)), AFFINE)


def empty_mask(magnitude, phase, mask, folder):
    write_nifti(mask, np.zeros(SHAPE), AFFINE)
    return [magnitude, phase, *TE, "--b0", "3T", "--mask", mask]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (damaged, "cannot be read: it is truncated or damaged"),
        (elsewhere, "lies elsewhere than"),
        (of_another_shape, "must have the shape of"),
        (negative, "The magnitude must not be negative"),
        (constant, "which is no phase"),
        (empty_mask, "holds no voxel above zero"),
        (lambda m, p, *_: [m, p, "--b0", "3T"], "--te is not given and there is no"),
        (lambda m, p, *_: [m, p, "--te", "5ms", "10ms", "--b0", "3T"], "but --te gives 2 values"),
        (lambda m, p, *_: [m, p, "--te", "5ms", "5ms", "10ms", "--b0", "3T"], "must be positive and differ"),
        (lambda m, p, *_: [m, p, *TE], "--b0 is not given, and"),
        (lambda m, p, *_: [m, p, *TE, "--b0", "3000T"], "--b0 must be from 0.05 to 25 T"),
        (lambda m, p, *_: [m, p, *TE, "--b0", "3T", "--b0-direction", 0, 0, 0], "--b0-direction must not be zero"),
        (lambda m, p, *_: [m, p, p, *TE, "--b0", "3T"], "must be as many"),
        (lambda m, p, mask, _: [m, p, *TE, "--b0", "3T", "--mask", m], "--mask must have the shape of the images"),
        (lambda m, *_: [m, "nowhere.nii", *TE, "--b0", "3T"], "nowhere.nii does not exist"),
        (lambda m, p, *_: [m, p, *TE, "--b0", "3T", "--strength", -1], "`strength` must be positive"),
    ],
)
def test_mistakes_end_with_one_sentence(scan, tmp_path, capsys, change, message):
    assert run(*changed(change)(scan, tmp_path), "--out", tmp_path) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert said[-1].startswith("mrjax qsm: ")
    assert message in said[-1]
