"""Images come out where the object is, along all three axes and for objects that lie askew."""

import jax.numpy as jnp
import numpy as np
import pytest
from pixels import image_of, places

import mrjax as mr
from mrjax.units import deg, mm, ms

FOV, MATRIX = np.array([96, 60, 70]) * mm, (16, 6, 7)
DWELL, LOBE = 20e-6, 1 * ms
GAMMA_BAR = 42.577478518e6
POINTS = (((13, 4, 1), 1.0), ((4, 1, 5), 0.6), ((6, 5, 4), 0.3))


def encoded_volume():
    """A spin's gradient echo for each line: written by hand, with k = -gamma G t / 2 pi, and wound from -n // 2 up."""
    nx = MATRIX[0]
    peak = lambda k: -k / GAMMA_BAR / LOBE
    y, z = (
        peak(k).ravel()
        for k in np.meshgrid(
            *((np.arange(n) - n // 2) / length for n, length in zip(MATRIX[1:], FOV[1:], strict=True)), indexing="ij"
        )
    )
    lobe = lambda amplitude, axis: mr.Gradient(jnp.stack([jnp.asarray(amplitude)] * 2, axis=-1), [0.0, LOBE], axis)
    # samples are taken in the middle of each dwell time
    before = peak(np.full(y.size, -(nx // 2 + 0.5) / FOV[0]))
    line = mr.Gradient([-1 / FOV[0] / GAMMA_BAR / DWELL] * 2, [0.0, nx * DWELL], "x")
    return mr.Sequence(
        mr.Repeat(
            mr.Reset(1.0),
            mr.Pulse(30 * deg),
            mr.Together(lobe(before, "x"), lobe(y, "y"), lobe(z, "z")),
            mr.Together(line, mr.Readout(nx, DWELL)),
            n_repetitions=y.size,
        )
    )


def volume_of(signal):
    nx, ny, nz = MATRIX
    return image_of(np.moveaxis(np.asarray(signal).reshape(ny, nz, nx), -1, 0)) / np.sin(30 * deg)


def grid(**leaves):
    x, y, z = (places(n, length) for n, length in zip(MATRIX, FOV, strict=True))
    return mr.Tissue(t1=1.0, t2=np.inf, x=x[:, None, None], y=y[:, None], z=z, **leaves)


@pytest.mark.slow
def test_three_points_come_out_in_their_voxels():
    m0 = np.zeros(MATRIX)
    for place, brightness in POINTS:
        m0[place] = brightness
    volume = volume_of(mr.acquire(encoded_volume(), grid(m0=m0)))
    np.testing.assert_allclose(volume, -1j * m0, atol=2e-5)


def test_an_object_in_one_octant_stays_there():
    m0 = np.zeros(MATRIX)
    m0[9:14, 4:6, :3] = 1.0
    volume = np.abs(volume_of(mr.acquire(encoded_volume(), grid(m0=m0))))
    np.testing.assert_allclose(volume, m0, atol=1e-4)


@pytest.mark.exhaustive
def test_coils_see_the_object_at_the_same_place():
    m0 = np.zeros(MATRIX)
    for place, brightness in POINTS:
        m0[place] = brightness
    x, z = np.asarray(grid().x), np.asarray(grid().z)
    coils = np.stack([np.broadcast_to(of, MATRIX) for of in (np.exp(20j * x), 1 + 10 * z)])
    volumes = np.stack([volume_of(each) for each in mr.acquire(encoded_volume(), grid(m0=m0), coils=coils)])
    np.testing.assert_allclose(volumes, -1j * coils * m0, atol=3e-5)


@pytest.mark.exhaustive
@pytest.mark.parametrize("rank", [2, pytest.param(3, marks=pytest.mark.slow)])
def test_a_phantom_that_lies_askew_is_imaged_where_its_affine_puts_it(rank):
    """The adjoint of the encoding at the places that the affine gives to voxels, worked out here, is brightest in them."""
    turn = lambda a, i, j: (
        np.eye(3)
        + (np.cos(a) - 1) * np.diag([k in (i, j) for k in range(3)])
        + np.sin(a) * (np.outer(np.eye(3)[j], np.eye(3)[i]) - np.outer(np.eye(3)[i], np.eye(3)[j]))
    )
    rotation = turn(0.4, 0, 1) @ turn(-0.7, 1, 2) @ turn(0.3, 0, 2)
    shape, size = (5, 4, 3)[:rank], np.array([14.0, 13.0, 17.0])
    affine = np.eye(4)
    affine[:3, :3] = rotation * size
    affine[:3, 3] = rotation @ (-size * [2, 2, 1]) + [3.0, 1.0, -2.0]
    bright = {(4, 0, 0)[:rank]: 1.0, (0, 3, 2)[:rank]: 0.7, (1, 0, 2)[:rank]: 0.5}
    fractions = np.zeros((1, *shape))
    for place, brightness in bright.items():
        fractions[(0, *place)] = brightness
    phantom = mr.phantoms.Phantom(("water",), fractions, [1.0], [1.0], [1.0], affine)
    sequence = encoded_volume()
    signal = np.asarray(mr.acquire(sequence, phantom))
    indices = np.stack(np.meshgrid(*(np.arange(n) for n in shape), *[[0]] * (3 - rank), indexing="ij")).reshape(3, -1)
    r = (affine[:3, :3] @ indices + affine[:3, 3:]) * 1e-3
    k = np.stack(
        np.meshgrid(*((np.arange(n) - n // 2) / length for n, length in zip(MATRIX, FOV, strict=True)), indexing="ij")
    )
    k = np.moveaxis(k, 1, 3).reshape(3, -1)
    decay = np.exp(-np.asarray(sequence.timeline().since_excitation()) / 1.0)
    expected = -1j * np.sin(30 * deg) * decay * (np.exp(-2j * np.pi * k.T @ r) @ fractions.ravel())
    np.testing.assert_allclose(signal, expected, atol=1e-4)
    image = np.abs(np.exp(2j * np.pi * r.T @ k) @ signal).reshape(shape)
    assert set(map(tuple, np.stack(np.unravel_index(np.argsort(image.ravel())[-3:], shape), -1).tolist())) == set(
        bright
    )
