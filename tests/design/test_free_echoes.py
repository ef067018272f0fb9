"""Gradient echoes that are free: where their samples lie, what they see, and how a search judges them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from compiling import compiled_quickly

import mrjax as mr

ECHOES = mr.design.FreeEchoes(fov=0.16, matrix=8)


def random_design(rng):
    n = ECHOES.matrix
    return {
        "flip_angle": jnp.asarray(rng.uniform(0.05, 0.5, n)),
        "phase": jnp.asarray(rng.uniform(-3, 3, n)),
        "before": jnp.asarray(rng.uniform(-6, 6, (n, 2))),
        "after": jnp.asarray(rng.uniform(-6, 6, (n, 2))),
        "delay": jnp.asarray(rng.uniform(1e-3, 5e-3, n)),
    }


@pytest.mark.exhaustive
def test_samples_lie_where_a_design_says(rng):
    design = random_design(rng)
    sequence = ECHOES.sequence(design)
    timeline = sequence.timeline()
    k = timeline.trajectory()[:, :2].reshape(8, 8, 2) * ECHOES.fov
    np.testing.assert_allclose(k, ECHOES.k_space(design), rtol=0, atol=1e-6)
    ends = np.cumsum(ECHOES.repetition_time + np.asarray(design["delay"]))
    assert ends[-1] == pytest.approx(float(sequence.duration), rel=1e-12)
    moved = -timeline.area_until(ends)[:, :2] * 42.577478518e6 * ECHOES.fov
    each = np.asarray(design["before"] + design["after"]) + np.array([[8.0, 0.0]])
    np.testing.assert_allclose(moved, np.cumsum(each, axis=0), rtol=0, atol=1e-5)


@pytest.mark.exhaustive
def test_the_cartesian_design_is_played_and_rewound():
    design = ECHOES.cartesian()
    assert mr.Scanner().breaches(ECHOES.sequence(design)) == []
    np.testing.assert_array_equal(np.asarray(design["before"] + design["after"])[:, 1], 0.0)
    assert np.all(np.abs(ECHOES.k_space(design) + 0.5) <= 4)


@pytest.mark.parametrize("scanner", [mr.Scanner(max_gradient=6e-3), mr.Scanner(max_slew=30.0)])
def test_the_reach_of_lobes_is_the_last_that_a_scanner_plays(scanner):
    design, reach = ECHOES.cartesian(), ECHOES.reach(scanner)
    moved = lambda steps: ECHOES.sequence({**design, "before": jnp.full((8, 2), steps)})
    assert scanner.breaches(moved(-reach)) == scanner.breaches(moved(reach)) == []
    assert scanner.breaches(moved(-1.001 * reach)) != []


@pytest.mark.exhaustive
def test_a_point_is_seen_where_it_is():
    point = mr.Tissue(t1=1.0, t2=2e-3, x=[2 * 0.02], y=[-3 * 0.02])
    image = np.abs(ECHOES.image(mr.acquire(ECHOES.sequence(ECHOES.cartesian()), point, tolerance=0)))
    assert np.unravel_index(np.argmax(image), image.shape) == (6, 1)
    others = image.copy()
    others[6, 1] = 0.0
    assert others.max() < 0.2 * image[6, 1]


@pytest.mark.exhaustive
def test_the_objective_is_that_of_its_parts_with_derivatives(rng):
    objects = mr.design.small_objects(ECHOES, 0, 2, reach=2.0)
    np.testing.assert_allclose(np.sum(objects.belongs, axis=0), 1.0)
    target, design = ECHOES.cartesian(), random_design(rng)
    objective = mr.design.EchoError.of(ECHOES, objects, target, power_weight=0.1, delay_weight=0.2)
    value, terms = jax.jit(objective)(target)
    np.testing.assert_allclose(
        [value, *(terms[name] for name in ("power", "error", "outside", "delay"))],
        [0.1, 1.0, 0.0, 0.0, 0.0],
        atol=1e-12,
    )
    of = jax.jit(lambda one: objective(one)[0])
    along = jax.tree.map(lambda x: jnp.asarray(rng.normal(size=x.shape)), design)
    shifted = lambda step: jax.tree.map(lambda x, d: x + step * d, design, along)
    numeric = (of(shifted(1e-5)) - of(shifted(-1e-5))) / 2e-5
    slope = compiled_quickly(jax.grad(lambda one: objective(one)[0]))(design)
    np.testing.assert_allclose(sum(jnp.sum(slope[name] * along[name]) for name in design), numeric, rtol=1e-5)


def test_delays_bring_magnetisation_back():
    """After pulses of 90 degrees each signal is what a delay has let recover; T2 is too short for echoes."""
    echoes = mr.design.FreeEchoes(matrix=8, pulse_duration=10e-6)
    delay = jnp.linspace(0.3, 1.5, 8)
    moments = {"before": jnp.zeros((8, 2)), "after": jnp.zeros((8, 2)), "delay": delay}
    tissue = mr.Tissue(t1=0.7, t2=0.02, x=[1e-6], y=[1e-6])
    sequence = echoes.sequence(echoes.cartesian(np.pi / 2, 0.0) | moments)
    signal = np.abs(mr.acquire(sequence, tissue, tolerance=0)).reshape(8, 8)[:, 0]
    waits = np.asarray(echoes.repetition_time + delay[:-1])
    np.testing.assert_allclose(signal[1:] / signal[0], 1 - np.exp(-waits / 0.7), rtol=1e-3)


def test_spins_of_a_pixel_add_up_to_nothing():
    pixel, objects = 0.02, mr.design.small_objects(ECHOES, 0, 1, reach=0.0, spins=233)
    x, y, density = (np.asarray(getattr(objects.spins, name))[:233] for name in ("x", "y", "m0"))
    left = lambda turns: (
        abs(np.sum(density * np.exp(2j * np.pi * (turns[0] * x + turns[1] * y) / pixel))) / density.sum()
    )
    assert max(left(turns) for turns in [(1, 0), (0, 232), (1, 2), (2, 1), (5, 5), (-7, 9)]) < 1e-10
    assert left((233, 0)) == pytest.approx(1.0)


def test_what_cannot_be_says_so():
    with pytest.raises(ValueError, match="`matrix` must be an even integer of at least 4"):
        mr.design.FreeEchoes(matrix=7)
    with pytest.raises(ValueError, match=r"`lobe_duration` must be a number of at least 0\.0004"):
        mr.design.FreeEchoes(lobe_duration=0.1e-3)
    with pytest.raises(ValueError, match="`reach` must be zero or more, `size` and `longest_t2` positive"):
        mr.design.small_objects(ECHOES, 0, 2, reach=-1.0)


@pytest.mark.slow
def test_graphs_make_one_spin_of_a_pixel_where_angles_and_phases_are_free():
    echoes = mr.design.FreeEchoes(fov=0.2, matrix=4)
    target = echoes.cartesian(flip_angle=0.4)
    free = {"flip_angle": target["flip_angle"] * jnp.linspace(0.6, 1.3, 4), "phase": target["phase"] + jnp.arange(4.0)}

    def derivative(spins, engine):
        objects = mr.design.small_objects(echoes, seed=0, n_objects=2, reach=1.0, spins=spins)
        error = mr.design.EchoError.of(echoes, objects, target, power_weight=0.1, engine=engine)
        value, slope = jax.jit(jax.value_and_grad(lambda free: error({**target, **free})[0]))(free)
        return np.concatenate([value[None], slope["flip_angle"], slope["phase"]])

    by_graph = derivative(1, mr.PDG(0.0, voxel_size=0.2 / 4))
    # as many spins as there are on a lattice leave about one over their number
    few, many = (np.abs(derivative(spins, None) - by_graph).max() for spins in (233, 2584))
    assert many < 1e-3
    assert many < few / 10
