"""The regulariser of variational networks is the gradient of an energy, and lets constants pass."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import mrjax as mr


def regulariser(**options):
    return mr.nn.FieldsOfExperts(n_filters=3, kernel=3, n_functions=9, rngs=nnx.Rngs(0), **options)


@pytest.mark.exhaustive
@pytest.mark.parametrize("rank", [2, 3])
def test_its_jacobian_is_symmetric_and_constants_pass(rank):
    network, n = regulariser(rank=rank), 5
    shape = (1, *(n,) * rank, 1)
    images = jax.random.normal(jax.random.key(1), shape)
    network.weights[...] = jax.random.normal(jax.random.key(2), network.weights.shape)
    one, other = jax.random.normal(jax.random.key(3), (2, *shape))
    along = lambda change: jax.jvp(network, (images,), (change,))[1]
    np.testing.assert_allclose(jnp.vdot(other, along(one)), jnp.vdot(one, along(other)), rtol=1e-9)
    assert abs(jnp.vdot(other, along(one))) > 1e-3
    inside = (0, *(slice(2, -2),) * rank)
    network.weights[...] = network.weights[...] * jnp.asarray(network._centres())[:, None] ** 2  # zero at zero ...
    flat = network(2.0 + jnp.zeros(shape)) - network(jnp.zeros(shape))
    np.testing.assert_allclose(flat[inside], 0, atol=1e-9)


def test_at_the_start_functions_are_straight_lines():
    network = regulariser(rank=2, slope=0.3, limit=2.0)
    responses = jnp.linspace(-1, 1, 7).reshape(1, 7, 1, 1) * jnp.ones((1, 1, 1, 3))
    np.testing.assert_allclose(network._activated(responses), 0.3 * responses, atol=0.01)


def test_experts_that_cannot_be():
    with pytest.raises(ValueError, match="`n_functions` must be at least 2, but got 1"):
        mr.nn.FieldsOfExperts(rank=2, n_functions=1, rngs=nnx.Rngs(0))
    with pytest.raises(ValueError, match="`limit` must be positive, but got 0"):
        mr.nn.FieldsOfExperts(rank=2, limit=0.0, rngs=nnx.Rngs(0))
