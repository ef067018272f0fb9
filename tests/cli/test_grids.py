"""Images, masks and maps of B1 must lie on the same voxels."""

from pathlib import Path

import numpy as np
import pytest

from mrjax.cli import grids
from mrjax.io import FileError, Image

AFFINE = np.array([[0, -2.0, 0, 90], [2.0, 0, 0, -120], [0, 0, 3.0, 7], [0, 0, 0, 1]])
SERIES = Image(np.arange(4 * 3 * 2 * 5.0).reshape(4, 3, 2, 5), AFFINE)
PATHS = [Path("a.nii"), Path("b.nii")]


def moved(x, y=0.0, z=0.0):
    affine = AFFINE.copy()
    affine[:3, 3] += [x, y, z]
    return affine


@pytest.mark.parametrize("shape", [(4, 3, 2), (4, 3, 2, 1), (4, 3, 2, 1, 1)])
def test_a_map_may_have_axes_of_length_one_behind(shape):
    values = np.arange(24.0)
    np.testing.assert_array_equal(
        grids.on_the_grid("--mask", Image(values.reshape(shape), AFFINE), SERIES), values.reshape(4, 3, 2)
    )


@pytest.mark.parametrize("shape", [(4, 3), (4, 3, 1), (4, 3, 1, 1)])
def test_a_mask_of_one_slice(shape):
    series = Image(np.ones((4, 3, 1, 5)), AFFINE)
    assert grids.on_the_grid("--mask", Image(np.ones(shape), AFFINE), series).shape == (4, 3, 1)


@pytest.mark.parametrize("shape", [(3, 4, 2), (4, 3, 1), (4, 3, 2, 2), (24,)])
def test_another_shape_is_refused(shape):
    with pytest.raises(FileError, match=r"--b1 must have the shape of the images, \(4, 3, 2\), but got \("):
        grids.on_the_grid("--b1", Image(np.ones(shape), AFFINE), SERIES)


@pytest.mark.parametrize(
    ("affine", "apart"),
    [
        (moved(30.0), "30 mm"),
        (moved(0.0, 0.0, 0.5), "0.5 mm"),
        (AFFINE @ np.diag([-1.0, 1.0, 1.0, 1.0]), "12 mm"),
        (AFFINE @ np.diag([1.1, 1.0, 1.0, 1.0]), "0.6 mm"),
        (AFFINE * np.nan, "nan mm"),
    ],
)
def test_a_map_that_lies_elsewhere_is_refused(affine, apart):
    with pytest.raises(FileError, match=f"--mask lies elsewhere than the images: voxels are up to {apart} apart"):
        grids.on_the_grid("--mask", Image(np.ones((4, 3, 2)), affine), SERIES)


def test_rounding_moves_nothing():
    rounded = (AFFINE * (1 + 1e-6)).astype(np.float32)
    assert grids.on_the_grid("--mask", Image(np.ones((4, 3, 2)), rounded), SERIES).shape == (4, 3, 2)
    assert grids.on_the_grid("--mask", Image(np.ones((4, 3, 2)), moved(0.1)), SERIES).shape == (4, 3, 2)


def test_the_thickness_of_a_single_slice_may_be_anything():
    series = Image(np.ones((4, 3, 1, 5)), AFFINE)
    thick = AFFINE @ np.diag([1.0, 1.0, 40.0, 1.0])
    assert grids.on_the_grid("--mask", Image(np.ones((4, 3, 1)), thick), series).shape == (4, 3, 1)


def test_echoes_that_lie_elsewhere_are_refused():
    volume = Image(np.ones((4, 3, 2)), AFFINE)
    with pytest.raises(FileError, match=r"b\.nii lies elsewhere than a\.nii: voxels are up to 2 mm apart"):
        grids.series(PATHS, [volume, Image(volume.data, moved(2.0))], 2, "--te")
    assert grids.series(PATHS, [volume, Image(volume.data[..., None], moved(0.01))], 2, "--te").data.shape == (
        4,
        3,
        2,
        2,
    )


def test_echoes_of_one_slice_may_have_two_axes():
    slices = [Image(np.full((4, 3), value), AFFINE) for value in (2.0, 1.0)]
    np.testing.assert_array_equal(grids.series(PATHS, slices, 2, "--te").data, np.full((4, 3, 1, 2), [2.0, 1.0]))


@pytest.mark.parametrize(
    ("shape", "becomes"),
    [((4, 3, 5), (4, 3, 1, 5)), ((4, 3, 2, 5, 1), (4, 3, 2, 5)), ((4, 3, 1, 1, 5), (4, 3, 1, 1, 5))],
)
def test_a_series_in_other_shapes(shape, becomes):
    data = np.arange(np.prod(shape)).reshape(shape)
    found = grids.series(PATHS[:1], [Image(data, AFFINE)], 5, "--te").data
    np.testing.assert_array_equal(found, data.reshape(becomes))


def test_a_count_that_fits_no_axis_names_the_shape():
    with pytest.raises(
        grids.CountError, match=r"a\.nii has one image, or 4 of one slice \(shape \(4, 3, 4\)\), but --te gives 5"
    ):
        grids.series(PATHS[:1], [Image(np.ones((4, 3, 4)), AFFINE)], 5, "--te")
