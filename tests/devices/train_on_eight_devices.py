"""Run by `test_devices` with one device and with eight, over which the batch is spread: eight steps of training."""

import dataclasses
import sys
from pathlib import Path

import jax
import numpy as np
from flax import nnx

from mrjax.zoo import configured, fingerprints, system_called, trained

system = system_called("blochnet")
config = configured(system, "paper", {"n_repetitions": "30", "n_states": "6", "batch_size": "16", "steps": "8"})
folder = Path(sys.argv[1]).with_suffix("")
if jax.device_count() > 1:  # from a checkpoint after four steps
    trained(system, dataclasses.replace(config, steps=4), folder, progress=False)
    (folder / "config.json").unlink()
network = trained(system, config, folder, progress=False)
weights = jax.tree.leaves(nnx.to_pure_dict(nnx.state(network, nnx.Param)))
assert all(len(leaf.devices()) == jax.device_count() for leaf in weights)
assert np.all(np.isfinite(network(fingerprints.stream(config).batch(9)["signal"])))
np.savez(Path(sys.argv[1]), *map(np.asarray, weights))
