"""Pulsed saturation by the model of rectangular pulses: against the coupled equations, limits and derivatives."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

import mrjax as mr
from mrjax.signals.magnetization_transfer import sled_pike
from mrjax.signals.relaxation import spgr

STEPS, DURATION, TR, EXCITATION = 256, 0.01, 0.03, np.radians(7.0)
GAUSS = np.exp(-0.5 * ((np.arange(STEPS) + 0.5) / STEPS * 6 - 3) ** 2)
POOL = mr.Pool(0.15, 25.0, t1=1.0, t2=11e-6, lineshape=mr.lineshapes.SuperLorentzian())
T1, T2 = 1.05, 0.05
TRAIN = (GAUSS, DURATION, TR, EXCITATION)


@pytest.mark.slow
def test_it_is_near_the_coupled_equations():
    offsets, angle = np.array([1e3, 2e3, 5e3, 2e4]), np.radians(426.0)
    field = angle * GAUSS / (GAUSS.sum() * DURATION / STEPS) / mr.units.GAMMA["1H"]
    tissue, engine = mr.Tissue(t1=T1, t2=T2, pools=(POOL,)), mr.BlochMcConnell(b0=3.0)

    @jax.jit
    def played(offset):
        pulse = mr.ShapedPulse(field, dt=DURATION / STEPS, offset=offset)
        rest = (mr.Spoil(), mr.Pulse(EXCITATION), mr.Sample(), mr.Spoil(), mr.Delay(TR - DURATION))
        repetition = mr.Sequence(pulse, *rest)
        return jnp.abs(mr.play(repetition, tissue, engine, state=mr.steady_state(repetition, tissue, engine))[0][0])

    expected = [played(offset) for offset in offsets]
    np.testing.assert_allclose(sled_pike(offsets, angle, T1, T2, POOL, *TRAIN), expected, rtol=2e-3)


@pytest.mark.slow
def test_without_saturation_or_pool_it_is_a_spoiled_gradient_echo():
    expected = spgr(EXCITATION, TR, T1)
    alone = mr.Pool(0.0, 25.0, 1.0, 1e-5, lineshape=POOL.lineshape)
    np.testing.assert_allclose(sled_pike(3e3, 0.0, T1, T2, alone, *TRAIN), expected, rtol=1e-9)
    apart = mr.Pool(0.15, 0.0, 1.0, 1e-5, lineshape=POOL.lineshape)
    np.testing.assert_allclose(sled_pike(1e6, 0.1, T1, T2, apart, *TRAIN), expected, rtol=1e-6)


def test_the_water_turns_by_the_angle_on_resonance():
    """And is then as one that pulse and excitation turn one after the other, spoiled between."""
    apart = mr.Pool(0.15, 0.0, 1.0, 1e-5, lineshape=POOL.lineshape)
    left, e1 = np.cos(0.4), np.exp(-TR / T1)
    expected = left * np.sin(EXCITATION) * (1 - e1) / (1 - left * np.cos(EXCITATION) * e1)
    np.testing.assert_allclose(sled_pike(0.0, 0.4, T1, 1e3, apart, *TRAIN), [expected], rtol=1e-5)


@pytest.mark.exhaustive
def test_derivatives():
    shape = GAUSS[8::16]

    def signal(t1, t2, fraction, rate, t2b, b1):
        pool = mr.Pool(fraction, rate, 1.0, 1e-5 * t2b, lineshape=POOL.lineshape)
        return sled_pike(jnp.array([0.0, 3e3]), 7.0, t1, t2 / 10, pool, shape, DURATION, TR, EXCITATION, b1=b1)

    check_grads(signal, tuple(map(jnp.array, (1.05, 0.4, 0.14, 23.0, 1.1, 0.9))), 1, modes=("fwd", "rev"), rtol=1e-5)


def test_mistakes_are_told():
    for change, (value, words) in {
        "tr": (0.005, "`tr` must be longer than the pulse, 0.01 s, but got 0.005"),
        "waveform": (np.ones(4), "`waveform` must be real and have one axis of at least 16 steps"),
        "pulse_duration": (-1.0, "`pulse_duration` must be positive"),
    }.items():
        train = {"waveform": GAUSS, "pulse_duration": DURATION, "tr": TR, "excitation_angle": EXCITATION}
        with pytest.raises(ValueError, match=words):
            sled_pike(1e3, 1.0, T1, T2, POOL, **(train | {change: value}))
