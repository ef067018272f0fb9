"""Absorption lines: against adaptive quadrature, their integrals, derivatives, and spectra of other programs."""

import itertools
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads
from scipy.integrate import quad
from scipy.linalg import expm

from mrjax.lineshapes import Gaussian, Lorentzian, PulseqCestSuperLorentzian, SuperLorentzian

T2 = 10e-6
ALL = [Lorentzian(), Gaussian(), SuperLorentzian(), PulseqCestSuperLorentzian()]
LARMOR = 127.7e6


def super_lorentzian(x):
    """G(x) over the cosine u of the angle, adaptively on intervals that close in on the pole."""
    pole = 1 / np.sqrt(3)

    def integrand(u):
        p = abs(3 * u * u - 1)
        return 0.0 if p == 0 else np.sqrt(2 / np.pi) / p * np.exp(-2 * (x / p) ** 2)

    steps = np.geomspace(0.4, 1e-4, 12)
    edges = np.concatenate([[0], pole - steps, [pole], pole + steps[::-1], [1]])
    pieces = itertools.pairwise(edges)
    return sum(quad(integrand, a, b, epsabs=0, epsrel=1e-12, limit=200)[0] for a, b in pieces)


def at(line, x, t2=T2):
    """g / T2 at x = 2 pi f T2."""
    return line(jnp.asarray(x / (2 * np.pi * t2)), jnp.asarray(t2), 0.0) / t2


@pytest.mark.parametrize("x", np.geomspace(1e-3, 10, 13))
def test_super_lorentzian_is_the_powder_average(x):
    np.testing.assert_allclose(at(SuperLorentzian(cutoff=1.0), x), super_lorentzian(x), rtol=2e-8)


@pytest.mark.exhaustive
@pytest.mark.parametrize("x", np.geomspace(1e-3, 10, 5))
def test_slope_of_the_super_lorentzian(x):
    h = 2e-4 * x
    slope = (8 * (super_lorentzian(x + h) - super_lorentzian(x - h))) / (12 * h)
    slope -= (super_lorentzian(x + 2 * h) - super_lorentzian(x - 2 * h)) / (12 * h)
    np.testing.assert_allclose(jax.grad(lambda x: at(SuperLorentzian(cutoff=1.0), x))(x), slope, rtol=1e-6)


@pytest.mark.exhaustive
def test_super_lorentzian_in_float32():
    """Against float64 at the very numbers that float32 holds: what rounding them costs is not the function's."""
    offset, t2 = jnp.asarray(np.geomspace(1e-3, 3, 40) / (2 * np.pi * T2), jnp.float32), jnp.float32(T2)
    line = SuperLorentzian(cutoff=1.0)
    single, double = line(offset, t2, 0.0), line(offset.astype(float), t2.astype(float), 0.0)
    assert single.dtype == jnp.float32
    np.testing.assert_allclose(single, double, rtol=3e-6)


@pytest.mark.parametrize("line", [Lorentzian(), Gaussian(), SuperLorentzian(cutoff=1.0)])
def test_lines_have_unit_area_over_angular_frequency(line):
    """The Lorentzian beyond x = 1e4 and the super-Lorentzian below 1e-3 hold the rest."""
    area = 2 * quad(lambda logx: float(at(line, np.exp(logx))) * np.exp(logx), np.log(1e-3), np.log(1e4), limit=300)[0]
    rest = 1 - area if not isinstance(line, SuperLorentzian) else 0.0
    if isinstance(line, Lorentzian):
        np.testing.assert_allclose(rest, 2 / np.pi * (1e-3 + 1e-4), rtol=1e-3)
    elif isinstance(line, Gaussian):
        np.testing.assert_allclose(rest, 2e-3 / np.sqrt(2 * np.pi), rtol=1e-3)
    else:
        # G = a - b ln x near the pole
        b = (super_lorentzian(1e-3) - super_lorentzian(2e-3)) / np.log(2)
        np.testing.assert_allclose(area + 2e-3 * (super_lorentzian(1e-3) + b), 1, atol=1e-6)


@pytest.mark.slow
def test_super_lorentzian_crosses_its_cutoff_with_two_continuous_derivatives():
    line = lambda f: SuperLorentzian()(f, jnp.array(T2), 0.0) / T2
    slope = jax.grad(line)
    for derivative in (line, slope, jax.grad(slope)):
        below, above = derivative(jnp.array(1000 - 1e-5)), derivative(jnp.array(1000 + 1e-5))
        np.testing.assert_allclose(below, above, rtol=1e-6)
    np.testing.assert_allclose(slope(jnp.array(1000.0)), slope(jnp.array(1000 + 1e-5)), rtol=1e-6)


def test_super_lorentzian_below_its_cutoff_is_even_and_falls_from_the_middle():
    f = jnp.linspace(-1000.0, 1000.0, 41)
    values = SuperLorentzian()(f, jnp.array(T2), 0.0)
    np.testing.assert_allclose(values, values[::-1], rtol=1e-13)
    assert np.all(np.diff(values[20:]) < 0)
    # of fourth degree: fifth differences vanish
    np.testing.assert_allclose(np.diff(values, 5) / values[:-5], 0, atol=1e-12)


@pytest.mark.exhaustive
@pytest.mark.parametrize("line", ALL)
@pytest.mark.parametrize("offset", [0.0, 60.0, 450.0, -3e3, 2e4])
def test_lines_are_differentiable_in_offset_and_t2(line, offset):
    g = lambda x, log_t2: line(1e3 * x, jnp.exp(log_t2), LARMOR) / T2
    x, log_t2 = jnp.array(offset / 1e3), jnp.log(jnp.array(12e-6))
    check_grads(g, (x, log_t2), 1, modes=("fwd", "rev"), atol=1e-6, rtol=1e-6)
    gradient = jax.grad(lambda f: line(f, jnp.float32(T2), LARMOR))(jnp.float32(offset))
    assert np.isfinite(gradient)


@pytest.mark.parametrize("line", ALL)
def test_lines_vanish_far_away_without_nan(line):
    for dtype in (jnp.float32, jnp.float64):
        offset, t2 = jnp.asarray(1e6, dtype), jnp.asarray(1e-2, dtype)
        value, gradients = jax.value_and_grad(lambda f, t: line(f, t, LARMOR), (0, 1))(offset, t2)
        assert 0 <= value < 1e-10
        assert np.all(np.isfinite(jnp.stack(gradients)))


@pytest.mark.exhaustive
@pytest.mark.parametrize("line", ALL)
def test_lines_map_over_voxels_and_offsets(line):
    offset, t2 = jnp.array([[-4e3, 100.0, 2e4]]), jnp.array([[8e-6], [12e-6]])
    both = line(offset, t2, LARMOR)
    mapped = jax.vmap(lambda t: jax.vmap(lambda f: line(f, t, LARMOR))(offset[0]))(t2[:, 0])
    assert both.shape == (2, 3)
    np.testing.assert_allclose(both, mapped, rtol=1e-12)


@pytest.mark.parametrize("cutoff", [0.0, -1.0, np.inf])
def test_a_cutoff_that_is_not_positive_is_refused(cutoff):
    with pytest.raises(ValueError, match="`cutoff` must be a positive Python number"):
        SuperLorentzian(cutoff)


# The legacy rule in a Bloch-McConnell simulation of the reference protocols


def generator(pools, larmor, offset, w1, phase, line):
    """d/dt of (x, y, z of water and solute, z of semisolid, 1), frequencies in Hz; `offset` None without RF."""
    liquid, n = [0, 1], 7
    a = np.zeros((n + 1, n + 1))
    for i, pool in enumerate(pools):
        f = (0 if offset is None else offset) - pool.get("dw_ppm", 0.0) * 1e-6 * larmor
        x, y, z = i, 2 + i, 4 + i
        a[z, z] -= pool["r1"]
        a[z, n] += pool["r1"] * pool["f"]
        if i in liquid:
            a[x, x] -= pool["r2"]
            a[y, y] -= pool["r2"]
            a[x, y], a[y, x] = 2 * np.pi * f, -2 * np.pi * f
            a[z, x], a[x, z] = w1 * np.sin(phase), -w1 * np.sin(phase)
            a[z, y], a[y, z] = -w1 * np.cos(phase), w1 * np.cos(phase)
        else:
            a[z, z] -= np.pi * w1**2 * float(line(jnp.array(f), jnp.array(1 / pool["r2"]), larmor))
        for own, water in ([(x, 0), (y, 2), (z, 4)] if i in liquid else [(z, 4)])[: 3 * (i > 0)]:
            there, back = pool["k"], pool["k"] * pool["f"]
            a[own, own] -= there
            a[water, own] += there
            a[water, water] -= back
            a[own, water] += back
    return a


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", ["apt000_3p_MT_SL", "apt003_3p_MT_SL"])
def test_pulseq_cest_super_lorentzian_gives_the_spectra_of_that_program(reference_data, name):
    data = np.load(reference_data(f"cest/protocols/{name}.npz"))
    meta = json.loads(str(data["meta"]))
    gamma = meta["gamma_rad_per_s_per_uT"] * 1e6
    larmor = gamma * meta["b0_T"] / (2 * np.pi)
    start = np.array([0, 0, 0, 0, *(pool["f"] for pool in meta["pools"]), 1])
    state, turned, mz = start, 0.0, []
    amplitude, dt = float(data["shape0_amp_T"][0]), float(data["shape0_dt_s"])
    rows = (data[f"ev_{key}"] for key in ("type", "dur_s", "freq_hz", "phase_rad", "post_s"))
    for kind, duration, offset, phase, after in zip(*rows, strict=True):
        if kind == 3:
            mz.append(state[4])
            state, turned = start, 0.0
        elif kind == 2:
            pulse = generator(
                meta["pools"], larmor, offset, gamma * amplitude, phase - turned, PulseqCestSuperLorentzian()
            )
            turned += 2 * np.pi * offset * dt
            state = expm(dt * pulse) @ state
        free = generator(meta["pools"], larmor, None, 0.0, 0.0, PulseqCestSuperLorentzian())
        state = expm((after if kind == 2 else duration * (kind != 3)) * free) @ state
        if kind == 1:
            state = np.array([0, 0, 0, 0, *state[4:]])
    assert np.sum(np.abs(data["offsets_ppm"]) < 1) == 7
    np.testing.assert_allclose(mz, data["mz_exact"], atol=1e-11)
    np.testing.assert_allclose(mz, data["mz_bmctool"], atol=1e-10)


@pytest.mark.exhaustive
@pytest.mark.parametrize(("lowest", "highest", "error"), [(130, 400, 0.031), (400, 4e3, 0.01), (4e3, 4e4, 0.17)])
def test_the_pulseq_cest_rule_is_as_far_from_the_integral_as_documented(lowest, highest, error):
    offset, t2 = jnp.linspace(lowest, highest, 200)[None], jnp.array([[9e-6], [12e-6]])
    ratio = PulseqCestSuperLorentzian()(offset, t2, LARMOR) / SuperLorentzian(cutoff=100.0)(offset, t2, 0.0)
    largest = np.max(np.abs(ratio - 1))
    assert 0.8 * error < largest < error
