"""Run by `test_devices` with two devices: batches are split along their first axis or not at all."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

import mrjax as mr
from mrjax.nn._devices import spread

# the first axis is that of the samples, whatever divides: a batch of 3 images of 4 x 4 is not cut through the images
batch = spread({"images": jnp.ones((3, 4, 4)), "labels": jnp.ones((6, 3)), "weight": jnp.ones(())})
parts = {name: {shard.data.shape for shard in leaf.addressable_shards} for name, leaf in batch.items()}
assert parts == {"images": {(3, 4, 4)}, "labels": {(3, 3)}, "weight": {()}}, parts

x = jax.random.normal(jax.random.key(0), (6, 2))
network = nnx.BatchNorm(2, momentum=0.0, rngs=nnx.Rngs(0))
loss = lambda network, x: (jnp.mean(network(x) ** 2), {})
mr.nn.train(network, loss, lambda step: x, mr.nn.Schedule(1), optax.sgd(0.1), progress=False)
np.testing.assert_allclose(network.mean[...], x.mean(0), atol=1e-6)  # of all samples, not of one device's
np.testing.assert_allclose(network.var[...], x.var(0), rtol=1e-5)
