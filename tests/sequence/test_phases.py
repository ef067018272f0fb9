"""Phases of many turns, in single precision: only what is left of whole turns counts, and keeps its digits."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import mrjax as mr
from mrjax.protocols import bssfp, spgr
from mrjax.protocols.cest import pulse_shapes, pulse_train
from mrjax.units import deg, ms, us

N = 5000
SPOILING = 117 * deg * np.arange(N) * (np.arange(N) + 1) / 2
"""Phases in rad of RF spoiling, up to 25 million."""

EVENTS = {
    "Pulse": lambda phase: mr.Pulse(0.1, phase),
    "Sample": lambda phase: mr.Sample(phase),
    "ContinuousWave": lambda phase: mr.ContinuousWave(1e-6, 1 * ms, phase=phase),
    "ShapedPulse": lambda phase: mr.ShapedPulse(np.ones(3) * 1e-6, 1 * ms, phase=phase),
    "Readout": lambda phase: mr.Readout(2, 10 * us, phase=phase),
}


def turned(phase):
    return np.exp(1j * np.asarray(phase, float))


@pytest.mark.parametrize("name", EVENTS)
def test_whole_turns_of_known_phases_are_left_out_before_the_cast(name):
    with jax.enable_x64(False):
        of = lambda phase: EVENTS[name](phase).phase
        assert of(SPOILING).dtype == jnp.float32
        np.testing.assert_allclose(turned(of(SPOILING)), turned(SPOILING), atol=1e-6)
        for known in (SPOILING[-1], float(SPOILING[-1]), int(SPOILING[-1])):
            np.testing.assert_allclose(turned(of(known)), turned(known), atol=1e-6)
        np.testing.assert_allclose(turned(of(SPOILING[-9:].tolist())), turned(SPOILING[-9:]), atol=1e-6)


def test_the_phases_of_samples_lose_whole_turns_too():
    with jax.enable_x64(False):
        readout = mr.Readout(N, 10 * us, modulation=SPOILING)
        np.testing.assert_allclose(turned(readout.modulation), turned(SPOILING), atol=1e-6)
        plain = mr.Readout(N, 10 * us, modulation=np.zeros(N))
        replaced = eqx.tree_at(lambda r: r.modulation, plain, SPOILING).checked("Readout")
        np.testing.assert_allclose(turned(replaced.modulation), turned(SPOILING), atol=1e-6)


def test_phases_within_a_turn_are_kept_to_the_last_bit():
    within = np.array([-2 * np.pi, -6.0, -1e-9, 0.0, 3.3, 6.28, 2 * np.pi])
    with jax.enable_x64(False):
        np.testing.assert_array_equal(mr.Pulse(0.1, within).phase, within.astype(np.float32))
        assert mr.Pulse(0.1, -6.0).phase == -6.0
        with pytest.raises(ValueError, match="must be finite, but got inf"):
            mr.Pulse(0.1, np.array([1e4 + 0.5, np.inf]))
    # nothing is lost in double precision
    assert mr.Pulse(0.1, 64.1).phase == 64.1


@pytest.mark.slow
def test_spoiling_written_by_hand_is_that_of_the_protocol_in_double_precision():
    """Unwrapped, the last of 2,000 signals were off by 4.9 %."""
    tissue, engine = mr.Tissue(t1=1.0, t2=0.1), mr.EPG(n_states=150)
    exact = np.asarray(mr.simulate(spgr(0.3, 10 * ms, 3 * ms, 2000), tissue, engine))
    with jax.enable_x64(False):
        phase = SPOILING[:2000]
        train = mr.Repeat(
            mr.Pulse(0.3, phase), mr.Delay(3 * ms), mr.Sample(phase), mr.Delay(7 * ms), mr.Dephase(), n_repetitions=2000
        )
        by_hand = mr.simulate(mr.Sequence(train), mr.Tissue(t1=1.0, t2=0.1), engine)
    np.testing.assert_allclose(by_hand, exact, atol=1e-6)


def phases_of(sequence):
    return sequence.events[0].events[0].phase


@pytest.mark.exhaustive
@pytest.mark.parametrize("protocol", [lambda i: spgr(0.3, 10 * ms, 3 * ms, N, i), lambda i: bssfp(0.3, 10 * ms, N, i)])
def test_phases_built_under_a_trace_keep_their_digits(protocol):
    increment = np.float32(117 * deg)
    counts = np.asarray(phases_of(protocol(1.0)))  # what the protocol makes of one rad, in double precision
    counts = np.arange(N) * (np.arange(N) + 1) / 2 if counts[2] == 3 else np.arange(N)
    with jax.enable_x64(False):
        phases = jax.jit(lambda i: phases_of(protocol(i)))
        np.testing.assert_allclose(turned(phases(increment)), turned(float(increment) * counts), atol=1e-5)
        slopes = jax.jit(lambda i: jax.jvp(lambda i: phases_of(protocol(i)), (i,), (jnp.float32(1.0),))[1])(increment)
        np.testing.assert_allclose(slopes, counts, rtol=1e-6)
        last = jax.grad(lambda i: phases_of(protocol(i))[-1])(increment)
        np.testing.assert_allclose(last, counts[-1], rtol=1e-6)


def test_trains_of_saturation_built_under_a_trace_keep_their_phases():
    offset_ppm, n = np.float32(3.5), 600
    build = lambda ppm, duration: pulse_train(ppm, pulse_shapes.gaussian(8), 1e-6, duration, n, b0=7.0)
    pulse_of = lambda sequence: sequence.events[0].events[1].events[0]
    with jax.enable_x64(False):
        pulse = jax.jit(lambda ppm: pulse_of(build(ppm, np.float32(0.05))))(offset_ppm)
        offset = float(np.ravel(pulse.offset)[0])
        expected = turned(2 * np.pi * offset * float(np.float32(0.05)) * np.arange(n))
        np.testing.assert_allclose(turned(pulse.phase)[0], expected, atol=1e-5)


@pytest.mark.filterwarnings("ignore::mrjax.PlausibilityWarning")
def test_receiver_offsets_keep_their_phase_over_many_turns():
    with jax.enable_x64(False):
        readout = mr.Readout(4, 1.3, offset=123456.0)
        times = np.asarray(readout.sample_offsets(), float)
        np.testing.assert_allclose(turned(readout.receiver_phase()), turned(2 * np.pi * 123456.0 * times), atol=1e-6)


@pytest.mark.slow
def test_increments_of_many_turns_in_the_closed_form_of_balanced_trains():
    increment = 117 * deg + 2 * np.pi * 1e6
    with jax.enable_x64(False):
        of = lambda increment: mr.signals.relaxation.bssfp(0.5, 5 * ms, 1.0, 0.1, phase_increment=increment)
        np.testing.assert_allclose(of(increment), of(117 * deg), rtol=1e-5)
