"""Run by `test_devices` with two devices: the samples of a batch are spread along the axes that are named, and no others."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

import mrjax as mr
from mrjax.nn._devices import spread


def parts(batch, batch_axes=0):
    placed = spread(batch, batch_axes)
    return {name: {shard.data.shape for shard in leaf.addressable_shards} for name, leaf in placed.items()}


# a batch of six: neither the coils, of which there are six as well, nor the axes of the images are cut
batch = {"images": jnp.ones((4, 4, 6)), "labels": jnp.ones((6, 3)), "coils": jnp.ones((6, 4, 4))}
found = parts(batch, {"images": -1, "labels": 0, "coils": None})
assert found == {"images": {(4, 4, 3)}, "labels": {(3, 3)}, "coils": {(6, 4, 4)}}, found
# three images do not divide: each device has all, whatever the other axes would allow
assert parts({"images": jnp.ones((3, 4, 4))}) == {"images": {(3, 4, 4)}}
assert parts({"weight": jnp.ones(())}, None) == {"weight": {()}}

x = jax.random.normal(jax.random.key(0), (6, 2))
network = nnx.BatchNorm(2, momentum=0.0, rngs=nnx.Rngs(0))
loss = lambda network, batch: (jnp.mean((network(batch["x"].T) - batch["shift"]) ** 2), {})
schedule = mr.nn.TrainingSchedule(1)
given = lambda step: {"x": x.T, "shift": jnp.ones((1, 2))}
mr.nn.train(network, loss, given, schedule, optax.sgd(0.1), batch_axes={"x": 1, "shift": None}, progress=False)
np.testing.assert_allclose(network.mean[...], x.mean(0), atol=1e-6)  # of all samples, not of one device's
np.testing.assert_allclose(network.var[...], x.var(0), rtol=1e-5)
