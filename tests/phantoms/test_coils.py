"""Coil maps: the fields of wires in closed form, Laplace's equation, symmetry, units, and what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import mrjax as mr
from mrjax.phantoms import birdcage_coils, gaussian_coils, loop_coils, shepp_logan
from mrjax.phantoms._positions import positions_of
from mrjax.units import mm

PHANTOM = shepp_logan((24, 20))
KINDS = (birdcage_coils, loop_coils, gaussian_coils)


def at(x=0.0, y=0.0, z=0.0):
    return mr.Tissue(1.0, 0.1, x=jnp.asarray(x), y=jnp.asarray(y), z=jnp.asarray(z))


@pytest.mark.parametrize("coils", KINDS)
def test_maps_are_normalised_at_the_centre(coils):
    maps = coils(at(0.01, -0.02, 0.03), n_coils=6, centre=(0.01, -0.02, 0.03))
    assert maps.shape == (6,)
    np.testing.assert_allclose(maps, np.full(6, 1 / np.sqrt(6)), atol=1e-12)


@pytest.mark.parametrize("coils", KINDS)
def test_the_first_coil_is_on_the_x_axis_and_the_next_towards_y(coils):
    for index, (x, y) in enumerate([(0.1, 0.0), (0.0, 0.1), (-0.1, 0.0), (0.0, -0.1)]):
        strengths = np.abs(coils(at(x, y), n_coils=4))
        assert strengths.argmax() == index
        assert strengths.max() > 2 * np.median(strengths)


@pytest.mark.parametrize("coils", KINDS)
def test_an_array_turned_by_one_coil_is_the_same_array(coils):
    turn = np.exp(2j * np.pi / 5)
    place = np.array([0.03 + 0.05j, -0.02 + 0.01j])
    maps, turned = (np.asarray(coils(at(p.real, p.imag, 0.02), n_coils=5)) for p in (place, place * turn))
    np.testing.assert_allclose(np.roll(maps, 1, axis=0), turned, atol=1e-12)


def test_long_rungs_are_one_over_the_distance_with_its_phase():
    place = np.array([0.05 - 0.02j, -0.06 + 0.03j])
    maps = birdcage_coils(at(place.real, place.imag), n_coils=4, radius=0.1, rung_length=100.0)
    rungs = 0.1 * np.array([1, 1j, -1, -1j])[:, None]
    expected = rungs / (rungs - place) / 2
    np.testing.assert_allclose(maps, expected, rtol=1e-5)


def test_a_loop_on_its_axis_is_that_of_textbooks():
    """Of a square of side a in distance d: B ~ a^2 / ((d^2 + a^2/4) sqrt(d^2 + a^2/2))."""
    x, side, radius = np.linspace(-0.1, 0.1, 9), 0.08, 0.14
    strength = lambda d: side**2 / ((d**2 + side**2 / 4) * np.sqrt(d**2 + side**2 / 2))
    maps = loop_coils(at(x), n_coils=1, loop_size=side, radius=radius)
    np.testing.assert_allclose(maps[0], strength(radius - x) / strength(radius), rtol=1e-5)


@pytest.mark.parametrize("coils", [birdcage_coils, loop_coils])
def test_static_fields_solve_laplaces_equation(coils):
    """Away from wires, and also where rungs end and carry no current on."""
    step, start = 1e-3, np.array([0.03, -0.02, 0.04])
    steps = step * np.concatenate([np.zeros((1, 3)), np.eye(3), -np.eye(3)])
    values = np.asarray(coils(at(*(start + steps).T), n_coils=3))[1]
    bends = values[1:4] + values[4:] - 2 * values[0]
    assert abs(bends.sum()) < 1e-3 * np.abs(bends).max()


def test_gaussians_have_their_width():
    maps = gaussian_coils(at(np.array([0.14, 0.19]), 0.0, 0.03), n_coils=2, width=0.05)
    expected = np.exp(-(np.array([0, 0.05]) ** 2 + 0.03**2 - 0.14**2) / (2 * 0.05**2)) / np.sqrt(2)
    np.testing.assert_allclose(maps[0], expected)


def test_rings_lie_above_each_other():
    below, above = (np.abs(loop_coils(at(0.0, 0.0, z), n_coils=8, rings=2)) for z in (-0.05, 0.05))
    assert (below[:4] > 1.5 * below[4:]).all()
    np.testing.assert_allclose(above[4:], below[:4], rtol=1e-9)


@pytest.mark.exhaustive
@pytest.mark.parametrize("coils", KINDS)
def test_maps_have_the_shape_of_the_phantom_and_of_its_spins(coils):
    maps = coils(PHANTOM, n_coils=3)
    assert maps.shape == (3, 24, 20)
    assert coils(shepp_logan((5, 6, 7)), n_coils=2).shape == (2, 5, 6, 7)
    spins = coils(PHANTOM.spins((2, 1)), n_coils=3)
    assert spins.shape == (3, 1, 48, 20)
    np.testing.assert_allclose((spins[:, 0, ::2] + spins[:, 0, 1::2])[:, 9:15] / 2, maps[:, 9:15], rtol=5e-3)


def test_reception_turns_with_the_frame():
    """A coil turned by an angle receives with its phase: the signal of a turned object is that of the turned coil."""
    place, turn = 0.04 + 0.03j, np.exp(0.5j)
    field = lambda p, axis: 1 / (axis * 0.1 - p)  # of a long wire: B_x - i B_y but for a factor
    assert field(place * turn, turn) * turn == pytest.approx(field(place, 1))
    first = birdcage_coils(at(place.real, place.imag), n_coils=1, radius=0.1, rung_length=100.0)[0]
    assert complex(first) == pytest.approx(0.1 * field(place, 1), rel=1e-5)


def test_single_precision():
    double = birdcage_coils(PHANTOM, n_coils=4)
    with jax.enable_x64(False):
        single = birdcage_coils(shepp_logan((24, 20)), n_coils=4)
        assert single.dtype == jnp.complex64
    np.testing.assert_allclose(single, double, rtol=1e-4, atol=1e-5)


def test_points_on_a_wire_are_finite():
    assert np.isfinite(birdcage_coils(at(0.14), n_coils=2)).all()
    assert np.isfinite(loop_coils(at(0.14, 50 * mm, 0.0), n_coils=2)).all()


def test_derivative_in_positions():
    total = lambda x: jnp.abs(birdcage_coils(at(x, 0.02, 0.01), n_coils=2)[1])
    forward, reverse = jax.jvp(total, (0.03,), (1.0,))[1], jax.grad(total)(0.03)
    difference = (total(0.03 + 1e-6) - total(0.03 - 1e-6)) / 2e-6
    np.testing.assert_allclose((forward, reverse), difference, rtol=1e-7)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (
            lambda: birdcage_coils(mr.Tissue(1.0, 0.1)),
            "`where` must know where its voxels are, but has none of x, y and z",
        ),
        (lambda: positions_of((24, 20)), "`where` must be a Phantom or a Tissue with positions, but got tuple"),
        (lambda: birdcage_coils(PHANTOM, n_coils=0), "`n_coils` must be an integer of at least 1, but got 0"),
        (lambda: birdcage_coils(PHANTOM, radius=-0.1), r"`radius` must be a positive number \(m\), but got -0.1"),
        (lambda: loop_coils(PHANTOM, n_coils=5, rings=2), "`n_coils` must be a multiple of `rings`, 2, but got 5"),
        (lambda: gaussian_coils(PHANTOM, width=0), r"`width` must be a positive number \(m\), but got 0"),
        (lambda: loop_coils(PHANTOM, centre=(0, 0)), r"`centre` must be three numbers \(m\), but got \(0, 0\)"),
    ],
)
def test_errors_name_the_argument(call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call()
