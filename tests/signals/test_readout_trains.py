"""Readouts after an inversion: against extended phase graphs, limits, derivatives, error sentences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

import mrjax as mr
from mrjax.sequence import Delay, Pulse, Repeat, SampleLongitudinal, Sequence, Spoil
from mrjax.signals.relaxation import inversion_recovery, look_locker, mp2rage, spgr, uniform_image

T1, B1 = jnp.array([0.4, 0.9, 1.5]), jnp.array([0.8, 1.0, 1.1])
TI, ANGLES, READOUTS, SPACING, TR = (0.4, 1.3), (0.3, 0.2), (5, 7), 7e-3, 2.5


def readouts(n, angle, spacing):
    """Each of them told the magnetisation that it finds."""
    return Repeat(SampleLongitudinal(), Pulse(jnp.full(n, angle)), Spoil(), Delay(jnp.full(n, spacing)))


def longitudinal(*events, b1=1.0):
    return mr.simulate(Sequence(*events), mr.Tissue(T1, 0.05, b1=b1), engine=mr.EPG(n_states=1)).real


@pytest.mark.exhaustive
def test_look_locker_as_by_an_engine():
    events = (Pulse(np.pi), Spoil(), Delay(0.03), readouts(9, 0.25, 0.11))
    np.testing.assert_allclose(
        look_locker(9, 0.03, 0.11, 0.25, T1), np.sin(0.25) * longitudinal(*events), rtol=1e-12, atol=1e-14
    )


def test_look_locker_recovers_with_the_apparent_rate():
    signal = np.asarray(look_locker(40, 0.01, 0.05, 0.2, T1, m0=2.0, inversion_efficiency=0.9, b1=B1))
    angle = 0.2 * np.asarray(B1)
    apparent = 1 / (1 / np.asarray(T1) - np.log(np.cos(angle)) / 0.05)
    steady = np.asarray(spgr(0.2, 0.05, T1, m0=2.0, b1=B1))
    np.testing.assert_allclose(
        signal[:, -1] - steady[:, 0], (signal[:, 0] - steady[:, 0]) * np.exp(-39 * 0.05 / apparent)
    )
    first = 2 * np.sin(angle) * (1 - 1.9 * np.exp(-0.01 / np.asarray(T1)))
    np.testing.assert_allclose(signal[:, 0], first, rtol=1e-12)


def test_angles_beyond_a_quarter_turn():
    signal = look_locker(3, 0.1, 0.3, 2.0, T1)
    events = (Pulse(np.pi), Spoil(), Delay(0.1), readouts(3, 2.0, 0.3))
    np.testing.assert_allclose(signal, np.sin(2.0) * longitudinal(*events), rtol=1e-12)


@pytest.mark.exhaustive
def test_mp2rage_as_by_an_engine():
    before, after = READOUTS
    n = before + after
    cycle = (
        *(Pulse(np.pi), Spoil(), Delay(TI[0] - before * SPACING), readouts(n, ANGLES[0], SPACING)),
        *(Delay(TI[1] - TI[0] - n * SPACING), readouts(n, ANGLES[1], SPACING), Delay(TR - TI[1] - after * SPACING)),
    )
    magnetisation = longitudinal(*(cycle * 12)).reshape(3, 12, 2, n)[:, -1, :, before]
    np.testing.assert_allclose(
        mp2rage(TI, ANGLES, READOUTS, SPACING, TR, T1), magnetisation * np.sin(ANGLES)[None], rtol=1e-10
    )


def test_mp2rage_of_one_readout_at_the_end_is_an_inversion_recovery():
    # the second readout turns nothing, and the first saturates
    signal = mp2rage((0.5, 1.0), (np.pi / 2, 0.0), (0, 1), 1e-9, 2.0, T1)
    np.testing.assert_allclose(signal[:, :1], inversion_recovery(0.5, T1, tr=2.0), rtol=1e-7)
    np.testing.assert_array_equal(signal[:, 1], 0)


@pytest.mark.exhaustive
def test_the_uniform_image_knows_no_amplitude_and_no_phase():
    plain = mp2rage(TI, ANGLES, READOUTS, SPACING, TR, T1, b1=B1)
    image = uniform_image(plain)
    first, second = np.asarray(plain).T
    np.testing.assert_allclose(image, first * second / (first**2 + second**2), rtol=1e-12)
    received = mp2rage(TI, ANGLES, READOUTS, SPACING, TR, T1, m0=jnp.exp(0.7j) * jnp.array([1.0, 30.0, 5.0]), b1=B1)
    np.testing.assert_allclose(uniform_image(received), image, rtol=1e-12)
    assert uniform_image(jnp.zeros(2)) == 0
    np.testing.assert_array_equal(jax.grad(uniform_image)(jnp.zeros(2)), 0)


@pytest.mark.slow
@pytest.mark.parametrize(
    "signal",
    [
        lambda t1, e, b1, angle: look_locker(6, 0.02, 0.1, angle[0], t1, inversion_efficiency=e, b1=b1),
        lambda t1, e, b1, angle: uniform_image(
            mp2rage(TI, angle, READOUTS, SPACING, TR, t1, inversion_efficiency=e, b1=b1)
        ),
    ],
)
def test_derivatives_are_those_of_differences(signal):
    arguments = (T1, jnp.array([0.9, 0.95, 0.98]), B1, jnp.array(ANGLES))
    check_grads(jax.jit(signal), arguments, order=1, modes=("fwd", "rev"), rtol=1e-6)


def test_float32():
    low = [jnp.asarray(x, jnp.float32) for x in (TI, ANGLES, T1, B1)]
    signal = mp2rage(low[0], low[1], (80, 80), np.float32(4e-3), 2.5, low[2], b1=low[3])
    assert signal.dtype == jnp.float32
    exact = mp2rage(TI, ANGLES, (80, 80), 4e-3, 2.5, T1, b1=B1)
    np.testing.assert_allclose(signal, exact, rtol=2e-5, atol=1e-6)


def test_mistakes_are_told():
    with pytest.raises(ValueError, match="`n_readouts` must be an integer of at least 1, but got 0"):
        look_locker(0, 0.01, 0.1, 0.1, T1)
    with pytest.raises(ValueError, match=r"`tr` must be a number, but got shape \(2,\)"):
        look_locker(3, 0.01, [0.1, 0.2], 0.1, T1)
    with pytest.raises(
        ValueError, match=r"`flip_angle` must have one value for each train, shape \(2,\), but got shape \(\)"
    ):
        mp2rage(TI, 0.1, READOUTS, SPACING, TR, T1)
    with pytest.raises(ValueError, match="`n_readouts` must be a pair"):
        mp2rage(TI, ANGLES, 12, SPACING, TR, T1)
    with pytest.raises(ValueError, match="`inversion_efficiency` must be between -1 and 1"):
        mp2rage(TI, ANGLES, READOUTS, SPACING, TR, T1, inversion_efficiency=1.1)
    places = {
        "the first train begins before the inversion": ((0.03, 1.3), TR),
        "the trains overlap": ((0.4, 0.45), TR),
        "the second train exceeds `tr`": (TI, 1.32),
    }
    for place, (times, tr) in places.items():
        with pytest.raises(ValueError, match=place):
            mp2rage(times, ANGLES, READOUTS, SPACING, tr, T1)
    with pytest.raises(
        ValueError, match=r"`signals` must have the two inversion times on its last axis, but got \(3,\)"
    ):
        uniform_image(jnp.ones(3))
