"""Every operator: its adjoint, linearity, jit and vmap, solvers of lineax, and what it computes against exact sums."""

import jax
import jax.numpy as jnp
import lineax as lx
import numpy as np
import pytest

import mrjax as mr
from mrjax import encoding as enc
from mrjax._shapes import with_rank
from mrjax.encoding.operator import Each
from mrjax.encoding.subspace_samples import MatrixConvolution, PointwiseMatrix
from mrjax.encoding.toeplitz import Toeplitz
from mrjax.reconstruction import Wavelets

pytest.importorskip("jax_finufft")

SHAPE, VOXEL = (6, 5), (0.03, 0.04)


def normals(seed, *shape):
    rng = np.random.default_rng(seed)
    return jnp.asarray(rng.normal(size=shape) + 1j * rng.normal(size=shape))


def points(n=17):
    rng = np.random.default_rng(1)
    return jnp.asarray(rng.uniform(-0.5, 0.5, (n, 2)) / np.array(VOXEL))


def on_grid():
    indices = np.array([[0, 0], [3, 2], [5, 4], [3, 2], [1, 3]])
    return jnp.asarray((indices - np.array(SHAPE) // 2) / (np.array(SHAPE) * np.array(VOXEL)))


def exact(trajectory, center=(0.0, 0.0)):
    """The matrix of the sum over voxels."""
    axes = [(np.arange(n) - n // 2) * size + c for n, size, c in zip(SHAPE, VOXEL, center, strict=True)]
    r = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 2)
    return np.exp(-2j * np.pi * np.asarray(trajectory) @ r.T)


FIELD = 40 * np.random.default_rng(2).uniform(-1, 1, SHAPE)
TIMES = np.linspace(2e-3, 30e-3, 17)
MASKS = np.random.default_rng(4).uniform(size=(4, *SHAPE)) < 0.4
NUFFT = {"shape": SHAPE, "voxel_size": VOXEL, "tolerance": 1e-12}
OPERATORS = {
    "fourier": lambda: enc.Fourier(SHAPE),
    "fourier of a sum": lambda: enc.Fourier(SHAPE, unitary=False),
    "mask": lambda: enc.Mask(jnp.arange(30).reshape(SHAPE) % 3 == 0),
    "weights": lambda: enc.Mask(jnp.linspace(0.5, 2.0, 30).reshape(SHAPE)),
    "samples": lambda: enc.GridSamples(on_grid(), SHAPE, VOXEL),
    "coils": lambda: enc.Coils(normals(3, 3, *SHAPE)),
    "subspace": lambda: enc.Subspace(normals(4, 7, 2), SHAPE),
    "contraction": lambda: enc.Contraction(normals(5, 3, 9)),
    "nufft": lambda: enc.Nufft(points(), **NUFFT, center=(0.013, -0.3)),
    "toeplitz": lambda: enc.Nufft(points(), **NUFFT).normal_operator(jnp.linspace(0.5, 2, 17)),
    "off-resonance": lambda: enc.off_resonance(enc.Nufft(points(), **NUFFT), FIELD, TIMES),
    "wavelets": lambda: Wavelets((8, 16), 2, "db2"),
    "sense": lambda: enc.sense(normals(6, 3, *SHAPE), mask=jnp.arange(5)[None] % 2 == 0),
    "sense off the grid": lambda: enc.sense(
        normals(7, 3, *SHAPE),
        trajectory=points(),
        voxel_size=VOXEL,
        off_resonance=FIELD,
        times=TIMES,
        basis=normals(8, 17, 2),
    ),
}


@pytest.fixture(params=OPERATORS)
def operator(request):
    return OPERATORS[request.param]()


def pair(operator):
    return normals(10, *operator.in_structure().shape), normals(11, *operator.out_structure().shape)


@pytest.mark.exhaustive
def test_adjoint(operator):
    x, y = pair(operator)
    forward, backward = jnp.vdot(y, operator(x)), jnp.vdot(operator.adjoint(y), x)
    assert abs(forward - backward) < 1e-12 * jnp.linalg.norm(y.ravel()) * jnp.linalg.norm(operator(x).ravel())


@pytest.mark.exhaustive
def test_linearity(operator):
    x, _ = pair(operator)
    other = normals(12, *x.shape)
    together = operator(x + (0.3 - 2j) * other)
    np.testing.assert_allclose(together, operator(x) + (0.3 - 2j) * operator(other), atol=1e-12 * abs(together).max())


@pytest.mark.exhaustive
def test_normal(operator):
    x, _ = pair(operator)
    expected = operator.adjoint(operator(x))
    for normal in (operator.normal, operator.normal_operator()):
        np.testing.assert_allclose(normal(x), expected, atol=1e-10 * abs(expected).max())


@pytest.mark.exhaustive
def test_jit_and_vmap(operator):
    x, y = pair(operator)
    np.testing.assert_allclose(jax.jit(lambda x: operator(x))(x), operator(x), atol=1e-12 * abs(operator(x)).max())
    mapped = jax.vmap(jax.vmap(lambda y: operator.adjoint(y)))(jnp.stack([y, 1j * y])[None])
    expected = operator.adjoint(y)
    np.testing.assert_allclose(mapped[0, 1], 1j * expected, atol=1e-11 * abs(expected).max())


@pytest.mark.exhaustive
def test_axes_in_front_are_carried_along(operator):
    x, y = pair(operator)
    np.testing.assert_allclose(operator(jnp.stack([x, 2 * x]))[1], 2 * operator(x), rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(
        operator.adjoint(jnp.stack([y, 2 * y]))[1], 2 * operator.adjoint(y), rtol=1e-9, atol=1e-10
    )


@pytest.mark.exhaustive
def test_transpose_of_jax(operator):
    x, y = pair(operator)
    (transposed,) = jax.linear_transpose(operator.mv, x)(y.conj())
    np.testing.assert_allclose(transposed.conj(), operator.adjoint(y), atol=1e-10 * abs(transposed).max())


@pytest.mark.exhaustive
def test_float32():
    with jax.enable_x64(False):
        for name in ("nufft", "sense", "off-resonance"):
            operator = jax.tree.map(lambda leaf: leaf.astype(narrow(leaf.dtype)), OPERATORS[name]())
            x = jnp.ones(operator.in_structure().shape, jnp.complex64)
            assert operator(x).dtype == jnp.complex64
            assert operator.adjoint(operator(x)).dtype == jnp.complex64


def narrow(dtype):
    return {"float64": np.float32, "complex128": np.complex64}.get(str(dtype), dtype)


def test_solvers_of_lineax():
    encoding = enc.sense(normals(6, 3, *SHAPE), mask=jnp.arange(5)[None] % 2 == 0)
    x, _ = pair(encoding)
    found = lx.linear_solve(encoding.as_lineax(), encoding(x), lx.LSMR(rtol=1e-10, atol=1e-10)).value
    np.testing.assert_allclose(found, x, atol=1e-6)


@pytest.mark.parametrize("center", [(0.0, 0.0), (0.013, -0.3)])
@pytest.mark.parametrize("tolerance", [1e-6, 1e-12])
def test_nufft_is_the_sum_over_voxels(tolerance, center):
    x = normals(20, 4, *SHAPE)
    encoding = enc.Nufft(points(), SHAPE, VOXEL, center, tolerance)
    expected = np.asarray(x).reshape(4, -1) @ exact(points(), center).T
    assert np.linalg.norm(encoding(x) - expected) < max(tolerance, 1e-11) * np.linalg.norm(expected)


@pytest.mark.parametrize("shape", [(7,), (4, 5, 3)])
def test_nufft_of_other_ranks(shape):
    rank = len(shape)
    k = jnp.asarray(np.random.default_rng(3).uniform(-20, 20, (11, rank)))
    x, r = normals(21, *shape), np.stack(np.indices(shape), -1).reshape(-1, rank) - np.array(shape) // 2
    expected = np.exp(-2j * np.pi * 0.02 * np.asarray(k) @ r.T) @ np.asarray(x).ravel()
    np.testing.assert_allclose(enc.Nufft(k, shape, 0.02, tolerance=1e-12)(x), expected, atol=1e-9)


def test_nufft_meets_fft():
    encoding = enc.GridSamples(on_grid(), SHAPE, VOXEL) @ enc.Fourier(SHAPE, unitary=False)
    x = normals(22, *SHAPE)
    np.testing.assert_allclose(encoding(x), enc.Nufft(on_grid(), **NUFFT)(x), atol=1e-10)
    np.testing.assert_allclose(encoding(x), exact(on_grid()) @ np.asarray(x).ravel(), atol=1e-12)


def test_nufft_in_float32():
    with jax.enable_x64(False):
        k = jnp.asarray(np.asarray(points()), jnp.float32)
        x = jnp.asarray(np.asarray(normals(23, *SHAPE)), jnp.complex64)
        expected = exact(np.asarray(k, float)) @ np.asarray(x, complex).ravel()
        assert np.linalg.norm(enc.Nufft(k, SHAPE, VOXEL)(x) - expected) < 2e-6 * np.linalg.norm(expected)


def test_one_thread_gives_the_same_bits_every_time():
    k, y = jnp.asarray(np.random.default_rng(6).uniform(-15, 15, (4000, 2))), normals(27, 4000)
    one = jax.jit(lambda y: enc.Nufft(k, (16, 16), VOXEL, threads=1).adjoint(y))
    assert len({np.asarray(one(y)).tobytes() for _ in range(50)}) == 1
    np.testing.assert_allclose(one(y), enc.Nufft(k, (16, 16), VOXEL).adjoint(y), atol=1e-10)


@pytest.mark.exhaustive
def test_a_library_that_serves_all_devices_agrees():
    pytest.importorskip("nufftax")
    from mrjax.encoding import transforms

    modes, x = normals(24, 2, 3, *SHAPE), jnp.asarray(np.random.default_rng(5).uniform(-3, 3, (2, 2, 17)))
    options = {"shape": SHAPE, "sign": -1, "tolerance": 1e-10}
    by_one, by_other = transforms.TO_POINTS.on_cpu(x, modes, **options), transforms.to_points(x, modes, **options)
    np.testing.assert_allclose(by_one, by_other, atol=1e-7)
    back, back_too = transforms.TO_MODES.on_cpu(x, by_one, **options), transforms.to_modes(x, by_one, **options)
    np.testing.assert_allclose(back, back_too, atol=1e-6)
    line = transforms.to_modes(x[:1, :1], normals(25, 1, 1, 17), shape=(9,), sign=1, tolerance=1e-6)
    assert line.shape == (1, 1, 9)


def test_off_resonance_is_the_sum_over_voxels():
    x = normals(26, *SHAPE)
    turned = exact(points()) * np.exp(2j * np.pi * TIMES[:, None] * FIELD.ravel()[None])
    expected = turned @ np.asarray(x).ravel()
    for tolerance in (1e-3, 1e-6, 1e-9):
        encoding = enc.off_resonance(enc.Nufft(points(), **NUFFT), FIELD + 300, TIMES, tolerance=tolerance)
        shifted = expected * np.exp(2j * np.pi * 300 * TIMES)
        assert np.abs(encoding(x) - shifted).max() < tolerance * np.abs(np.asarray(x)).sum()


def test_off_resonance_needs_the_segments_of_its_range():
    plain = enc.Nufft(points(), **NUFFT)
    count = lambda field: enc.off_resonance(plain, field, TIMES, tolerance=1e-4).outer.weights.shape[0]
    assert count(np.full(SHAPE, 1e3)) == 1
    assert count(FIELD) < count(4 * FIELD) < 5 * count(FIELD)


def test_subspace_of_samples():
    coils, basis, coefficients = normals(30, 3, *SHAPE), normals(31, 17, 2), normals(32, 2, *SHAPE)
    encoding = enc.sense(coils, trajectory=points(), voxel_size=VOXEL, basis=basis, tolerance=1e-12)
    image_at = jnp.einsum("sl,lxy->sxy", basis, coefficients)[:, None] * coils[None]
    expected = jnp.einsum("sr,scr->cs", exact(points()), image_at.reshape(17, 3, -1))
    np.testing.assert_allclose(encoding(coefficients), expected, atol=1e-9)
    assert isinstance(encoding.inner, Each)
    assert isinstance(enc.Nufft(points(), **NUFFT).normal_operator(), Toeplitz)


def test_images_at_many_times():
    basis, coefficients = normals(33, 7, 2), normals(34, 2, *SHAPE)
    expected = jnp.einsum("tl,lxy->txy", basis, coefficients)
    np.testing.assert_allclose(enc.Subspace(basis, SHAPE)(coefficients), expected, atol=1e-12)


def test_fourier_of_a_shifted_point():
    image = jnp.zeros(SHAPE).at[4, 2].set(1.0)  # at x = +1 voxel
    q = np.arange(6) - 3
    expected = np.exp(-2j * np.pi * q / 6)[:, None] * np.ones((1, 5))
    np.testing.assert_allclose(enc.Fourier(SHAPE, unitary=False)(image), expected, atol=1e-12)
    assert mr.encoding.Fourier(6).in_shape == (6,)


SUBSPACES = {
    "subspace off the grid": lambda: enc.sense(
        normals(7, 3, *SHAPE), trajectory=points(), voxel_size=VOXEL, basis=normals(8, 17, 2), tolerance=1e-12
    ),
    "subspace on the grid": lambda: enc.sense(normals(6, 3, *SHAPE), mask=MASKS, basis=normals(9, 4, 2)),
}


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", SUBSPACES)
def test_subspaces_have_adjoints_and_normal_operators_of_any_weights(name):
    encoding = SUBSPACES[name]()
    x, y = pair(encoding)
    made = encoding(x)
    np.testing.assert_allclose(jnp.vdot(y, made), jnp.vdot(encoding.adjoint(y), x), rtol=1e-10)
    rng = np.random.default_rng(6)
    on_grid = y.ndim == 4
    alike = jnp.asarray(rng.uniform(size=(4, 1, *SHAPE) if on_grid else 17))
    differing = jnp.asarray(rng.uniform(size=(1, 3, 1, 1) if on_grid else (3, 1)))
    for weights in (None, alike, differing):
        each = made if weights is None else with_rank(weights, y.ndim) * made
        expected = encoding.adjoint(each)
        normal = encoding.normal_operator(weights)
        np.testing.assert_allclose(normal(jnp.stack([x, 2 * x]))[1] / 2, expected, atol=1e-10 * abs(expected).max())
        assert isinstance(normal.core, PointwiseMatrix | MatrixConvolution) == (weights is not differing)


def test_coefficients_on_the_grid_are_masked_images():
    coils, basis, coefficients = normals(30, 3, *SHAPE), normals(31, 4, 2), normals(32, 2, *SHAPE)
    images = jnp.einsum("tl,lxy->txy", basis, coefficients)
    found = enc.sense(coils, mask=MASKS, basis=basis)(coefficients)
    np.testing.assert_allclose(found, enc.sense(coils, mask=MASKS)(images), atol=1e-12)
