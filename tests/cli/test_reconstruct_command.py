"""`mrjax reconstruct`: points come out where they are, on the grid and off it, and mistakes end with one sentence."""

import dataclasses
import json

import numpy as np
import pytest

import mrjax as mr
from mrjax.cli import main
from mrjax.io import RawData, read_nifti, write_ismrmrd
from mrjax.units import mm

pytest.importorskip("ismrmrd")
VOLUME = ((0.2, 0.24, 0.12), (10, 8, 6))
PLANE = ((0.2, 0.24, 0.005), (16, 12, 1))


def centred(n, length):
    return (np.arange(n) - n // 2) / length


def cartesian(fov, matrix):
    """All of k-space, a line a readout, `(n_readouts, n_samples, 3)`, with labels."""
    kx, ky, kz = (centred(n, length) for n, length in zip(matrix, fov, strict=True))
    par, lin = (index.ravel() for index in np.meshgrid(np.arange(matrix[2]), np.arange(matrix[1]), indexing="ij"))
    lines = np.stack([np.zeros(len(lin)), ky[lin], kz[par]], axis=-1)[:, None]
    k = lines + np.stack([kx, 0 * kx, 0 * kx], axis=-1)[None]
    return k, {"LIN": lin, "PAR": par}


def signal_of(k, points, weights=((1.0,),)):
    """Of points (x, y, z, m), seen by coils with these weights of each: `(n_coils, n_readouts, n_samples)`."""
    points = np.array(points)
    phase = np.exp(-2j * np.pi * k @ points[:, :3].T)
    return np.einsum("rsp,cp->crs", phase, np.broadcast_to(weights, (len(weights), len(points))) * points[:, 3])


def reconstructed(folder, raw, *options):
    path = write_ismrmrd(folder / "raw.h5", raw)
    assert main(["reconstruct", str(path), "--out", str(folder / "out"), *options]) == 0
    return read_nifti(folder / "out" / "image.nii.gz")


def value_at(image, place):
    index = np.linalg.solve(image.affine, [*(np.array(place) / mm), 1.0])[:3]
    np.testing.assert_allclose(index, np.round(index), atol=1e-4)
    return image.data[tuple(np.round(index).astype(int))]


@pytest.mark.exhaustive
def test_a_volume_is_upright_along_all_axes(tmp_path):
    (fov, matrix), place = VOLUME, (60 * mm, -60 * mm, 40 * mm)
    k, labels = cartesian(fov, matrix)
    raw = RawData(signal_of(k, [(*place, 2.0)]), k, fov, matrix, 1e-5, labels, "cartesian")
    image = reconstructed(tmp_path, raw)
    assert image.data.shape == matrix
    assert value_at(image, place) == pytest.approx(2.0, rel=1e-5)
    assert np.sum(image.data > 1e-4) == 1
    assert (tmp_path / "out" / "reconstruct.png").stat().st_size > 10_000


@pytest.fixture
def plane():
    k, labels = cartesian(*PLANE)
    points = [(50 * mm, -40 * mm, 0.0, 1.0), (-75 * mm, 80 * mm, 0.0, 0.5)]
    return RawData(signal_of(k, points), k, *PLANE, 1e-5, {"LIN": labels["LIN"]}, "cartesian"), points


def test_counters_say_the_same_as_a_trajectory(plane, tmp_path):
    """With every other line read backwards, and lines in another order."""
    raw, points = plane
    n = raw.signal.shape[1]
    order, backwards = np.random.default_rng(0).permutation(n), np.arange(n) % 2 == 1
    signal = np.where(backwards[None, :, None], raw.signal[..., ::-1], raw.signal)[:, order]
    labels = {"LIN": raw.labels["LIN"][order], "REV": backwards[order].astype(int)}
    image = reconstructed(tmp_path, RawData(signal, None, *PLANE, 1e-5, labels, "epi"))
    for *place, m in points:
        assert value_at(image, place) == pytest.approx(m, rel=1e-5)


@pytest.mark.exhaustive
def test_lines_that_are_read_again_are_averaged_or_images_of_their_own(plane, tmp_path):
    raw, ((*place, m), _) = plane
    twice = lambda values, axis: np.concatenate([values, values], axis=axis)
    signal = np.concatenate([raw.signal, 3 * raw.signal], axis=1)
    labels, n = {"LIN": twice(raw.labels["LIN"], 0)}, raw.signal.shape[1]
    both = RawData(signal, twice(raw.trajectory, 0), *PLANE, 1e-5, labels, "cartesian")
    assert value_at(reconstructed(tmp_path, both), place) == pytest.approx(2 * m, rel=1e-5)
    echoes = labels | {"ECO": np.repeat([0, 1], n)}
    image = reconstructed(tmp_path, dataclasses.replace(both, labels=echoes))
    np.testing.assert_allclose(value_at(image, place).ravel()[-2:], [m, 3 * m], rtol=1e-5)
    assert json.loads((tmp_path / "out" / "reconstruct.json").read_text())["images"] == [{"ECO": 0}, {"ECO": 1}]


def test_echoes_of_a_train_are_one_image(plane, tmp_path):
    raw, points = plane
    train = {"LIN": raw.labels["LIN"], "ECO": raw.labels["LIN"] % 4}
    image = reconstructed(tmp_path, dataclasses.replace(raw, labels=train))
    assert value_at(image, points[0][:3]) == pytest.approx(points[0][3], rel=1e-5)


@pytest.mark.exhaustive
def test_radial_samples_are_weighted_by_their_density(tmp_path):
    n, fov = 32, (0.2, 0.2, 0.2 / 32)
    angles = np.pi * np.arange(60) / 60
    spokes = centred(n, fov[0])[None, :, None] * np.stack([np.cos(angles), np.sin(angles), 0 * angles], -1)[:, None]
    place = (-25 * mm, 50 * mm, 0.0)
    raw = RawData(signal_of(spokes, [(*place, 1.0)]), spokes, fov, (n, n, 1), 1e-5, {}, "radial")
    image = reconstructed(tmp_path, raw)
    brightest = np.unravel_index(np.argmax(image.data), image.data.shape)
    np.testing.assert_allclose((image.affine @ [*brightest, 1.0])[:2], [-25, 50], atol=1e-3)
    assert value_at(image, place) == pytest.approx(np.pi / 4, rel=0.1)  # the disc within the square of k-space


@pytest.mark.exhaustive
def test_coil_maps_from_the_data_unfold_missing_lines(tmp_path):
    n, fov = 48, 0.2
    phantom = mr.phantoms.shepp_logan((n, n))
    coils = np.asarray(mr.phantoms.birdcage_coils(phantom, 6))
    truth = np.asarray(phantom.tissue().m0)
    grid = np.asarray(mr.encoding.Fourier((n, n), unitary=False)(coils * truth[None]))
    lines = np.array([j for j in range(n) if j % 3 == 0 or abs(j - n // 2) < 10])
    k, _ = cartesian((fov, fov, fov / n), (n, n, 1))
    raw = RawData(
        np.swapaxes(grid, 1, 2)[:, lines], k[lines], (fov, fov, fov / n), (n, n, 1), 1e-5, {"LIN": lines}, "cartesian"
    )
    due = truth * np.linalg.norm(coils, axis=0)
    error = lambda image: np.linalg.norm(image.data[..., 0] - due) / np.linalg.norm(due)
    folded = error(reconstructed(tmp_path, raw))
    unfolded = error(reconstructed(tmp_path, raw, "--method", "cg-sense"))
    assert unfolded < 0.03 < 0.1 < folded
    missing = dataclasses.replace(
        raw, signal=raw.signal[:, ::2], trajectory=raw.trajectory[::2], labels={"LIN": lines[::2]}
    )
    path = write_ismrmrd(tmp_path / "missing.h5", missing)
    assert main(["reconstruct", str(path), "--method", "cg-sense", "--out", str(tmp_path)]) == 2


def test_mistakes_end_with_one_sentence(plane, tmp_path, capsys):
    raw, _ = plane
    path = write_ismrmrd(tmp_path / "raw.h5", dataclasses.replace(raw, matrix=(8, 12, 1)))
    failing = lambda: (main(["reconstruct", str(path), "--out", str(tmp_path / "out")]), capsys.readouterr().err)
    status, error = failing()
    assert status == 2
    assert "raw.h5: Samples reach 8 cycles per field of view along x, but 8 pixels hold up to 4: the matrix" in error
    write_ismrmrd(path, dataclasses.replace(raw, trajectory=None, matrix=(8, 12, 1)))
    assert "16 samples a line and lines up to 11, 0, which do not fit its matrix 8 x 12; export it" in failing()[1]
    write_ismrmrd(path, dataclasses.replace(raw, trajectory=None, kind="spiral"))
    assert "holds a trajectory of kind 'spiral' but not where its samples are" in failing()[1]
    path.write_bytes(path.read_bytes()[:3000])
    assert "raw.h5 cannot be read as ISMRMRD" in failing()[1]
    path.unlink()
    assert "does not exist or is no file" in failing()[1]
    assert not (tmp_path / "out").exists()
