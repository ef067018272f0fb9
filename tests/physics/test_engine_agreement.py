"""The same sequence of real waveforms by every engine that plays it."""

import jax.numpy as jnp
import numpy as np
import pytest

import mrjax as mr
from mrjax.sequence import pulses
from mrjax.units import deg, mm, ms, mT, uT

TISSUE = mr.Tissue(t1=jnp.array([0.8, 1.4]), t2=jnp.array([0.05, 0.09]), b1=jnp.array([1.0, 0.9]))


def difference(sequence, tissue, one, other):
    return np.abs(mr.simulate(sequence, tissue, one) - mr.simulate(sequence, tissue, other)).max()


def fisp(shape):
    """Inversion, then pulses of 1 ms whose flip angles change; one cycle is wound in each repetition."""
    samples = jnp.asarray(np.deg2rad([20.0, 35.0, 60.0, 45.0, 15.0]))[:, None] * shape.waveform[None]
    pulse = mr.ShapedPulse(samples, shape.dt)
    return mr.Sequence(
        mr.Pulse(np.pi),
        mr.Delay(20 * ms),
        mr.Repeat(pulse, mr.Delay(4 * ms), mr.Sample(), mr.Delay(5 * ms), mr.Dephase(1, 2 * ms)),
    )


@pytest.mark.exhaustive
def test_fisp_with_sinc_pulses_of_a_millisecond():
    """In samples of 10 us. EPG relaxes before and after a pulse, not during it: its error goes with the duration of pulses."""
    sequence = fisp(pulses.sinc(1.0, 1 * ms, 4, n_samples=100))
    isochromats = mr.Isochromats()
    assert difference(sequence, TISSUE, isochromats, mr.BlochODE()) < 1e-6
    errors = [
        difference(fisp(pulses.sinc(1.0, duration, 4, n_samples=100)), TISSUE, isochromats, mr.EPG())
        for duration in (1 * ms, 0.5 * ms)
    ]
    assert errors[0] < 5e-4
    np.testing.assert_allclose(errors[0] / errors[1], 2, rtol=0.05)


@pytest.mark.filterwarnings("ignore::mrjax.PlausibilityWarning")
def test_fisp_with_short_pulses_is_that_of_instantaneous_ones():
    shape = pulses.sinc(1.0, 1e-3 * ms, 4, n_samples=40)
    angles = jnp.asarray(np.deg2rad([20.0, 35.0, 60.0, 45.0, 15.0]))
    lasting = fisp(shape)
    repeat = lasting[2]
    instantaneous = mr.Sequence(*lasting.events[:2], mr.Repeat(mr.Pulse(angles), *repeat.events[1:]))
    expected = mr.simulate(instantaneous, TISSUE)
    for engine in (mr.Isochromats(), mr.EPG()):
        np.testing.assert_allclose(mr.simulate(lasting, TISSUE, engine), expected, atol=2e-5)


def test_bssfp_off_resonance():
    shape = pulses.sinc(35 * deg, 1 * ms, 4, n_samples=100)
    train = mr.Repeat(
        mr.ShapedPulse(shape.waveform, shape.dt, phase=jnp.pi * (jnp.arange(6) % 2)),
        mr.Delay(2 * ms),
        mr.Sample(),
        mr.Delay(2 * ms),
    )
    tissue = mr.Tissue(t1=0.9, t2=0.07, off_resonance=jnp.array([0.0, 40.0, 95.0]))
    sequence = mr.Sequence(train)
    assert difference(sequence, tissue, mr.Isochromats(), mr.BlochODE()) < 1e-6
    assert difference(sequence, tissue, mr.Isochromats(), mr.EPG()) < 1e-3


@pytest.mark.exhaustive
def test_cpmg_across_a_slice():
    """Crushers wind one cycle over the voxel in the plane; the slice is a map of positions."""
    flat = 1 * ms
    shape = lambda angle, phase: pulses.sinc(angle * deg, flat, 4, n_samples=40, phase=phase)
    select = mr.Gradient.trapezoid(10 * mT, rise=0.1 * ms, flat=flat, axis="z")
    pulse = lambda angle, phase: mr.Together(mr.Sequence(mr.Delay(0.1 * ms), shape(angle, phase)), select)
    rephase = mr.Gradient.trapezoid(area=-select.area / 2, rise=0.1 * ms, flat=0.9 * ms, axis="z")
    crusher = mr.Dephase(1, 1 * ms)
    half = (crusher, mr.Delay(1 * ms))
    train = mr.Repeat(*half, pulse(180, np.pi / 2), *half[::-1], mr.Sample(), n_repetitions=3)
    sequence = mr.Sequence(pulse(90, 0.0), rephase, train)
    tissue = mr.Tissue(t1=0.9, t2=0.08, z=jnp.linspace(-8, 8, 9) * mm)
    assert difference(sequence, tissue, mr.Isochromats(16), mr.BlochODE(16)) < 1e-5


def test_hyperbolic_secant_inverts_over_b1():
    pulse = pulses.hyperbolic_secant(8 * ms, 1200.0, 32 * uT, n_samples=800)
    tissue = mr.Tissue(t1=1.0, t2=0.08, b1=jnp.linspace(0.5, 1.5, 5))
    sequence = mr.Sequence(pulse, mr.SampleLongitudinal())
    timeline = mr.simulate(sequence, tissue, mr.Isochromats()).real
    np.testing.assert_allclose(mr.simulate(sequence, tissue, mr.BlochODE()).real, timeline, atol=1e-5)
    np.testing.assert_allclose(mr.simulate(sequence, tissue, mr.BlochMcConnell(b0=3.0)).real, timeline, atol=1e-5)
    assert np.all(timeline < -0.85)
