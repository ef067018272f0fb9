"""The Bloch-McConnell engine against other engines, invariants and itself by other methods."""

import dataclasses
import warnings

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

import mrjax as mr

AMIDE = mr.Pool(fraction=2e-3, exchange_rate=120.0, t1=1.2, t2=0.05, shift_ppm=3.5)
NOE = mr.Pool(fraction=4e-3, exchange_rate=16.0, t1=1.3, t2=5e-3, shift_ppm=-2.6)
SEMISOLID = mr.Pool(0.12, 25.0, t1=1.0, t2=12e-6, shift_ppm=-2.0, lineshape=mr.lineshapes.Lorentzian())
POOLS = (SEMISOLID, AMIDE, NOE)
ENGINE = mr.BlochMcConnell(b0=3.0)


def z_spectrum(saturation, tissue, engine=ENGINE):
    """Longitudinal magnetisation after `saturation`, of each repetition from equilibrium."""
    return mr.simulate(mr.Repeat(mr.Reset(), *saturation, mr.Spoil(), mr.SampleLongitudinal()), tissue, engine).real


@pytest.mark.exhaustive
def test_water_alone_is_an_isochromat():
    angle, phase = jnp.array([0.4, 1.1, 3.0]), jnp.array([0.0, 0.7, -2.0])
    train = mr.Repeat(mr.Pulse(angle, phase), mr.Delay(5e-3), mr.Sample(0.3), mr.SampleLongitudinal(), mr.Delay(8e-3))
    played = mr.Sequence(
        train, mr.Spoil(), mr.Delay(0.3), mr.SampleLongitudinal(), mr.Reset(0.5), mr.Pulse(1.0), mr.Sample()
    )
    tissue = mr.Tissue(t1=jnp.array([0.8, 1.4]), t2=0.06, off_resonance=jnp.array([3.0, -20.0]), b1=0.9, m0=2.0)
    expected = mr.simulate(played, tissue, mr.Isochromats())
    np.testing.assert_allclose(mr.simulate(played, tissue, ENGINE), expected, atol=1e-12)


@pytest.mark.exhaustive
def test_water_alone_dephases_as_in_extended_phase_graphs():
    n = np.arange(12.0)
    train = mr.Repeat(
        mr.Pulse(0.3 + 0.1 * n, 0.2 * n**2), mr.Delay(3e-3), mr.Sample(0.1 * n), mr.Dephase(1, 4e-3), mr.Delay(2e-3)
    )
    played = mr.Sequence(mr.Pulse(np.pi), mr.Dephase(-2), train, mr.Dephase(3), mr.Pulse(0.5, 1.0), mr.Sample())
    tissue = mr.Tissue(
        t1=jnp.array([0.3, 1.4]), t2=0.06, off_resonance=jnp.array([3.0, -20.0]), b1=jnp.array([0.9, 1.1])
    )
    np.testing.assert_allclose(mr.simulate(played, tissue, ENGINE), mr.simulate(played, tissue, mr.EPG()), atol=1e-12)


@pytest.mark.exhaustive
def test_pools_dephase_as_a_sum_over_the_voxel():
    """A gradient of one cycle in 1 ms, and many voxels, each with the off-resonance that the gradient makes at its place."""
    wait, n = 1e-3, 32
    train = lambda gradient: mr.Sequence(
        mr.Pulse(1.1),
        gradient(1),
        mr.Pulse(2.2, 0.5),
        gradient(1),
        mr.Sample(),
        mr.Pulse(0.8, 1.0),
        gradient(2),
        mr.Sample(),
    )
    spread = mr.Tissue(1.0, 0.05, off_resonance=(jnp.arange(n) / n) / wait, pools=POOLS)
    expected = mr.simulate(train(lambda cycles: mr.Delay(cycles * wait)), spread, ENGINE).mean(axis=0)
    signal = mr.simulate(
        train(lambda cycles: mr.Dephase(cycles, cycles * wait)), mr.Tissue(1.0, 0.05, pools=POOLS), ENGINE
    )
    np.testing.assert_allclose(signal, expected, atol=1e-13)
    assert abs(signal).min() > 0.02


def test_few_orders_are_enough_where_none_returns():
    train = mr.Repeat(mr.Pulse(0.4), mr.Sample(), mr.Delay(5e-3), mr.Dephase(1), n_repetitions=9)
    tissue = mr.Tissue(1.0, 0.05, pools=POOLS)
    exact = mr.simulate(train, tissue, ENGINE)
    np.testing.assert_allclose(mr.simulate(train, tissue, dataclasses.replace(ENGINE, n_states=5)), exact, atol=1e-12)
    with pytest.warns(UserWarning, match=r"n_states=2\) loses what gradients wind beyond; 5 states are exact"):
        cut = mr.simulate(train, tissue, dataclasses.replace(ENGINE, n_states=2))
    assert abs(cut - exact).max() > 1e-4


@pytest.mark.exhaustive
@pytest.mark.parametrize("n_repetitions", [1, 4])
def test_one_order_alone_is_kept_through_loops(n_repetitions):
    """With one order the state is real; what is wound leaves it, and a gradient of no cycles is a delay."""
    tissue = mr.Tissue(1.0, 0.05)
    wound = mr.Repeat(mr.Pulse(0.4), mr.Sample(), mr.Dephase(1, 5e-3), n_repetitions=n_repetitions)
    spoiled = mr.Repeat(mr.Pulse(0.4), mr.Sample(), mr.Delay(5e-3), mr.Spoil(), n_repetitions=n_repetitions)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        signal = mr.simulate(wound, tissue, dataclasses.replace(ENGINE, n_states=1))
    np.testing.assert_allclose(signal, mr.simulate(spoiled, tissue, ENGINE), atol=1e-14)
    still = mr.Repeat(mr.Pulse(0.4), mr.Dephase(0, 5e-3), mr.Sample(), n_repetitions=n_repetitions)
    waited = mr.Repeat(mr.Pulse(0.4), mr.Delay(5e-3), mr.Sample(), n_repetitions=n_repetitions)
    np.testing.assert_allclose(mr.simulate(still, tissue, ENGINE), mr.simulate(waited, tissue, ENGINE), atol=1e-14)


def test_orders_are_counted_from_the_last_reset():
    measurement = (mr.Reset(), mr.Pulse(np.full(40, 0.3)), mr.Dephase(1), mr.Pulse(0.2), mr.Dephase(1), mr.Sample())
    _, state = mr.play(mr.Repeat(*measurement), mr.Tissue(1.0, 0.1), ENGINE)
    assert state.z.shape[1] == 3
    late = mr.Repeat(mr.Dephase(2), mr.Reset(), mr.Dephase(3), n_repetitions=7)
    assert mr.sequence.walk.winding(mr.Sequence(late)) == 5
    nested = mr.Repeat(mr.Repeat(mr.Dephase(2), n_repetitions=3), mr.Dephase(1), n_repetitions=5)
    assert mr.sequence.walk.winding(mr.Sequence(mr.Dephase(-1), nested)) == 36


def test_phases_of_long_waves_are_right_in_float32():
    """Only what is left of many turns counts: 300,000 of them here."""
    off = jnp.array(30000.0, jnp.float32)
    wave = lambda real: mr.Sequence(mr.ContinuousWave(real(5e-6), real(10.0), real(30001.375)), mr.Sample())
    tissue = lambda real: mr.Tissue(real(1.0), real(0.1), off_resonance=off.astype(real))
    exact = mr.simulate(wave(np.float64), tissue(np.float64), ENGINE)
    engine = mr.BlochMcConnell(np.float32(3.0))
    narrow = mr.simulate(wave(np.float32), tissue(np.float32), engine)
    assert narrow.dtype == np.complex64
    assert abs(np.angle(narrow / exact)).max() < 1e-3


def test_a_long_rest_keeps_every_pool_at_its_fraction():
    tissue = mr.Tissue(1.0, 0.05, pools=POOLS)
    _, disturbed = mr.play(mr.Sequence(mr.Pulse(2.0), mr.Delay(0.01)), tissue, ENGINE)
    assert abs(disturbed.z[:, 0] - jnp.array([1.0, 2e-3, 4e-3, 0.12])).max() > 0.1
    for rest in (60.0, jnp.inf):
        _, state = mr.play(mr.Sequence(mr.Delay(rest)), tissue, ENGINE, state=disturbed)
        np.testing.assert_allclose(state.z[:, 0], [1.0, 2e-3, 4e-3, 0.12], atol=1e-12)
        np.testing.assert_allclose(state.x, 0.0, atol=1e-12)


def test_exchange_alone_neither_makes_nor_loses_magnetisation():
    still = lambda pool: dataclasses.replace(pool, t1=jnp.inf, t2=jnp.inf, lineshape=None)
    tissue = mr.Tissue(jnp.inf, jnp.inf, pools=tuple(map(still, POOLS)))
    _, tipped = mr.play(mr.Sequence(mr.Pulse(0.7)), tissue, ENGINE)
    tipped = eqx.tree_at(lambda s: s.z, tipped, tipped.z * jnp.array([1.0, 0.3, -2.0, 0.5])[:, None])
    _, after = mr.play(mr.Sequence(mr.Delay(0.02)), tissue, ENGINE, state=tipped)
    np.testing.assert_allclose(after.z.sum(), tipped.z.sum(), rtol=1e-13)
    assert abs(after.z - tipped.z).max() > 1e-2


def test_pools_that_do_not_exchange_do_not_matter():
    saturation = (mr.ContinuousWave(2e-6, 0.5, jnp.linspace(-500.0, 500.0, 11)),)
    alone = z_spectrum(saturation, mr.Tissue(1.0, 0.05))
    unconnected = tuple(dataclasses.replace(pool, exchange_rate=0.0) for pool in POOLS)
    np.testing.assert_allclose(z_spectrum(saturation, mr.Tissue(1.0, 0.05, pools=unconnected)), alone, atol=1e-13)
    assert abs(z_spectrum(saturation, mr.Tissue(1.0, 0.05, pools=POOLS)) - alone).max() > 0.01


def test_a_field_that_is_too_high_moves_every_dip_up():
    ppm = np.linspace(-5, 5, 201)
    larmor = 3.0 * mr.units.GAMMA_BAR["1H"]
    tissue = mr.Tissue(2.0, 0.5, off_resonance=0.5e-6 * larmor, pools=(mr.Pool(0.01, 100.0, 1.0, 0.1, 2.5),))
    z = z_spectrum((mr.ContinuousWave(0.5e-6, 3.0, ppm * 1e-6 * larmor),), tissue)
    assert ppm[np.argmin(z)] == pytest.approx(0.5, abs=0.03)
    assert ppm[120:][np.argmin(z[120:])] == pytest.approx(3.0, abs=0.06)
    flipped = dataclasses.replace(ENGINE, conventions=mr.Conventions(off_resonance_sign=-1))
    assert ppm[np.argmin(z_spectrum((mr.ContinuousWave(0.5e-6, 3.0, ppm * 1e-6 * larmor),), tissue, flipped))] < -0.4


@pytest.mark.exhaustive
def test_measurements_side_by_side_are_those_one_by_one():
    offsets = [-300.0, 10.0, 447.0]
    tissue = mr.Tissue(1.0, jnp.array([0.05, 0.1]), pools=POOLS)
    together = z_spectrum((mr.Delay(0.01), mr.ContinuousWave(2e-6, 0.5, jnp.array(offsets))), tissue)
    for i, offset in enumerate(offsets):
        one = mr.Sequence(mr.Delay(0.01), mr.ContinuousWave(2e-6, 0.5, offset), mr.Spoil(), mr.SampleLongitudinal())
        np.testing.assert_allclose(together[:, i : i + 1], mr.simulate(one, tissue, ENGINE).real, atol=1e-14)


@pytest.mark.exhaustive
def test_a_continuous_wave_is_a_pulse_of_equal_samples():
    tissue = mr.Tissue(1.0, 0.05, pools=POOLS)
    wave = z_spectrum((mr.ContinuousWave(2e-6, 0.1, jnp.array([100.0]), 0.3),), tissue)
    pulse = z_spectrum((mr.ShapedPulse(jnp.full((1, 100), 2e-6), 1e-3, 100.0, 0.3),), tissue)
    np.testing.assert_allclose(wave, pulse, atol=1e-12)


@pytest.mark.exhaustive
def test_an_offset_is_a_phase_that_advances():
    """The frame in which RF is off resonance leaves no trace: neither in z nor in the phase of a sample."""
    dt, offset, n = 1e-6, 3000.0, 3000
    shape = 20e-6 * np.hanning(n)
    fine = mr.ShapedPulse(shape * np.exp(2j * np.pi * offset * dt * (np.arange(n) + 0.5)), dt, phase=0.4)
    tissue = mr.Tissue(1.0, 0.05, off_resonance=2900.0, pools=(AMIDE,))
    play = lambda *events: mr.simulate(mr.Sequence(*events, mr.Sample(), mr.SampleLongitudinal()), tissue, ENGINE)
    signal = play(mr.Pulse(0.5), mr.ShapedPulse(shape, dt, offset, 0.4), mr.Delay(1e-3), mr.Pulse(0.7, 1.0))
    # a phase that advances sample by sample is that of the offset up to (2 pi offset dt)^2 / 24
    np.testing.assert_allclose(signal, play(mr.Pulse(0.5), fine, mr.Delay(1e-3), mr.Pulse(0.7, 1.0)), atol=2e-4)
    # a phase sign that is wrong is not a small error
    wrong = play(mr.Pulse(0.5), mr.ShapedPulse(shape, dt, -offset, 0.4), mr.Delay(1e-3), mr.Pulse(0.7, 1.0))
    assert abs(signal - wrong).max() > 0.1


@pytest.mark.exhaustive
def test_accumulated_phases_are_those_that_advance_during_rf():
    offset, duration, n = 77.0, 3.3e-3, 4
    written = 2 * np.pi * offset * duration * np.arange(n)
    tissue = mr.Tissue(1.0, 0.05, pools=(AMIDE,))
    train = lambda phase: mr.Sequence(
        mr.Repeat(mr.ContinuousWave(8e-6, duration, offset, phase), mr.Delay(2e-3), n_repetitions=n),
        mr.SampleLongitudinal(),
    )
    accumulating = dataclasses.replace(ENGINE, conventions=mr.Conventions(rf_phase="accumulated"))
    expected = mr.simulate(train(written), tissue, ENGINE)
    np.testing.assert_allclose(mr.simulate(train(0.0), tissue, accumulating), expected, atol=1e-13)
    assert abs(mr.simulate(train(0.0), tissue, ENGINE) - expected).max() > 1e-3


def test_the_phase_of_a_shape_has_the_sign_of_the_convention():
    sweep = 15e-6 * np.exp(40j * np.linspace(0, 1, 80) ** 2)
    tissue = mr.Tissue(1.0, 0.05, off_resonance=300.0)
    here = z_spectrum((mr.ShapedPulse(sweep[None], 1e-4),), tissue)
    mirrored = dataclasses.replace(ENGINE, conventions=mr.Conventions(shape_phase_sign=-1))
    there = z_spectrum((mr.ShapedPulse(sweep.conj()[None], 1e-4),), tissue, mirrored)
    np.testing.assert_allclose(here, there, atol=1e-14)
    assert abs(here - z_spectrum((mr.ShapedPulse(sweep[None], 1e-4),), tissue, mirrored)).max() > 1e-2


def test_fractions_of_all_are_the_same_tissue_by_another_measure():
    saturation = (mr.ContinuousWave(2e-6, 0.5, jnp.array([447.0, 2000.0])),)
    total = 1 + sum(pool.fraction for pool in POOLS)
    of_all = tuple(dataclasses.replace(pool, fraction=pool.fraction / total) for pool in POOLS)
    engine = dataclasses.replace(ENGINE, conventions=mr.Conventions(fractions="of_all"))
    expected = z_spectrum(saturation, mr.Tissue(1.0, 0.05, pools=POOLS))
    tissue = mr.Tissue(1.0, 0.05, m0=total, pools=of_all)
    np.testing.assert_allclose(z_spectrum(saturation, tissue, engine), expected, atol=1e-14)


def test_samples_are_of_all_pools_or_of_the_water():
    tissue = mr.Tissue(1.0, 0.05, pools=POOLS)
    tip = mr.Sequence(mr.Pulse(np.pi / 2), mr.Sample())
    np.testing.assert_allclose(mr.simulate(tip, tissue, ENGINE), [-1j * 1.006], atol=1e-14)
    water = dataclasses.replace(ENGINE, conventions=mr.Conventions(received="water"))
    np.testing.assert_allclose(mr.simulate(tip, tissue, water), [-1j], atol=1e-14)


@pytest.mark.exhaustive
def test_splitting_converges_with_the_square_of_its_parts():
    pulse = 10e-6 * np.hanning(34)[None, 1:-1]
    saturation = (mr.ShapedPulse(pulse, 1e-4, 200.0),)
    tissue = mr.Tissue(1.0, 0.05, pools=(SEMISOLID, AMIDE))
    exact = z_spectrum(saturation, tissue)
    errors = [
        abs(
            z_spectrum(saturation, tissue, dataclasses.replace(ENGINE, method=mr.propagation.Splitting(n))) - exact
        ).item()
        for n in (4, 8, 16)
    ]
    np.testing.assert_allclose(np.log2(np.divide(errors[:-1], errors[1:])), 2.0, atol=0.05)


@pytest.mark.slow
def test_ode_solvers_agree_with_the_propagator():
    pulse = 10e-6 * np.hanning(34)[None, 1:-1]
    tissue = mr.Tissue(1.0, 0.05, pools=(SEMISOLID, AMIDE))
    saturation = (mr.ShapedPulse(pulse, 1e-4, 200.0), mr.ContinuousWave(2e-6, 4e-3, 30.0))
    ode = dataclasses.replace(ENGINE, method=mr.propagation.ODE(rtol=1e-9, atol=1e-11))
    np.testing.assert_allclose(z_spectrum(saturation, tissue, ode), z_spectrum(saturation, tissue), atol=1e-9)


@pytest.mark.exhaustive
def test_fine_samples_converge_to_the_continuous_waveform():
    shape = lambda n: 10e-6 * np.sin(np.pi * (np.arange(n) + 0.5) / n)[None]
    tissue = mr.Tissue(1.0, 0.05, pools=(SEMISOLID, AMIDE))
    linear = dataclasses.replace(ENGINE, method=mr.propagation.ODE("linear", rtol=1e-9, atol=1e-11))
    limit = z_spectrum((mr.ShapedPulse(shape(512), 4e-3 / 512, 200.0),), tissue, linear)
    errors = [
        abs(z_spectrum((mr.ShapedPulse(shape(n), 4e-3 / n, 200.0),), tissue) - limit).item() for n in (16, 32, 64)
    ]
    np.testing.assert_allclose(np.log2(np.divide(errors[:-1], errors[1:])), 2.0, atol=0.1)


def parameters():
    return {
        "t1": jnp.array(1.1),
        "t2": jnp.array(0.06),
        "off_resonance": jnp.array(12.0),
        "b1": jnp.array(0.95),
        "pool": jnp.array([2e-3, 120.0, 1.2, 0.05, 3.5]),
        "semisolid": jnp.array([0.12, 25.0, 1.0, 12e-6, -2.0]),
        "b0": jnp.array(3.0),
        "waveform": 8e-6 * jnp.hanning(13)[1:-1] * jnp.exp(0.3j * jnp.arange(11)),
        "dt": jnp.array(2e-4),
        "offset": jnp.array([300.0, 420.0]),
        "phase": jnp.array([0.3, 0.4]),
        "amplitude": jnp.array(2e-6),
        "duration": jnp.array(0.02),
        "rest": jnp.array(0.03),
    }


SCALE = parameters()


@jax.jit
def signal_of(relative):
    """The signal as a function of parameters relative to their usual size, so that differences serve for all."""
    p = jax.tree.map(lambda value, scale: value * jnp.abs(scale), relative, SCALE)
    p["waveform"] = relative["waveform"] * SCALE["waveform"]
    pools = (mr.Pool(*p["semisolid"], lineshape=mr.lineshapes.Lorentzian()), mr.Pool(*p["pool"]))
    tissue = mr.Tissue(p["t1"], p["t2"], off_resonance=p["off_resonance"], b1=p["b1"], pools=pools)
    pulse = mr.ShapedPulse(p["waveform"], p["dt"], p["offset"], p["phase"])
    wave = mr.ContinuousWave(p["amplitude"], p["duration"], p["offset"][:1], p["phase"])
    train = mr.Repeat(
        pulse, mr.Delay(p["rest"]), wave, mr.Dephase(1), mr.Pulse(0.3), mr.Sample(), mr.SampleLongitudinal()
    )
    signal = mr.simulate(train, tissue, mr.BlochMcConnell(p["b0"]))
    return jnp.concatenate([signal.real, signal.imag])


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["fwd", "rev"])
def test_derivatives_in_every_leaf(mode):
    ones = jax.tree.map(lambda value: jnp.sign(value) if value.dtype == float else jnp.ones(value.shape), SCALE)
    check_grads(signal_of, (ones,), order=1, modes=(mode,), atol=1e-6, rtol=1e-6, eps=1e-5)


@pytest.mark.exhaustive
def test_engines_without_pools_say_so():
    tissue = mr.Tissue(1.0, 0.1, pools=(AMIDE,))
    for engine in (mr.EPG(), mr.Isochromats()):
        with pytest.raises(ValueError, match=r"knows no `pools`; use `engine=BlochMcConnell\(b0=...\)`"):
            mr.simulate(mr.Sequence(mr.Pulse(1.0), mr.Sample()), tissue, engine)
    with pytest.raises(ValueError, match="`bloch` knows no `pools`"):
        mr.bloch(jnp.ones(3) * 1e-6, 1e-5, tissue)
