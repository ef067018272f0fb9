"""`mrjax simulate` end to end on small images: they lie where the phantom lies, and mistakes end with one sentence."""

import json

import numpy as np
import pytest
from scipy.ndimage import map_coordinates

import mrjax as mr
from mrjax.cli import main, spin_counts, workload
from mrjax.cli.scene import scene
from mrjax.io import read_ismrmrd, read_nifti
from mrjax.units import deg, mm, ms

pytest.importorskip("ismrmrd")
SNR = 50.0


@pytest.fixture(scope="module")
def scan(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scan")
    arguments = [
        "--phantom",
        "shepp_logan",
        "--matrix",
        "32",
        "--coils",
        "4",
        "--noise",
        f"{SNR:g}",
        "--out",
        str(folder),
    ]
    assert main(["simulate", "gre_epi", *arguments]) == 0
    return folder


def resampled(image, onto):
    """Values of an image at the voxels of another, by their affines."""
    corners = np.stack(np.meshgrid(*map(np.arange, onto.data.shape[:3]), indexing="ij")).reshape(3, -1)
    places = np.linalg.solve(image.affine, onto.affine @ np.concatenate([corners, np.ones((1, corners.shape[1]))]))[:2]
    return map_coordinates(image.data[..., 0], places, order=1).reshape(onto.data.shape[:2])


def likeness(image, other):
    return np.corrcoef(image.ravel(), other.ravel())[0, 1]


def test_the_image_lies_over_the_phantom(scan):
    image, phantom = read_nifti(scan / "image.nii.gz"), read_nifti(scan / "phantom.nii.gz")
    plane, due = image.data[..., 0], resampled(phantom, image)
    right = likeness(plane, due)
    assert right > 0.85
    for wrong in (
        plane[::-1],
        plane[:, ::-1],
        plane.T,
        np.roll(plane, 1, 0),
        np.roll(plane, -1, 0),
        np.roll(plane, 1, 1),
    ):
        assert likeness(wrong, due) < right - 0.02


def test_a_pixel_of_water_is_one_before_it_decays(scan):
    record = json.loads((scan / "simulate.json").read_text())
    phantom = mr.phantoms.shepp_logan((64, 64))
    sequence = mr.protocols.imaging.gre_epi(200 * mm, 32, 90 * deg)
    te = float(sequence.timeline().since_excitation()[16 * 32 + 16])
    due = float(phantom.proton_density[4] * np.exp(-te / phantom.t2[4]))  # white matter
    around = read_nifti(scan / "image.nii.gz").data[15:17, 21:23, 0]
    np.testing.assert_allclose(around.mean(), due, rtol=0.1)
    assert record["n_samples"] == 1024
    assert record["matrix"] == [32, 32]


def test_noise_is_as_strong_as_was_asked_for(scan):
    raw = read_ismrmrd(scan / "raw.h5")
    assert raw.kind == "epi"
    assert raw.signal.shape == (4, 32, 32)
    image = read_nifti(scan / "image.nii.gz").data[..., 0]
    in_pixel = np.std(raw.noise.real) / 32  # of a mean of 1024 samples
    assert np.median(image[image > 0.1 * image.max()]) / in_pixel == pytest.approx(SNR, rel=0.2)


def test_the_figure_is_drawn(scan):
    assert (scan / "simulate.png").stat().st_size > 50_000


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("file") / "epi.seq"
    mr.pulseq.write(mr.protocols.imaging.gre_epi(218 * mm, 16, 90 * deg), path)
    return path


@pytest.mark.exhaustive
def test_a_file_plays_as_the_protocol_that_wrote_it(file, tmp_path):
    common = ["--sub-spins", "1", "--fields", "--slice", "40"]
    assert main(["simulate", "gre_epi", "--matrix", "16", *common, "--out", str(tmp_path / "a")]) == 0
    assert main(["simulate", str(file), "--fov", "218mm", *common, "--out", str(tmp_path / "b")]) == 0
    first, second = (read_nifti(tmp_path / name / "image.nii.gz") for name in "ab")
    np.testing.assert_allclose(second.data, first.data, atol=2e-4 * first.data.max())
    np.testing.assert_array_equal(first.affine, second.affine)
    assert (tmp_path / "a" / "off_resonance_hz.nii.gz").exists()
    moved = json.loads((tmp_path / "a" / "simulate.json").read_text())["phantom_moved_by"]
    np.testing.assert_allclose(moved, [0, 18 * mm, -8 * mm], atol=1e-9)  # the slice at z = 8 mm


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nothing"], "must be a file that ends with .seq, or one of flash, bssfp"),
        (["flash", "--matrix", "8", "8", "8"], "--matrix must be one number or two for flash"),
        (["spiral", "--matrix", "8", "9"], "--matrix must be one number for spiral"),
        (["bssfp", "--te", "5ms"], "bssfp takes no te; it takes flip_angle, tr"),
        (["se_epi", "--te", "10ms"], "`te` must be at least"),
        (["fse", "--set", "n_echoes"], "--set takes NAME=VALUE, but got 'n_echoes'"),
        (["fse", "--set", "n_echoes=few"], "--set n_echoes: 'few' is not a number or a quantity"),
        (["gre_epi", "--max-gradient", "0.1mT/m"], "gre_epi: "),
        (["gre_epi", "--phantom", "tubes", "--fields"], "--fields is of the brain, but --phantom is tubes"),
        (["mprage", "--phantom", "tubes", "--matrix", "4"], "--phantom tubes is one plane"),
        (["gre_epi", "--coils", "0"], "--coils must be at least 1"),
        (["gre_epi", "--noise", "-1"], "--noise must be a positive signal-to-noise ratio"),
        (["gre_epi", "--matrix", "8", "--sub-spins", "1", "2", "3"], "--sub-spins must be one number or 2"),
        (["gre_epi", "--matrix", "8", "--sub-spins", "100000"], "of memory, but"),
    ],
)
def test_mistakes_end_with_one_sentence(arguments, said, tmp_path, capsys):
    assert main(["simulate", *arguments, "--out", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("mrjax simulate: ")
    assert said in error
    assert not list(tmp_path.iterdir())


def test_a_file_needs_a_field_of_view_and_a_scanner_that_can_play_it(file, tmp_path, capsys):
    out = ["--out", str(tmp_path)]
    assert main(["simulate", str(file), *out]) == 2
    assert "does not state its field of view (FOV); pass it, as in --fov 220mm." in capsys.readouterr().err
    assert main(["simulate", str(file), "--fov", "218mm", "--te", "9ms", *out]) == 2
    assert "is a file, which says its own te" in capsys.readouterr().err
    assert (
        main(["simulate", str(file), "--fov", "218mm", "--max-gradient", "3mT/m", "--max-slew", "100T/m/s", *out]) == 2
    )
    error = capsys.readouterr().err
    assert "needs more than a scanner of 3 mT/m and 100 T/m/s: event" in error
    assert "exceeds max_gradient 3 mT/m" in error
    assert error.rstrip().endswith("Pass --max-gradient and --max-slew of the scanner that it is for.")


def test_large_simulations_are_told_of_before():
    small = workload.Workload(10_000, 3, 1, 4096, 1, is_exact=False)
    assert small.said(free=8e9) is None
    long = workload.Workload(10_000_000, 3, 4096, 65_536, 8, is_exact=False)
    assert "30,000,000 spins, 65,536 samples and 8 coils will take" in long.said(free=None)
    assert "hours" in long.said(free=None)
    heavy = workload.Workload(20_000_000, 3, 1, 64, 8, is_exact=False)
    assert "about 3.2 GB of memory" in heavy.said(free=5e9)
    with pytest.raises(ValueError, match=r"need about 3.2 GB of memory, but 3 GB are free; take fewer --sub-spins"):
        heavy.said(free=3e9)


@pytest.mark.exhaustive
def test_what_a_sequence_remembers_takes_more_spins():
    there = scene("shepp_logan", (16, 16), None, 3.0, False)
    epi = mr.protocols.imaging.gre_epi(200 * mm, 16, 90 * deg)
    assert spin_counts.enough(epi, there) == (2, 2)
    flash = mr.protocols.imaging.flash(200 * mm, 16, 15 * deg, te=5 * ms, tr=20 * ms)
    along_x, along_y = spin_counts.enough(flash, there)
    assert along_x > 8  # a spoiler winds two cycles a pixel in each of sixteen repetitions
    assert along_y == 2
