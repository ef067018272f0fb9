"""The physics layer: the same signals as `simulate`, its derivatives, and schedules of its own for each sample."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import mrjax as mr

PARAMETERS = {"t1": jnp.array([0.5, 1.0, 2.5]), "t2": jnp.array([0.04, 0.1, 0.5])}
ANGLES = jnp.stack([jnp.linspace(0.2, 1.0, 12), jnp.linspace(1.2, 0.1, 12), jnp.full(12, 0.5)])
ENGINE = mr.EPG(8)


def fisp(flip_angle):
    return mr.protocols.mrf_fisp(flip_angle, 12e-3, 5e-3)


@pytest.mark.exhaustive
@pytest.mark.parametrize("engine", [ENGINE, mr.Isochromats(24)])
def test_decoded_signals_are_simulated_ones(engine):
    decoder = mr.nn.BlochDecoder(fisp(ANGLES[0]), engine)
    np.testing.assert_array_equal(decoder(PARAMETERS), mr.simulate(fisp(ANGLES[0]), mr.Tissue(**PARAMETERS), engine))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*truncates")
def test_gradients_against_finite_differences():
    decoder = mr.nn.BlochDecoder(fisp(ANGLES[0]), ENGINE)
    loss = lambda p: jnp.sum(decoder(p).imag ** 3)
    slopes = jax.grad(loss)(PARAMETERS)
    for name, slope in slopes.items():
        for voxel in range(3):
            step = 1e-6 * PARAMETERS[name][voxel]
            moved = lambda by, name=name, voxel=voxel: PARAMETERS | {name: PARAMETERS[name].at[voxel].add(by)}
            numeric = (loss(moved(step)) - loss(moved(-step))) / (2 * step)
            np.testing.assert_allclose(slope[voxel], numeric, rtol=1e-6, atol=1e-9)


@pytest.mark.exhaustive
def test_every_schedule_is_played_on_its_own_samples():
    decoder = mr.nn.BlochDecoder(jax.vmap(fisp)(ANGLES), ENGINE)
    parameters = {name: jnp.stack([value, 1.1 * value, 0.9 * value]) for name, value in PARAMETERS.items()}
    signals = decoder.per_schedule(parameters)
    for i, angles in enumerate(ANGLES):
        alone = mr.simulate(fisp(angles), mr.Tissue(parameters["t1"][i], parameters["t2"][i]), ENGINE)
        np.testing.assert_allclose(signals[i], alone, rtol=1e-12, atol=1e-14)


@pytest.mark.exhaustive
def test_a_schedule_for_every_sample_and_its_gradient():
    decoder = mr.nn.BlochDecoder(jax.vmap(fisp)(ANGLES), ENGINE)
    loss = lambda p: jnp.sum(jnp.abs(decoder.per_schedule(p)) ** 2)
    column = {name: value[:, None] for name, value in PARAMETERS.items()}
    slopes = jax.grad(loss)(column)
    for i, angles in enumerate(ANGLES):
        one = lambda p, angles=angles: jnp.sum(jnp.abs(mr.simulate(fisp(angles), mr.Tissue(**p), ENGINE)) ** 2)
        alone = jax.grad(one)({name: value[i] for name, value in PARAMETERS.items()})
        for name in PARAMETERS:
            np.testing.assert_allclose(slopes[name][i, 0], alone[name], rtol=1e-10)


@pytest.mark.exhaustive
def test_memory_does_not_grow_with_repetitions_times_states():
    """Reverse mode keeps signal and Jacobian, whatever the number of states."""

    def temporaries(n_states):
        flip_angle = jnp.full(400, 0.5)
        decoder = mr.nn.BlochDecoder(fisp(flip_angle), mr.EPG(n_states))
        loss = lambda t1, t2: jnp.sum(decoder({"t1": t1, "t2": t2}).imag ** 2)
        one = jnp.ones(256)
        compiled = jax.jit(jax.grad(loss, (0, 1))).lower(one, 0.1 * one).compile()
        return compiled.memory_analysis().temp_size_in_bytes

    few, many = temporaries(8), temporaries(64)
    assert many - few < 400 * 256 * 8  # not even one more number for each sample and voxel


def test_arrays_without_the_axis_of_schedules_are_named():
    decoder = mr.nn.BlochDecoder(jax.vmap(fisp)(ANGLES), ENGINE)
    with pytest.raises(ValueError, match=r"axis of schedules first, but got .*`t1` of shape \(2, 3\)"):
        decoder.per_schedule({"t1": jnp.ones((2, 3)), "t2": jnp.full((3, 3), 0.1)})
