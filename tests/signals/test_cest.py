"""Closed forms of CEST: against the Bloch-McConnell equations, limits, derivatives, error sentences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads
from scipy.linalg import eigvals, expm

import mrjax as mr
from mrjax.signals import cest

LARMOR = mr.units.GAMMA_BAR["1H"] * 3.0
T1, T2 = 1.3, 0.08
AWAY_FROM_WATER = np.array([-4, -2, -1, -0.5, 0.5, 1, 2, 2.5, 3, 3.25, 3.5, 3.75, 4, 4.5, 6])


def solute(fraction, k, shift=3.5):
    return mr.Pool(fraction, float(k), t1=1.0, t2=0.05, shift_ppm=shift)


def generator(ppm, b1, pools):
    """d/dt of (x, y, z) of the water and of every pool, and 1."""
    w1 = mr.units.GAMMA["1H"] * b1
    sizes = [(1.0, 1 / T1, 1 / T2, 0.0, 0.0)]
    sizes += [
        (float(p.fraction), 1 / float(p.t1), 1 / float(p.t2), float(p.exchange_rate), float(p.shift_ppm)) for p in pools
    ]
    a = np.zeros((3 * len(sizes) + 1,) * 2)
    for i, (f, r1, r2, k, shift) in enumerate(sizes):
        x, y, z = 3 * i, 3 * i + 1, 3 * i + 2
        w = 2 * np.pi * (ppm - shift) * 1e-6 * LARMOR
        a[x, x], a[y, y], a[z, z], a[z, -1] = -r2, -r2, -r1, r1 * f
        a[x, y], a[y, x], a[y, z], a[z, y] = w, -w, w1, -w1
        for c in range(3 if i else 0):
            a[3 * i + c, 3 * i + c] -= k
            a[c, 3 * i + c] += k
            a[c, c] -= k * f
            a[3 * i + c, c] += k * f
    return a


def slowest_rate(matrix):
    return -max(eigvals(matrix[:-1, :-1]).real)


def z_after(duration, ppm, b1, pools):
    start = np.zeros(3 * len(pools) + 4)
    start[2::3] = [1, *(float(pool.fraction) for pool in pools)]
    start[-1] = 1
    return (expm(duration * generator(ppm, b1, pools)) @ start)[2]


@pytest.mark.exhaustive
@pytest.mark.parametrize("b1", [0.5e-6, 1e-6, 2e-6])
@pytest.mark.parametrize("k", [30, 200, 1000, 5000])
def test_exchange_in_r1rho_is_that_of_the_eigenvalue(k, b1):
    pool = solute(1e-4, k)
    offset = AWAY_FROM_WATER * 1e-6 * LARMOR
    exchange = cest.r1rho(offset, b1, T1, T2, pool) - cest.r1rho(offset, b1, T1, T2)
    exact = np.array(
        [slowest_rate(generator(p, b1, [pool])) - slowest_rate(generator(p, b1, [])) for p in AWAY_FROM_WATER]
    )
    error = np.abs(exchange - exact) / exact.max()
    assert np.all(error[np.abs(AWAY_FROM_WATER - 3.5) <= 1] < 0.01)
    assert np.all(error < 0.17)


@pytest.mark.exhaustive
@pytest.mark.parametrize("b1", [0.5e-6, 1e-6, 2e-6, 4e-6])
@pytest.mark.parametrize(("k", "tolerance"), [(30, 1e-3), (200, 1e-3), (1000, 1e-3), (5000, 4e-3)])
def test_spin_lock_solves_bloch_mcconnell(k, tolerance, b1):
    pool = solute(1e-3, k)
    z = cest.spin_lock(AWAY_FROM_WATER * 1e-6 * LARMOR, b1, 2.0, T1, T2, pool)
    np.testing.assert_allclose(z, [z_after(2.0, ppm, b1, [pool]) for ppm in AWAY_FROM_WATER], atol=tolerance)


def test_several_pools_add_up():
    pools = (solute(1e-3, 30), solute(5e-4, 200, shift=2.0), solute(1e-3, 16, shift=-3.5))
    offset = AWAY_FROM_WATER * 1e-6 * LARMOR
    z = cest.spin_lock(offset, 1e-6, 3.0, T1, T2, pools)
    np.testing.assert_allclose(z, [z_after(3.0, ppm, 1e-6, pools) for ppm in AWAY_FROM_WATER], atol=1e-3)
    rate = lambda *pools: cest.r1rho(offset, 1e-6, T1, T2, pools)
    total = sum(rate(pool) - rate() for pool in pools)
    np.testing.assert_allclose(rate(*pools) - rate(), total, rtol=1e-10)


def test_without_exchange_the_rate_is_that_of_the_water():
    offset = jnp.array([0.0, 85.0, -400.0])
    w1, dw = mr.units.GAMMA["1H"] * 2e-6, 2 * np.pi * offset
    expected = (dw**2 / T1 + w1**2 / T2) / (dw**2 + w1**2)
    for pools in ((), solute(0.0, 30), solute(1e-3, 0.0)):
        np.testing.assert_allclose(cest.r1rho(offset, 2e-6, T1, T2, pools), expected, rtol=1e-12)


def test_without_rf_nothing_happens():
    offset = jnp.array([0.0, 3.5 * 1e-6 * LARMOR, 900.0])
    np.testing.assert_allclose(cest.r1rho(offset, 0.0, T1, T2, solute(1e-3, 30)), np.full(3, 1 / T1), rtol=1e-12)
    np.testing.assert_allclose(cest.spin_lock(offset, 0.0, 2.0, T1, T2, solute(1e-3, 30)), np.ones(3), rtol=1e-12)


def test_endless_saturation_is_the_steady_state():
    offset, pool = jnp.array([100.0, 447.0, 1500.0]), solute(1e-3, 100)
    steady = cest.spin_lock(offset, 1e-6, np.inf, T1, T2, pool)
    tilt = np.arctan2(mr.units.GAMMA["1H"] * 1e-6, 2 * np.pi * offset)
    expected = np.cos(tilt) ** 2 / T1 / cest.r1rho(offset, 1e-6, T1, T2, pool)
    np.testing.assert_allclose(steady, expected, rtol=1e-12)
    np.testing.assert_allclose(cest.spin_lock(offset, 1e-6, 60.0, T1, T2, pool), steady, rtol=1e-12)
    np.testing.assert_allclose(cest.spin_lock(offset, 1e-6, 0.0, T1, T2, pool), np.cos(tilt) ** 2, rtol=1e-12)


@pytest.mark.exhaustive
def test_off_resonance_moves_the_whole_spectrum_and_b1_scales_the_field():
    pool, offset = solute(1e-3, 100), jnp.linspace(-600.0, 600.0, 9)
    maps = cest.spin_lock(
        offset, 1e-6, 2.0, T1, T2, pool, off_resonance=jnp.array([0.0, 40.0]), b1=jnp.array([1.0, 0.8])
    )
    assert maps.shape == (2, 9)
    np.testing.assert_allclose(maps[0], cest.spin_lock(offset, 1e-6, 2.0, T1, T2, pool), rtol=1e-12)
    np.testing.assert_allclose(maps[1], cest.spin_lock(offset - 40.0, 0.8e-6, 2.0, T1, T2, pool), rtol=1e-12)


@pytest.mark.exhaustive
def test_spin_lock_is_differentiable_also_where_nothing_is_left():
    def z(b1, t1, t2, fraction, k, shift):
        pool = mr.Pool(fraction, k, 1.0, 0.05, shift)
        return cest.spin_lock(jnp.array([0.0, 300.0, 447.0]), 1e-6, 2.0, t1, t2, pool, b1=b1)

    scaled = lambda b1, t1, t2, fraction, k, shift: z(b1, t1, t2, 1e-3 * fraction, 30 * k, shift)
    check_grads(scaled, tuple(map(jnp.array, (0.9, 1.3, 0.08, 1.0, 1.0, 3.5))), 1, modes=("fwd", "rev"), rtol=1e-5)


@pytest.mark.slow
def test_derivatives_are_finite_on_resonance_without_rf_and_without_exchange():
    def steady(b1, k):
        pool = mr.Pool(1e-3, k, 1.0, 0.05, 3.5)
        return cest.spin_lock(jnp.zeros(2), jnp.array([0.0, 1e-6]), np.inf, T1, T2, pool, b1=b1)

    for part in jax.jacrev(steady, (0, 1))(jnp.array(1.0), jnp.array(0.0)):
        assert np.all(np.isfinite(part))


def test_float32_stays_float32_and_close():
    pool = mr.Pool(jnp.float32(1e-3), 30.0, 1.0, 0.05, 3.5)
    offset = jnp.asarray(AWAY_FROM_WATER * 1e-6 * LARMOR, jnp.float32)
    single = cest.spin_lock(offset, 1e-6, 2.0, 1.3, 0.08, pool)
    assert single.dtype == jnp.float32
    np.testing.assert_allclose(
        single, cest.spin_lock(offset.astype(float), 1e-6, 2.0, 1.3, 0.08, solute(1e-3, 30)), rtol=3e-6
    )


def test_what_does_not_fit_is_refused():
    semisolid = mr.Pool(0.1, 20.0, 1.0, 1e-5, lineshape=mr.lineshapes.Lorentzian())
    with pytest.raises(ValueError, match="`pools` must be pools without a line shape"):
        cest.r1rho(100.0, 1e-6, T1, T2, semisolid)
    with pytest.raises(ValueError, match="`t1` must be positive"):
        cest.r1rho(100.0, 1e-6, -1.0, T2)
    with pytest.raises(ValueError, match="`b0` must be positive"):
        cest.r1rho(100.0, 1e-6, T1, T2, b0=0.0)
    with pytest.raises(ValueError, match="Shapes must broadcast"):
        cest.spin_lock(jnp.zeros(3), jnp.ones(2), 1.0, T1, T2)
    with pytest.raises(ValueError, match="`duration` must not be negative"):
        cest.spin_lock(jnp.zeros(3), 1e-6, -1.0, T1, T2)
