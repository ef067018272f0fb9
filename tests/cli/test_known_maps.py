"""Maps that a fit is told: their units, their grid, and where they say nothing."""

import argparse

import numpy as np
import pytest

from mrjax.cli import known_maps, measurement
from mrjax.io import FileError, Image, write_nifti

SHAPE = (3, 2, 1)
IMAGES = Image(np.ones((*SHAPE, 4)), np.eye(4))
ALL = np.ones(SHAPE, bool)


@pytest.fixture
def read(tmp_path):
    def of(name, values, affine=None):
        path = write_nifti(tmp_path / f"{name}.nii", values, np.eye(4) if affine is None else affine)
        return known_maps.read(argparse.Namespace(**{name: path}), IMAGES, ALL)

    return of


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        (
            "b1",
            95.0,
            r"b1\.nii must be relative to the nominal B1, about 1, but its median is 95\. It looks like percent",
        ),
        (
            "t1",
            1100.0,
            r"t1\.nii must be in s, between 0\.02 and 20, but its median is 1100\. It looks like ms: divide it",
        ),
        ("b0", 5000.0, r"b0\.nii must be in Hz, but its median is 5000\. It looks like rad/s: divide it by 6\.2832\."),
        ("b0", 1e6, r"b0\.nii must be in Hz, but its median is 1e\+06\.$"),
        ("m0", -1.0, r"m0\.nii has no positive M0 where the images have signal"),
    ],
)
def test_another_unit_is_refused(read, name, value, sentence):
    with pytest.raises(FileError, match=sentence):
        read(name, np.full(SHAPE, value))


def test_voxels_of_which_a_map_says_nothing_are_counted(read):
    t1 = np.full(SHAPE, 1.2)
    t1[0, 0, 0], t1[1, 0, 0] = 0.0, np.nan
    maps, usable, left_out = read("t1", t1)
    np.testing.assert_array_equal(usable, np.isfinite(t1) & (t1 > 0))
    assert left_out == {"where T1 is zero, negative or not finite": 2}
    np.testing.assert_allclose(maps["t1"], t1, rtol=1e-6)
    _, usable, left_out = read("b0", np.where(ALL, -40.0, 0.0))
    assert usable.all()
    assert left_out == {"where the off-resonance is not finite": 0}


def test_another_grid_is_refused(read):
    with pytest.raises(FileError, match=r"--t1 must have the shape of the images, \(3, 2, 1\), but got \(4, 2, 1\)"):
        read("t1", np.ones((4, 2, 1)))
    with pytest.raises(FileError, match=r"--t1 lies elsewhere than the images: voxels are up to 5 mm apart"):
        read("t1", np.ones(SHAPE), np.array([[1.0, 0, 0, 5], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]))


def test_magnitudes_and_phases_are_joined(tmp_path, rng):
    signal = rng.standard_normal((*SHAPE, 4)) + 1j * rng.standard_normal((*SHAPE, 4))
    size, angle = (
        write_nifti(tmp_path / f"{name}.nii", of(signal), np.eye(4)) for name, of in (("m", np.abs), ("p", np.angle))
    )
    options = argparse.Namespace(data=[size], phase=[angle], mask=None)
    found = measurement.read_images(options, 4, "--te", complex_images=True)
    np.testing.assert_allclose(found.signals, signal[found.mask], rtol=1e-5)
    assert found.remarks == ()
    write_nifti(angle, 4096 * (np.angle(signal) + np.pi) / (2 * np.pi), np.eye(4))
    found = measurement.read_images(options, 4, "--te", complex_images=True)
    assert "it is rescaled to -pi..pi" in found.remarks[0]
    write_nifti(angle, np.angle(signal)[..., :3], np.eye(4))
    with pytest.raises(FileError, match=r"p\.nii has 3 images .* but --te gives 4 values"):
        measurement.read_images(options, 4, "--te", complex_images=True)
