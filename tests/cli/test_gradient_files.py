"""b-values and directions from files, and into the axes of the scanner."""

import numpy as np
import pytest

from mrjax.cli.contrasts import gradients
from mrjax.io import FileError

B_VALUES = 1e9 * np.array([0.0, 1.0, 1.0, 1.0])
TABLE = np.array([[0, 1, 0, 0.6], [0, 0, 1, 0.0], [0, 0, 0, 0.8]])


@pytest.fixture
def path(tmp_path):
    def written(text):
        (tmp_path / "dwi.txt").write_text(text)
        return tmp_path / "dwi.txt"

    return written


def listed(rows):
    return "\n".join(" ".join(map(str, row)) for row in np.atleast_2d(rows))


@pytest.mark.parametrize("text", ["0 1000 2000 500\n", "0\n1000\n2000\n500\n", "0,1000,2000,500"])
def test_b_values_of_a_row_or_a_column(path, text):
    np.testing.assert_allclose(gradients.read_b_values(path(text)), [0, 1e9, 2e9, 5e8])


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "0 1 2",
            r"must hold b-values in s/mm\^2, the largest from 50 to 50,000, but it is 2; multiply those in ms/um\^2",
        ),
        ("0 1e9", r"the largest from 50 to 50,000, but it is 1e\+09"),
        ("0 -5 1000", "must hold b-values of zero or more, but one is -5"),
        ("0 x", "must hold rows of as many numbers each"),
        ("\n", "is empty"),
    ],
)
def test_wrong_b_values_are_named(path, text, sentence):
    with pytest.raises(FileError, match=sentence):
        gradients.read_b_values(path(text))


def test_a_file_that_is_missing_is_named(tmp_path):
    with pytest.raises(FileError, match=r"dwi\.bvec does not exist .* put it beside the image, or name it by --bvec"):
        gradients.read_directions(gradients.beside(tmp_path / "dwi.nii.gz", ".bvec"), B_VALUES)


@pytest.mark.parametrize("rows", [TABLE, TABLE.T, 1.003 * TABLE, np.where(B_VALUES > 0, TABLE, np.nan)])
def test_directions_of_three_rows_or_columns(path, rows):
    found = gradients.read_directions(path(listed(rows)), B_VALUES)
    np.testing.assert_allclose(found, TABLE.T, atol=1e-12)


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        (TABLE[:, :3], r"must hold three rows of 4 numbers, one for each b-value, but holds 3 rows of 3\."),
        (TABLE * [1, 1, 0, 1], r"must hold unit vectors, but that of image 3 \(b = 1000 s/mm\^2\) has length 0\."),
        (np.where([0, 1, 0, 0], np.nan, TABLE), r"that of image 2 \(b = 1000 s/mm\^2\) has length nan"),
    ],
)
def test_wrong_directions_are_named(path, rows, sentence):
    with pytest.raises(FileError, match=sentence):
        gradients.read_directions(path(listed(rows)), B_VALUES)


@pytest.mark.parametrize("flipped", [1.0, -1.0])
def test_the_same_gradient_is_the_same_however_the_image_is_stored(flipped):
    """FSL's x runs from right to left in either storage order, so the file holds the same numbers."""
    angle = 0.4
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1.0]])
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag([2.0 * flipped, 2.5, 3.0])
    found = gradients.in_scanner_axes(TABLE.T, affine)
    # x of the file points to the left of the turned image
    np.testing.assert_allclose(found, (TABLE.T * [-1.0, 1.0, 1.0]) @ turn.T, atol=1e-12)


def test_axes_in_another_order():
    """A sagittal image: its first axis runs to the front, its second to the head, its third to the right."""
    affine = np.eye(4)
    affine[:3, :3] = [[0, 0, 2.0], [2.0, 0, 0], [0, 2.0, 0]]
    # the determinant is positive: x of the file is against the first axis
    np.testing.assert_allclose(gradients.in_scanner_axes(np.eye(3), affine), [[0, -1, 0], [0, 0, 1], [1, 0, 0]])
