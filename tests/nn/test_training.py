"""Training: resumed bit for bit, wherever and however it was stopped."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

import mrjax as mr

STEPS = 40


def network(width=4):
    return mr.nn.FullyConnected((3, width, 1), rngs=nnx.Rngs(0))


def batch(step):
    x = jax.random.normal(jax.random.fold_in(jax.random.key(5), step), (16, 3), jnp.float32)
    return {"x": x, "y": x[:, :1] * x[:, 1:2]}


def loss(net, now):
    error = jnp.mean((net(now["x"]) - now["y"]) ** 2)
    return error, {"error": error}


def trained(folder, steps=STEPS, batch=batch, net=None, **options):
    net = network() if net is None else net
    schedule = mr.nn.TrainingSchedule(steps, log_every=4, checkpoint_every=10, **options.pop("schedule", {}))
    history = mr.nn.train(net, loss, batch, schedule, optax.adam(1e-2), folder, progress=False, **options)
    return net, history


def weights(net):
    return jax.tree.leaves(nnx.to_pure_dict(nnx.state(net, nnx.Param)))


def assert_same_weights(a, b):
    for x, y in zip(weights(a), weights(b), strict=True):
        np.testing.assert_array_equal(x, y)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("whole"))


def test_the_loss_falls_and_is_logged(uninterrupted):
    net, history = uninterrupted
    steps, losses = history.column("loss")
    assert list(steps) == list(range(4, STEPS + 1, 4))
    assert np.all(losses > 0)
    # a line holds the loss before its step, here of the untrained network of the first
    first = trained(None, steps=1)[1].column("loss")[1]
    np.testing.assert_allclose(first, loss(network(), batch(0))[0], rtol=1e-6)
    unseen = [batch(step) for step in range(100, 120)]
    mean = lambda net: np.mean([loss(net, now)[0] for now in unseen])
    assert mean(net) < 0.6 * mean(network())
    assert [json.loads(line)["step"] for line in history.file.read_text().splitlines()] == list(steps)


@pytest.mark.parametrize("stop", [3, 10, 27])
def test_an_interrupt_saves_and_training_goes_on_bit_for_bit(tmp_path, uninterrupted, stop):
    def stopping(step):
        if step == stop:
            raise KeyboardInterrupt
        return batch(step)

    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path, batch=stopping)
    asked = []
    net, history = trained(tmp_path, batch=lambda step: (asked.append(step), batch(step))[1])
    assert asked == list(range(stop, STEPS))
    assert_same_weights(net, uninterrupted[0])
    np.testing.assert_array_equal(history.column("loss"), uninterrupted[1].column("loss"))


@pytest.mark.exhaustive
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL on this system")
def test_a_killed_process_goes_on_bit_for_bit(tmp_path, uninterrupted):
    slow = (
        "import sys, time, jax; jax.config.update('jax_enable_x64', True)\n"
        f"sys.path.insert(0, {os.path.dirname(__file__)!r})\n"
        "import test_training as t\n"
        f"t.trained({str(tmp_path)!r}, batch=lambda step: (time.sleep(0.05), t.batch(step))[1])\n"
    )
    process = subprocess.Popen([sys.executable, "-c", slow], stderr=subprocess.PIPE)
    # the process ends by itself, however slow the machine
    while not (tmp_path / "checkpoints" / "10").exists() and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert (tmp_path / "checkpoints" / "10").exists(), process.stderr.read().decode()[-2000:]
    process.stderr.close()
    net, _ = trained(tmp_path)
    assert_same_weights(net, uninterrupted[0])


def test_a_finished_training_is_not_repeated(tmp_path):
    first, _ = trained(tmp_path, steps=10)
    again, _ = trained(tmp_path, steps=10, batch=lambda step: pytest.fail("a batch was asked for"))
    assert_same_weights(first, again)


def test_a_validation_that_does_not_get_better_stops(tmp_path):
    _, history = trained(tmp_path, validate=lambda net: 1.0, schedule={"patience": 2})
    assert list(history.column("validation")[0]) == [10, 20, 30]


def test_a_damaged_checkpoint_is_named(tmp_path):
    trained(tmp_path, steps=10)
    for file in (tmp_path / "checkpoints" / "10").rglob("*"):
        if file.is_file():
            file.write_bytes(b"damaged")
    with pytest.raises(ValueError, match=r"checkpoints.10 cannot be read.*Delete that folder"):
        trained(tmp_path)


def test_a_checkpoint_of_another_network_is_named(tmp_path):
    trained(tmp_path, steps=10)
    with pytest.raises(ValueError, match=r"is of another network"):
        trained(tmp_path, net=network(width=5))


def test_after_a_damaged_checkpoint_the_one_before_serves(tmp_path, uninterrupted):
    trained(tmp_path, steps=20)
    shutil.rmtree(tmp_path / "checkpoints" / "20")
    net, _ = trained(tmp_path)
    assert_same_weights(net, uninterrupted[0])


def test_a_log_that_was_cut_short_is_mended(tmp_path, uninterrupted):
    trained(tmp_path, steps=20)
    with (tmp_path / "log.jsonl").open("a") as file:
        file.write('{"step": 24, "lo')
    _, history = trained(tmp_path)
    np.testing.assert_array_equal(history.column("loss")[0], uninterrupted[1].column("loss")[0])


def test_a_loss_that_is_not_finite_stops_with_the_step():
    with pytest.raises(ValueError, match=r"The loss is nan at step 4"):
        trained(None, batch=lambda step: {"x": jnp.full((2, 3), jnp.nan), "y": jnp.zeros((2, 1))})


def test_patience_without_a_validation_is_refused():
    with pytest.raises(ValueError, match="`patience` counts validations, but `validate` is not given"):
        trained(None, schedule={"patience": 2})


def test_an_interrupt_during_a_validation_repeats_it(tmp_path):
    """The scores, and so the step where patience ends, are those of a training that was not stopped."""
    stop_at = [2]

    def validate(net):
        stop_at[0] -= 1
        if stop_at[0] == 0:
            raise KeyboardInterrupt
        return 1.0

    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path, validate=validate, schedule={"patience": 2})
    _, history = trained(tmp_path, validate=validate, schedule={"patience": 2})
    assert list(history.column("validation")[0]) == [10, 20, 30]


def test_weights_that_are_not_finite_are_not_kept(tmp_path):
    bad = lambda net, now: (jnp.sqrt(jnp.sum(net(now["x"]) ** 2) * 0.0), {})
    schedule = mr.nn.TrainingSchedule(2, checkpoint_every=1)
    with pytest.raises(ValueError, match="The weights are not finite at step 1"):
        mr.nn.train(network(), bad, batch, schedule, optax.sgd(1.0), tmp_path, progress=False)
    assert not any((tmp_path / "checkpoints").iterdir())


def test_another_optimiser_is_named(tmp_path):
    trained(tmp_path, steps=10)
    with pytest.raises(ValueError, match="of another network or optimiser"):
        mr.nn.train(network(), loss, batch, mr.nn.TrainingSchedule(20), optax.sgd(0.1), tmp_path, progress=False)


@pytest.mark.parametrize("name", ["steps", "log_every", "checkpoint_every", "patience"])
def test_lengths_are_positive_integers(name):
    with pytest.raises(ValueError, match=f"`{name}` must be an integer of at least 1, but got 0"):
        mr.nn.TrainingSchedule(**({"steps": 1} | {name: 0}))
