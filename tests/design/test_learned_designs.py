"""Designs that are learned with a network: bounds, rates, what has no influence, and going on after a stop."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

import mrjax as mr

START = {"power": jnp.array([0.5, 2.0]), "delay": jnp.array(3.0), "kept": jnp.array(7.0)}
BOUNDS = {"power": (0.0, 4.0), "delay": (1.0, 5.0)}


def learned(start=START, bounds=BOUNDS):
    return mr.design.LearnedDesign(start, lambda design: {name: design[name] for name in bounds}, bounds)


def test_it_begins_where_it_is_told_and_keeps_what_is_not_free():
    design = learned()()
    for name, value in START.items():
        np.testing.assert_allclose(design[name], value, rtol=1e-12)
    assert learned().names == ["['delay']", "['power']"]


def test_a_start_on_a_bound_is_moved_inside_by_a_thousandth():
    design = learned(START | {"power": jnp.array([0.0, 4.0])})
    np.testing.assert_allclose(design()["power"], [4e-3, 4 - 4e-3], rtol=1e-12)


def test_no_step_leaves_the_bounds():
    design = learned()
    for weight, value in zip(design.weights, (-1e3, jnp.array([1e3, -1e3])), strict=True):
        weight[...] = jnp.broadcast_to(value, weight.shape)
    assert design()["delay"] == 1.0
    np.testing.assert_array_equal(design()["power"], [4.0, 0.0])


def test_derivatives_in_the_weights():
    graph, weights = nnx.split(learned())
    squares = lambda weights: sum(jnp.sum(value**2) for value in nnx.merge(graph, weights)().values())
    slope = jax.grad(squares)(weights)
    tangent = jax.tree.map(jnp.ones_like, weights)
    forward = jax.jvp(squares, (weights,), (tangent,))[1]
    moved = lambda by: squares(jax.tree.map(lambda weight: weight + by, weights))
    numeric = (moved(1e-5) - moved(-1e-5)) / 2e-5
    np.testing.assert_allclose(forward, numeric, rtol=1e-8)
    np.testing.assert_allclose(sum(leaf.sum() for leaf in jax.tree.leaves(slope)), numeric, rtol=1e-8)


class Decay(nnx.Module):
    """Two echoes of a decay, and a line from their logarithm to the rate: what is best of the times is known."""

    def __init__(self):
        self.times = mr.design.LearnedDesign({"te": jnp.array([0.2, 0.4])}, lambda x: x, {"te": (0.0, 2.0)})
        self.reading = nnx.Linear(2, 1, rngs=nnx.Rngs(0))

    def __call__(self, rate, noise):
        echoes = jnp.exp(-rate[:, None] * self.times()["te"][None]) + noise
        return self.reading(echoes)[:, 0]


def loss(network, batch):
    error = jnp.mean((network(batch["rate"], batch["noise"]) - batch["rate"]) ** 2)
    return error, {"rate": error}


def batch(step):
    rate, noise = jax.random.split(jax.random.key(step))
    return {
        "rate": jax.random.uniform(rate, (64,), minval=0.8, maxval=1.2),
        "noise": 0.03 * jax.random.normal(noise, (64, 2)),
    }


def trained(folder=None, batch=batch, optimiser=None):
    network = Decay()
    steps = mr.nn.TrainingSchedule(30, log_every=1, checkpoint_every=10)
    optimiser = mr.design.at_rate(optax.adam(0.01), 5.0, "times") if optimiser is None else optimiser
    history = mr.nn.train(network, loss, batch, steps, optimiser, folder, progress=False)
    return network, history


def test_a_schedule_and_a_network_are_learned_together_and_go_on_bit_for_bit(tmp_path):
    def killed(step):
        if step == 17:
            raise MemoryError
        return batch(step)

    with pytest.raises(MemoryError):
        trained(tmp_path, killed)
    (whole, history), (resumed, _) = trained(), trained(tmp_path)
    for one, other in zip(*(jax.tree.leaves(nnx.state(network)) for network in (whole, resumed)), strict=True):
        np.testing.assert_array_equal(one, other)
    # exp(-r t) says most of r at t = 1 / r, which is 1 here
    assert np.max(whole.times()["te"]) == pytest.approx(1.0, abs=0.2)
    assert history.column("rate")[1][-1] < history.column("rate")[1][0]


def test_steps_of_the_schedule_are_longer_by_the_factor():
    once, far = (trained(optimiser=mr.design.at_rate(optax.sgd(1e-3), factor, "times"))[0] for factor in (1.0, 10.0))
    moved = lambda network: network.times.weights[0][...] - Decay().times.weights[0][...]
    np.testing.assert_allclose(moved(far), 10 * moved(once), rtol=0.1)


def test_what_has_no_influence_is_named():
    network = Decay()
    mr.design.require_influence(network, network.times, loss, batch(0))
    deaf = lambda network, batch: (jnp.mean(jax.lax.stop_gradient(network(batch["rate"], batch["noise"]))), {})
    with pytest.raises(ValueError, match=r"The loss does not depend on \['te'\]: its derivative is zero"):
        mr.design.require_influence(network, network.times, deaf, batch(0))
    wild = lambda network, batch: (jnp.sum(jnp.sqrt(network.times()["te"] - network.times()["te"])), {})
    with pytest.raises(ValueError, match=r"derivative of the loss in \['te'\] is not finite"):
        mr.design.require_influence(network, network.times, wild, batch(0))
    with pytest.raises(ValueError, match="must be `network` or a part of it"):
        mr.design.require_influence(network, Decay().times, loss, batch(0))


@pytest.mark.parametrize(
    ("start", "bounds", "message"),
    [
        (START, {"power": (0.0, 1.0), "delay": (1.0, 5.0)}, r"\['power'\] starts outside its bounds"),
        (START, {"power": (0.0, np.inf), "delay": (1.0, 5.0)}, r"bounds of \['power'\] must be finite"),
        (
            START,
            {"power": (0.5, 4.0), "delay": (3.0, 3.0)},
            r"bounds of \['delay'\] must be finite and the lower below",
        ),
    ],
)
def test_impossible_bounds_are_refused(start, bounds, message):
    with pytest.raises(ValueError, match=message):
        learned(start, bounds)


def test_a_rate_needs_a_factor_and_a_part():
    with pytest.raises(ValueError, match=r"`factor` must be positive and finite, but got 0.0"):
        mr.design.at_rate(optax.sgd(1.0), 0.0, "times")
    with pytest.raises(ValueError, match=r"`name` must be an attribute of the network \(reading, times\), got 'time'"):
        trained(optimiser=mr.design.at_rate(optax.sgd(1.0), 2.0, "time"))


def test_sums_are_limited_towards_their_least():
    values = jnp.array([[1.0, 2.0], [3.0, 4.0]])
    np.testing.assert_array_equal(mr.design.limit_sum(values, 10.0), values)
    limited = mr.design.limit_sum(values, 8.0, least=jnp.array([[1.0], [0.5]]))
    assert limited.sum() == pytest.approx(8.0, rel=1e-12)
    np.testing.assert_allclose(limited, [[1.0, 1 + 5 / 7], [0.5 + 2.5 * 5 / 7, 0.5 + 3.5 * 5 / 7]])
    with pytest.raises(ValueError, match="`most` must be more than the sum of `least`"):
        mr.design.limit_sum(values, 4.0, least=1.0)
    along = jnp.array([[0.3, -1.0], [2.0, 0.1]])
    of = lambda values: jnp.sum(mr.design.limit_sum(values, 8.0) ** 3)
    numeric = (of(values + 1e-6 * along) - of(values - 1e-6 * along)) / 2e-6
    np.testing.assert_allclose(jnp.vdot(jax.grad(of)(values), along), numeric, rtol=1e-7)
