"""Coefficients from k-space, the penalty on their rank, and maps of fingerprints from k-space in one call."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from mrjax.encoding import sense
from mrjax.inverse import (
    Dictionary,
    LocallyLowRank,
    TotalVariation,
    compress,
    fingerprint_maps,
    subspace_coefficients,
)
from mrjax.inverse.model_based.low_rank import as_complex, as_real, inverse_root

N, TIMES, RANK = 16, np.linspace(0.01, 0.2, 24), 3
NOISE = 0.02


def decay(parameters):
    return jnp.exp(-jnp.tensordot(1 / parameters["t2"], TIMES, 0))


@pytest.fixture(scope="module")
def scan():
    """An object of two tissues with a phase; of every image one line in four is measured, others each time."""
    rng = np.random.default_rng(8)
    x, y = np.meshgrid(*[np.linspace(-1, 1, N)] * 2, indexing="ij")
    inside, core = x**2 + y**2 < 0.8, x**2 + (y - 0.2) ** 2 < 0.2
    truth, m0 = np.where(core, 0.05, 0.1), inside * np.exp(1j * x)
    coils = jnp.array([np.exp(-((x - a) ** 2 + (y - b) ** 2) / 4 + 1j * a * y) for a, b in [(-1.5, -1), (1.5, 1)]])
    masks = np.stack([np.roll(np.arange(N) % 4 == 0, i)[None] for i in range(TIMES.size)]) & np.ones((1, N, 1), bool)
    images = jnp.moveaxis(m0[..., None] * decay({"t2": jnp.asarray(truth)}), -1, 0)
    clean = sense(coils, mask=jnp.asarray(masks))(images)
    parts = rng.normal(size=(2, *clean.shape)) * NOISE
    noisy = jnp.where(clean == 0, 0, clean + parts[0] + 1j * parts[1])
    dictionary = compress(Dictionary.build(decay, {"t2": np.geomspace(0.03, 0.2, 24)}), RANK)
    encoding = sense(coils, mask=jnp.asarray(masks), basis=dictionary.basis)
    return dictionary, encoding, clean, noisy, images, truth, inside


def error(found, truth, inside):
    return np.linalg.norm((np.asarray(found) - truth)[inside]) / np.linalg.norm(truth[inside])


@pytest.mark.exhaustive
def test_without_undersampling_coefficients_are_those_of_the_images(scan):
    dictionary, encoding, *_, images, _, _ = scan
    coils = jnp.asarray(encoding.inner.operator.inner.maps)
    mask = jnp.ones((TIMES.size, 1, 1), bool)
    whole = sense(coils, mask=mask)(images)
    found = subspace_coefficients(sense(coils, mask=mask, basis=dictionary.basis), whole, n_iterations=60)
    expected = jnp.moveaxis(dictionary.coefficients(jnp.moveaxis(images, 0, -1)), -1, 0)
    np.testing.assert_allclose(found, expected, atol=2e-3 * abs(expected).max())


@pytest.mark.exhaustive
def test_maps_from_k_space_are_those_of_the_object_and_penalties_make_them_better(scan):
    dictionary, encoding, clean, noisy, _, truth, inside = scan
    known = fingerprint_maps(dictionary, clean, encoding, model=decay, n_iterations=60)
    assert error(known.match.parameters["t2"], truth, inside) < 0.05  # the grid is 8 % wide
    assert error(known.parameters["t2"], truth, inside) < 0.01
    assert np.abs(np.abs(known.m0)[inside] - 1).max() < 0.02
    plain = fingerprint_maps(dictionary, noisy, encoding, model=decay)
    for penalty in (LocallyLowRank(100.0, block_size=4), TotalVariation(30.0)):
        options = {"regularisation": penalty, "noise_std": NOISE, "model": decay}
        smooth = fingerprint_maps(dictionary, noisy, encoding, **options)
        assert error(smooth.parameters["t2"], truth, inside) < 0.8 * error(plain.parameters["t2"], truth, inside)


@pytest.mark.exhaustive
def test_maps_that_are_known_are_kept(scan):
    _, encoding, clean, *_, truth, inside = scan
    scaled = lambda p: decay({"t2": p["t2"] * p["b1"]})
    pairs = compress(Dictionary.build(scaled, {"t2": np.geomspace(0.03, 0.2, 24), "b1": [0.8, 1.0]}), RANK)
    other = sense(encoding.inner.operator.inner.maps, mask=encoding.outer.mask.weights[:, 0], basis=pairs.basis)
    b1 = np.full((N, N), 0.8)
    found = fingerprint_maps(pairs, clean, other, known={"b1": b1}, model=scaled, n_iterations=60)
    assert error(found.parameters["t2"], truth / 0.8, inside) < 0.01
    np.testing.assert_array_equal(found.parameters["b1"], 0.8)


@pytest.mark.exhaustive
def test_one_block_is_shrunk_as_its_singular_values_are(rng):
    """With all voxels in one block, measured directly, the minimum is known: smaller singular values, the same vectors."""
    signal = jnp.asarray(rng.normal(size=(2, 4, 4)) + 1j * rng.normal(size=(2, 4, 4)))
    encoding = sense(jnp.ones((1, 4, 4)) + 0j, mask=jnp.ones((2, 1, 1), bool), basis=jnp.eye(2) + 0j)
    penalty = LocallyLowRank(1.5, rounding=1e-6, block_size=8)  # shifted by half, it holds all voxels still
    found = subspace_coefficients(
        encoding, encoding(signal), regularisation=penalty, noise_std=0.5, n_iterations=40, n_steps=60
    )
    scale = jnp.quantile(jnp.linalg.norm(signal, axis=0), 0.95)
    left, values, right = jnp.linalg.svd(signal.reshape(2, -1), full_matrices=False)
    shrunk = jnp.maximum(values - 1.5 * 0.25 / scale, 0)
    np.testing.assert_allclose(found.reshape(2, -1), left * shrunk[None] @ right, atol=1e-3)


@pytest.mark.exhaustive
def test_weighted_squares_touch_the_nuclear_norm(rng):
    penalty = LocallyLowRank(2.0, rounding=0.1, block_size=3)
    maps, other = (jnp.asarray(rng.normal(size=(5, 7, 4))) for _ in range(2))

    def nuclear(maps, offset):
        padded = jnp.pad(as_complex(maps), [(offset, 3), (offset, 3), (0, 0)])
        blocks = [padded[i : i + 3, j : j + 3].reshape(9, 2) for i in range(0, 6 + offset, 3) for j in range(0, 8, 3)]
        return sum(
            jnp.sum(jnp.sqrt(jnp.linalg.svd(one, compute_uv=False) ** 2 + 9 * 0.1**2)) for one in blocks if one.size
        )

    value = lambda maps: 2.0 * (nuclear(maps, 0) + nuclear(maps, 1)) / 2
    added, _ = penalty.curvature(maps)
    np.testing.assert_allclose(added(maps), jax.grad(value)(maps), rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(jnp.vdot(other, added(maps)), jnp.vdot(maps, added(other)), rtol=1e-10)
    np.testing.assert_allclose(as_real(as_complex(maps)), maps)


@pytest.mark.exhaustive
def test_inverse_roots_and_their_derivatives(rng):
    factor = jnp.asarray(rng.normal(size=(2, 3, 2)) + 1j * rng.normal(size=(2, 3, 2)))
    matrix = lambda factor: factor @ factor.conj().mT + 0.5 * jnp.eye(3)[None]  # with two equal eigenvalues
    root = inverse_root(matrix(factor))
    np.testing.assert_allclose(root @ root @ matrix(factor), np.broadcast_to(np.eye(3), (2, 3, 3)), atol=1e-12)
    equal = lambda parts: inverse_root(matrix(0.0 * factor + jax.lax.complex(*parts)))
    for parts in ((factor.real, factor.imag), (jnp.zeros((2, 3, 2)), jnp.zeros((2, 3, 2)))):
        check_grads(lambda parts: as_real(equal(parts)), (parts,), order=1, modes=("fwd", "rev"), atol=1e-6, rtol=1e-6)


@pytest.mark.exhaustive
@pytest.mark.parametrize("penalty", [None, LocallyLowRank(3.0, 0.05, block_size=4), TotalVariation(3.0, 0.1)])
def test_derivatives_in_k_space_are_those_of_differences(scan, penalty):
    _, encoding, clean, noisy, *_ = scan
    options = {"regularisation": penalty, "noise_std": NOISE, "n_steps": 2, "n_iterations": 400}
    size = lambda data: jnp.sum(jnp.abs(subspace_coefficients(encoding, data, **options)) ** 4)
    direction = noisy - clean
    at = lambda step: size(noisy + step * direction)
    _, forward = jax.jvp(at, (0.0,), (1.0,))
    differences = (at(1e-3) - at(-1e-3)) / 2e-3
    np.testing.assert_allclose(forward, differences, rtol=1e-2)
    np.testing.assert_allclose(jax.grad(at)(0.0), differences, rtol=1e-2)


def test_mistakes_are_told(scan):
    dictionary, encoding, clean, *_ = scan
    with pytest.raises(ValueError, match="`noise_std` must be given with a `regularisation`"):
        subspace_coefficients(encoding, clean, regularisation=LocallyLowRank(1.0))
    with pytest.raises(ValueError, match=r"`encoding` must take \(3, \*voxels\), the coefficients"):
        fingerprint_maps(dictionary, clean, sense(jnp.ones((1, N, N)), mask=jnp.ones((24, 1, 1), bool)))
    with pytest.raises(ValueError, match="`data` must have the shape"):
        fingerprint_maps(dictionary, clean[:3], encoding)
    with pytest.raises(ValueError, match="`block_size` must be"):
        LocallyLowRank(1.0, block_size=0)
    with pytest.raises(ValueError, match="`strength` must be positive, but got -1"):
        LocallyLowRank(-1.0)
