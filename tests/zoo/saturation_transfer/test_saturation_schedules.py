"""Schedules of saturation transfer: their images against another program, derivatives, limits, and scores."""

import argparse
import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
from compiling import compiled_quickly
from flax import nnx

import mrjax as mr
from mrjax import zoo
from mrjax.units import GAMMA
from mrjax.zoo import saturation_transfer
from mrjax.zoo.saturation_transfer import ScheduledNetwork, Scheduling

LARG = saturation_transfer.l_arginine(noise_std=2e-3)
SCHEDULE = {
    "b1": jnp.array([2e-6, 0.0, 5e-6]),
    "offset_ppm": jnp.array([3.0, 3.0, 2.5]),
    "saturation_time": jnp.array([2.5, 1.0, 0.3]),
    "recovery": jnp.array([1.0, 0.5, 2.0]),
    "flip_angle": jnp.array([np.pi / 2, 1.0, np.pi / 2]),
}
TISSUE = {"t1": 2.8, "t2": 0.9, "fraction": 1.4e-3, "exchange_rate": 300.0}
BOUNDS = {"b1": (0.0, 6e-6), "saturation_time": (0.0, 5.0), "recovery": (0.0, 5.0)}


def voxels(n=1):
    return {name: jnp.full(n, value) for name, value in TISSUE.items()}


def by_exponentials(schedule, t1, t2, fraction, exchange_rate):
    """Water and solute in the frame of the RF: x, y, z of the water, of the solute, and the constant component."""
    larmor = GAMMA["1H"] * 9.4 * 1e-6  # rad/s per ppm
    free = np.diag([-1 / t2, -1 / t2, -1 / t1, -1 / 0.04, -1 / 0.04, -1 / 2.8, 0.0])
    free[2, 6], free[5, 6] = 1 / t1, fraction / 2.8
    for i in range(3):
        free[i, i] -= fraction * exchange_rate
        free[i + 3, i + 3] -= exchange_rate
        free[i, i + 3] += exchange_rate
        free[i + 3, i] += fraction * exchange_rate

    def irradiated(b1, offset_ppm):
        matrix = free.copy()
        for first, shift in ((0, 0.0), (3, 3.0)):
            turning = larmor * (shift - offset_ppm)
            matrix[first, first + 1], matrix[first + 1, first] = -turning, turning
            matrix[first + 1, first + 2], matrix[first + 2, first + 1] = -GAMMA["1H"] * b1, GAMMA["1H"] * b1
        return matrix

    state, images = np.array([0, 0, 1, 0, 0, fraction, 1.0]), []
    for i in range(len(schedule["b1"])):
        of = {name: float(values[i]) for name, values in schedule.items()}
        matrix = irradiated(of["b1"], of["offset_ppm"])
        state = scipy.linalg.expm(matrix * of["saturation_time"]) @ state
        images.append(abs((state[2] + state[5]) * np.sin(of["flip_angle"])))
        state = state * np.array([0, 0, np.cos(of["flip_angle"])] * 2 + [1])
        state = scipy.linalg.expm(free * of["recovery"]) @ state
    return np.array(images)


def test_images_are_those_of_matrix_exponentials():
    images = LARG.magnitudes(SCHEDULE, voxels())[0]
    np.testing.assert_allclose(images, by_exponentials(SCHEDULE, **TISSUE), rtol=1e-9)


@pytest.mark.exhaustive
def test_derivatives_of_images_in_the_schedule():
    along = {"b1": 1e-6, "offset_ppm": 0.1, "saturation_time": 0.3, "recovery": -0.4, "flip_angle": 0.2}
    of = compiled_quickly(lambda schedule: jnp.sum(LARG.magnitudes(schedule, voxels()) ** 2))
    schedule = SCHEDULE | {"b1": jnp.array([2e-6, 1e-6, 5e-6])}
    slope = compiled_quickly(jax.grad(of))(schedule)
    tangent = {name: jnp.full(3, along[name]) for name in schedule}
    forward = compiled_quickly(lambda s, t: jax.jvp(of, (s,), (t,))[1])(schedule, tangent)
    moved = lambda by: of({name: value + by * along[name] for name, value in schedule.items()})
    numeric = (moved(1e-6) - moved(-1e-6)) / 2e-6
    np.testing.assert_allclose(forward, numeric, rtol=5e-6)
    np.testing.assert_allclose(sum(jnp.vdot(slope[name], tangent[name]) for name in slope), forward, rtol=1e-9)


def test_networks_see_parameters_from_minus_one_to_one():
    experiment = saturation_transfer.semisolid_brain(5e-3)
    ends = {name: jnp.array(pair) for name, pair in experiment.limits.items()}
    units = experiment.units(ends)
    np.testing.assert_allclose(units, [[-1] * 4, [1] * 4], atol=1e-12)
    for name, value in experiment.parameters(units).items():
        np.testing.assert_allclose(value, ends[name], rtol=1e-12)


def test_a_schedule_keeps_the_time_it_has():
    design = Scheduling(LARG, SCHEDULE, BOUNDS, most_time=5.0)
    played = design.played(SCHEDULE)
    assert design.duration(played) == pytest.approx(5.0, rel=1e-12)
    np.testing.assert_allclose(played["recovery"] / SCHEDULE["recovery"], 5.0 / 7.3, rtol=1e-12)
    alone = dataclasses.replace(design, bounds={"recovery": (0.2, 5.0)}).played(SCHEDULE)
    np.testing.assert_array_equal(alone["saturation_time"], SCHEDULE["saturation_time"])
    assert design.duration(alone) == pytest.approx(5.0, rel=1e-12)
    longer = Scheduling(LARG, SCHEDULE, BOUNDS, 100.0)
    assert longer.duration(longer.played(SCHEDULE)) == pytest.approx(7.3, rel=1e-12)
    with pytest.raises(ValueError, match=r"shortest saturations, readouts and recoveries, 4\.4 s, but is 4 s"):
        Scheduling(LARG, SCHEDULE, {"recovery": (0.2, 5.0)}, most_time=4.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"known": {"pool_t1": 2.8, "pool_t2": 0.04}}, "but lack shift_ppm"),
        ({"known": {**LARG.known, "t1": 1.0}}, "but have t1 once too often"),
        ({"known": {**LARG.known, "t3": 1.0}}, "but have t3 once too often"),
        ({"estimated": ("shift_ppm",)}, "`estimated` must name some of `limits` .* but got shift_ppm"),
        ({"estimated": ()}, "`estimated` must name some of `limits`"),
        ({"noise_std": 0.0}, "`noise_std` must be positive and finite, but got 0.0"),
    ],
)
def test_an_experiment_that_lacks_something_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(LARG, **change)


def test_a_schedule_of_other_names_is_refused():
    with pytest.raises(ValueError, match=r"`start` must have b1, offset_ppm, .* but has b1"):
        Scheduling(LARG, {"b1": SCHEDULE["b1"]}, {})
    with pytest.raises(ValueError, match=r"`bounds` must be of b1, .* but got power"):
        Scheduling(LARG, SCHEDULE, {"power": (0.0, 1.0)})


def test_a_published_schedule_is_read(reference_data):
    path = reference_data("cest/schedules/loas_mtc_40.csv")
    schedule = saturation_transfer.schedule_from_file(path)
    assert schedule["b1"].shape == (40,)
    np.testing.assert_allclose(schedule["recovery"][:3], [4.5, 3.7, 4.4])


def test_a_saturation_that_does_not_fit_is_named(tmp_path):
    path = tmp_path / "long.csv"
    path.write_text("TR_s,B1_T,offset_ppm,flip_deg,Tsat_s\n3,1e-6,3,90,2\n3,1e-6,3,90,4\n")
    with pytest.raises(ValueError, match="the saturation of image 2 is longer than its TR"):
        saturation_transfer.schedule_from_file(path)


def test_agreement_by_hand():
    one = saturation_transfer.agreement([1.0, 3.0, 2.0], [1.0, 2.0, 4.0])
    assert (one.mean_absolute_error, one.bias) == (1.0, pytest.approx(-1 / 3))
    assert one.correlation == pytest.approx(np.corrcoef([1, 3, 2], [1, 2, 4])[0, 1])
    assert np.isnan(saturation_transfer.agreement([1.0, 1.0], [1.0, 2.0]).correlation)


def test_vials_are_all_combinations():
    values = {"t1": (2.8,), "t2": (0.9,), "fraction": (1e-3, 2e-3), "exchange_rate": (200.0, 400.0, 800.0)}
    phantom = saturation_transfer.vials(LARG, values, n_voxels=5, n_images=3, seed=0)
    assert phantom.noise.shape == (30, 3)
    pairs = set(zip(*(np.asarray(phantom.tissue[name]) for name in ("fraction", "exchange_rate")), strict=True))
    assert len(pairs) == 6
    with pytest.raises(ValueError, match="`values` must have t1, t2, exchange_rate, fraction, but has t1"):
        saturation_transfer.vials(LARG, {"t1": (2.8,)}, 5, 3, 0)


SMALL = {
    "steps": "40",
    "batch_size": "64",
    "hidden": "40",
    "n_images": "4",
    "most_time": "14",
    "learning_rate": "0.005",
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder, system = tmp_path_factory.mktemp("auto_cest"), zoo.system_called("auto_cest")
    config = zoo.configured(system, "smoke", SMALL)
    zoo.trained(system, config, folder, progress=False)
    return folder, config


def test_a_schedule_is_learned_kept_and_judged(trained):
    folder, config = trained
    losses = mr.nn.History.read(folder / "log.jsonl")
    assert losses.column("loss")[1][-1] < 0.8 * losses.column("loss")[1][0]
    assert {"fraction", "exchange_rate"} < losses.lines[0].keys()
    system, same, network = zoo.load(folder)
    assert same == config
    start, played = system.network(config, nnx.Rngs(0)).played(), network.played()
    for name in BOUNDS:
        assert np.max(np.abs(played[name] - start[name])) > 0.005 * BOUNDS[name][1]  # in 40 steps
        assert np.all((played[name] >= 0) & (played[name] <= BOUNDS[name][1]))
    assert network.scheduling.duration(played) <= 14 * (1 + 1e-6)
    evaluation, config, estimate = zoo.judged(str(folder))
    report = evaluation.report(config, estimate, argparse.Namespace(tissues=50))
    assert [row[0] for row in report.rows] == ["concentration", "exchange rate"]
    tissues = saturation_transfer.unseen(network.scheduling, 50, config.seed)
    of_images = estimate(network.images(tissues))
    for name, values in estimate(tissues).items():
        np.testing.assert_allclose(of_images[name], values, rtol=1e-4)


def test_nothing_is_learned_of_a_schedule_that_is_kept():
    system = zoo.system_called("auto_cest")
    config = zoo.configured(system, "smoke", SMALL | {"learns": "nothing", "start": "constant"})
    network = system.network(config, nnx.Rngs(0))
    played = network.played()
    assert network.scheduling.duration(played) == pytest.approx(14.0, rel=1e-6)
    np.testing.assert_allclose(played["b1"], 3e-6, rtol=1e-6)
    assert {path[0] for path, _ in nnx.to_flat_state(nnx.state(network, nnx.Param))} == {"reconstruction"}


def test_a_question_says_what_is_imaged():
    config = zoo.configured(zoo.system_called("saturation_schedule"), "smoke", {})
    assert (config.n_images, config.noise_std, config.start) == (10, 2e-3, "random")
    question = json.loads(config.question)
    question["schedule"] |= {"images": 4, "start": "constant"}
    other = dataclasses.replace(config, question=json.dumps(question | {"noise": 1e-2}))
    assert (other.n_images, other.noise_std, other.start) == (4, 1e-2, "constant")
    with pytest.raises(ValueError, match="The question lacks noise"):
        dataclasses.replace(config, question=json.dumps({n: v for n, v in question.items() if n != "noise"}))


def test_starts_and_settings_that_do_not_exist_are_refused():
    system = zoo.system_called("auto_cest")
    with pytest.raises(ValueError, match="`start` must be 'constant', 'random' or a CSV file, but got 'best'"):
        system.network(zoo.configured(system, "smoke", {"start": "best"}), nnx.Rngs(0))
    with pytest.raises(ValueError, match="`learns` must be 'schedule' or 'nothing', but got 'all'"):
        zoo.configured(system, "smoke", {"learns": "all"})
    with pytest.raises(ValueError, match="`noise_std` must be positive and finite"):
        zoo.configured(system, "smoke", {"noise_std": "0"})


@pytest.mark.exhaustive
def test_the_gradient_of_the_loss_in_schedule_and_network():
    network = ScheduledNetwork(Scheduling(LARG, SCHEDULE, BOUNDS, most_time=5.0), (20,), nnx.Rngs(0))
    graph, weights = nnx.split(network)
    weights = jax.tree.map(lambda leaf: leaf.astype(float), weights)
    batch = saturation_transfer.samples(network.scheduling, 4, 0).batch(0)
    loss = compiled_quickly(lambda weights: saturation_transfer.estimation_error(nnx.merge(graph, weights), batch)[0])
    slope = compiled_quickly(jax.grad(loss))(weights)
    keys = iter(jax.random.split(jax.random.key(1), 20))
    along = jax.tree.map(lambda leaf: jax.random.normal(next(keys), leaf.shape), weights)
    moved = lambda by: loss(jax.tree.map(lambda leaf, direction: leaf + by * direction, weights, along))
    numeric = (moved(1e-6) - moved(-1e-6)) / 2e-6
    found = sum(jnp.vdot(one, other) for one, other in zip(*map(jax.tree.leaves, (slope, along)), strict=True))
    np.testing.assert_allclose(found, numeric, rtol=1e-5)
