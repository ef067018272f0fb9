"""Fisher information and Cramér-Rao bounds, against NumPy and where parameters can hardly be told apart."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

import mrjax as mr

TE = np.array([0.01, 0.03, 0.09])
T2, M0 = np.array([0.05, 0.12]), np.array([2.0, 3.0])
SIGMA = np.array([0.1, 0.2])


def exact_information():
    """Of a decay: the products of its two derivatives, m0 before t2 as in a dictionary."""
    decay = np.exp(-TE / T2[:, None])
    columns = np.stack([decay, M0[:, None] * decay * TE / T2[:, None] ** 2])
    return np.einsum("pvn,qvn->vpq", columns, columns) / SIGMA[:, None, None] ** 2


def parameters():
    return {"t2": jnp.asarray(T2), "m0": jnp.asarray(M0)}


def test_information_of_a_decay_is_that_of_its_derivatives():
    model = mr.signals.models.Decay(te=TE)
    information = mr.inverse.fisher_information(model, parameters(), SIGMA)
    np.testing.assert_allclose(information, exact_information(), rtol=1e-12)


def test_the_phase_of_a_complex_signal_carries_information():
    turning = lambda p: jnp.exp(2j * jnp.pi * p["off_resonance"][..., None] * jnp.asarray(TE)) * p["m0"][..., None]
    found = mr.inverse.fisher_information(turning, {"off_resonance": jnp.array(3.0), "m0": jnp.array(2.0)}, 0.5)
    expected = np.diag([3 / 0.25, 4 * np.sum((2 * np.pi * TE) ** 2) / 0.25])
    np.testing.assert_allclose(found, expected, atol=1e-12 * expected.max())


def test_variances_are_the_diagonal_of_the_inverse():
    exact = np.diagonal(np.linalg.inv(exact_information()), axis1=-2, axis2=-1)
    np.testing.assert_allclose(mr.inverse.cramer_rao_variances(jnp.asarray(exact_information())), exact, rtol=1e-12)


def test_variances_do_not_depend_on_units():
    units = np.diag([1e-6, 1e4])
    found = mr.inverse.cramer_rao_variances(jnp.asarray(units @ exact_information() @ units))
    exact = np.diagonal(np.linalg.inv(exact_information()), axis1=-2, axis2=-1) / np.diag(units) ** 2
    np.testing.assert_allclose(found, exact, rtol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_parameters_that_cannot_be_told_apart_have_finite_variances_and_derivatives(dtype, rng):
    column = rng.standard_normal(1000)
    columns = np.stack([column, column, rng.standard_normal(1000)]).astype(dtype)
    information = jnp.asarray(columns @ columns.T)
    variances, slope = jax.value_and_grad(lambda x: mr.inverse.cramer_rao_variances(x)[0])(information)
    assert jnp.isfinite(variances)
    assert jnp.all(jnp.isfinite(slope))
    ridge = 30 * jnp.finfo(dtype).eps
    assert 0.1 / ridge < variances * information[0, 0] < 10 / ridge


def test_what_the_signal_does_not_depend_on_is_not_measured_and_leaves_the_rest_alone():
    information = np.zeros((3, 3))
    information[np.ix_([0, 2], [0, 2])] = exact_information()[0]
    found = mr.inverse.cramer_rao_variances(jnp.asarray(information))
    alone = np.diag(np.linalg.inv(exact_information()[0]))
    np.testing.assert_allclose(found, [alone[0], np.inf, alone[1]], rtol=1e-12)


def test_derivatives_agree_with_differences():
    def bound(te):
        information = mr.inverse.fisher_information(mr.signals.models.Decay(te=te), parameters(), SIGMA)
        return jnp.log(mr.inverse.cramer_rao_variances(information))

    check_grads(jax.jit(bound), (jnp.asarray(TE),), order=1, modes=("fwd", "rev"), atol=1e-6, rtol=1e-6, eps=1e-6)


@pytest.mark.slow
def test_the_bound_inverts_the_same_matrix():
    turning = lambda p: mr.signals.models.Decay(te=TE)(p) * jnp.exp(1j * p["m0"][..., None])
    information = mr.inverse.fisher_information(turning, parameters(), SIGMA)
    bound = mr.inverse.crlb(turning, parameters(), SIGMA[:, None])
    np.testing.assert_allclose(bound.covariance, np.linalg.inv(information), rtol=1e-12)
    variances = jnp.diagonal(bound.covariance, axis1=-2, axis2=-1)
    np.testing.assert_allclose(mr.inverse.cramer_rao_variances(information), variances, rtol=1e-12)


@pytest.mark.parametrize(
    ("noise_std", "sentence"),
    [(0.0, "`noise_std` must be positive"), (np.ones(3), r"`noise_std` must broadcast to the voxels \(2,\)")],
)
def test_noise_that_does_not_fit_is_refused(noise_std, sentence):
    with pytest.raises(ValueError, match=sentence):
        mr.inverse.fisher_information(mr.signals.models.Decay(te=TE), parameters(), noise_std)
