"""The dipole as an operator: a sphere, its adjoint, wrap, traced directions and sizes, and what is refused."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import mrjax as mr
from mrjax.encoding import Dipole

SHAPE, SIZE, TILTED = (12, 10, 9), (1e-3, 1.5e-3, 2e-3), (0.3, -0.5, 0.8)


def volumes(n, shape=SHAPE):
    return (jax.random.normal(jax.random.key(i), shape) for i in range(n))


@pytest.mark.exhaustive
@pytest.mark.parametrize("padding", [1, 2])
def test_adjoint(padding):
    x, y = volumes(2)
    dipole = Dipole(SHAPE, SIZE, TILTED, padding=padding)
    forth, back = jnp.vdot(y, dipole(x)), jnp.vdot(dipole.adjoint(y), x)
    np.testing.assert_allclose(forth, back, rtol=1e-12)
    np.testing.assert_allclose(dipole.normal(x), dipole(dipole(x)), rtol=1e-12)


@pytest.mark.exhaustive
def test_without_padding_it_is_a_product_in_k_space():
    """The highest frequency of an even axis is plus and minus that of the sampling, of which the kernel is the mean."""
    (x,) = volumes(1)
    direction = np.array(TILTED) / np.linalg.norm(TILTED)
    kernels = []
    for signs in itertools.product((-1, 1), repeat=3):
        k = [np.fft.fftfreq(n) for n in SHAPE]
        k = [np.where(q == -0.5, sign * q, q) / size for q, sign, size in zip(k, signs, SIZE, strict=True)]
        k = np.stack(np.meshgrid(*k, indexing="ij"))
        square = (k**2).sum(0)
        kernels.append((square > 0) * (1 / 3 - np.tensordot(direction, k, 1) ** 2 / np.where(square > 0, square, 1)))
    expected = np.fft.ifftn(np.fft.fftn(x) * np.mean(kernels, axis=0))
    np.testing.assert_allclose(expected.imag, 0, atol=1e-14)
    np.testing.assert_allclose(Dipole(SHAPE, SIZE, TILTED, padding=1)(x), expected.real, atol=1e-14)


@pytest.mark.exhaustive
def test_a_smooth_ball_is_a_dipole_outside():
    n, radius = 48, 8.0
    r = np.stack(np.meshgrid(*[np.arange(n) - n // 2] * 3, indexing="ij"), -1)
    distance = np.linalg.norm(r, axis=-1)
    ball = 1 / (1 + np.exp((distance - radius) / 0.6))
    direction = np.array(TILTED) / np.linalg.norm(TILTED)
    cosine = r @ direction / np.maximum(distance, 1)
    outside = (distance > radius + 6) & (distance < n / 2)
    expected = ball.sum() / (4 * np.pi) * (3 * cosine**2 - 1) / np.maximum(distance, 1) ** 3
    field = np.asarray(Dipole((n,) * 3, 1e-3, TILTED, padding=3)(jnp.asarray(ball)))
    np.testing.assert_allclose(field[outside], expected[outside], atol=2e-3 * expected[outside].max())


@pytest.mark.exhaustive
def test_the_field_of_a_brain_with_and_without_wrap(reference_data):
    phantom = np.load(reference_data("qsm_phantom/brain_2mm.npz"))
    chi, expected, mask = (np.asarray(phantom[name]) for name in ("chi_ppm", "field_ppm", "mask"))

    def error(padding):
        dipole = Dipole(chi.shape, np.asarray(phantom["voxel_mm"]) * 1e-3, phantom["b0_dir"], padding=padding)
        difference = (np.asarray(dipole(chi.astype(float))) - expected)[mask]
        return np.std(difference) / np.std(expected[mask])

    assert error(2) < 5e-4
    assert 0.03 < error(1) < 0.035


@pytest.mark.exhaustive
def test_sharp_voxels_ring(reference_data):
    """Of an oblique brain, as the docstring says: its field is that of cuboids to 8 %."""
    phantom = np.load(reference_data("qsm_phantom/brain_2mm.npz"))
    chi, mask = np.asarray(phantom["chi_ppm"], float), np.asarray(phantom["mask"])
    direction = (0.3, 0.2, 0.933)
    cuboids = np.asarray(mr.signals.susceptibility.field_shift(chi, 2e-3, direction))[mask]
    found = np.asarray(Dipole(chi.shape, 2e-3, direction)(chi))[mask]
    np.testing.assert_allclose(np.std(found - cuboids) / np.std(cuboids), 0.08, atol=0.005)


@pytest.mark.slow
def test_derivatives_in_direction_and_voxel_size_are_those_of_differences():
    x, y = volumes(2)

    def product(direction, size):
        return jnp.vdot(y, Dipole(SHAPE, size, direction).mv(x))

    arguments = jnp.array(TILTED), jnp.array(SIZE)
    step = 1e-6
    for argument, slope in enumerate(jax.jit(jax.grad(product, (0, 1)))(*arguments)):
        for axis in range(3):
            change = jnp.zeros(3).at[axis].set(step * arguments[argument][axis])
            ends = [
                product(*(a + sign * change if i == argument else a for i, a in enumerate(arguments)))
                for sign in (1, -1)
            ]
            np.testing.assert_allclose(slope[axis] * change[axis] * 2, ends[0] - ends[1], rtol=1e-6, atol=1e-12)


@pytest.mark.exhaustive
def test_many_directions_at_once():
    (x,) = volumes(1)
    directions = jnp.array([TILTED, (0, 0, 1.0)])
    fields = jax.vmap(lambda direction: Dipole(SHAPE, SIZE, direction).mv(x))(directions)
    for direction, field in zip(directions, fields, strict=True):
        np.testing.assert_allclose(field, Dipole(SHAPE, SIZE, direction)(x), atol=1e-14)


@pytest.mark.exhaustive
def test_float32_stays_float32():
    dipole = Dipole(SHAPE, jnp.float32(1e-3), jnp.array(TILTED, jnp.float32))
    assert dipole(jnp.ones(SHAPE, jnp.float32)).dtype == jnp.float32
    assert dipole.in_structure().dtype == jnp.float32


def test_least_squares_over_it_are_real():
    (x,) = volumes(1)
    dipole = Dipole(SHAPE, SIZE, padding=1)
    found = mr.reconstruction.cg_sense(dipole, dipole(x), tikhonov=1e-3, n_iterations=200, tolerance=1e-10)
    assert found.dtype == x.dtype
    np.testing.assert_allclose(dipole.normal(found) + 1e-3 * found, dipole.adjoint(dipole(x)), atol=1e-9)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (((8, 8), 1e-3), "must be that of a volume"),
        (((8, 8, 8), -1e-3), "`voxel_size` must be positive"),
        (((8, 8, 8), (1e-3, 1e-3)), "`voxel_size` must be a number or have shape"),
        (((8, 8, 8), 1e-3, (0, 0, 0)), "`b0_direction` must not be zero"),
        (((8, 8, 8), 1e-3, (1, 0)), "`b0_direction` must have shape"),
        (((8, 8, 8), 1e-3, (0, 0, 1), 0.5), "`padding` must be a number of at least 1"),
    ],
)
def test_mistakes(arguments, said):
    with pytest.raises(ValueError, match=said):
        Dipole(*arguments)


@pytest.mark.exhaustive
def test_complex_susceptibilities_are_refused():
    with pytest.raises(TypeError, match="real susceptibilities"):
        Dipole((4, 4, 4), 1e-3)(jnp.ones((4, 4, 4), complex))
