"""Training of networks that hold more than weights: running statistics and random numbers."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

import mrjax as mr
from mrjax import zoo
from mrjax.zoo import fingerprints

MOMENTUM = 0.9


class Normalised(nnx.Module):
    """Inputs of any width to one number, with a normalisation of the inputs and dropout of hidden units."""

    def __init__(self, n_inputs, n_outputs, rngs):
        self.norm = nnx.BatchNorm(n_inputs, momentum=MOMENTUM, rngs=rngs)
        self.first = nnx.Linear(n_inputs, 8, rngs=rngs)
        self.dropout = nnx.Dropout(0.5, rngs=rngs)
        self.last = nnx.Linear(8, n_outputs, rngs=rngs)

    def __call__(self, x):
        return self.last(self.dropout(jax.nn.relu(self.first(self.norm(x.astype(jnp.float32))))))


def network():
    return Normalised(3, 1, nnx.Rngs(0))


def batch(step):
    x = 2.0 + jax.random.normal(jax.random.fold_in(jax.random.key(5), step), (16, 3), jnp.float32)
    return {"x": x, "y": x[:, :1] * x[:, 1:2]}


def loss(net, now):
    return jnp.mean((net(now["x"]) - now["y"]) ** 2), {}


def trained(folder=None, steps=6, batch=batch, **options):
    net = network()
    schedule = mr.nn.TrainingSchedule(steps, log_every=1, checkpoint_every=4)
    history = mr.nn.train(net, loss, batch, schedule, optax.adam(1e-2), folder, progress=False, **options)
    return net, history


def everything(net):
    """All arrays by name, with the bits of random keys."""
    bits = lambda leaf: jax.random.key_data(leaf) if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf
    leaves = jax.tree_util.tree_leaves_with_path(nnx.to_pure_dict(nnx.state(net)))
    return {jax.tree_util.keystr(path): np.asarray(bits(leaf)) for path, leaf in leaves}


def assert_same(net, other):
    a, b = everything(net), everything(other)
    assert a.keys() == b.keys()
    assert len(a) == 10  # six of weights, mean and variance, key and count
    for name in a:
        np.testing.assert_array_equal(a[name], b[name], err_msg=name, strict=True)


@pytest.fixture(scope="module")
def uninterrupted():
    return trained()


def test_running_statistics_are_those_of_the_batches(uninterrupted):
    mean, variance = np.zeros(3), np.ones(3)
    for step in range(6):
        x = np.asarray(batch(step)["x"], float)
        mean = MOMENTUM * mean + (1 - MOMENTUM) * x.mean(0)
        variance = MOMENTUM * variance + (1 - MOMENTUM) * x.var(0)
    norm = uninterrupted[0].norm
    np.testing.assert_allclose(norm.mean[...], mean, rtol=1e-5)
    np.testing.assert_allclose(norm.var[...], variance, rtol=1e-5)


def test_every_step_drops_other_units(uninterrupted):
    assert int(uninterrupted[0].dropout.rngs.count[...]) == 6
    still, _ = trained(batch=lambda step: batch(0))
    assert int(still.dropout.rngs.count[...]) == 6
    losses = mr.nn.train(
        network(), loss, lambda step: batch(0), mr.nn.TrainingSchedule(4, 1), optax.sgd(1e-12), progress=False
    ).column("loss")[1]
    assert len(set(losses)) == 4


@pytest.mark.exhaustive
@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError], ids=["interrupted", "killed"])
def test_all_state_is_restored_bit_for_bit(tmp_path, uninterrupted, error):
    """An interrupt saves its step; what dies otherwise leaves the checkpoint of step 4."""

    def stopping(step):
        if step == 5:
            raise error
        return batch(step)

    with pytest.raises(error):
        trained(tmp_path, batch=stopping)
    asked = []
    net, history = trained(tmp_path, batch=lambda step: (asked.append(step), batch(step))[1])
    assert asked == ([5] if error is KeyboardInterrupt else [4, 5])
    assert_same(net, uninterrupted[0])
    np.testing.assert_array_equal(history.column("loss"), uninterrupted[1].column("loss"))


def test_validation_and_what_is_handed_back_predict(uninterrupted):
    modes, x = [], batch(9)["x"]

    def validate(net):
        modes.append((net.norm.use_running_average, net.dropout.deterministic))
        np.testing.assert_array_equal(net(x), net(x))
        return 1.0

    net, _ = trained(validate=validate)
    assert modes == [(True, True)] * 2
    assert_same(net, uninterrupted[0])
    scaled = (x - net.norm.mean[...][None]) / jnp.sqrt(net.norm.var[...][None] + net.norm.epsilon)
    by_hand = net.last(jax.nn.relu(net.first(scaled * net.norm.scale[...][None] + net.norm.bias[...][None])))
    np.testing.assert_allclose(net(x), by_hand, rtol=1e-5, atol=1e-6)


def test_a_network_that_predicted_learns_in_training_mode_again(uninterrupted):
    net = network()
    net.eval()
    mr.nn.train(net, loss, batch, mr.nn.TrainingSchedule(6), optax.adam(1e-2), progress=False)
    assert_same(net, uninterrupted[0])


@pytest.mark.exhaustive
def test_what_a_call_notes_is_no_state(tmp_path):
    class Noting(Normalised):
        def __call__(self, x):
            self.seen = nnx.Intermediate(x)
            return super().__call__(x)

    net = Noting(3, 1, nnx.Rngs(0))
    net(batch(0)["x"])
    for steps in (2, 4):
        mr.nn.train(net, loss, batch, mr.nn.TrainingSchedule(steps), optax.adam(1e-2), tmp_path, progress=False)
    assert len(everything(net)) == 10


def test_statistics_that_are_not_finite_are_not_kept(tmp_path):
    class Forgetting(Normalised):
        def __call__(self, x):
            y = super().__call__(x)
            self.norm.var[...] = jnp.full(3, jnp.inf)
            return y

    with pytest.raises(ValueError, match="running statistics of the network are not finite at step 2"):
        mr.nn.train(
            Forgetting(3, 1, nnx.Rngs(0)),
            loss,
            batch,
            mr.nn.TrainingSchedule(2),
            optax.sgd(1e-3),
            tmp_path,
            progress=False,
        )
    assert not any((tmp_path / "checkpoints").iterdir())


@pytest.mark.exhaustive
def test_a_system_keeps_and_loads_all_state(tmp_path):
    of_batch = lambda net, now: (fingerprints.label_error(net(now["signal"]), now), {})
    system = dataclasses.replace(
        zoo.system_called("drone"),
        name="of our own",
        network=lambda config, rngs: Normalised(config.n_repetitions, 2, rngs),
        loss=lambda config: of_batch,
        estimate=lambda net, signal: fingerprints.relaxation_times(net(signal)),
    )
    config = zoo.configured(
        system, "paper", {"n_repetitions": "20", "n_states": "4", "batch_size": "8", "steps": "3", "seed": "7"}
    )
    net = zoo.trained(system, config, tmp_path, progress=False)
    _, _, loaded = zoo.load(tmp_path, system)
    assert_same(loaded, net)
    assert not np.allclose(loaded.norm.mean[...], 0)
    signal = fingerprints.stream(config).batch(9)["signal"][:, 0]
    answers = [zoo.estimator(system, n)(signal)["t1"] for n in (net, loaded)]
    np.testing.assert_array_equal(*answers)
    expected = 10 ** net(signal)[:, 0] * 1e-3
    np.testing.assert_allclose(answers[0], expected, rtol=1e-5)
    net.train()  # an estimate is one of evaluation mode, whatever mode the network is in
    np.testing.assert_array_equal(zoo.estimator(system, net)(signal)["t1"], answers[0])
    assert "- Weights: 226\n" in (tmp_path / "card.md").read_text()  # 2 * 20 + 21 * 8 + 9 * 2
