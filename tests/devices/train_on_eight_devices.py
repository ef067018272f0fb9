"""Run by `test_devices`, in a process with eight devices: training with the batch spread over them."""

import dataclasses
import sys
from pathlib import Path

import jax
import numpy as np
from flax import nnx

from mrjax.zoo import configured, fingerprints, system_called, trained

system = system_called("blochnet")
config = configured(system, "paper", {"n_repetitions": "30", "n_states": "6", "batch_size": "16", "steps": "4"})
folder = Path(sys.argv[1]).with_suffix("")
trained(system, config, folder, progress=False)
(folder / "config.json").unlink()
# four steps more, from the checkpoint
network = trained(system, dataclasses.replace(config, steps=8), folder, progress=False)
weights = jax.tree.leaves(nnx.to_pure_dict(nnx.state(network, nnx.Param)))
assert all(len(leaf.devices()) == jax.device_count() for leaf in weights)
assert np.all(np.isfinite(network(fingerprints.stream(config).batch(9)["signal"])))
np.savez(Path(sys.argv[1]), *map(np.asarray, weights))
