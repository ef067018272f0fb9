"""Run twice by test_devices.py, once for each process: arguments are the port and the number of this process."""

import sys

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from on_eight_devices import ENGINE, fisp, inputs

import mrjax as mr


def main(port: str, number: int) -> None:
    jax.config.update("jax_enable_x64", True)
    jax.distributed.initialize(f"localhost:{port}", num_processes=2, process_id=number)
    assert jax.device_count() == 2 * jax.local_device_count()
    mesh = Mesh(np.array(jax.devices()), ("voxels",))
    where = NamedSharding(mesh, PartitionSpec("voxels"))
    spread = {name: jax.make_array_from_callback(x.shape, where, lambda i, x=x: x[i]) for name, x in inputs().items()}
    signal = mr.simulate(fisp(), mr.Tissue(**spread), ENGINE)
    assert signal.sharding.spec[0] == "voxels"
    assert not signal.is_fully_addressable
    alone = mr.Tissue(**{name: jax.device_put(x, jax.local_devices()[0]) for name, x in inputs().items()})
    expected = np.asarray(mr.simulate(fisp(), alone, ENGINE))
    for shard in signal.addressable_shards:
        np.testing.assert_array_equal(shard.data, expected[shard.index])
    print("process", number, "holds", signal.addressable_shards[0].data.shape)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
