"""Every published system: built, trained a few steps, kept, loaded and asked."""

import json
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from matplotlib.colors import to_rgb
from matplotlib.image import imread

from mrjax.zoo import fingerprints, registry, runs

TINY = {"n_repetitions": "40", "n_states": "6", "batch_size": "8", "steps": "3"}
VARIANTS = [
    ("blochnet", {}),
    ("drone", {}),
    pytest.param("hydra", {"narrowing": "8"}, marks=pytest.mark.exhaustive),
    ("mrf_autoencoders", {"variant": "fc"}),
    *[
        pytest.param("mrf_autoencoders", {"variant": variant}, marks=pytest.mark.exhaustive)
        for variant in ("rnn", "fc-fc", "rnn-rnn")
    ],
]
pytestmark = pytest.mark.filterwarnings("ignore:.*truncates")


ON_SPLINES = [
    ("blochnet", {"train_on": "splines"}),
    pytest.param("mrf_autoencoders", {"variant": "rnn-rnn", "train_on": "splines"}, marks=pytest.mark.exhaustive),
]


@pytest.mark.parametrize(("name", "changes"), [*VARIANTS, *ON_SPLINES], ids=str)
def test_a_system_is_trained_kept_and_loaded(tmp_path, name, changes):
    system = registry.system_called(name)
    config = runs.configured(system, "paper", TINY | changes)
    network = runs.trained(system, config, tmp_path, progress=False)
    again, same_config, loaded = runs.load(tmp_path)
    assert (again, same_config) == (system, config)
    signal = fingerprints.stream(config).batch(9)["signal"][:, 0]
    answers = [runs.estimator(system, net)(signal) for net in (network, loaded)]
    for key in ("t1", "t2"):
        assert np.all(np.isfinite(answers[0][key]))
        np.testing.assert_array_equal(answers[0][key], answers[1][key])
    drawn = imread(tmp_path / "loss.png")[..., :3]
    assert np.any(np.abs(drawn - np.array(to_rgb("C0"))[None, None]).max(-1) < 0.01)  # the first curve is there
    n_weights = sum(leaf.size for leaf in jax.tree.leaves(nnx.state(network, nnx.Param)))
    card = (tmp_path / "card.md").read_text()
    assert card.startswith(f"# {name}: {system.summary}\n\n- Source: {system.source}\n- Weights: {n_weights:,}\n")


@pytest.mark.parametrize(("name", "changes"), VARIANTS, ids=str)
def test_the_gradient_of_every_loss(name, changes):
    """Along a random direction, against a difference in float64."""
    system = registry.system_called(name)
    config = runs.configured(system, "paper", TINY | changes)
    graph, weights, rest = nnx.split(system.network(config, nnx.Rngs(0)), nnx.Param, ...)
    weights = jax.tree.map(lambda w: w.astype(np.float64), weights)
    batch = {key: value.astype(np.float64) for key, value in fingerprints.stream(config).batch(0).items()}
    of_network = system.loss(config)
    loss = jax.jit(jax.value_and_grad(lambda w: of_network(nnx.merge(graph, w, rest), batch)[0]))
    leaves, structure = jax.tree.flatten(weights)
    keys = jax.random.split(jax.random.key(1), len(leaves))
    along = jax.tree.unflatten(
        structure, [jax.random.normal(k, leaf.shape, leaf.dtype) for k, leaf in zip(keys, leaves, strict=True)]
    )
    slope = sum(np.vdot(g, d) for g, d in zip(*map(jax.tree.leaves, (loss(weights)[1], along)), strict=True))
    moved = lambda by: loss(jax.tree.map(lambda w, d: w + by * d, weights, along))[0]
    numeric = (moved(1e-7) - moved(-1e-7)) / 2e-7
    np.testing.assert_allclose(slope, numeric, rtol=2e-4)


def test_presets_are_as_published():
    config = registry.system_called("blochnet").presets["paper"]
    network = registry.system_called("blochnet").network(config, nnx.Rngs(0))
    n_weights = sum(leaf.size for leaf in jax.tree.leaves(nnx.state(network, nnx.Param)))
    assert n_weights == 1000 * 1000 + 1000 + 1000 * 300 + 300 + 300 * 300 + 300 + 300 * 2 + 2
    assert (config.batch_size, config.n_states, config.learning_rate, config.seed) == (1000, 20, 1e-3, 1234)


@pytest.fixture(scope="module")
def drone_folder(tmp_path_factory):
    folder, system = tmp_path_factory.mktemp("drone"), registry.system_called("drone")
    runs.trained(system, runs.configured(system, "paper", TINY), folder, progress=False)
    return folder


@pytest.fixture
def trained_drone(drone_folder, tmp_path):
    """A finished training to damage."""
    return shutil.copytree(drone_folder, tmp_path / "drone")


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("weights.npz", b"PK", "weights.npz cannot be read"),
        ("config.json", b"[]", "config.json cannot be read as the configuration"),
        ("config.json", b"{}", "config.json cannot be read as the configuration"),
        ("config.json", b'{"system": "drone", "settings": {"depth": 3}}', "config.json cannot be read"),
    ],
)
def test_damaged_files_are_named(trained_drone, file, content, message):
    (trained_drone / file).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        runs.load(trained_drone)


def test_a_wild_prediction_has_a_finite_gradient():
    system = registry.system_called("blochnet")
    config = runs.configured(system, "paper", TINY)
    loss, batch = system.loss(config), fingerprints.stream(config).batch(0)
    network = system.network(config, nnx.Rngs(0))
    network.layers[-1].bias[...] = jnp.full(2, 400.0)  # 10 to the power of it is not finite
    slope = nnx.jit(nnx.grad(lambda network: loss(network, batch)[0]))(network)
    assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(slope))


def test_a_folder_of_another_training_is_not_written_over(trained_drone):
    system = registry.system_called("drone")
    other = runs.configured(system, "paper", TINY | {"steps": "4"})
    with pytest.raises(ValueError, match="holds a training with other settings"):
        runs.trained(system, other, trained_drone, progress=False)


def test_weights_that_do_not_fit_are_named(trained_drone):
    known = json.loads((trained_drone / "config.json").read_text())
    known["settings"]["n_repetitions"] = 41
    (trained_drone / "config.json").write_text(json.dumps(known))
    with pytest.raises(ValueError, match=r"weights.npz does not fit the network"):
        runs.load(trained_drone)


CONFIG_OF_BEFORE = """{
 "system": "drone",
 "settings": {
  "train_on": "fisp",
  "n_repetitions": 40,
  "n_states": 6,
  "batch_size": 8,
  "steps": 3,
  "learning_rate": 0.001,
  "seed": 1234,
  "snr": 40.0
 }
}"""
"""As the first version wrote it; such folders must load for ever, or be refused with a sentence."""


def test_a_folder_of_an_older_version_loads(tmp_path, rng):
    widths = (40, 300, 300, 2)
    arrays = {}
    for i in range(3):
        arrays[f"layers/{i}/bias"] = rng.normal(size=widths[i + 1]).astype(np.float32)
        arrays[f"layers/{i}/kernel"] = 0.05 * rng.normal(size=widths[i : i + 2]).astype(np.float32)
    np.savez(tmp_path / "weights.npz", **arrays)
    (tmp_path / "config.json").write_text(CONFIG_OF_BEFORE)
    system, config, network = runs.load(tmp_path)
    assert (system.name, config.n_states, config.snr) == ("drone", 6, 40.0)
    signal = rng.normal(size=(5, 40)).astype(np.float32)
    units = np.abs(signal)
    for i in range(3):
        units = (np.maximum(units, 0) if i else units) @ arrays[f"layers/{i}/kernel"] + arrays[f"layers/{i}/bias"][None]
    answer = runs.estimator(system, network)(signal)
    np.testing.assert_allclose(answer["t1"], 10 ** units[:, 0] * 1e-3, rtol=1e-3)
    np.testing.assert_allclose(answer["t2"], 10 ** units[:, 1] * 1e-3, rtol=1e-3)


def test_a_folder_of_another_system_is_refused(trained_drone):
    other = registry.system_called("mrf_autoencoders")
    with pytest.raises(
        ValueError, match=r"config.json is of a training of drone, not of mrf_autoencoders; choose another folder"
    ):
        runs.load(trained_drone, other)
    with pytest.raises(ValueError, match=r"is of a training of drone, not of mrf_autoencoders"):
        runs.trained(other, other.presets["smoke"], trained_drone, progress=False)


def test_a_system_that_is_no_longer_known_is_refused(trained_drone):
    (trained_drone / "config.json").write_text('{"system": "alexnet", "settings": {}}')
    with pytest.raises(
        ValueError, match=r"config.json cannot be read .*: The system must be one of .*blochnet, .*'alexnet'"
    ):
        runs.load(trained_drone)


def test_every_file_of_systems_and_methods_defines_one_of_its_name():
    for name in registry.system_names():
        system = registry.system_called(name)
        assert system.name == name
        assert "smoke" in system.presets
        assert len({type(config) for config in system.presets.values()}) == 1
    assert registry.method_called("dictionary_matching").name == "dictionary_matching"
    assert registry.method_called("blochnet") is None
