"""Models of relaxation where more is claimed of them than that they are recovered."""

import jax.numpy as jnp
import numpy as np
import pytest

import mrjax as mr
from mrjax.inverse import least_squares
from mrjax.signals import models
from mrjax.signals.relaxation import look_locker, mp2rage, uniform_image
from mrjax.zoo import myelin_water

T1 = jnp.array([0.5, 0.9, 1.5])
MP2RAGE = ([0.7, 2.5], np.radians([4.0, 5.0]), (80, 80), 7e-3, 5.0)


@pytest.mark.exhaustive
def test_the_look_locker_correction_is_right_to_first_order_in_the_distance_of_readouts():
    """The angle falls with the root of the distance, so that readouts hasten the recovery alike."""
    errors = []
    for tr, n in ((0.02, 100), (0.01, 200)):
        times, angle = 1e-9 + tr * np.arange(n), np.radians(5.0) * np.sqrt(tr / 0.02)
        data = look_locker(n, 1e-9, tr, angle, T1, m0=100.0)
        fit = least_squares(models.LookLocker(times), data)
        apparent = 1 / (1 / np.asarray(T1) - np.log(np.cos(angle)) / tr)
        np.testing.assert_allclose(fit.parameters["t1star"], apparent, rtol=1e-8)
        errors.append(np.abs(fit.parameters["t1"] / T1 - 1))
    assert np.max(errors[0]) < 0.01
    np.testing.assert_allclose(errors[0] / errors[1], 2.0, rtol=0.05)


@pytest.mark.exhaustive
def test_the_uniform_image_gives_t1_within_its_range():
    model = models.MP2RAGE(*MP2RAGE)
    shortest, longest = model.monotone_range()
    t1 = np.geomspace(shortest, longest, 300)
    image = np.asarray(uniform_image(mp2rage(*MP2RAGE, jnp.asarray(t1))))
    assert np.all(np.diff(image)[1:-1] < 0)
    outside = jnp.array([shortest / 1.05, shortest, longest, longest * 1.05])
    beyond = np.asarray(uniform_image(mp2rage(*MP2RAGE, outside)))
    assert beyond[0] < beyond[1]
    assert beyond[3] > beyond[2]
    (parameter,) = model.parameters
    assert (parameter.lower, parameter.upper) == (shortest, longest)


@pytest.mark.exhaustive
def test_maps_of_b1_correct_mp2rage():
    b1 = jnp.array([0.8, 1.0, 1.2])
    data = uniform_image(mp2rage(*MP2RAGE, T1, b1=b1))[:, None]
    corrected = least_squares(models.MP2RAGE(*MP2RAGE, b1=b1), data, noise_std=1e-3)
    np.testing.assert_allclose(corrected.parameters["t1"], T1, rtol=1e-6)
    nominal = least_squares(models.MP2RAGE(*MP2RAGE), data, noise_std=1e-3)
    assert np.abs(nominal.parameters["t1"] / T1 - 1)[0] > 0.02


@pytest.mark.exhaustive
def test_off_resonance_is_found_at_both_ends():
    te = 0.002 + 0.003 * np.arange(6)
    model = models.T2StarWithField(te)
    truth = {"t2star": jnp.full(4, 0.02), "off_resonance": jnp.array([-160.0, -5.0, 0.0, 160.0])}
    truth |= {"m0_real": jnp.array([1.0, -2.0, 0.0, 3.0]), "m0_imaginary": jnp.array([0.0, 2.0, -1.0, 1.0])}
    fit = least_squares(model, model(truth))
    for name, value in truth.items():
        np.testing.assert_allclose(fit.parameters[name], value, rtol=1e-6, atol=1e-6)


@pytest.mark.exhaustive
def test_angles_above_half_a_turn_are_those_below():
    train = mr.protocols.cpmg(jnp.full(16, np.pi), echo_spacing=0.01)
    data = mr.simulate(train, mr.Tissue(1.0, jnp.array([0.06, 0.12]), b1=jnp.array([0.8, 1.15]))).real
    fit = least_squares(models.StimulatedEchoes(16, 0.01), data)
    np.testing.assert_allclose(fit.parameters["t2"], [0.06, 0.12], rtol=1e-6)
    np.testing.assert_allclose(fit.parameters["b1"], [0.8, 0.85], rtol=1e-6)


@pytest.mark.exhaustive
def test_a_known_field_is_not_fitted():
    b1 = jnp.array([0.8, 1.15])
    train = mr.protocols.cpmg(jnp.full(16, 2.6), echo_spacing=0.01)
    data = mr.simulate(train, mr.Tissue(1.0, jnp.array([0.06, 0.12]), b1=b1)).real
    model = models.StimulatedEchoes(16, 0.01, 2.6, b1=b1, fits_b1=False)
    assert model.names == ("t2", "m0")
    np.testing.assert_allclose(least_squares(model, data).parameters["t2"], [0.06, 0.12], rtol=1e-6)


def test_three_pools_without_frequencies_are_those_of_the_zoo():
    te = 1.6e-3 + 1e-3 * np.arange(12)
    pools = {"myelin_fraction": 0.15, "axonal_share": 0.6, "myelin_t2star": 0.01, "axonal_t2star": 0.07}
    pools = {name: jnp.asarray(value) for name, value in (pools | {"extracellular_t2star": 0.04}).items()}
    zero = dict.fromkeys(("myelin_frequency", "axonal_frequency", "m0_imaginary"), jnp.asarray(0.0))
    signal = models.ThreePoolMyelinWater(te)(
        pools | zero | {"off_resonance": jnp.asarray(30.0), "m0_real": jnp.asarray(2.0)}
    )
    np.testing.assert_allclose(np.abs(signal), 2 * myelin_water.three_pools(jnp.asarray(te), pools), rtol=1e-12)
    np.testing.assert_allclose(np.angle(signal * np.exp(-2j * np.pi * 30.0 * te)), 0.0, atol=1e-12)


def test_mistakes_are_told():
    with pytest.raises(ValueError, match="`inversion_time` must not be negative"):
        models.LookLocker([-0.1, 0.2])
    with pytest.raises(ValueError, match="`data` must be one of 'uniform_image', 'signed', 'complex', but got 'uni'"):
        models.MP2RAGE(*MP2RAGE, data="uni")
    with pytest.raises(ValueError, match="`te` must hold at least two echo times that differ, but got 1"):
        models.T2StarWithField([0.01, 0.01])
    with pytest.raises(ValueError, match=r"must be positive, ascend and not overlap, but got \(\(0.01, 0.1\)"):
        models.BiExponential([0.01, 0.02], (0.01, 0.1), (0.05, 1.0))
    with pytest.raises(ValueError, match="`b1` must not be a map where it is fitted"):
        models.StimulatedEchoes(8, 0.01, b1=np.ones(3))
    with pytest.raises(ValueError, match="`rf_amplitude` must have one value for each offset"):
        models.MagnetizationTransfer([1e3, 2e3], [1e-6], 1.0)
    with pytest.raises(ValueError, match="`observed_t1` must be positive"):
        models.MagnetizationTransfer([1e3, 2e3], [1e-6, 1e-6], 0.0)
