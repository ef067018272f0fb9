"""Images and tables: what is written is read back, by us and by others."""

import nibabel
import numpy as np
import pytest

from mrjax.io import FileError, read_nifti, read_signals, write_nifti, write_table

AFFINE = np.array([[2.0, 0, 0, -10], [0, 3.0, 0, -20], [0, 0, 5.0, 7], [0, 0, 0, 1]])


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("dtype", [np.float64, np.int16, bool, np.complex128])
def test_an_image_is_read_back(tmp_path, rng, suffix, dtype):
    data = (10 * rng.random((4, 3, 2, 5))).astype(dtype)
    if dtype is np.complex128:
        data = data + 1j * rng.random(data.shape)
    path = write_nifti(tmp_path / "new" / "folders" / f"image{suffix}", data, AFFINE)
    image = read_nifti(path)
    assert image.data.dtype == (np.complex64 if dtype is np.complex128 else np.float32)
    np.testing.assert_allclose(image.data, data, rtol=1e-6)
    np.testing.assert_array_equal(image.affine, AFFINE)
    theirs = nibabel.load(path)
    np.testing.assert_allclose(np.asarray(theirs.dataobj), data, rtol=1e-6)
    np.testing.assert_allclose(theirs.header.get_zooms()[:3], (2, 3, 5))


def test_a_slice_becomes_a_volume_of_one_slice(tmp_path):
    path = write_nifti(tmp_path / "slice.nii", np.arange(6.0).reshape(2, 3), AFFINE)
    assert read_nifti(str(path)).data.shape == (2, 3, 1)


def test_values_are_rescaled_as_the_header_says(tmp_path):
    image = nibabel.Nifti1Image(np.arange(8, dtype=np.int16).reshape(2, 2, 2), AFFINE)
    image.header.set_slope_inter(0.5, -1.0)
    nibabel.save(image, tmp_path / "scaled.nii")
    data = read_nifti(tmp_path / "scaled.nii").data
    np.testing.assert_allclose(data.ravel(), nibabel.load(tmp_path / "scaled.nii").get_fdata().ravel())
    assert data.min() == -1.0
    assert data.max() == 2.5


def test_a_measured_image_is_read(reference_data):
    image = read_nifti(reference_data("mrirt_gre_small/Mag.nii"))
    assert image.data.shape == (51, 51, 41, 3)
    assert np.isfinite(image.data).all()
    np.testing.assert_allclose(np.linalg.norm(image.affine[:3, :3], axis=0), (0.469, 0.469, 1), rtol=2e-3)


def test_colours_are_refused(tmp_path):
    colours = np.zeros((2, 2, 2), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    nibabel.save(nibabel.Nifti1Image(colours, AFFINE), tmp_path / "colours.nii")
    with pytest.raises(FileError, match=r"colours\.nii holds colours, not numbers; export the image as greyscale\."):
        read_nifti(tmp_path / "colours.nii")


@pytest.mark.parametrize(
    ("text", "column", "labels", "signals"),
    [
        ("1,2,3\n4,5,6\n", None, ["0", "1"], [[1, 2, 3], [4, 5, 6]]),
        ("a,b\n1,2\n4,5\n", None, ["0", "1"], [[1, 2], [4, 5]]),
        ("name,b,c\nleft,1,2\nright,4,5e1\n", None, ["left", "right"], [[1, 2], [4, 50]]),
        ("left,1,2\nright,4,5\n", None, ["left", "right"], [[1, 2], [4, 5]]),
        ("\ufeffa,b\r\n\r\n 1 , -2\r\n", None, ["0"], [[1, -2]]),
        ("name,tr,s\nleft,5,1 2  3\nright,5,4 5 6\n", "s", ["left", "right"], [[1, 2, 3], [4, 5, 6]]),
    ],
)
def test_signals_are_read(tmp_path, text, column, labels, signals):
    path = tmp_path / "table.csv"
    path.write_bytes(text.encode())
    found_labels, found = read_signals(path, column)
    assert found_labels == labels
    np.testing.assert_array_equal(found, signals)


@pytest.mark.parametrize(
    ("text", "column", "sentence"),
    [
        ("a,b\n1,2\n1\n", None, "row 3: 1 cells, but the first row has 2."),
        ("1,2\n1,two\n", None, "row 2: 'two' is not a number."),
        ("1,2\n1,inf\n", None, "row 2: 'inf' is not finite."),
        ("1,2\n", "s", "has no column 's'; it has no header."),
        ("a,b\n1,2\n", "s", "has no column 's'; it has a, b."),
        ("a,s\n1,2 3\n2,4\n", "s", "column 's': rows hold 1 to 2 numbers; all need the same."),
    ],
)
def test_mistakes_in_a_table_are_located(tmp_path, text, column, sentence):
    path = tmp_path / "table.csv"
    path.write_text(text)
    with pytest.raises(FileError) as error:
        read_signals(path, column)
    assert str(error.value).startswith(str(path))
    assert str(error.value).endswith(sentence)


def test_binary_data_is_no_table(tmp_path):
    (tmp_path / "image.csv").write_bytes(bytes(range(256)))
    with pytest.raises(FileError, match=r"image\.csv is not a text file of comma-separated values"):
        read_signals(tmp_path / "image.csv")


def test_a_table_is_read_back(tmp_path):
    columns = {"voxel": ["left, upper", "right"], "t1": [0.1 + 0.2, 1e-7], "t2": [3.0, -4.0]}
    path = write_table(tmp_path / "new" / "fit.csv", columns)
    labels, values = read_signals(path)
    assert labels == columns["voxel"]
    np.testing.assert_array_equal(values, np.transpose([columns["t1"], columns["t2"]]))
    with pytest.raises(ValueError, match="zip"):
        write_table(tmp_path / "uneven.csv", {"a": [1], "b": [1, 2]})


@pytest.mark.parametrize("first", ["voxel", "x"])
def test_numeric_column_names_are_a_header(tmp_path, first):
    """Echo times are common names of columns."""
    path = tmp_path / "decay.csv"
    rows = ["a,3,2,1", "b,6,4,2"] if first == "voxel" else ["1,3,2,1", "2,6,4,2"]
    path.write_text("\n".join([f"{first},10,20,40", *rows]))
    _, signals = read_signals(path)
    np.testing.assert_array_equal(signals[:, -3:], [[3, 2, 1], [6, 4, 2]])
