"""A trajectory and a network learned together: exact sums, differences, what is trained and what is not, one compilation."""

import warnings
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

import mrjax as mr
from mrjax.encoding import iterative_density
from mrjax.units import deg, mT, us

FOV, MATRIX, N_COILS, N_SHOTS = 0.2, 8, 2, 3
SCANNER = mr.Scanner(max_gradient=30 * mT, max_slew=120.0)


@pytest.fixture(scope="module")
def task():
    """Three spokes with two samples to a pixel."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="`fov` is in m")
        spokes = mr.protocols.imaging.radial(
            2 * FOV, 2 * MATRIX, N_SHOTS, 20 * deg, dwell_time=20 * us, scanner=SCANNER
        )
    return mr.design.TrajectoryTask(spokes, SCANNER, FOV, MATRIX, n_coefficients=6)


@pytest.fixture(scope="module")
def coils():
    rng = np.random.default_rng(3)
    maps = rng.normal(size=(N_COILS, MATRIX, MATRIX)) + 1j * rng.normal(size=(N_COILS, MATRIX, MATRIX))
    return maps / np.linalg.norm(maps, axis=0)


def batch_of(step):
    rng = np.random.default_rng(step)
    shapes = {"images": (2, MATRIX, MATRIX), "noise": (2, N_COILS, N_SHOTS * 2 * MATRIX)}
    return {name: jnp.asarray(rng.normal(size=(*shape, 2)) @ [1, 1j]) for name, shape in shapes.items()}


def model_of(task, coils, density=iterative_density, start: Any = 0.0, **options):
    network = mr.nn.NCPDNet(1, n_primal=2, channels=4, rngs=nnx.Rngs(0))
    coefficients = task.start()["coefficients"] + start
    return mr.design.LearnedTrajectory(task, coefficients, network, coils, density, **options)


def at_random(seed):
    return jnp.asarray(np.random.default_rng(seed).normal(size=(N_SHOTS, 2, 6)))


def test_what_is_measured_are_exact_sums(task, coils):
    model, batch = model_of(task, coils, start=0.02 * at_random(1)), batch_of(0)
    k, place = np.asarray(task.trajectory(model.design())), (np.arange(MATRIX) - MATRIX // 2) * FOV / MATRIX
    x, y = (np.exp(-2j * np.pi * k[:, axis : axis + 1] * place) for axis in (0, 1))
    expected = np.einsum("sx,sy,cxy,bxy->bcs", x, y, coils, batch["images"]) + batch["noise"]
    measured = nnx.jit(lambda model: model.measurement(**batch))(model)
    np.testing.assert_allclose(measured.data, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("weight", [0.0, 3.0])
def test_derivatives_in_the_coefficients_are_differences(task, coils, weight):
    batch = batch_of(0)

    @jax.jit
    def loss(step):
        # far enough to exceed the limits, where the penalty counts
        moved = model_of(task, coils, start=0.3 * at_random(1) + step * at_random(2))
        return mr.design.trajectory_loss(weight)(moved, batch)[0]

    size = 1e-5
    difference = (loss(size) - loss(-size)) / (2 * size)
    assert abs(float(difference)) > 1e-3
    np.testing.assert_allclose(jax.grad(loss)(0.0), difference, rtol=2e-3)


@pytest.mark.parametrize("learned", [True, False])
def test_what_is_learned_moves_at_its_rate_and_what_is_not_stays(task, coils, learned):
    traced = []

    def density(encoding):
        traced.append(1)
        return iterative_density(encoding, 2)

    model = model_of(task, coils, density, learned=learned)
    before = np.asarray(model.network.stages.network.network.output.kernel[...])
    optimiser = optax.adam(1e-3)
    if learned:
        optimiser = mr.design.at_rate(optimiser, 7.0, "trajectory")
    schedule, loss = mr.nn.TrainingSchedule(steps=1), mr.design.trajectory_loss()
    mr.nn.train(model, loss, batch_of, schedule, optimiser, progress=False)
    moved = np.abs(model.trajectory[...] - task.start()["coefficients"])
    # the first step of Adam is its rate, whatever the derivative
    np.testing.assert_allclose(moved, 7e-3 if learned else 0.0, rtol=1e-3)
    after = np.asarray(model.network.stages.network.network.output.kernel[...])
    np.testing.assert_allclose(np.abs(after - before).max(), 1e-3, rtol=1e-3)
    assert len(traced) == 1


def test_a_training_compiles_once(task, coils):
    traced = []

    def density(encoding):
        traced.append(1)
        return 1 / encoding.trajectory.shape[0]

    model, schedule = model_of(task, coils, density), mr.nn.TrainingSchedule(steps=3)
    mr.nn.train(model, mr.design.trajectory_loss(), batch_of, schedule, optax.adam(1e-3), progress=False)
    assert len(traced) == 1


def test_what_cannot_be_says_so(task, coils):
    network = mr.nn.NCPDNet(1, n_primal=2, channels=4, rngs=nnx.Rngs(0))
    start = task.start()["coefficients"]
    with pytest.raises(ValueError, match=r"`coefficients` must have the shape \(3, 2, 6\)"):
        mr.design.LearnedTrajectory(task, start[:, :, 1:], network, coils, iterative_density)
    with pytest.raises(ValueError, match=r"`coils` must have shape \(n_coils, 8, 8\)"):
        mr.design.LearnedTrajectory(task, start, network, coils[:, 1:], iterative_density)
