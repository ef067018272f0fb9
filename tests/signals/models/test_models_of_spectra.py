"""The models of spectra against sums by hand, and what they refuse."""

import jax.numpy as jnp
import numpy as np
import pytest

from mrjax.signals import models
from mrjax.signals.spectroscopy import chemical_shifts, spectrum
from mrjax.units import GAMMA_BAR

DWELL, N = 1e-3, 512
TIME = DWELL * np.arange(N)
PER_PPM = GAMMA_BAR["1H"] * 3e-6
DECAYS = np.exp(2j * np.pi * np.array([[-337.0], [-206.0]]) * TIME)
SHAPE = {"lorentz_width": 5.0, "gauss_width": 6.0, "frequency_shift": 4.0, "phase": 0.3, "delay": 2e-4}


def values(model, **chosen):
    return {name: jnp.asarray(chosen.get(name, 0.0)) for name in model.names}


@pytest.mark.exhaustive
def test_a_spectrum_is_the_sum_by_hand():
    model = models.Spectrum(DECAYS, ["NAA", "Cr"], DWELL, window_ppm=(1.0, 4.0))
    frequency = (model.shifts_ppm - 4.65) * PER_PPM
    decay = (2.0 * DECAYS[0] + 3.0 * DECAYS[1]) * np.exp(2j * np.pi * 4.0 * TIME - np.pi * 5.0 * TIME)
    decay = decay * np.exp(-((np.pi * 6.0 * TIME) ** 2) / (4 * np.log(2)))
    counted = np.where(np.arange(N) == 0, 0.5, 1.0) * decay
    lines = DWELL * np.exp(-2j * np.pi * np.outer(frequency, TIME)) @ counted
    expected = lines * np.exp(0.3j + 2j * np.pi * frequency * 2e-4)
    np.testing.assert_allclose(model(values(model, NAA=2.0, Cr=3.0, **SHAPE)), expected, atol=1e-12)


@pytest.mark.parametrize("width", ["lorentz_width", "gauss_width"])
def test_widths_are_those_at_half_maximum(width):
    model = models.Spectrum(DECAYS, ["NAA", "Cr"], DWELL, window_ppm=(1.0, 4.0))
    line = np.real(model(values(model, NAA=1.0, **{width: 20.0})))
    frequency = (model.shifts_ppm - 4.65) * PER_PPM
    at = np.interp([-347.0, -337.0, -327.0], frequency, line)
    np.testing.assert_allclose(at[[0, 2]] / at[1], 0.5, atol=0.03)


def test_a_baseline_of_ones_is_flat_and_its_parts_are_apart():
    model = models.Spectrum(DECAYS, ["NAA", "Cr"], DWELL, window_ppm=(1.0, 4.0), n_baseline=6)
    ones = {name: 1.0 for name in model.names if name.startswith("baseline_imaginary")}
    np.testing.assert_allclose(model(values(model, **ones)), 1j, atol=1e-12)


def test_measured_decays_become_the_samples_of_a_fit():
    model = models.Spectrum(DECAYS, ["NAA", "Cr"], DWELL, window_ppm=(1.0, 4.0))
    within = (chemical_shifts(N, DWELL) >= 1.0) & (chemical_shifts(N, DWELL) <= 4.0)
    np.testing.assert_allclose(model.measured(DECAYS), spectrum(DECAYS, DWELL)[:, within], rtol=1e-12)
    np.testing.assert_allclose(model.measured(DECAYS[1]), model(values(model, Cr=1.0)), atol=1e-12)


def test_damped_exponentials_are_the_sum_by_hand():
    model = models.DampedExponentials(TIME, [(-400.0, -300.0), (-250.0, -150.0)])
    chosen = {"frequency_1": -337.0, "frequency_2": -206.0, "t2star_1": 0.05, "t2star_2": 0.2}
    signal = model(values(model, m0_real_1=2.0, m0_imaginary_2=-1.0, **chosen))
    expected = 2 * DECAYS[0] * np.exp(-TIME / 0.05) - 1j * DECAYS[1] * np.exp(-TIME / 0.2)
    np.testing.assert_allclose(signal, expected, atol=1e-12)
    for n in (1, 3, 5, 8):
        ranges = [(10.0 * i, 10.0 * i + 5) for i in range(n)]
        trials = [len(one.trials) for one in models.DampedExponentials(TIME, ranges).parameters if one.trials]
        assert 2**n <= np.prod(trials) <= 10_000


def test_mistakes_are_told():
    with pytest.raises(ValueError, match=r"`basis` must have shape \(3, n_points\), as there are so many metabolites"):
        models.Spectrum(DECAYS, ["NAA", "Cr", "Lac"], DWELL)
    with pytest.raises(ValueError, match="`metabolites` must have names of their own, but phase is there twice"):
        models.Spectrum(DECAYS, ["NAA", "phase"], DWELL)
    with pytest.raises(ValueError, match="`n_baseline` must be 0, or an integer from 4 to"):
        models.Spectrum(DECAYS, ["NAA", "Cr"], DWELL, n_baseline=3)
    with pytest.raises(ValueError, match="`window_ppm` must hold points between"):
        models.Spectrum(DECAYS, ["NAA", "Cr"], DWELL, window_ppm=(20.0, 30.0))
    with pytest.raises(ValueError, match=r"`fid` must have shape \(\*voxels, 512\) as the basis has, but got \(100,\)"):
        models.Spectrum(DECAYS, ["NAA", "Cr"], DWELL).measured(np.ones(100, complex))
    with pytest.raises(ValueError, match=r"`ranges` \(Hz\) must ascend and not overlap"):
        models.DampedExponentials(TIME, [(0.0, 20.0), (10.0, 30.0)])
