"""Fields of line currents around a cylinder: where they are known in closed form, and against Maxwell's integral equation."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import constants, special

import mrjax as mr
from mrjax.units import cm

OMEGA = 2 * np.pi * 298e6
K0 = OMEGA / constants.c
PHI = 2 * np.pi * np.arange(8) / 8
LINES = 0.14 * np.exp(1j * PHI)


def tissue(places):
    """Spins at complex numbers x + iy in m."""
    return mr.Tissue(
        jnp.ones(np.shape(places)), 0.1, x=np.real(places), y=np.imag(places), z=np.zeros(np.shape(places))
    )


def test_without_an_object_there_are_free_waves():
    """E of a line current is a Hankel function of order 0, and its derivatives one of order 1."""
    places = np.array([0.0, 3 + 2j, -5 + 4j, 1 - 8j]) * cm
    array = mr.phantoms.transmit_array(tissue(places), permittivity=1.0, conductivity=0.0)
    away = places[None] - LINES[:, None]
    free = special.hankel2(0, K0 * abs(away))
    b1 = -K0 * special.hankel2(1, K0 * abs(away)) * away / abs(away) / 2
    np.testing.assert_allclose(array.b1, b1 / b1[:, :1] / 8, rtol=1e-7)
    np.testing.assert_allclose(array.electric, OMEGA * free / b1[:, :1] / 8, rtol=1e-7)


def test_long_waves_are_those_of_a_birdcage():
    """Where waves are long the object does nothing, and channels send what rungs receive, turning the other way."""
    spins = tissue(np.array([0.0, 3 + 2j, -5 + 4j]) * cm)
    array = mr.phantoms.transmit_array(spins, frequency=1e6, permittivity=2.0, conductivity=0.0)
    rungs = mr.phantoms.birdcage_coils(spins, rung_length=100.0)
    np.testing.assert_allclose(array.b1, jnp.conj(rungs) / 8**0.5, rtol=1e-4)


def test_fields_solve_the_integral_equation_of_scattering():
    r"""$E(r) = E_0(r) - \frac{i}{4} \int (k_1^2 - k_0^2)\, H_0(k_0 |r - r'|)\, E(r')\, dA'$ over the object, in rays from r."""
    at = (2.5 - 4j) * cm
    nodes, weights = np.polynomial.legendre.leggauss(60)
    rays = np.exp(2j * np.pi * np.arange(200) / 200)
    along = (np.conj(at) * rays).real
    reach = -along + np.sqrt(along**2 + 0.09**2 - abs(at) ** 2)
    s = reach[:, None] * (nodes + 1) / 2
    area = s * reach[:, None] * weights / 2 * (2 * np.pi / 200)
    places = at + s * rays[:, None]
    field = np.asarray(mr.phantoms.transmit_array(tissue(np.append(places.ravel(), at))).electric)
    contrast = K0**2 * (50.0 - 1j * 0.6 / (OMEGA * constants.epsilon_0) - 1)
    scattered = np.sum(
        -0.25j * contrast * special.hankel2(0, K0 * s) * area * field[:, :-1].reshape(8, *s.shape), axis=(1, 2)
    )
    incident = special.hankel2(0, K0 * abs(at - LINES))
    ratio = (field[:, -1] - scattered) / incident * np.exp(1j * PHI)  # all alike but for the phase of the normalisation
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-5)
    # and as strong as at the centre, where the transmit field is one part in eight: of the wave of order -1 alone
    k1 = np.sqrt(contrast + K0**2)
    slope = k1 * special.jvp(-1, k1 * 0.09), K0 * special.h2vp(-1, K0 * 0.09)
    passed = special.jv(-1, k1 * 0.09) * slope[1] - slope[0] * special.hankel2(-1, K0 * 0.09)
    wave = special.hankel2(-1, K0 * 0.14) * (-2j / (np.pi * 0.09)) / passed
    np.testing.assert_allclose(ratio[0], OMEGA / (-wave * k1 / 2) / 8, rtol=1e-5)


def test_transmit_fields_are_slopes_of_the_electric_ones():
    step, at = 1e-6, np.array([2 + 3j, -6 + 1j]) * cm
    array = lambda shift: mr.phantoms.transmit_array(tissue(at + shift))
    slope = lambda along: (array(along * step).electric - array(-along * step).electric) / (2 * step)
    np.testing.assert_allclose(array(0).b1, (slope(1) + 1j * slope(1j)) / (2 * OMEGA), rtol=1e-6)


def test_equal_waveforms_are_a_circularly_polarised_mode_that_is_brightest_in_the_middle():
    places = np.linspace(-0.1, 0.1, 41)
    array = mr.phantoms.transmit_array(tissue(places))
    field = abs(array.b1.sum(axis=0))
    assert float(field[20]) == pytest.approx(1.0)
    assert float(field[10]) < 0.7  # halfway out
    np.testing.assert_array_equal(field[:: len(field) - 1], 0.0)  # outside the object


def test_power_is_that_of_the_electric_field(rng):
    array = mr.phantoms.transmit_array(tissue(np.array([2.0, 5j]) * cm))
    b = (rng.normal(size=8) + 1j * rng.normal(size=8)) * 1e-6
    power = jnp.einsum("c,vcd,d->v", np.conj(b), array.q_matrices(), b)
    np.testing.assert_allclose(power, 0.6 / 2000 * abs(b @ array.electric) ** 2, rtol=1e-12)


def test_arrays_that_cannot_be_say_so():
    spins = tissue(np.zeros(1))
    with pytest.raises(ValueError, match=r"`radius` must be larger than `object_radius`, 0\.2 m, but got 0\.14 m"):
        mr.phantoms.transmit_array(spins, object_radius=0.2)
    with pytest.raises(ValueError, match="`frequency` must be at least 1e6"):
        mr.phantoms.transmit_array(spins, frequency=298.0)
    with pytest.raises(ValueError, match="`permittivity` must be a positive number"):
        mr.phantoms.transmit_array(spins, permittivity=0.0)
    with pytest.raises(ValueError, match="`conductivity` must be zero or more"):
        mr.phantoms.transmit_array(spins, conductivity=-1.0)
