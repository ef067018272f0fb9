"""Reconstructions against what was encoded, other solvers, and their own conditions of optimality."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from compiling import compiled_quickly

import mrjax as mr
from mrjax import encoding as enc, reconstruction as rec
from mrjax.reconstruction.proximal import _differences, _differences_adjoint

SHAPE = (16, 12)
RNG = np.random.default_rng(9)


def smooth_coils(shape=SHAPE, n=4):
    x, y = np.meshgrid(*(np.linspace(-1, 1, m) for m in shape), indexing="ij")
    angles = 2 * np.pi * np.arange(n) / n
    return jnp.asarray(
        np.stack([np.exp(-((x - np.cos(a)) ** 2 + (y - np.sin(a)) ** 2) / 2 + 1j * (x + a)) for a in angles])
    )


IMAGE = jnp.asarray(RNG.normal(size=SHAPE) + 1j * RNG.normal(size=SHAPE))
UNDERSAMPLED = enc.sense(smooth_coils(), mask=enc.patterns.uniform(SHAPE, (2, 1)))


def dense(operator):
    columns = jax.vmap(lambda x: operator.mv(x.reshape(operator.in_shape)).ravel())(jnp.eye(IMAGE.size) + 0j)
    return np.asarray(columns).T


def test_cg_sense_unfolds():
    found = rec.cg_sense(UNDERSAMPLED, UNDERSAMPLED(IMAGE), n_iterations=300, tolerance=1e-11)
    np.testing.assert_allclose(found, IMAGE, atol=1e-7)


def test_cg_sense_solves_its_equation():
    data = UNDERSAMPLED(IMAGE) + jnp.asarray(RNG.normal(size=(4, *SHAPE)))
    weights = jnp.linspace(0.5, 2.0, 12)
    found = rec.cg_sense(UNDERSAMPLED, data, tikhonov=0.3, weights=weights, n_iterations=200, tolerance=1e-12)
    matrix, each = dense(UNDERSAMPLED), np.broadcast_to(np.asarray(weights), data.shape).ravel()
    normal = matrix.conj().T @ (each[:, None] * matrix) + 0.3 * np.eye(IMAGE.size)
    expected = np.linalg.solve(normal, matrix.conj().T @ (each * np.asarray(data).ravel()))
    np.testing.assert_allclose(found.ravel(), expected, atol=1e-9)


def test_cg_sense_of_many_voxels_in_float32():
    """A solver must not take most directions of a large image for singular."""
    with jax.enable_x64(False):
        coils = smooth_coils((64, 48)).astype(jnp.complex64)
        encoding = enc.sense(coils, mask=enc.patterns.uniform((64, 48), (2, 1)))
        image = jnp.asarray(RNG.normal(size=(64, 48)), jnp.complex64)
        found = rec.cg_sense(encoding, encoding(image), n_iterations=60, tolerance=1e-6)
        assert found.dtype == jnp.complex64
        assert jnp.linalg.norm(found - image) < 1e-3 * jnp.linalg.norm(image)


def test_what_is_zero_stays_zero():
    np.testing.assert_array_equal(rec.cg_sense(UNDERSAMPLED, jnp.zeros((4, *SHAPE))), 0)


@pytest.mark.slow
def test_derivatives_of_cg_sense():
    data, direction = UNDERSAMPLED(IMAGE) + 0.3, jnp.asarray(RNG.normal(size=(4, *SHAPE)))

    def loss(arguments):
        scale, strength = arguments
        encoding = enc.sense(smooth_coils() * (1 + scale * direction), mask=enc.patterns.uniform(SHAPE, (2, 1)))
        image = rec.cg_sense(encoding, data, tikhonov=strength, n_iterations=100, tolerance=1e-12)
        return jnp.sum(jnp.abs(image) ** 2 * jnp.arange(12.0)[None])

    at = jnp.array([0.1, 0.2])
    value = compiled_quickly(loss)
    expected = [(value(at + 1e-5 * e) - value(at - 1e-5 * e)) / 2e-5 for e in jnp.eye(2)]
    np.testing.assert_allclose(compiled_quickly(jax.grad(loss))(at), expected, rtol=1e-6)
    np.testing.assert_allclose(compiled_quickly(jax.jacfwd(loss))(at), expected, rtol=1e-6)


def test_vmap_of_cg_sense():
    data = UNDERSAMPLED(IMAGE)
    both = jax.vmap(lambda y: rec.cg_sense(UNDERSAMPLED, y, n_iterations=8))(jnp.stack([data, 1j * data]))
    np.testing.assert_allclose(both[1], 1j * rec.cg_sense(UNDERSAMPLED, data, n_iterations=8), atol=1e-9)


@pytest.fixture(scope="module")
def radial():
    pytest.importorskip("jax_finufft")
    n, n_spokes, voxel_size = 32, 64, 1 / 32
    angles = np.pi * np.arange(n_spokes) / n_spokes
    spokes = np.arange(-32, 32)[None, :, None] / 2 * np.stack([np.cos(angles), np.sin(angles)], -1)[:, None]
    x, y = np.meshgrid(*[np.arange(n) - n // 2] * 2, indexing="ij")
    image = jnp.asarray((x - 3) ** 2 / 64 + (y + 2) ** 2 / 100 < 1, float)
    return spokes, voxel_size, image


@pytest.mark.exhaustive
def test_radial_density_covers_a_disc(radial):
    spokes, voxel_size, _ = radial
    weights = enc.radial_density(spokes, voxel_size)
    np.testing.assert_allclose(weights.sum(), np.pi / 4, rtol=0.002)
    from_center = enc.radial_density(spokes[:, 32:], voxel_size)
    np.testing.assert_allclose(from_center.sum(), np.pi / 4, rtol=0.05)
    directions = RNG.normal(size=(400, 3))
    ball = np.arange(-16.0, 16.0)[None, :, None] * (directions / np.linalg.norm(directions, axis=1)[:, None])[:, None]
    np.testing.assert_allclose(enc.radial_density(ball, voxel_size).sum(), np.pi / 6, rtol=0.01)


@pytest.mark.exhaustive
def test_densities_agree(radial):
    spokes, voxel_size, image = radial
    nufft = enc.Nufft(spokes.reshape(-1, 2), image.shape, voxel_size)
    ramp, iterated = enc.radial_density(spokes, voxel_size), enc.iterative_density(nufft).reshape(64, 64)
    middle = np.r_[8:30, 35:57]  # neither the rim nor the centre
    np.testing.assert_allclose(iterated[:, middle].mean(0), ramp[:, middle].mean(0), rtol=0.05)
    assert iterated[:, 32].mean() < 0.2 * iterated[:, 40].mean()


@pytest.mark.exhaustive
def test_radial_images(radial):
    spokes, voxel_size, image = radial
    nufft = enc.Nufft(spokes.reshape(-1, 2), image.shape, voxel_size)
    data = nufft(image)
    density = enc.radial_density(spokes, voxel_size).ravel()
    inner = (slice(13, 26), slice(9, 20))  # of the ellipse
    gridded = rec.adjoint(nufft, data, density)
    np.testing.assert_allclose(gridded[inner].mean(), image[inner].mean(), atol=0.03)
    solved = rec.cg_sense(nufft, data, weights=density, n_iterations=60, tolerance=1e-6)
    assert jnp.linalg.norm(solved - image) < 0.08 * jnp.linalg.norm(image)  # the corners of k-space
    upright = jnp.abs(gridded)
    assert jnp.unravel_index(jnp.argmax(jnp.where(upright > 0.5, 1.0, 0.0).sum(1)), (32,))[0] > 12


@pytest.mark.exhaustive
def test_off_resonance_is_corrected(radial):
    spokes, voxel_size, image = radial
    k, times = spokes.reshape(-1, 2), np.tile(np.linspace(0, 12e-3, 64), 64)
    field = 60 * jnp.asarray(np.add.outer(np.linspace(-1, 1, 32), np.linspace(-0.5, 0.5, 32)))
    coils = smooth_coils((32, 32))
    real = {"trajectory": k, "voxel_size": voxel_size}
    aware = enc.sense(coils, **real, off_resonance=field, times=times)
    data = aware(image)
    density = enc.radial_density(spokes, voxel_size).ravel()
    blurred = rec.cg_sense(enc.sense(coils, **real), data, weights=density, n_iterations=15)
    corrected = rec.cg_sense(aware, data, weights=density, n_iterations=15)
    error = lambda found: float(jnp.linalg.norm(found - image) / jnp.linalg.norm(image))
    assert error(corrected) < 0.1 < 0.4 < error(blurred)


@pytest.mark.exhaustive
@pytest.mark.parametrize("n", [32, 33])
@pytest.mark.parametrize("n_acquired", [20, 24, 32])
def test_homodyne_of_a_smooth_phase(n, n_acquired):
    image = jnp.asarray(RNG.uniform(0.2, 1, (8, n)))
    full = enc.Fourier((8, n))(image * jnp.exp(0.7j))
    given = full.at[:, n_acquired:].set(np.nan if n_acquired < 20 else 0.0)
    np.testing.assert_allclose(rec.homodyne(given, n_acquired), image, atol=1e-12)
    along = rec.homodyne(given.T, n_acquired, axis=0)
    np.testing.assert_allclose(along, image.T, atol=1e-12)


def test_homodyne_keeps_axes_in_front():
    image = jnp.asarray(RNG.uniform(0.2, 1, (3, 8, 16)))
    k_space = enc.Fourier((8, 16))(image)
    each = rec.homodyne(k_space.at[..., 12:].set(0), 12, n_dims=2)
    np.testing.assert_allclose(each, image, atol=1e-12)


def test_root_sum_of_squares():
    np.testing.assert_allclose(rec.root_sum_of_squares(jnp.array([[3.0, 0], [4j, 0]])), [5, 0])
    slopes = jax.grad(lambda x: rec.root_sum_of_squares(x).sum())(jnp.zeros((2, 3)))
    np.testing.assert_array_equal(slopes, 0)


@pytest.mark.exhaustive
def test_espirit_finds_smooth_coils():
    shape = (40, 36)
    coils = smooth_coils(shape)
    x, y = np.meshgrid(*(np.linspace(-1, 1, m) for m in shape), indexing="ij")
    inside = (x / 0.7) ** 2 + (y / 0.8) ** 2 < 1
    image = jnp.asarray(np.where(inside, 1 + 0.5 * np.cos(9 * x) * np.sin(7 * y), 0))
    k_space = enc.Fourier(shape)(coils * image[None])
    maps, eigenvalues = rec.espirit(k_space[:, 8:32, 6:30], shape)
    truth = coils / jnp.sqrt((jnp.abs(coils) ** 2).sum(0, keepdims=True))
    truth = truth * (truth[:1].conj() / jnp.abs(truth[:1]))
    core = (x / 0.6) ** 2 + (y / 0.7) ** 2 < 1
    np.testing.assert_allclose(eigenvalues[core], 1, atol=0.02)
    assert jnp.abs(maps - truth)[:, core].max() < 0.03
    assert eigenvalues.max() < 1 + 1e-9
    np.testing.assert_allclose((jnp.abs(maps) ** 2).sum(0)[core], 1, atol=1e-9)
    corner = maps[:, :3, :3]
    assert (corner == 0).mean() > 0.5


def test_espirit_in_three_dimensions():
    calibration = jnp.asarray(RNG.normal(size=(2, 6, 6, 6)) + 0j)
    maps, eigenvalues = rec.espirit(calibration, (8, 7, 9), kernel_width=3)
    assert maps.shape == (2, 8, 7, 9)
    assert eigenvalues.shape == (8, 7, 9)


@pytest.mark.parametrize("wavelet", ["haar", "db2"])
def test_wavelets_are_orthogonal(wavelet):
    transform = rec.Wavelets((16, 8), 3 if wavelet == "haar" else 2, wavelet)
    x = jnp.asarray(RNG.normal(size=(16, 8)))
    np.testing.assert_allclose(transform.adjoint(transform(x)), x, atol=1e-12)
    np.testing.assert_allclose(jnp.linalg.norm(transform(x)), jnp.linalg.norm(x), rtol=1e-12)
    slope = jnp.broadcast_to(jnp.arange(16.0)[:, None], (16, 8))
    details = rec.Wavelets((16, 8), 1, wavelet)(slope)[8:15]  # but where it wraps
    assert (jnp.abs(details).max() < 1e-12) == (wavelet == "db2")


def test_differences():
    x, y = jnp.asarray(RNG.normal(size=(5, 6))), jnp.asarray(RNG.normal(size=(2, 5, 6)))
    np.testing.assert_allclose(jnp.vdot(y, _differences(x)), jnp.vdot(_differences_adjoint(y), x), rtol=1e-12)


def test_wavelet_shrinkage_in_closed_form():
    """Fully sampled, the image is that of shrunk coefficients."""
    full, image = enc.Fourier((16, 8)), jnp.asarray(RNG.normal(size=(16, 8)) + 0j)
    found = rec.wavelet_sparse(full, full(image), 0.4, n_levels=2, n_iterations=200)
    transform = rec.Wavelets((16, 8), 2)
    c = transform(image)
    smaller = c * jnp.maximum(0, 1 - 0.4 / jnp.abs(c))
    expected = transform.adjoint(jnp.where(transform.is_detail(), smaller, c))
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_total_variation_of_a_step_in_closed_form():
    """A step of n points on either side moves by strength / n towards the other."""
    full, step = enc.Fourier((20,)), jnp.where(jnp.arange(20) < 8, 0.0, 1.0)
    found = rec.total_variation(full, full(step), 0.4, n_iterations=3000)
    np.testing.assert_allclose(found, jnp.where(jnp.arange(20) < 8, 0.4 / 8, 1 - 0.4 / 12), atol=1e-6)


@pytest.mark.exhaustive
@pytest.mark.parametrize("method", [rec.wavelet_sparse, rec.total_variation])
def test_sparse_images_from_few_samples(method):
    shape = (18, 20)  # not divisible by 8
    image = jnp.zeros(shape).at[4:12, 6:15].set(1.0)
    encoding = enc.Mask(enc.patterns.variable_density(jax.random.key(1), shape, 2)) @ enc.Fourier(shape)
    found = method(encoding, encoding(image), 1e-3, n_iterations=400)
    assert found.shape == shape
    zero_filled = jnp.linalg.norm(encoding.adjoint(encoding(image)) - image)
    assert jnp.linalg.norm(found - image) < 0.5 * zero_filled


@pytest.mark.exhaustive
@pytest.mark.parametrize("method", [rec.wavelet_sparse, rec.total_variation])
def test_derivatives_of_sparse_images(method):
    full, image = enc.Fourier((8, 8)), jnp.asarray(RNG.normal(size=(8, 8)) + 0j)
    loss = lambda s: jnp.sum(jnp.abs(method(full, full(image), s, n_iterations=20)) ** 2)
    value = compiled_quickly(loss)
    expected = (value(0.3 + 1e-5) - value(0.3 - 1e-5)) / 2e-5
    np.testing.assert_allclose(compiled_quickly(jax.grad(loss))(0.3), expected, rtol=1e-5)
    np.testing.assert_allclose(compiled_quickly(jax.jacfwd(loss))(0.3), expected, rtol=1e-5)


@pytest.mark.exhaustive
def test_the_brain(reference_data):
    """Coil maps leave little of the calibration data unexplained, and the objective is where its gradient is zero."""
    k_space = np.load(reference_data("sigpy_cartesian/cartesian_ksp.npy"))
    mask = np.abs(k_space).sum(0) > 0
    with jax.enable_x64(False):
        maps, _ = rec.espirit(k_space[:, 103:127, 78:102], mask.shape)
        encoding = mr.encoding.sense(maps, mask=mask)
        image = rec.cg_sense(encoding, k_space, tikhonov=0.01, n_iterations=60, tolerance=1e-3)
        residual = np.asarray(encoding(image)) - k_space
        gradient = encoding.adjoint(jnp.asarray(residual)) + 0.01 * image
    assert np.linalg.norm(gradient) < 2e-3 * np.linalg.norm(encoding.adjoint(jnp.asarray(k_space)))
    assert np.linalg.norm(residual) < 0.1 * np.linalg.norm(k_space)
