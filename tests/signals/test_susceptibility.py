"""Fields of spheres and cylinders, linearity, adjoint, and what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import mrjax as mr
from mrjax.signals.susceptibility import field_shift, off_resonance


def filled(shape, inside):
    """The share of each voxel that is inside a shape; positions in voxels from the middle one."""
    share = np.zeros(shape)
    offsets = (np.arange(4) + 0.5) / 4 - 0.5
    axes = [np.arange(n) - n // 2 for n in shape]
    for shift in np.stack(np.meshgrid(*[offsets] * 3), -1).reshape(-1, 3):
        share += inside(*np.meshgrid(*[a + s for a, s in zip(axes, shift, strict=True)], indexing="ij", sparse=True))
    return share / 64


def coordinates(shape):
    return np.stack(np.meshgrid(*[np.arange(n) - n // 2 for n in shape], indexing="ij"), -1).astype(float)


@pytest.mark.parametrize("direction", [(0, 0, 1), (3.0, 0, 0), (1, 2, -2)])
def test_a_sphere_is_a_dipole_outside_and_nothing_inside(direction):
    shape, radius = (40, 40, 40), 10
    sphere = filled(shape, lambda x, y, z: x**2 + y**2 + z**2 < radius**2)
    shift = np.asarray(field_shift(-9.4 * sphere, 1.5e-3, direction)) / -9.4
    r = np.linalg.norm(coordinates(shape), axis=-1)
    cosine = coordinates(shape) @ np.array(direction) / np.linalg.norm(direction) / np.maximum(r, 1)
    dipole = radius**3 / 3 * (3 * cosine**2 - 1) / np.maximum(r, 1) ** 3
    np.testing.assert_allclose(shift[r < radius - 2], 0, atol=4e-3)
    np.testing.assert_allclose(shift[r > radius + 3], dipole[r > radius + 3], atol=4e-3)


@pytest.mark.parametrize("degrees", [0, 30, 54.7356, 90])
def test_a_long_cylinder_depends_on_its_angle_to_the_field(degrees):
    """Inside (3 cos^2 - 1) / 6, outside sin^2 / 2 (R / r)^2 cos 2 phi."""
    shape, radius, theta = (32, 120, 32), 4, np.deg2rad(degrees)
    rod = filled(shape, lambda x, y, z: (x**2 + z**2 < radius**2) & (y == y))
    shift = np.asarray(field_shift(rod, 1e-3, (np.sin(theta), np.cos(theta), 0)))[:, 60]
    x, z = coordinates((32, 1, 32))[:, 0, :, 0], coordinates((32, 1, 32))[:, 0, :, 2]
    r2 = np.maximum(x**2 + z**2, 1)
    outside = np.sin(theta) ** 2 / 2 * radius**2 / r2 * (x**2 - z**2) / r2
    inside = (3 * np.cos(theta) ** 2 - 1) / 6
    np.testing.assert_allclose(shift[r2 < (radius - 2) ** 2], inside, atol=6e-3)
    np.testing.assert_allclose(shift[r2 > (radius + 2) ** 2], outside[r2 > (radius + 2) ** 2], atol=6e-3)


def test_one_voxel_is_a_dipole_from_afar_whatever_its_shape():
    sizes = np.array([1.0, 2.0, 3.0]) * 1e-3
    chi = np.zeros((41, 21, 15))
    chi[20, 10, 7] = 1.0
    direction = np.array([0.6, 0.0, 0.8])
    offset = (coordinates(chi.shape)) * sizes
    r = np.linalg.norm(offset, axis=-1)
    r[20, 10, 7] = 1.0
    point = np.prod(sizes) / (4 * np.pi) * (3 * (offset @ direction / r) ** 2 - 1) / r**3
    shift = np.asarray(field_shift(chi, sizes, direction))
    far = (r > 15e-3) & (r < 1)
    np.testing.assert_allclose(shift[far], point[far], atol=0.02 * np.abs(point[far]).max())


def test_the_field_inside_a_plate_is_that_of_its_demagnetisation():
    """A plate across the field has N = 1, along it N = 0, so with the Lorentz sphere 1/3 - N."""
    plate = np.ones((80, 80, 2))
    across, along = (field_shift(plate, 1e-3, d)[40, 40, 0] for d in ((0, 0, 1), (1, 0, 0)))
    np.testing.assert_allclose((across, along), (-2 / 3, 1 / 3), atol=0.03)


def test_nothing_wraps():
    """What lies at one end does not know of the other: the map may be cut where it is empty."""
    chi = np.random.default_rng(0).normal(size=(6, 7, 8))
    more = np.zeros((20, 9, 8))
    more[11:17, 2:] = chi
    np.testing.assert_allclose(field_shift(more, 1e-3)[11:17, 2:], field_shift(chi, 1e-3), atol=1e-12)


@pytest.mark.slow
def test_it_is_linear_and_its_own_adjoint():
    first, second = np.random.default_rng(1).normal(size=(2, 9, 8, 7))
    shift = lambda chi: field_shift(chi, (1e-3, 2e-3, 1.5e-3), (0.3, -0.5, 0.8))
    np.testing.assert_allclose(shift(first - 2 * second), shift(first) - 2 * shift(second), atol=1e-12)
    assert float((shift(first) * second).sum()) == pytest.approx(float((first * shift(second)).sum()), rel=1e-12)
    _, pulled = jax.vjp(shift, jnp.asarray(first))
    np.testing.assert_allclose(pulled(jnp.asarray(second))[0], shift(second), atol=1e-12)
    np.testing.assert_allclose(jax.jvp(shift, (first,), (second,))[1], shift(second), atol=1e-12)
    np.testing.assert_allclose(jax.jit(jax.vmap(shift))(np.stack([first, second]))[1], shift(second), atol=1e-12)


def test_derivative_in_the_field_of_the_magnet():
    chi = np.random.default_rng(2).normal(size=(4, 4, 4))
    total = lambda b0: (off_resonance(chi, 1e-3, b0) ** 2).sum()
    difference = (total(3.0 + 1e-4) - total(3.0 - 1e-4)) / 2e-4
    assert float(jax.grad(total)(3.0)) == pytest.approx(float(difference), rel=1e-8)


def test_a_vein_along_the_field_in_hertz():
    vein = np.zeros((32, 32, 41))
    vein[15:17, 15:17] = 0.4
    expected = 0.4e-6 / 3 * 3.0 * mr.units.GAMMA_BAR["1H"]
    assert float(off_resonance(vein, 1e-3, b0=3.0)[16, 16, 20]) == pytest.approx(expected, rel=0.02)


def test_single_precision():
    chi = np.random.default_rng(3).normal(size=(24, 20, 16))
    double = field_shift(chi, 1e-3)
    with jax.enable_x64(False):
        single = field_shift(chi.astype(np.float32), 1e-3)
        assert single.dtype == jnp.float32
    np.testing.assert_allclose(single, double, atol=2e-6 * float(jnp.abs(double).max()))


def test_the_field_of_a_brain_is_that_of_another_program(reference_data):
    """It sampled the kernel in k-space, on a map padded twofold; within the brain the two differ by less than 1 %."""
    with np.load(reference_data("qsm_phantom/brain_2mm.npz")) as data:
        chi, field, mask = data["chi_ppm"].astype(np.float32), data["field_ppm"], data["mask"]
    difference = np.asarray(field_shift(chi, 2e-3)) - field
    assert np.linalg.norm(difference[mask]) < 0.01 * np.linalg.norm(field[mask])


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((np.zeros((4, 4)), 1e-3), r"`susceptibility_ppm` must be a volume.*but got shape \(4, 4\); compute the field"),
        ((np.full((2, 2, 2), np.nan), 1e-3), "`susceptibility_ppm` must be finite, but got nan"),
        ((np.zeros((4, 4, 4)), -1e-3), r"`voxel_size` must be a positive number or three \(m\), but got -0.001"),
        ((np.zeros((4, 4, 4)), (1e-3, 1e-3)), "`voxel_size` must be a positive number or three"),
        (
            (np.zeros((4, 4, 4)), 1e-3, (0, 0, 0)),
            r"`b0_direction` must be three numbers, not all zero, but got \(0, 0, 0\)",
        ),
    ],
)
def test_errors_name_the_argument(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        field_shift(*arguments)


def test_traced_geometry_is_refused():
    with pytest.raises(ValueError, match="`voxel_size` must be known before compiling, but is traced"):
        jax.jit(lambda size: field_shift(np.zeros((2, 2, 2)), size))(1e-3)
    with pytest.raises(ValueError, match=r"`b0` must be positive \(T\), but got -3"):
        off_resonance(np.zeros((2, 2, 2)), 1e-3, -3.0)
