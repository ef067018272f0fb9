"""A dictionary in its subspace: what is left out is what the singular values say, and matches stay."""

import jax.numpy as jnp
import numpy as np
import pytest

from mrjax.inverse import Dictionary, compress

TE = np.linspace(0.01, 0.2, 12)


@pytest.fixture(scope="module")
def dictionary():
    turning = lambda p: jnp.exp(jnp.tensordot(-1 / p["t2"] + 8j * p["t2"], TE, 0))
    return Dictionary.build(turning, {"t2": np.geomspace(0.02, 0.3, 30)})


@pytest.mark.exhaustive
def test_what_is_left_out_follows_from_the_singular_values(dictionary):
    signals = np.asarray(dictionary.signals)
    normed = signals / np.linalg.norm(signals, axis=1, keepdims=True)
    for rank in (1, 3, 12):
        compressed = compress(dictionary, rank)
        basis = np.asarray(compressed.basis)
        np.testing.assert_allclose(basis.conj().T @ basis, np.eye(rank), atol=1e-12)
        left = normed - normed @ basis.conj() @ basis.T
        expected = np.sum(np.linalg.svd(normed, compute_uv=False)[rank:] ** 2)
        np.testing.assert_allclose(np.sum(np.abs(left) ** 2), expected, atol=1e-12)
        np.testing.assert_allclose(compressed.error, np.sqrt(expected / 30), atol=1e-12)
        coefficients = compressed.coefficients(signals)
        np.testing.assert_allclose(compressed.atoms.signals, coefficients, atol=1e-12)
        np.testing.assert_allclose(coefficients @ basis.T, signals @ basis.conj() @ basis.T, atol=1e-12)


def test_matches_are_those_of_the_whole_dictionary(dictionary, rng):
    signals = 2j * np.asarray(dictionary.signals)[5:20] + 0.02 * rng.standard_normal((15, 12))
    compressed = compress(dictionary, 6)
    whole, found = dictionary.match(signals), compressed.match(compressed.coefficients(signals))
    np.testing.assert_array_equal(found.index, whole.index)
    np.testing.assert_allclose(found.m0, whole.m0, rtol=1e-3)


@pytest.mark.parametrize(("rank", "sentence"), [(13, "`rank` must be at most 12"), (0, "`rank` must be")])
def test_a_rank_out_of_range_is_refused(dictionary, rank, sentence):
    with pytest.raises(ValueError, match=sentence):
        compress(dictionary, rank)


def test_coefficients_of_other_signals_are_refused(dictionary):
    with pytest.raises(ValueError, match="`signals` must have 12 samples"):
        compress(dictionary, 3).coefficients(np.ones((4, 11)))
