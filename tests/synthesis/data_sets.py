"""A small data set that the tests of the store make, interrupt and damage."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from mrjax.synthesis import Store

N, CHUNK = 23, 5
KEY = jax.random.key(1)


def make(indices):
    keys = jax.vmap(jax.random.fold_in, (None, 0))(KEY, jnp.asarray(indices))
    signals = jax.vmap(lambda key: jax.random.normal(key, (3, 2), jnp.complex64))(keys)
    return {"signals": signals, "t1": 0.5 + 0.01 * indices, "tissue": indices % 4}


def counted(calls, until=None, error=KeyboardInterrupt):
    def counting(indices):
        if len(calls) == until:
            raise error("stop")
        calls.append(indices)
        return make(indices)

    return counting


def create(folder, make=make, n=N, chunk=CHUNK, attributes=None):
    return Store.create(folder, make, n, chunk, attributes, progress=False)


def whole():
    return {name: np.asarray(value) for name, value in make(np.arange(N)).items()}


def check_is_whole(store):
    assert len(store) == N
    for name, value in whole().items():
        assert store[name].dtype == value.dtype
        np.testing.assert_array_equal(store[name][:], value)


def bytes_of(folder):
    return {path.relative_to(folder): path.read_bytes() for path in sorted(Path(folder).rglob("*")) if path.is_file()}
