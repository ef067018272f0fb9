"""Echo trains in closed form: against extended phase graphs, limits, derivatives, error sentences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

import mrjax as mr
from mrjax.signals.relaxation import echo_train

T1 = jnp.array([1.0, 0.3, 3.0, 0.5, 1.2, 0.3])
T2 = jnp.array([0.05, 0.2, 0.01, 0.1, 1.0, 0.3])
B1 = jnp.array([1.0, 0.9, 0.7, 0.5, 1.2, 0.05])


@pytest.mark.exhaustive
@pytest.mark.parametrize("angle", [np.pi, 2.1])
def test_it_is_an_extended_phase_graph(angle):
    train = mr.protocols.cpmg(jnp.full(24, angle), echo_spacing=0.01)
    exact = mr.simulate(train, mr.Tissue(T1, T2, b1=B1), engine=mr.EPG(n_states=26)).real
    np.testing.assert_allclose(echo_train(24, 0.01, T1, T2, angle, b1=B1), exact, atol=1e-13)


def test_ideal_pulses_leave_a_decay():
    times = 0.01 * np.arange(1, 201)
    decay = np.exp(-times / np.asarray(T2)[:, None])
    np.testing.assert_allclose(echo_train(200, 0.01, T1, T2), decay, rtol=0, atol=2e-11)


def test_without_relaxation_the_echoes_of_a_quarter_turn_are_known():
    # F = (1 + sqrt(1 + z^2) / (1 - z)) / 2: sums of the coefficients of the root
    signal = echo_train(6, 0.01, np.inf, np.inf, np.pi / 2)
    np.testing.assert_allclose(signal, np.cumsum([1, 1 / 2, 0, -1 / 8, 0, 1 / 16]) / 2, rtol=1e-12)


def test_amplitude_and_shapes():
    m0 = jnp.full((2, 3), 2.0 + 1.0j)
    signal = echo_train(4, 0.01, 1.0, 0.1, 2.5, m0=m0, b1=jnp.array([0.8, 0.9, 1.0]))
    assert signal.shape == (2, 3, 4)
    one = echo_train(4, 0.01, 1.0, 0.1, 2.5, b1=0.9)
    np.testing.assert_allclose(signal[1, 1], (2 + 1j) * one, rtol=1e-12)


@pytest.mark.exhaustive
def test_derivatives_are_those_of_differences():
    # of factors near one, as steps are absolute
    train = jax.jit(lambda a, b, c, d, e: echo_train(7, 0.01 * a, T1[:3] * b, T2[:3] * c, 2.4 * d, b1=B1[:3] * e))
    arguments = (jnp.array(1.0), jnp.ones(3), jnp.ones(3), jnp.array(1.0), jnp.ones(3))
    check_grads(train, arguments, order=1, modes=("fwd", "rev"), rtol=1e-6)


@pytest.mark.exhaustive
def test_float32():
    low = [jnp.asarray(x, jnp.float32) for x in (T1, T2, B1)]
    signal = echo_train(64, np.float32(0.01), low[0], low[1], b1=low[2])
    assert signal.dtype == jnp.float32
    np.testing.assert_allclose(signal, echo_train(64, 0.01, T1, T2, b1=B1), atol=1e-5)


def test_mistakes_are_told():
    with pytest.raises(ValueError, match="`n_echoes` must be an integer of at least 1"):
        echo_train(0, 0.01, 1.0, 0.1)
    with pytest.raises(ValueError, match=r"`refocusing_angle` must be a number, the same for all echoes, .* \(3,\)"):
        echo_train(3, 0.01, 1.0, 0.1, [3.0, 2.0, 2.0])
    with pytest.raises(ValueError, match="`t2` must be positive"):
        echo_train(3, 0.01, 1.0, 0.0)
