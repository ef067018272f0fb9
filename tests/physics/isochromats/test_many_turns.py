"""Off-resonance over thousands of turns in single precision: only what is left of whole turns is seen."""

import jax
import numpy as np
import pytest

import mrjax as mr

FREQUENCY, TIME, T2 = 1234.5, 3.001, 10.0

ENGINES = {"EPG": mr.EPG(n_states=2), "Isochromats": mr.Isochromats(n=1)}


def expected(time):
    time, frequency = float(np.float32(time)), float(np.float32(FREQUENCY))
    return -1j * np.exp(2j * np.pi * frequency * time - time / T2)


@pytest.mark.parametrize("engine", ENGINES)
def test_free_precession_over_thousands_of_turns(engine):
    """By the plain product the phase was off by half a mrad."""
    with jax.enable_x64(False):
        tissue = mr.Tissue(t1=10.0, t2=T2, off_resonance=FREQUENCY)
        sequence = mr.Sequence(mr.Pulse(np.pi / 2), mr.Delay(TIME), mr.Sample())
        signal = mr.simulate(sequence, tissue, ENGINES[engine])
        np.testing.assert_allclose(signal, [expected(TIME)], atol=2e-6)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_long_readout(engine):
    with jax.enable_x64(False):
        tissue = mr.Tissue(t1=10.0, t2=T2, off_resonance=FREQUENCY)
        readout = mr.Readout(4, 0.7)
        sequence = mr.Sequence(mr.Pulse(np.pi / 2), readout)
        signal = mr.simulate(sequence, tissue, ENGINES[engine])
        times = np.asarray(readout.sample_offsets(), float)
        np.testing.assert_allclose(signal, [expected(time) for time in times], atol=2e-6)
