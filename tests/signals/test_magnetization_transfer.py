"""Closed forms of magnetisation transfer: against the equations they solve, limits, derivatives, error sentences."""

import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads
from scipy.linalg import expm

import mrjax as mr
from mrjax.lineshapes import Gaussian, Lorentzian, SuperLorentzian
from mrjax.signals import magnetization_transfer as mt

T1, T2 = 1.05, 0.04
OFFSET = np.array([0.0, 100.0, -700.0, 3e3, 2e4, 1e5])


def semisolid(lineshape=None, shift=0.0):
    return mr.Pool(0.14, 23.0, t1=0.8, t2=10e-6, shift_ppm=shift, lineshape=lineshape or SuperLorentzian())


def after(duration, offset, b1, pool):
    """x, y, z of the water, z of the pool and 1 after continuous RF, by the matrix exponential."""
    w1, larmor = mr.units.GAMMA["1H"] * b1, mr.units.GAMMA_BAR["1H"] * 3.0
    from_pool = offset - float(pool.shift()) * 1e-6 * larmor
    saturation = np.pi * w1**2 * float(pool.lineshape(jnp.array(from_pool), pool.t2, larmor))
    f, k, r1b, w = float(pool.fraction), float(pool.exchange_rate), 1 / float(pool.t1), 2 * np.pi * offset
    a = np.array(
        [
            [-1 / T2, w, 0, 0, 0],
            [-w, -1 / T2, w1, 0, 0],
            [0, -w1, -1 / T1 - k * f, k, 1 / T1],
            [0, 0, k * f, -r1b - k - saturation, r1b * f],
            [0, 0, 0, 0, 0],
        ]
    )
    return expm(duration * a) @ np.array([0, 0, 1, f, 1])


@pytest.mark.exhaustive
@pytest.mark.parametrize("line", [Lorentzian(), Gaussian(), SuperLorentzian()])
@pytest.mark.parametrize("b1", [0.5e-6, 2e-6, 10e-6])
@pytest.mark.parametrize("shift", [0.0, -3.0])
def test_steady_state_is_where_the_equations_lead(line, b1, shift):
    pool = semisolid(line, shift)
    expected = [after(60.0, offset, b1, pool)[2] for offset in OFFSET]
    np.testing.assert_allclose(mt.steady_state(OFFSET, b1, T1, T2, pool), expected, rtol=1e-7)


@pytest.mark.exhaustive
def test_ramani_is_the_steady_state_far_from_the_water():
    offset = np.array([500.0, 2e3, -2e4])
    exact = mt.steady_state(offset, 3e-6, T1, 0.05, semisolid())
    np.testing.assert_allclose(mt.ramani(offset, 3e-6, T1, 0.05, semisolid()), exact, rtol=1e-4)
    np.testing.assert_allclose(mt.ramani(0.0, 3e-6, T1, 0.05, semisolid()), [0.0])


def test_ramani_in_the_letters_of_the_paper():
    """R M0A = k, f = M0B / M0A; R_RFB the saturation rate; R_A, R_B, T2A as they stand."""
    pool, offset, b1 = semisolid(), 2500.0, 4e-6
    w1, ra, rb, k, kf = mr.units.GAMMA["1H"] * b1, 1 / T1, 1 / 0.8, 23.0, 23.0 * 0.14
    rrfb = np.pi * w1**2 * float(pool.lineshape(jnp.array(offset), pool.t2, 0.0))
    direct = (w1 / (2 * np.pi * offset)) ** 2 / (ra * T2)
    expected = (rb * kf / ra + rrfb + rb + k) / (kf / ra * (rb + rrfb) + (1 + direct) * (rrfb + rb + k))
    np.testing.assert_allclose(mt.ramani(offset, b1, T1, T2, pool), [expected], rtol=1e-12)


@pytest.mark.exhaustive
@pytest.mark.parametrize("form", [mt.steady_state, mt.ramani])
def test_without_rf_or_pool(form):
    np.testing.assert_allclose(form(OFFSET[1:], 0.0, T1, T2, semisolid()), np.ones(5), rtol=1e-12)
    offset, w1 = 2e3, mr.units.GAMMA["1H"] * 2e-6
    direct = w1**2 / T2 / (2 * np.pi * offset) ** 2
    for pool in (
        mr.Pool(0.0, 23.0, 0.8, 1e-5, lineshape=Gaussian()),
        mr.Pool(0.14, 0.0, 0.8, 1e-5, lineshape=Gaussian()),
    ):
        np.testing.assert_allclose(form(offset, 2e-6, T1, T2, pool), [1 / (1 + T1 * direct)], rtol=1e-5)


@pytest.mark.exhaustive
def test_maps_of_tissue_field_and_amplitude():
    pool = mr.Pool(jnp.array([0.05, 0.14]), 23.0, 0.8, 1e-5, lineshape=SuperLorentzian())
    maps = mt.steady_state(
        OFFSET, 2e-6, jnp.array([1.4, 1.05]), T2, pool, off_resonance=jnp.array([20.0, -35.0]), b1=jnp.array([1.1, 0.9])
    )
    assert maps.shape == (2, 6)
    np.testing.assert_allclose(maps[1], mt.steady_state(OFFSET + 35.0, 1.8e-6, 1.05, T2, SEMISOLID_08), rtol=1e-12)


SEMISOLID_08 = mr.Pool(0.14, 23.0, 0.8, 1e-5, lineshape=SuperLorentzian())


@pytest.mark.parametrize("pool_t1", [0.3, 1.0, 2.0])
def test_intrinsic_t1_gives_back_the_slow_recovery(pool_t1):
    pool = mr.Pool(0.14, 23.0, pool_t1, 1e-5, lineshape=Gaussian())
    r1 = 1 / float(mt.intrinsic_t1(1.1, pool))
    kf, k = 23.0 * 0.14, 23.0
    rates = np.linalg.eigvals(np.array([[r1 + kf, -k], [-kf, 1 / pool_t1 + k]]))
    np.testing.assert_allclose(rates.min(), 1 / 1.1, rtol=1e-10)


@pytest.mark.slow
@pytest.mark.parametrize("form", [mt.steady_state, mt.ramani])
def test_derivatives(form):
    def z(b1, t1, t2, fraction, k, log_t2b):
        pool = mr.Pool(fraction, k, 0.8, 1e-5 * jnp.exp(log_t2b), lineshape=SuperLorentzian())
        return form(jnp.array([0.0, 800.0, 5e3]), 3e-6, t1, t2 / 10, pool, b1=b1)

    check_grads(z, tuple(map(jnp.array, (1.1, 1.05, 0.4, 0.14, 23.0, 0.1))), 1, modes=("fwd", "rev"), rtol=1e-5)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="`pools` must be a semisolid pool; give it a `lineshape`"):
        mt.steady_state(1e3, 1e-6, T1, T2, mr.Pool(1e-3, 30.0, 1.0, 0.1, 3.5))
    with pytest.raises(ValueError, match="`b1` must not be negative"):
        mt.ramani(1e3, 1e-6, T1, T2, semisolid(), b1=-1.0)
    with pytest.raises(ValueError, match="`observed_t1` must be positive"):
        mt.intrinsic_t1(0.0, semisolid())
