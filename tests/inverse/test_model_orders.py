"""A model behaves the same, however it is wrapped, and in whatever order it is used in a fit and outside."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import mrjax as mr
from mrjax.jax_rules import PLAIN_JAX

TE = jnp.array([10e-3, 30e-3, 60e-3, 100e-3])
TRUTH = {"m0": jnp.array([1.0, 2.0]), "t2": jnp.array([0.04, 0.09])}


def decay(p):
    """A spin echo at each echo time; the tissue refuses times that are not positive."""
    t2 = mr.Tissue(jnp.inf, p["t2"]).checked().t2
    return p["m0"][..., None] * jnp.exp(-TE.reshape([1] * t2.ndim + [4]) / t2[..., None])


def wrapped(model):
    @functools.wraps(model)
    def call(p):
        return 5 * model(p) / 5

    return call


def one_voxel_at_a_time(model):
    return lambda p: jax.vmap(lambda p: model(jax.tree.map(lambda x: x[None], p))[0])(p)


MODELS = {
    "plain": lambda: decay,
    "jitted": lambda: jax.jit(decay),
    "jitted twice": lambda: jax.jit(wrapped(jax.jit(decay))),
    "vmapped": lambda: jax.jit(one_voxel_at_a_time(decay)),
    "decorated": lambda: wrapped(jax.jit(decay)),
    "in a loop": lambda: jax.jit(lambda p: jax.lax.map(decay, jax.tree.map(lambda x: x[None], p))[0]),
    "checkpointed": lambda: jax.checkpoint(jax.jit(decay)),
}


def is_fitted(model):
    """From far off: the first steps lead to negative times."""
    data = decay(TRUTH)
    fit = mr.inverse.least_squares(model, data, init={"m0": 1.0, "t2": 0.6})
    np.testing.assert_array_equal(fit.status, mr.inverse.FitStatus.CONVERGED)
    np.testing.assert_allclose(fit.parameters["t2"], TRUTH["t2"], rtol=1e-6)


def raises_outside(model):
    np.testing.assert_allclose(jax.jit(model)(TRUTH), decay(TRUTH), rtol=1e-12)
    with pytest.raises(Exception, match="`t2` must be positive"):
        jax.block_until_ready(jax.jit(model)({**TRUTH, "t2": jnp.array([0.04, -0.09])}))


@pytest.mark.exhaustive
@pytest.mark.skipif(PLAIN_JAX, reason="nan, not an error, in plain JAX")
@pytest.mark.parametrize("order", list(itertools.permutations([is_fitted, raises_outside])))
@pytest.mark.parametrize("name", MODELS)
def test_searches_see_nan_and_users_an_error_in_every_order(name, order):
    model = MODELS[name]()
    for use in (*order, order[0]):
        use(model)


def test_a_search_meets_impossible_values():
    """What the test above stands on: without the nan the fit would raise."""
    seen = []

    def noted(p):
        jax.debug.callback(lambda t2: seen.append(float(np.min(t2))), p["t2"])
        return decay(p)

    is_fitted(noted)
    jax.effects_barrier()
    assert min(seen) < 0


def memory_of_gradient(model, t2):
    compiled = jax.jit(jax.grad(lambda t2: jnp.sum(abs(model(t2)) ** 2))).lower(t2).compile()
    return compiled.memory_analysis().temp_size_in_bytes


@pytest.mark.exhaustive
def test_reverse_mode_keeps_its_checkpoints_after_a_jacobian():
    """What was traced for forward mode first once stored every state: four times the memory."""
    t2 = jnp.linspace(0.03, 0.2, 48)
    train = mr.protocols.cpmg(jnp.full(64, 2.8), echo_spacing=5e-3)
    echoes = lambda mode: jax.jit(lambda t2: mr.simulate(train, mr.Tissue(1.0, t2), mr.EPG(16), gradient=mode))
    used = echoes(None)
    mr.inverse.per_voxel_jacobian(lambda p: used(p["t2"]), {"t2": t2})
    assert memory_of_gradient(used, t2) < 0.4 * memory_of_gradient(echoes(mr.gradient.Direct()), t2)


def test_models_that_index_are_fitted_too():
    """Their traces hold more than programs and numbers: dimension numbers of a gather, for one."""
    order = jnp.array([3, 1, 0, 2])
    is_fitted(lambda p: jnp.take(decay(p), order, axis=-1)[..., jnp.argsort(order)])
