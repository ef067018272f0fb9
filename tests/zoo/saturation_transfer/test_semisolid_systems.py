"""Systems for semisolid protons: what a network without labels minimises, and that both learn."""

import argparse

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from compiling import compiled_quickly
from flax import nnx

import mrjax as mr
from mrjax import zoo
from mrjax.zoo import saturation_transfer
from mrjax.zoo.saturation_transfer import ImagedVoxels, ScheduledNetwork

SMALL = {"n_images": "6", "hidden": "16", "batch_size": "32"}


class Knowing(ScheduledNetwork):
    """Answers with given units, whatever the images."""

    def __call__(self, images):
        return jnp.arctanh(self.answer)


@pytest.fixture(scope="module")
def measured():
    scheduling = zoo.system_called("mtc_mrf").network(configured("mtc_mrf"), nnx.Rngs(0)).scheduling
    batch = saturation_transfer.samples(scheduling, 3, 0).batch(0)
    return scheduling, ImagedVoxels(batch.tissue, jnp.zeros((3, 6)))


def configured(name, **changes):
    return zoo.configured(zoo.system_called(name), "smoke", SMALL | changes)


@pytest.mark.exhaustive
def test_the_loss_without_labels_is_least_at_the_truth(measured):
    scheduling, batch = measured

    def at(shift):
        network = Knowing(scheduling, (4,), nnx.Rngs(0))
        network.answer = nnx.Variable(scheduling.experiment.units(batch.tissue) + shift)
        return saturation_transfer.signal_error(network, batch)

    error, parts = at(0.0)
    assert error < 1e-20
    assert {*parts} == {"signal", "exchange_rate", "fraction", "pool_t2", "t1"}
    assert all(parts[name] < 1e-20 for name in scheduling.experiment.estimated)
    shift = np.zeros((1, 4))
    shift[0, 1] = -1e-2
    off, parts = at(shift)
    assert off > 1e-10
    assert parts["fraction"] == pytest.approx(1e-4, rel=1e-9)


@pytest.mark.exhaustive
def test_the_gradient_of_the_loss_without_labels(measured):
    scheduling, batch = measured
    graph, weights = nnx.split(ScheduledNetwork(scheduling, (8,), nnx.Rngs(0)))
    weights = jax.tree.map(lambda leaf: leaf.astype(float), weights)
    loss = compiled_quickly(lambda weights: 1e3 * saturation_transfer.signal_error(nnx.merge(graph, weights), batch)[0])
    slope = compiled_quickly(jax.grad(loss))(weights)
    keys = iter(jax.random.split(jax.random.key(1), 20))
    along = jax.tree.map(lambda leaf: jax.random.normal(next(keys), leaf.shape), weights)
    moved = lambda by: loss(jax.tree.map(lambda leaf, direction: leaf + by * direction, weights, along))
    numeric = (moved(1e-6) - moved(-1e-6)) / 2e-6
    found = sum(jnp.vdot(one, other) for one, other in zip(*map(jax.tree.leaves, (slope, along)), strict=True))
    np.testing.assert_allclose(found, numeric, rtol=1e-6)


def test_a_schedule_is_not_learned_without_labels():
    with pytest.raises(ValueError, match=r"`learns` must be 'nothing': .* `loas` learns schedules"):
        configured("mtc_mrf", learns="schedule")


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", ["loas", "mtc_mrf"])
def test_a_system_learns_and_is_judged(tmp_path, name):
    own = {"n_images": "6", "batch_size": "64", "hidden": "32", "steps": "200", "learning_rate": "0.003"}
    system = zoo.system_called(name)
    config = zoo.configured(system, "smoke", own)
    zoo.trained(system, config, tmp_path, progress=False)
    losses = mr.nn.History.read(tmp_path / "log.jsonl").column("loss")[1]
    assert losses[-3:].mean() < 0.8 * losses[:3].mean()
    evaluation, config, estimate = zoo.judged(str(tmp_path))
    report = evaluation.report(config, estimate, argparse.Namespace(tissues=50))
    assert len(report.rows) == 4
