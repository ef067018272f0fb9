"""Trajectories that are learned: what is played, exact sums, and better images in the same time under the same limits."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from compiling import compiled_quickly

import mrjax as mr
from mrjax.units import deg, mT, us

FOV, MATRIX = 0.2, 16
SCANNER = mr.Scanner(max_gradient=30 * mT, max_slew=120.0)


@pytest.fixture(scope="module")
def task():
    """Two arms of a spiral of half the density that the image needs."""
    half = mr.protocols.imaging.spiral(FOV / 2, MATRIX // 2, 2, 20 * deg, dwell_time=10 * us, scanner=SCANNER)
    return mr.design.TrajectoryTask(half, SCANNER, FOV, MATRIX, n_coefficients=6)


def changed(task, rng, size=0.02):
    start = task.start()
    return {**start, "coefficients": jnp.asarray(size * rng.normal(size=start["coefficients"].shape))}


@pytest.mark.exhaustive
def test_what_is_designed_is_what_is_played(task, rng):
    design = changed(task, rng)
    timeline = task.played(design).timeline()
    np.testing.assert_allclose(task.trajectory(design), timeline.trajectory()[:, :2], rtol=0, atol=1e-3)
    asked = task.sequence.timeline()
    end = asked.edges[-1:]
    np.testing.assert_allclose(timeline.area_until(end), asked.area_until(end), rtol=0, atol=1e-13)


@pytest.fixture(scope="module")
def spokes():
    """Five spokes with four samples to a pixel: trapezoids, which have points at unequal distances."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="`fov` is in m")
        sequence = mr.protocols.imaging.radial(4 * FOV, 4 * MATRIX, 5, 20 * deg, dwell_time=10 * us, scanner=SCANNER)
    return mr.design.TrajectoryTask(sequence, SCANNER, FOV, MATRIX, n_coefficients=6)


def test_spokes_are_designed_as_they_are_played(spokes, rng):
    start = spokes.trajectory(spokes.start())
    np.testing.assert_allclose(start, spokes.sequence.timeline().trajectory()[:, :2], rtol=0, atol=1e-6)
    along = np.asarray(start).reshape(5, -1, 2)[0, :, 0]
    np.testing.assert_allclose(np.abs(along - (np.arange(64) - 32) / (4 * FOV)), 0.0, atol=1e-3)
    design = changed(spokes, rng)
    played = spokes.played(design)
    np.testing.assert_allclose(spokes.trajectory(design), played.timeline().trajectory()[:, :2], rtol=0, atol=1e-3)
    assert float(played.duration) == float(spokes.sequence.duration)
    assert float(jnp.max(jnp.abs(spokes.trajectory(design) - start))) > 1.0


@pytest.mark.exhaustive
def test_finer_splines_play_nearly_the_same(task, rng):
    design = changed(task, rng)
    finer, same = task.finer(design, 22)
    assert same["coefficients"].shape[-1] == 22
    np.testing.assert_allclose(finer.gradients(same), task.gradients(design), rtol=0, atol=0.02 * 0.02 * 30 * mT)


@pytest.mark.exhaustive
def test_excess_is_none_within_the_limits_and_what_is_beyond_outside(task):
    start = task.start()
    assert float(task.excess(start)) == 0.0
    assert SCANNER.breaches(task.played(start)) == []
    far = {**start, "coefficients": start["coefficients"].at[0, 0, 2].set(1.5)}
    assert float(task.excess(far)) > 0.01
    assert SCANNER.breaches(task.played(far)) != []


@pytest.mark.parametrize("coefficient", [0.4, 1.5])
def test_what_is_beyond_the_limits_is_moved_as_little_as_they_ask(task, rng, coefficient):
    far = changed(task, rng)
    far = {**far, "coefficients": far["coefficients"].at[0, 0, 2].set(coefficient)}
    within = task.within_limits(far)
    assert SCANNER.breaches(task.played(within)) == []
    share = np.asarray(within["coefficients"] / far["coefficients"])
    np.testing.assert_allclose(share, share[0, 0, 0], rtol=1e-12)
    more = {**far, "coefficients": 1.001 * within["coefficients"]}
    assert SCANNER.breaches(task.played(more)) != []


def test_what_is_within_the_limits_stays(task, rng):
    near = changed(task, rng, 1e-6)
    np.testing.assert_array_equal(task.within_limits(near)["coefficients"], near["coefficients"])


@pytest.mark.exhaustive
def test_derivatives_are_those_of_exact_sums(task, rng):
    design, image = changed(task, rng), jnp.asarray(rng.normal(size=(1, MATRIX, MATRIX)))
    place = (jnp.arange(MATRIX) - MATRIX // 2) * FOV / MATRIX

    def exact(design):
        k = task.trajectory(design)
        x, y = (jnp.exp(-2j * jnp.pi * k[:, i : i + 1] * place[None]) for i in (0, 1))
        weights = design["weights"].reshape(-1)
        samples = jnp.einsum("sx,sy,xy->s", x, y, image[0].astype(complex)) * weights
        seen = jnp.einsum("sx,sy,s->xy", x.conj(), y.conj(), samples) / weights.size
        return jnp.sum(jnp.abs(seen - image[0]) ** 2) / jnp.sum(image**2)

    np.testing.assert_allclose(task.error(design, image), exact(design), rtol=1e-5)
    ours = compiled_quickly(jax.grad(lambda one: task.error(one, image)))(design)
    theirs = compiled_quickly(jax.grad(exact))(design)
    for name in design:
        np.testing.assert_allclose(ours[name], theirs[name], rtol=0, atol=1e-4 * float(jnp.max(jnp.abs(theirs[name]))))


@pytest.mark.exhaustive
def test_a_learned_trajectory_beats_its_start_in_the_same_time(task):
    brain = lambda number: np.asarray(mr.phantoms.brain(shape=(MATRIX, MATRIX), slice=number).tissue().m0)[None]
    seen, unseen = np.concatenate([brain(36), brain(44)]), brain(52)
    terms = lambda one: mr.design.weighted_sum(
        {"error": (1.0, lambda d: one.error(d, seen)), "excess": (100.0, one.excess)}
    )
    adam = lambda rate: optax.adam(optax.cosine_decay_schedule(rate, 80))
    weighted = mr.design.optimise(
        terms(task),
        task.start(),
        free=lambda d: d["weights"],
        bounds=(0.0, 20.0),
        optimiser=adam(0.01),
        steps=80,
        progress=False,
    ).best
    bounds = {"coefficients": (-0.5, 0.5), "weights": (0.0, 20.0)}
    learned = mr.design.optimise(
        terms(task), weighted, free=lambda d: d, bounds=bounds, optimiser=adam(0.004), steps=80, progress=False
    ).best
    assert float(task.error(learned, unseen)) < 0.8 * float(task.error(weighted, unseen))
    assert SCANNER.breaches(task.played(learned)) == []
    assert float(task.played(learned).duration) == float(task.sequence.duration)


def test_what_cannot_be_says_so():
    with pytest.raises(ValueError, match="`sequence` must hold a Repeat in which a Together plays a Readout"):
        mr.design.TrajectoryTask(mr.Sequence(mr.Delay(1e-3)), SCANNER, FOV, MATRIX)
    with pytest.raises(ValueError, match="`n_coefficients` must be at least 5"):
        mr.design.TrajectoryTask(mr.Sequence(mr.Delay(1e-3)), SCANNER, FOV, MATRIX, n_coefficients=3)
