"""ISMRMRD files open in the reader of their own package, and here, with trajectory, counters and noise."""

import contextlib
import dataclasses

import jax
import numpy as np
import pytest

import mrjax as mr
from mrjax.io import FileError, RawData, raw_data, read_ismrmrd, write_ismrmrd
from mrjax.protocols import imaging
from mrjax.units import deg, mm

ismrmrd = pytest.importorskip("ismrmrd")

NX, NY, N_COILS = 8, 6, 3
FOV, MATRIX = (200 * mm, 150 * mm), (NX, NY)


@pytest.fixture(scope="module")
def raw():
    sequence = imaging.gre_epi(FOV, MATRIX, 90 * deg, n_shots=2)
    signal = np.arange(N_COILS * NX * NY).reshape(N_COILS, -1) * (1.0 - 0.5j)
    return raw_data(sequence, signal, fov=FOV, matrix=MATRIX, noise=np.ones((N_COILS, 16)) * 1j)


@pytest.mark.exhaustive
def test_raw_data_has_places_and_labels(raw):
    assert raw.kind == "epi"
    assert raw.fov == (0.2, 0.15, 0.025)
    assert raw.matrix == (8, 6, 1)
    assert raw.dwell_time == pytest.approx(4e-6)
    assert raw.labels["LIN"].tolist() == [0, 2, 4, 1, 3, 5]
    assert raw.labels["REV"].tolist() == [0, 1, 0, 0, 1, 0]
    np.testing.assert_allclose(raw.trajectory[:, 0, 1], (np.array([0, 2, 4, 1, 3, 5]) - 3) / 0.15, atol=1e-12)
    np.testing.assert_array_equal(raw.signal[1, 2].real, NX * NY + 2 * NX + np.arange(NX))


@pytest.mark.exhaustive
def test_files_open_in_the_reader_of_their_own(raw, tmp_path):
    path = write_ismrmrd(tmp_path / "scan.h5", raw, b0=1.5)
    with ismrmrd.Dataset(str(path), mode="r") as file:
        header = ismrmrd.xsd.CreateFromDocument(file.read_xml_header())
        assert file.number_of_acquisitions() == 7
        acquisitions = [file.read_acquisition(i) for i in range(7)]
    assert header.experimentalConditions.H1resonanceFrequency_Hz == round(42.577478518e6 * 1.5)
    assert header.acquisitionSystemInformation.receiverChannels == N_COILS
    encoding = header.encoding[0]
    assert encoding.trajectory.value == "epi"
    assert (encoding.encodedSpace.matrixSize.x, encoding.reconSpace.matrixSize.y) == (NX, NY)
    assert encoding.encodedSpace.fieldOfView_mm.y == pytest.approx(150)
    limits = encoding.encodingLimits
    assert (limits.kspace_encoding_step_1.minimum, limits.kspace_encoding_step_1.maximum) == (0, 5)
    assert limits.kspace_encoding_step_1.center == 3
    assert limits.segment.maximum == 1
    assert acquisitions[0].is_flag_set(ismrmrd.ACQ_IS_NOISE_MEASUREMENT)
    lines = acquisitions[1:]
    assert [one.idx.kspace_encode_step_1 for one in lines] == [0, 2, 4, 1, 3, 5]
    assert [one.idx.segment for one in lines] == [0, 0, 0, 1, 1, 1]
    assert [one.is_flag_set(ismrmrd.ACQ_IS_REVERSE) for one in lines] == [False, True, False, False, True, False]
    assert [one.center_sample for one in lines] == [4, 3, 4, 4, 3, 4]
    assert [one.is_flag_set(ismrmrd.ACQ_FIRST_IN_SLICE) for one in lines] == [True, *[False] * 5]
    assert [one.is_flag_set(ismrmrd.ACQ_LAST_IN_MEASUREMENT) for one in lines] == [*[False] * 5, True]
    assert lines[0].sample_time_us == pytest.approx(4.0)
    np.testing.assert_allclose(lines[1].data, raw.signal[:, 1], rtol=1e-6)
    # cycles per pixel, read backwards
    np.testing.assert_allclose(lines[1].traj[:, 0], (NX - 1 - np.arange(NX) - NX // 2) / NX, atol=1e-6)
    np.testing.assert_allclose(lines[1].traj[:, 1], (2 - 3) / NY, atol=1e-6)


def test_files_read_as_what_was_written(raw, tmp_path):
    found = read_ismrmrd(write_ismrmrd(tmp_path / "scan.mrd", raw))
    np.testing.assert_allclose(found.signal, raw.signal, rtol=1e-6)
    np.testing.assert_allclose(found.trajectory, raw.trajectory, rtol=0, atol=1e-6 * np.abs(raw.trajectory).max())
    np.testing.assert_allclose(found.noise, raw.noise)
    np.testing.assert_allclose(found.fov, raw.fov)
    assert (found.matrix, found.kind, found.dwell_time) == (raw.matrix, raw.kind, pytest.approx(raw.dwell_time))
    assert set(found.labels) == {"LIN", "REV", "SEG"}
    for name, label in found.labels.items():
        np.testing.assert_array_equal(label, raw.labels[name])
    bare = dataclasses.replace(raw, trajectory=None, noise=None)
    found = read_ismrmrd(write_ismrmrd(tmp_path / "scan.mrd", bare))
    assert found.trajectory is None
    assert found.noise is None


@pytest.mark.exhaustive
def test_other_trajectories_have_their_kind():
    spokes = imaging.radial(200 * mm, NX, 3, 10 * deg, dwell_time=10e-6)
    signal = np.ones(3 * NX)
    assert raw_data(spokes, signal, fov=200 * mm, matrix=NX).kind == "other"
    assert raw_data(spokes, signal, fov=200 * mm, matrix=NX, kind="radial").kind == "radial"


def test_damaged_files_get_one_sentence(raw, tmp_path):
    whole = write_ismrmrd(tmp_path / "scan.h5", raw).read_bytes()
    damaged = tmp_path / "damaged.h5"
    rng = np.random.default_rng(7)
    for number in range(60):
        content = bytearray(whole)
        if number % 3 == 0:
            content = content[: rng.integers(1, len(whole))]
        for place in rng.integers(0, len(content), 40):
            content[place] = rng.integers(256)
        damaged.write_bytes(content)
        with contextlib.suppress(FileError):  # and nothing else; some bytes do not matter
            read_ismrmrd(damaged)
    for content in (b"", b"no HDF5"):
        damaged.write_bytes(content)
        with pytest.raises(FileError, match="cannot be read as ISMRMRD"):
            read_ismrmrd(damaged)


def test_what_is_missing_or_differs_is_said(raw, tmp_path):
    with pytest.raises(FileError, match="does not exist"):
        read_ismrmrd(tmp_path / "none.h5")
    with pytest.raises(FileError, match=r"must end with \.h5"):
        write_ismrmrd(tmp_path / "scan.nii", raw)
    with ismrmrd.Dataset(str(tmp_path / "empty.h5"), mode="w") as file:
        file.write_xml_header(b"<nothing>")
    with pytest.raises(FileError, match="cannot be read as ISMRMRD"):
        read_ismrmrd(tmp_path / "empty.h5")
    path = write_ismrmrd(tmp_path / "two.h5", raw)
    with ismrmrd.Dataset(str(path)) as file:
        file.append_acquisition(ismrmrd.Acquisition.from_array(np.ones((N_COILS, 5), np.complex64)))
    with pytest.raises(FileError, match="acquisitions of one size"):
        read_ismrmrd(path)
    with pytest.warns(UserWarning, match="no counters for the labels OFF"):
        write_ismrmrd(path, dataclasses.replace(raw, labels={"OFF": np.zeros(6, int)}))
    with pytest.raises(ValueError, match="`labels` must be from 0"):
        write_ismrmrd(path, dataclasses.replace(raw, labels={"LIN": np.full(6, -1)}))
    with pytest.raises(ValueError, match="`signal` must have the 48 samples"):
        raw_data(imaging.gre_epi(FOV, MATRIX, 1.0), np.ones(47), fov=FOV, matrix=MATRIX)
    two = mr.Sequence(mr.Readout(4, dwell=1e-5), mr.Readout(5, dwell=1e-5))
    with pytest.raises(ValueError, match="readouts of one length"):
        raw_data(two, np.ones(9), fov=FOV, matrix=MATRIX)
    with pytest.raises(ValueError, match="`trajectory` must have shape"):
        RawData(raw.signal, raw.trajectory[:2], raw.fov, raw.matrix, 1e-5)


@pytest.mark.exhaustive
def test_written_where_jax_works_in_single_precision(tmp_path):
    with jax.enable_x64(False):
        sequence = imaging.flash(FOV, MATRIX, 10 * deg, te=3e-3)
        raw = raw_data(sequence, np.ones(NX * NY, np.complex64), fov=FOV, matrix=MATRIX)
        assert raw.kind == "cartesian"
        assert raw.signal.dtype == np.complex64
        write_ismrmrd(tmp_path / "scan.h5", raw)
