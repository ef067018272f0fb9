"""Closed forms of diffusion: against tensors written out, rotations, mixtures of tensors, derivatives, error sentences."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

import mrjax as mr
from mrjax.signals import diffusion
from mrjax.signals.diffusion import KURTOSIS_ELEMENTS, TENSOR_ELEMENTS

BVALS = 1e9 * np.array([0.0, 0.5, 1.0, 1.5, 2.0, 2.5])
AXES = {"x": 0, "y": 1, "z": 2}


def unit_vectors(rng, n):
    vectors = rng.normal(size=(n, 3))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def rotation(rng):
    q = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    return q * np.sign(np.linalg.det(q))


def elements(full):
    """The distinct elements of symmetric arrays of rank 2 or 4, whose axes are the last."""
    rank = 2 if full.shape[-1] == 3 and full.ndim < 5 and full.ndim in (2, 3) else 4
    names = TENSOR_ELEMENTS if rank == 2 else KURTOSIS_ELEMENTS
    return np.stack([full[(..., *(AXES[axis] for axis in name[2:]))] for name in names], axis=-1)


def symmetrised(full):
    return sum(np.transpose(full, order) for order in itertools.permutations(range(4))) / 24


def tensors(rng, n):
    factors = rng.normal(size=(n, 3, 3))
    return 0.2e-9 * (factors @ np.swapaxes(factors, 1, 2) + np.eye(3))


def test_the_tensor_is_that_of_the_matrix_and_the_direction(rng):
    bvecs, full = unit_vectors(rng, 6), tensors(rng, 4)
    signal = diffusion.diffusion_tensor(BVALS, bvecs, elements(full), np.arange(1.0, 5.0))
    along = np.einsum("ni,vij,nj->vn", bvecs, full, bvecs)
    np.testing.assert_allclose(signal, np.arange(1, 5)[:, None] * np.exp(-BVALS * along), rtol=1e-13)


def test_kurtosis_is_that_of_the_array_of_four_axes(rng):
    bvecs, tensor = unit_vectors(rng, 6), tensors(rng, 1)[0]
    full = symmetrised(rng.normal(size=(3, 3, 3, 3)))
    signal = diffusion.diffusion_kurtosis(BVALS, bvecs, elements(tensor), elements(full), 2.0)
    curvature = np.einsum("ni,nj,nk,nl,ijkl->n", bvecs, bvecs, bvecs, bvecs, full) * (np.trace(tensor) / 3) ** 2
    along = np.einsum("ni,ij,nj->n", bvecs, tensor, bvecs)
    np.testing.assert_allclose(signal, 2 * np.exp(-BVALS * along + BVALS**2 / 6 * curvature), rtol=1e-12)


def test_signals_do_not_depend_on_the_frame(rng):
    turn, bvecs, tensor = rotation(rng), unit_vectors(rng, 6), tensors(rng, 1)[0]
    full = symmetrised(rng.normal(size=(3, 3, 3, 3)))
    turned = np.einsum("ai,bj,ck,dl,ijkl->abcd", turn, turn, turn, turn, full)
    np.testing.assert_allclose(
        diffusion.diffusion_kurtosis(BVALS, bvecs @ turn.T, elements(turn @ tensor @ turn.T), elements(turned)),
        diffusion.diffusion_kurtosis(BVALS, bvecs, elements(tensor), elements(full)),
        rtol=1e-12,
    )


def test_kurtosis_is_the_spread_of_a_mixture_of_tensors(rng):
    """The second cumulant of the diffusivities: what remains of the logarithm grows with the third power of b."""
    mixture, bvecs = tensors(rng, 3), unit_vectors(rng, 6)
    mean = mixture.mean(0)
    apart = mixture - mean
    covariance = symmetrised(np.einsum("vij,vkl->ijkl", apart, apart) / 3)
    kurtosis = 3 * covariance / (np.trace(mean) / 3) ** 2

    def remainder(scale):
        each = diffusion.diffusion_tensor(scale * BVALS, bvecs, elements(mixture))
        expansion = diffusion.diffusion_kurtosis(scale * BVALS, bvecs, elements(mean), elements(kurtosis))
        return np.abs(np.log(each.mean(0)) - np.log(expansion)).max()

    assert remainder(0.1) < 1e-3
    assert remainder(0.1) / remainder(0.05) == pytest.approx(8, rel=0.1)


def test_without_blood_ivim_is_one_exponential():
    tissue = diffusion.monoexponential(BVALS, 1e-9, 3.0)
    np.testing.assert_allclose(diffusion.ivim(BVALS, 1e-9, 0.0, 2e-8, 3.0), tissue, rtol=1e-14)
    np.testing.assert_allclose(diffusion.ivim(BVALS, 5e-9, 1.0, 1e-9, 3.0), tissue, rtol=1e-14)
    np.testing.assert_allclose(tissue, 3 * np.exp(-BVALS * 1e-9), rtol=1e-14)
    both = diffusion.ivim(BVALS, np.array([1e-9, 2e-9]), 0.2, 2e-8)
    np.testing.assert_allclose(both[1], 0.8 * np.exp(-2e-9 * BVALS) + 0.2 * np.exp(-2e-8 * BVALS), rtol=1e-14)


@pytest.mark.slow
def test_derivatives_pass_b_values_directions_and_tensors(rng):
    bvecs, tensor = unit_vectors(rng, 6), 1e9 * elements(tensors(rng, 1)[0])
    kurtosis = elements(symmetrised(rng.normal(size=(3, 3, 3, 3))))

    @jax.jit
    def signal(b, bvecs, tensor, kurtosis):
        directions = bvecs / jnp.linalg.norm(bvecs, axis=-1, keepdims=True)
        bvals = jnp.concatenate([jnp.zeros(1), 1e9 * b])
        return diffusion.diffusion_kurtosis(bvals, directions, 1e-9 * tensor, kurtosis)

    check_grads(signal, (BVALS[1:] / 1e9, bvecs, tensor, kurtosis), order=1, modes=("fwd", "rev"), rtol=1e-6)


@pytest.mark.exhaustive
def test_where_nothing_is_weighted_the_direction_may_be_anything():
    bvecs = np.array([[np.nan] * 3, [0, 0, 0], [0.0, 0, 1]])
    table = lambda bvecs: diffusion.diffusion_tensor(
        np.array([0, 0, 1e9]), bvecs, 1e-9 * np.array([1.0, 0, 0, 1, 0, 2])
    )
    np.testing.assert_allclose(table(bvecs), [1, 1, np.exp(-2)], rtol=1e-13)
    assert np.isfinite(jax.grad(lambda bvecs: table(bvecs).sum())(jnp.asarray(bvecs))[2]).all()


@pytest.mark.exhaustive
def test_single_precision_stays():
    low = lambda values: jnp.asarray(values, jnp.float32)
    tensor = low(1e-9 * np.array([1.0, 0.1, 0, 1, 0, 2]))
    signal = diffusion.diffusion_kurtosis(low(BVALS), low(np.eye(3)[[0, 1, 2] * 2]), tensor, low(np.ones(15)))
    assert signal.dtype == jnp.float32
    exact = diffusion.diffusion_kurtosis(BVALS, np.eye(3)[[0, 1, 2] * 2], np.asarray(tensor, float), np.ones(15))
    np.testing.assert_allclose(signal, exact, rtol=2e-6)


def test_mistakes_are_told():
    tensor = 1e-9 * np.array([1.0, 0, 0, 1, 0, 1])
    with pytest.warns(
        mr.PlausibilityWarning, match=r"`bvals` is in s/m\^2 and reaches 1000, less than is plausible .*mm"
    ):
        diffusion.monoexponential(np.array([0.0, 1000.0]), 1e-9)
    with pytest.warns(mr.PlausibilityWarning, match="If you meant s/mm"):
        diffusion.gradient_table(np.array([0.0, 2000.0]), np.eye(3)[:2])
    with pytest.raises(ValueError, match=r"`bvals` must not be negative \(s/m\^2\), but got -1e\+09"):
        diffusion.ivim(-1e9, 1e-9, 0.1, 1e-8)
    with pytest.raises(ValueError, match=r"`bvecs` must have shape \(4, 3\) .*got \(3, 4\); pass its transpose"):
        diffusion.diffusion_tensor(np.full(4, 1e9), np.ones((3, 4)), tensor)
    with pytest.raises(ValueError, match=r"`bvecs` must be unit vectors where `bvals` are not zero, but got 1.1"):
        diffusion.diffusion_tensor(np.array([1e9]), np.array([[1.1, 0, 0]]), tensor)
    with pytest.raises(ValueError, match=r"`tensor` must have 6 elements on the last axis, but got shape \(3, 3\)"):
        diffusion.diffusion_tensor(np.array([1e9]), np.array([[1.0, 0, 0]]), np.eye(3))
    with pytest.raises(ValueError, match=r"`bvals` must have one value for each sample, shape \(n_samples,\)"):
        mr.signals.models.ApparentDiffusion(1e9)
    with pytest.raises(ValueError, match=r"`elements` must have 6 or 15 entries"):
        diffusion.along(jnp.ones(5), np.eye(3))
    with pytest.raises(ValueError, match=r"`parameters` must hold d_xx, .* but lack d_zz"):
        mr.inverse.diffusion.tensor_maps(dict.fromkeys(TENSOR_ELEMENTS[:5], 1e-9))
