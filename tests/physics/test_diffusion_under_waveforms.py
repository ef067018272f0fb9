"""Diffusion while RF and readouts last."""

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from compiling import compiled_quickly

import mrjax as mr
from mrjax.sequence import moments
from mrjax.units import GAMMA_BAR, ms, mT

SIZE = 80e-6
CYCLES = 3
DIFFUSION = 1.5e-9


def lobe(area=CYCLES / (GAMMA_BAR["1H"] * SIZE)):
    return mr.Gradient.trapezoid(area=area, rise=0.5 * ms, flat=4 * ms, axis="x")


def spin_echo(excitation, refocusing, area=CYCLES / (GAMMA_BAR["1H"] * SIZE), dwell=0.2 * ms):
    """Weighted by diffusion; read while the second lobe rewinds."""
    read = mr.Together(lobe(area), mr.Sequence(mr.Delay(0.5 * ms), mr.Readout(20, dwell)))
    return mr.Sequence(excitation, lobe(area), mr.Delay(6 * ms), refocusing, mr.Delay(5 * ms), read, mr.Sample())


@pytest.mark.exhaustive
@pytest.mark.parametrize("engine", [mr.Isochromats, pytest.param(mr.BlochODE, marks=pytest.mark.slow)])
def test_samples_under_a_gradient_are_attenuated_by_what_is_wound_until_each(engine):
    echo = spin_echo(mr.Pulse(np.pi / 2), mr.Pulse(np.pi))
    liquid = mr.Tissue(np.inf, np.inf, diffusion=DIFFUSION)
    timeline = echo.timeline()
    wound = timeline.trajectory()[:, 0] * SIZE
    expected = np.exp(-moments.b_value(timeline) * DIFFUSION) * np.abs(np.sinc(wound))
    signal = np.abs(mr.simulate(echo, liquid, engine(voxel_size=SIZE)))
    assert 0.2 < signal[-1] < 0.8
    np.testing.assert_allclose(signal, expected, atol=5e-6)


LASTING = (mr.ContinuousWave(9e-6, 0.65 * ms, phase=0.3), mr.ShapedPulse(1e-5 * np.hanning(92)[1:-1], 0.04 * ms))


@pytest.mark.exhaustive
def test_rf_lasts_while_magnetisation_diffuses():
    """Pulses of milliseconds on what is wound: what they store along z decays meanwhile, too."""
    tissue = mr.Tissue(0.5, 0.04, diffusion=jnp.array([0.0, DIFFUSION]), off_resonance=30.0, b1=0.9)
    echo = spin_echo(*LASTING)
    isochromats = mr.simulate(echo, tissue, mr.Isochromats(64, SIZE))
    solver = mr.BlochODE(64, SIZE)
    # rotations of 40 us between halves of relaxation
    np.testing.assert_allclose(mr.simulate(echo, tissue, solver), isochromats, atol=2e-6)
    assert np.abs(isochromats[0] - isochromats[1]).max() > 0.05


@pytest.mark.exhaustive
def test_derivatives():
    def value(numbers):
        diffusion, area, dwell = numbers
        tissue = mr.Tissue(0.5, 0.04, diffusion=diffusion)
        echo = spin_echo(*LASTING, area=area, dwell=dwell)
        return jnp.sum(jnp.abs(mr.simulate(echo, tissue, mr.Isochromats(16, SIZE)) - 0.1) ** 2)

    numbers = np.array([DIFFUSION, CYCLES / (GAMMA_BAR["1H"] * SIZE), 0.2 * ms])
    value = compiled_quickly(value)
    reverse, forward = compiled_quickly(jax.grad(value))(numbers), compiled_quickly(jax.jacfwd(value))(numbers)
    np.testing.assert_allclose(forward, reverse, rtol=1e-9)
    for i, number in enumerate(numbers):
        near, far = (
            value(numbers + h * number * np.eye(3)[i]) - value(numbers - h * number * np.eye(3)[i])
            for h in (1e-4, 2e-4)
        )
        np.testing.assert_allclose(reverse[i] * number, (8 * near - far) / 12e-4, rtol=1e-6)


@pytest.mark.exhaustive
def test_the_solver_is_differentiated_in_diffusion():
    def value(diffusion):
        tissue = mr.Tissue(0.5, 0.04, diffusion=diffusion)
        tight = diffrax.PIDController(rtol=1e-10, atol=1e-12)
        solver = mr.BlochODE(16, SIZE, stepsize_controller=tight, max_steps=512)
        wound_and_unwound = mr.Together(mr.Sequence(lobe(), lobe(-lobe().area)))
        sequence = mr.Sequence(mr.Pulse(np.pi / 2), wound_and_unwound, mr.Sample())
        return jnp.abs(mr.simulate(sequence, tissue, solver)[0])

    value = compiled_quickly(value)
    slope = compiled_quickly(jax.grad(value))(DIFFUSION) * DIFFUSION
    near, far = (value(DIFFUSION * (1 + h)) - value(DIFFUSION * (1 - h)) for h in (4e-3, 8e-3))
    np.testing.assert_allclose(slope, (8 * near - far) / 48e-3, rtol=1e-6)


@pytest.mark.parametrize("engine", [mr.Isochromats(voxel_size=SIZE), mr.BlochODE(voxel_size=SIZE)])
def test_rf_under_a_gradient_is_refused(engine):
    selective = mr.Together(
        mr.ContinuousWave(5e-6, 1 * ms), mr.Gradient.trapezoid(5 * mT, rise=0, flat=1 * ms, axis="x")
    )
    with pytest.raises(ValueError, match=r"event 0\.0 \(Together\): with `diffusion`, RF cannot be played while"):
        mr.simulate(mr.Sequence(selective, mr.Sample()), mr.Tissue(1.0, 0.1, diffusion=1e-9), engine)
