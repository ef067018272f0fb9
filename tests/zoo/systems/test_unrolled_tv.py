"""Unrolled total variation: it starts where total variation is, learns, and knows nothing of units and directions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from mrjax.encoding import Dipole
from mrjax.inverse import qsm
from mrjax.zoo import configured, estimator, susceptibility, system_called, trained
from mrjax.zoo.systems import unrolled_tv

SYSTEM = system_called("unrolled_tv")
TINY = {
    "n_voxels": "12",
    "patch": "12",
    "voxel_size": "0.014",
    "channels": "4",
    "stages": "2",
    "plain": "3",
    "steps": "12",
}


@pytest.fixture(scope="module")
def config():
    return configured(SYSTEM, "smoke", TINY | {"batch_size": "2"})


@pytest.fixture(scope="module")
def batch(config):
    return susceptibility.stream(config).batch(3)


@pytest.fixture(scope="module")
def learned(config):
    """A network that answers something else than nothing."""
    network = SYSTEM.network(config, nnx.Rngs(0))
    kernel = network.learned.network.last.kernel
    kernel[...] = 0.05 * jax.random.normal(jax.random.key(1), kernel.shape, kernel.dtype)
    return network


@pytest.mark.exhaustive
def test_it_starts_as_total_variation(config, batch):
    found = estimator(SYSTEM, SYSTEM.network(config, nnx.Rngs(0)))(batch)["susceptibility"]
    for i in range(2):
        shape = batch["field"].shape[1:]
        dipole = Dipole(shape, batch["voxel_size"][i], batch["b0_direction"][i], unrolled_tv.PADDING)
        expected = qsm.tv(
            batch["field"][i],
            dipole,
            batch["mask"][i],
            weights=batch["weights"][i],
            strength=config.strength,
            n_iterations=config.plain + config.stages,
        )
        np.testing.assert_allclose(found[i], expected, atol=1e-5 * float(jnp.abs(expected).max()))


def test_a_field_twice_as_strong_gives_twice_the_susceptibility(batch, learned):
    """The strength of total variation is that of noise, so it grows along."""
    found = learned(batch)
    graph, state = nnx.split(learned)
    twice = nnx.merge(graph, state)
    twice.log_strength[...] = twice.log_strength[...] + float(np.log(2.0))
    doubled = twice(batch | {"field": 2 * batch["field"]})
    np.testing.assert_allclose(doubled, 2 * found, atol=1e-4 * float(jnp.abs(found).max()))


def test_the_mean_is_zero_and_so_is_the_outside(batch, learned):
    found = np.asarray(learned(batch))
    mask = np.asarray(batch["mask"])
    assert (found[~mask] == 0).all()
    np.testing.assert_allclose([found[i][mask[i]].mean() for i in range(2)], 0, atol=1e-6)


@pytest.mark.exhaustive
def test_training_makes_it_better(config):
    network = trained(SYSTEM, config, folder=None, progress=False)
    unseen = susceptibility.stream(config).batch(2**31)
    error = lambda network: float(unrolled_tv.relative_error(network(unseen), unseen))
    assert error(network) < error(SYSTEM.network(config, nnx.Rngs(0)))


def test_mistakes():
    with pytest.raises(ValueError, match="`stages` must be an integer of at least 1"):
        configured(SYSTEM, "smoke", {"stages": "0"})
    with pytest.raises(ValueError, match="`strength` must be positive"):
        configured(SYSTEM, "smoke", {"strength": "0"})
