"""Unrolled stages: what they compute, what they share, the state of their networks, derivatives, and memory."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

import mrjax as mr
from mrjax.encoding import Mask
from mrjax.nn.consistency import Fidelity, GradientStep, ProximalStep, Unrolled, network_then_step, step_then_network

N = 5
FIDELITY = Fidelity(Mask(jnp.array([1.0, 0.0, 2.0, 0.0, 1.0], jnp.float32)), jnp.arange(5, dtype=jnp.float32))
START = jnp.linspace(-1, 1, 2 * N, dtype=jnp.float32).reshape(2, N)


class Regularised(nnx.Module):
    """A layer with all kinds of state: weights, statistics, random numbers."""

    def __init__(self, rngs):
        self.linear = nnx.Linear(N, N, rngs=rngs)
        self.normalisation = nnx.BatchNorm(N, rngs=rngs)
        self.dropout = nnx.Dropout(0.5, rngs=rngs)

    def __call__(self, image):
        return self.dropout(self.normalisation(self.linear(image)))


def over_batch(step):
    return jax.vmap(step, in_axes=(0, None, None))


def model(stage=None, network=Regularised, n_stages=3, **options):
    stage = stage or step_then_network(over_batch(GradientStep()))
    return Unrolled(stage, network, n_stages, rngs=nnx.Rngs(0), **options)


@pytest.mark.exhaustive
@pytest.mark.parametrize("share_network", [True, False])
@pytest.mark.parametrize("share_strength", [True, False])
def test_it_is_its_stages_one_after_the_other(share_network, share_strength):
    unrolled = model(share_network=share_network, share_strength=share_strength, log_strength=-2.0)
    unrolled.log_strength[...] = unrolled.log_strength[...] + (0.0 if share_strength else 0.1 * jnp.arange(3))
    unrolled.eval()
    image = START
    for k in range(3):
        strength = unrolled.log_strength[...] if share_strength else unrolled.log_strength[k]
        graph, state = nnx.split(unrolled.network)
        own = state if share_network else jax.tree.map(lambda leaf, k=k: leaf[k], state)
        network = nnx.merge(graph, own)
        network.eval()
        image = network(over_batch(GradientStep())(image, FIDELITY, strength.reshape(())))
    np.testing.assert_allclose(unrolled(START, FIDELITY), image, atol=1e-6)


def test_networks_of_their_own_start_apart():
    kernels = model(share_network=False).network.linear.kernel[...]
    assert kernels.shape == (3, N, N)
    assert (kernels[0] != kernels[1]).any()
    assert model().network.linear.kernel[...].shape == (N, N)


def test_the_network_may_come_first():
    last = model(network_then_step(over_batch(ProximalStep())), log_strength=-20.0)
    last.eval()
    sampled = np.array([0, 2, 4])
    found = last(START, FIDELITY)
    np.testing.assert_allclose(found[:, sampled], jnp.array([0.0, 1.0, 4.0])[None] + jnp.zeros((2, 1)), atol=1e-6)


@pytest.mark.exhaustive
@pytest.mark.parametrize("share_network", [True, False])
def test_statistics_and_random_numbers_go_on_from_call_to_call(share_network):
    unrolled = model(share_network=share_network)
    first = unrolled(START, FIDELITY)
    mean = unrolled.network.normalisation.mean[...]
    assert mean.shape == ((N,) if share_network else (3, N))
    assert (mean != 0).any()
    assert (unrolled(START, FIDELITY) != first).any()  # another dropout
    unrolled.eval()
    np.testing.assert_array_equal(unrolled(START, FIDELITY), unrolled(START, FIDELITY))


@pytest.mark.slow
def test_derivatives_are_those_of_differences():
    unrolled = model(network=lambda rngs: nnx.Linear(N, N, param_dtype=float, rngs=rngs), log_strength=-1.0)
    graph, state = nnx.split(unrolled)
    number = jax.jit(lambda state: jnp.sum(nnx.merge(graph, state)(START.astype(float), FIDELITY) ** 2))
    change = jax.tree.map(lambda leaf: jnp.cos(jnp.arange(leaf.size)).reshape(leaf.shape), state)
    moved = lambda t: number(jax.tree.map(lambda a, c: a + t * c, state, change))
    expected = (moved(1e-6) - moved(-1e-6)) / 2e-6
    slopes = jax.grad(number)(state)
    found = sum(jnp.sum(s * c) for s, c in zip(*map(jax.tree.leaves, (slopes, change)), strict=True))
    np.testing.assert_allclose(found, expected, rtol=1e-7)


@pytest.mark.exhaustive
def test_reverse_mode_keeps_one_image_a_stage():
    """Not what is inside of the stages, here a hundred times as much."""

    class Wide(nnx.Module):
        def __init__(self, rngs):
            self.up, self.down = nnx.Linear(1, 100, rngs=rngs), nnx.Linear(100, 1, rngs=rngs)

        def __call__(self, image):
            return image + self.down(jax.nn.tanh(self.up(image[..., None])))[..., 0]

    n = 2000
    fidelity = Fidelity(Mask(jnp.ones(n)), jnp.ones(n))

    def bytes_of(n_stages):
        graph, state = nnx.split(model(step_then_network(GradientStep()), Wide, n_stages, log_strength=-1.0))
        number = lambda state: jnp.sum(nnx.merge(graph, state)(jnp.zeros(n), fidelity) ** 2)
        return jax.jit(jax.grad(number)).lower(state).compile().memory_analysis().temp_size_in_bytes

    few, many = bytes_of(4), bytes_of(24)
    assert many - few < 20 * n * 8 * 4


@pytest.mark.exhaustive
def test_it_trains_with_its_state():
    unrolled = model(log_strength=-2.0)
    target = jnp.ones((2, N))

    def loss(network, batch):
        error = jnp.mean((network(batch, FIDELITY) - target) ** 2)
        return error, {"error": error}

    before = jax.tree.map(jnp.copy, nnx.to_pure_dict(nnx.state(unrolled, nnx.Param)))
    schedule = mr.nn.TrainingSchedule(steps=20, log_every=1, checkpoint_every=20)
    history = mr.nn.train(unrolled, loss, lambda step: START, schedule, optax.adam(1e-2), progress=False)
    assert np.isfinite(history.column("loss")[1]).all()
    after = nnx.to_pure_dict(nnx.state(unrolled, nnx.Param))
    for one, other in zip(*map(jax.tree.leaves, (before, after)), strict=True):
        assert (one != other).any()
