"""Systems that learn from undersampled k-space: each learns, answers with maps or images, and goes on bit for bit."""

import argparse
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import mrjax as mr
from mrjax import zoo
from mrjax.zoo import registry, relaxometry, runs

TINY = {"n_pixels": "16", "n_contrasts": "3", "n_coils": "4", "acceleration": "2", "batch_size": "2", "channels": "4"}
CHANGES = {
    "mantis": {"levels": "2", "dropout": "0.2"},
    "relax": {"levels": "2"},
    "dopamine": {"n_stages": "2"},
    "modl": {"n_stages": "2", "n_iterations": "3", "normalisation": "batch"},
}
OPTIONS = {"maps": None, "m0": None, "milliseconds": False, "acceleration": None, "snr": None, "parameter": None}


@pytest.fixture(scope="module", autouse=True)
def in_single_precision():
    with jax.enable_x64(False):
        yield


answer = nnx.jit(lambda network, batch: network(batch))


def configured(name, **changes):
    system = registry.system_called(name)
    return system, runs.configured(system, "smoke", TINY | {"objects": "templates"} | CHANGES[name] | changes)


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.exhaustive
def test_a_system_learns_and_is_judged(tmp_path, name):
    system, config = configured(name, steps="30", learning_rate="0.01")
    zoo.trained(system, config, tmp_path, progress=False)
    losses = mr.nn.History.read(tmp_path / "log.jsonl").column("loss")[1]
    assert losses[-1] < 0.8 * losses[0]
    evaluation, config, estimate = zoo.judged(str(tmp_path))
    scan = relaxometry.test_scan(config, argparse.Namespace(**OPTIONS))
    found = estimate({key: scan[key] for key in relaxometry.AXES})
    if name == "modl":
        assert found.shape == (5, 3, 16, 16)
        assert found.dtype == jnp.complex64
    else:
        assert found.keys() == {config.parameter, "m0"}
        assert all(values.shape == (5, 16, 16) and np.isfinite(values).all() for values in found.values())
        low, high = scan["model"].limits
        assert low / 3 < np.median(found[config.parameter][scan["inside"]]) < 3 * high
    report = evaluation.report(config, estimate, argparse.Namespace(**OPTIONS))
    assert len(report.rows[0]) == len(report.columns)


@pytest.mark.exhaustive
def test_mantis_goes_on_bit_for_bit_with_statistics_and_dropout(tmp_path):
    """Killed after its checkpoint at step 2 of 4."""
    system, config = configured("mantis", steps="4")
    schedule = mr.nn.TrainingSchedule(4, log_every=1, checkpoint_every=2)

    def trained(folder, batch):
        network = system.network(config, nnx.Rngs(config.seed))
        mr.nn.train(
            network,
            system.loss(config),
            batch,
            schedule,
            system.optimiser(config),
            folder,
            batch_axes=stream.batch_axes,
            progress=False,
        )
        return network

    def killed(step):
        if step == 3:
            raise MemoryError
        return stream.batch(step)

    stream = system.data(config)
    whole = trained(None, stream.batch)
    with pytest.raises(MemoryError):
        trained(tmp_path, killed)
    resumed = trained(tmp_path, stream.batch)
    bits = lambda leaf: jax.random.key_data(leaf) if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf
    arrays = lambda network: [np.asarray(bits(leaf)) for leaf in jax.tree.leaves(nnx.to_pure_dict(nnx.state(network)))]
    for one, other in itertools.zip_longest(arrays(whole), arrays(resumed)):
        np.testing.assert_array_equal(one, other, strict=True)
    counts = [int(layer.rngs.count[...]) for _, layer in nnx.iter_graph(resumed) if isinstance(layer, nnx.Dropout)]
    assert counts
    assert set(counts) == {4}


@pytest.mark.exhaustive
def test_before_training_the_maps_are_the_linear_first_guess():
    system, config = configured("mantis")
    batch = system.data(config).batch(0)
    network = system.network(config, nnx.Rngs(0))
    network.eval()
    maps = answer(network, batch)
    assert (maps[..., 0] == 0).all()
    contrasts = jnp.moveaxis(relaxometry.zero_filled(batch), 1, -1)
    m0 = relaxometry.best_m0(batch["model"], contrasts)
    np.testing.assert_allclose(jax.lax.complex(maps[..., 1], maps[..., 2]), m0, atol=1e-6)
    # nothing that is proportional to the usual decay explains the contrasts better
    usual = batch["model"](maps)
    for change in (0.99, 1.01, jnp.exp(0.01j)):
        assert jnp.sum(jnp.abs(change * usual - contrasts) ** 2) > jnp.sum(jnp.abs(usual - contrasts) ** 2)


def test_a_turned_object_is_answered_by_turned_maps():
    """Phases need not be learned."""
    system, config = configured("mantis")
    batch = system.data(config).batch(0)
    network = system.network(config, nnx.Rngs(0))
    network.eval()
    network.network.output.kernel[...] = jax.random.normal(jax.random.key(1), network.network.output.kernel.shape)
    turn = jnp.exp(2j).astype(jnp.complex64)
    maps, turned = answer(network, batch), answer(network, batch | {"k_space": turn * batch["k_space"]})
    np.testing.assert_allclose(turned[..., 0], maps[..., 0], atol=1e-3)
    of = lambda maps: jax.lax.complex(maps[..., 1], maps[..., 2])
    np.testing.assert_allclose(of(turned), turn * of(maps), atol=1e-3)


def test_losses_are_zero_for_what_they_ask_for():
    _, config = configured("mantis")
    batch = relaxometry.stream(config).batch(0)
    assert relaxometry.map_error(batch["maps"], batch) == 0
    off = batch["maps"].at[..., 0].add(0.1)
    np.testing.assert_allclose(relaxometry.map_error(off, batch), 0.01, rtol=1e-4)
    flat, step = jnp.ones((1, 8, 8, 3)), jnp.ones((1, 8, 8, 3)).at[:, 4:].set(2.0)
    np.testing.assert_allclose(relaxometry.total_variation(flat), 3e-3, rtol=1e-5)
    np.testing.assert_allclose(relaxometry.total_variation(step) - 3e-3, 3 * 8 / 64, rtol=0.01)


@pytest.mark.exhaustive
def test_dopamine_steps_towards_the_data():
    system, config = configured("dopamine")
    batch = system.data(config).batch(0)
    network = system.network(config, nnx.Rngs(0))  # whose denoiser starts as nothing
    network.eval()
    misfit = jax.jit(relaxometry.inconsistency)
    assert misfit(batch, answer(network, batch)) < 0.9 * misfit(batch, answer(network.first, batch))
