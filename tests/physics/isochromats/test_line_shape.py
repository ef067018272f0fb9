"""T2' answered by a line shape, and magnetisation that is given."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import mrjax as mr
from mrjax.units import ms, us


def echoes():
    read = lambda: mr.Readout(5, 0.5 * ms)
    return mr.Sequence(
        mr.Pulse(np.pi / 2), mr.Delay(3 * ms), read(), mr.Delay(4.5 * ms), mr.Pulse(np.pi, np.pi / 2), read(), mr.Delay(5 * ms),
        read(), mr.Delay(2.5 * ms), mr.Sample(), mr.SampleLongitudinal(),
    )  # fmt: skip


@pytest.mark.exhaustive
def test_a_line_decays_by_the_time_to_the_echo():
    with jax.enable_x64(True):
        t2_prime = jnp.array([5 * ms, 20 * ms])
        tissue = mr.Tissue(1.0, 0.08, t2_prime=t2_prime)
        found = mr.simulate(echoes(), tissue, mr.Isochromats(line_shape="analytic"))
        pure = np.asarray(mr.simulate(echoes(), mr.Tissue(1.0, 0.08), mr.Isochromats(1)))[None]
        t = echoes().sample_times
        tau = np.where(t < 10 * ms, t, 20 * ms - t)
        tau[-1] = 0.0  # longitudinal
        np.testing.assert_allclose(
            found, pure * np.exp(-np.abs(tau) / np.asarray(t2_prime)[:, None]), rtol=0, atol=1e-12
        )
        np.testing.assert_allclose(echoes().timeline().dephasing_time()[:5], t[:5], atol=1e-12)
        by_spins = mr.simulate(echoes(), tissue, mr.Isochromats())
    np.testing.assert_allclose(found, by_spins, rtol=0, atol=6e-3)


@pytest.mark.exhaustive
def test_a_line_has_derivatives():
    with jax.enable_x64(True):
        value = lambda t: jnp.sum(
            mr.simulate(echoes(), mr.Tissue(1.0, 0.08, t2_prime=t), mr.Isochromats(line_shape="analytic")).real[..., :8]
            ** 2
        )
        t, h = 7 * ms, 1e-6
        slope = (value(t + h) - value(t - h)) / (2 * h)
        np.testing.assert_allclose(jax.grad(value)(t), slope, rtol=1e-6)
        np.testing.assert_allclose(jax.jvp(value, (t,), (1.0,))[1], slope, rtol=1e-6)


@pytest.mark.exhaustive
def test_a_line_says_where_it_is_not_the_answer():
    tissue, engine = mr.Tissue(1.0, 0.08, t2_prime=0.01), mr.Isochromats(line_shape="analytic")
    steady = mr.Repeat(mr.Pulse(0.3), mr.Delay(5 * ms), mr.Readout(2, 10 * us), mr.Delay(5 * ms), n_repetitions=3)
    with pytest.warns(UserWarning, match="excites again before T2 is over"):
        mr.simulate(steady, tissue, engine)
    diffusing = mr.Tissue(1.0, 0.08, t2_prime=0.01, diffusion=1e-9)
    with pytest.raises(ValueError, match="t2_prime"):
        mr.simulate(echoes(), diffusing, mr.Isochromats(voxel_size=1e-3, line_shape="analytic"))


def test_magnetisation_that_is_given_is_played_from():
    with jax.enable_x64(True):
        sequence = mr.Sequence(mr.Delay(10 * ms), mr.Sample(), mr.SampleLongitudinal())
        tissue = mr.Tissue(jnp.array([0.5, 1.0]), 0.05, m0=2.0, off_resonance=10.0)
        start = np.array([0.6 + 0.2j, 0.1j])
        engine = mr.Isochromats()
        state = engine.magnetised(sequence, tissue, transverse=start, longitudinal=jnp.array([-0.5, 0.3]))
        signal, _ = mr.play(sequence, tissue, engine, state=state)
        slope = jax.jvp(
            lambda z: mr.play(sequence, tissue, engine, state=engine.magnetised(sequence, tissue, longitudinal=z))[0],
            (jnp.array(0.2),),
            (jnp.array(1.0),),
        )[1]
    np.testing.assert_allclose(signal[:, 0], 2 * start * np.exp(-0.2 + 0.2j * np.pi), rtol=1e-12)
    e1 = np.exp(-0.01 / np.array([0.5, 1.0]))
    np.testing.assert_allclose(signal[:, 1], 2 * (1 + (np.array([-0.5, 0.3]) - 1) * e1), rtol=1e-12)
    np.testing.assert_allclose(slope[:, 1], 2 * e1, rtol=1e-12)
