"""Each protocol, played event by event, against the closed form it converges to; its arguments and its derivatives."""

import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

import mrjax as mr
from mrjax.protocols import (
    bssfp,
    cpmg,
    inversion_recovery,
    mrf_fisp,
    multi_echo_gre,
    published_fisp_schedule,
    spgr,
    spin_echo,
)
from mrjax.sequence.unrolled import unrolled
from mrjax.signals import relaxation
from mrjax.units import deg, ms

T1, T2 = jnp.array([0.25, 0.9, 1.8]), jnp.array([0.04, 0.1, 1.2])
B1 = jnp.array([0.7, 1.0, 1.3])
OFF_RESONANCE = jnp.array([-35.0, 0.0, 80.0])


def close(signal, expected, tolerance):
    """Equal in shape and, to `tolerance` of M0, in value; `expected` is not small itself."""
    assert signal.shape == expected.shape
    assert np.abs(expected).max() > 0.02
    np.testing.assert_allclose(signal, expected, rtol=0, atol=tolerance)


# spin echoes


def test_spin_echo_from_equilibrium():
    te = jnp.array([5.0, 20.0, 80.0]) * ms
    tissue = mr.Tissue(T1, T2, m0=2.0, off_resonance=OFF_RESONANCE)
    close(mr.simulate(spin_echo(te), tissue), -1j * relaxation.spin_echo(te, T1, T2, m0=2.0), 1e-14)


@pytest.mark.exhaustive
@pytest.mark.parametrize("tr", [0.3, [0.1, 0.5, 3.0], [0.2, 1.0, np.inf]])
def test_spin_echo_in_its_steady_state(tr):
    te = jnp.array([5.0, 20.0, 80.0]) * ms
    signal = mr.simulate(spin_echo(te, tr), mr.Tissue(T1, T2))
    close(signal, -1j * relaxation.spin_echo(te, T1, T2, jnp.array(tr)), 1e-13)


def test_one_spin_echo_time_at_several_repetition_times():
    tr = jnp.array([0.1, 0.5, 3.0])
    signal = mr.simulate(spin_echo(20 * ms, tr), mr.Tissue(T1, T2))
    close(signal, -1j * relaxation.spin_echo(20 * ms, T1, T2, tr), 1e-13)


@pytest.mark.exhaustive
def test_eight_preparations_are_enough_where_b1_is_not_one(monkeypatch):
    """To the 1e-4 of M0 that `N_PREPARATIONS` promises, against ten times as many; and eight are not far too many."""
    module = sys.modules["mrjax.protocols.spin_echo"]
    tissue = mr.Tissue(T1, T2, b1=jnp.linspace(0.7, 1.3, 7)[:, None])

    def signal(n_preparations):
        monkeypatch.setattr(module, "N_PREPARATIONS", n_preparations)
        return mr.simulate(spin_echo([5 * ms, 40 * ms], tr=0.06), tissue)

    assert module.N_PREPARATIONS == 8
    steady = signal(80)
    close(signal(8), steady, 1e-4)
    assert np.abs(signal(4) - steady).max() > 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("off_resonance", [0.0, OFF_RESONANCE])
def test_cpmg_with_ideal_pulses_decays_with_t2(off_resonance):
    echo_spacing = 7 * ms
    signal = mr.simulate(cpmg(jnp.full(32, jnp.pi), echo_spacing), mr.Tissue(T1, T2, off_resonance=off_resonance))
    close(signal, np.exp(-echo_spacing * np.arange(1, 33) / np.asarray(T2)[:, None]) + 0j, 1e-12)


@pytest.mark.exhaustive
def test_cpmg_at_unequal_spacings():
    spacings = np.array([4.0, 4.0, 10.0, 30.0]) * ms
    signal = mr.simulate(cpmg(jnp.full(4, jnp.pi), spacings), mr.Tissue(T1, T2, off_resonance=OFF_RESONANCE))
    close(signal, np.exp(-np.cumsum(spacings) / np.asarray(T2)[:, None]) + 0j, 1e-13)


# gradient echoes


@pytest.mark.exhaustive
def test_multi_echo_gre_is_free_decay():
    te = jnp.array([2.0, 5.0, 6.0, 20.0]) * ms
    tissue = mr.Tissue(T1, T2, m0=1.5, off_resonance=OFF_RESONANCE, b1=B1)
    m0 = -1.5j * jnp.sin(25 * deg * B1)
    close(mr.simulate(multi_echo_gre(te, 25 * deg), tissue), relaxation.t2star_decay(te, T2, m0, OFF_RESONANCE), 1e-14)


@pytest.mark.exhaustive
def test_multi_echo_gre_decays_with_t2star():
    te, t2_prime = jnp.array([5.0, 10.0, 20.0]) * ms, 0.02
    tissue = mr.Tissue(T1, T2, off_resonance=OFF_RESONANCE, t2_prime=t2_prime)
    signal = mr.simulate(multi_echo_gre(te, jnp.pi / 2), tissue, mr.Isochromats())
    close(signal, relaxation.t2star_decay(te, relaxation.t2star(T2, t2_prime), -1j, OFF_RESONANCE), 5e-4)


@pytest.mark.exhaustive
@pytest.mark.parametrize(("n", "angle"), [(1500, 10 * deg), (400, 30 * deg)])
def test_ideally_spoiled_spgr_converges_to_the_ernst_formula(n, angle):
    sequence = spgr(angle, tr=15 * ms, te=4 * ms, n_repetitions=n, phase_increment=None)
    signal = mr.simulate(sequence, mr.Tissue(T1, T2, b1=B1, off_resonance=OFF_RESONANCE))
    m0 = -1j * np.exp(2j * np.pi * OFF_RESONANCE * 4 * ms)
    close(signal[:, -1:], relaxation.spgr(angle, 15 * ms, T1, 4 * ms, t2star=T2, m0=m0, b1=B1), 1e-10)
    assert np.abs(signal[:, 5] - signal[:, -1]).min() > 1e-3


@pytest.mark.exhaustive
def test_rf_spoiled_spgr_comes_near_the_ernst_formula():
    """The magnitude, within 5 % with 117 degrees; the same train without RF spoiling is off by more than 20 %."""
    t1, t2 = 0.9, jnp.array([0.03, 0.08])

    def deviation(angle, phase_increment):
        train = spgr(angle, 10 * ms, 3 * ms, n_repetitions=600, phase_increment=phase_increment)
        ernst = relaxation.spgr(angle, 10 * ms, t1, 3 * ms, t2star=t2)[:, 0]
        return np.abs(np.abs(mr.simulate(train, mr.Tissue(t1, t2), mr.EPG(n_states=80))[:, -1]) / ernst - 1)

    spoiled = np.array([deviation(angle, 117 * deg) for angle in (5 * deg, 20 * deg, 30 * deg)])
    assert 1e-3 < spoiled.max() < 0.05
    assert deviation(20 * deg, 0.0).min() > 0.2


@pytest.mark.exhaustive
def test_rf_spoiling_by_default_is_117_degrees():
    train = lambda **increment: spgr(0.3, 10 * ms, 3 * ms, n_repetitions=40, **increment)
    phases = np.rad2deg(train()[0].events[0].phase)
    np.testing.assert_allclose(phases[:5], [0, 117, 351, 342, 90], atol=1e-9)
    default, explicit = (mr.simulate(s, mr.Tissue(1.0, 0.1)) for s in (train(), train(phase_increment=117 * deg)))
    np.testing.assert_array_equal(default, explicit)


@pytest.mark.exhaustive
@pytest.mark.parametrize("phase_increment", [np.pi, 0.0, 2.0])
@pytest.mark.parametrize("te", [None, 2 * ms])
def test_bssfp_converges_to_its_closed_form_across_its_bands(te, phase_increment):
    tr, angle = 10 * ms, 40 * deg
    off_resonance = jnp.linspace(-60.0, 60.0, 13)
    tissue = mr.Tissue(0.3, 0.06, off_resonance=off_resonance)
    signal = mr.simulate(bssfp(angle, tr, 800, phase_increment, te), tissue)[:, -1:]
    close(signal, relaxation.bssfp(angle, tr, 0.3, 0.06, te, off_resonance, phase_increment), 1e-8)


@pytest.mark.exhaustive
def test_bssfp_is_dark_between_its_bands():
    tissue = mr.Tissue(T1, T2, off_resonance=jnp.array([[0.0], [100.0]]), b1=B1)  # 0 and 1 / (2 TR)
    bright, dark = np.abs(mr.simulate(bssfp(40 * deg, 5 * ms, 9000), tissue)[..., -1])
    np.testing.assert_allclose(bright, np.abs(relaxation.bssfp(40 * deg, 5 * ms, T1, T2, b1=B1))[:, 0], atol=1e-8)
    assert np.all(dark < 0.25 * bright)


@pytest.mark.exhaustive
def test_inversion_recovery_with_an_imperfect_angle():
    times, angles = jnp.array([0.02, 0.3, 2.0]), jnp.array([150.0, 170.0, 180.0]) * deg
    tissue = mr.Tissue(T1, T2, m0=3.0, b1=0.9, off_resonance=OFF_RESONANCE)
    signal = mr.simulate(inversion_recovery(times, angles), tissue)
    close(signal, -1j * relaxation.inversion_recovery(times, T1, inversion_angle=angles, m0=3.0, b1=0.9), 1e-14)


# fingerprinting


@pytest.mark.exhaustive
def test_a_phase_by_which_samples_are_demodulated_does_not_show():
    angles, tissue = jnp.linspace(0.1, 1.2, 20), mr.Tissue(T1, T2, off_resonance=OFF_RESONANCE, b1=B1)
    played = lambda phase: mr.simulate(mrf_fisp(angles, 12 * ms, 3 * ms, phase, inversion_time=20 * ms), tissue)
    expected = played(0.0)
    assert expected.shape == (3, 20)
    for phase in (1.1, jnp.full(20, -2.0)):
        np.testing.assert_allclose(played(phase), expected, atol=1e-14)
    # a phase that grows linearly acts as off-resonance does, which the gradient hides; one that grows faster shows
    np.testing.assert_allclose(played(0.2 * jnp.arange(20.0)), expected, atol=1e-14)
    assert np.abs(played(0.2 * jnp.arange(20.0) ** 2) - expected).max() > 1e-2


@pytest.mark.exhaustive
def test_inversion_of_a_fingerprint():
    train = lambda **options: mr.simulate(mrf_fisp(jnp.array([0.3]), 12 * ms, 0.0, **options), mr.Tissue(T1, T2))
    not_inverted = -1j * np.sin(0.3) * np.ones((3, 1))
    close(train(inversion=False), not_inverted, 1e-15)
    close(train(), -not_inverted, 1e-15)
    close(train(inversion_time=0.4), not_inverted * (1 - 2 * np.exp(-0.4 / np.asarray(T1)[:, None])), 1e-14)


def test_the_published_schedule(reference_data):
    flip_angle, tr = published_fisp_schedule()
    assert flip_angle.shape == tr.shape == (1000,)
    assert (flip_angle == 0).sum() == 40
    assert np.rad2deg(flip_angle.max()) == pytest.approx(70, abs=1e-9)
    assert tr.min() == pytest.approx(11.67 * ms, abs=0.005 * ms)
    assert tr.max() == pytest.approx(14.33 * ms, abs=0.005 * ms)
    table = np.loadtxt(reference_data("mrf/fisp_mrf_1000.csv"), delimiter=",", skiprows=1)
    np.testing.assert_array_equal(table[:, 0], np.arange(1000))
    np.testing.assert_allclose(np.rad2deg(flip_angle), table[:, 1], atol=1e-12)
    np.testing.assert_allclose(tr, table[:, 2] * ms, rtol=1e-14)


# arguments


PER_REPETITION = {
    "spgr": lambda each: spgr(each(0.3), each(0.01), each(0.003), n_repetitions=6),
    "bssfp": lambda each: bssfp(each(0.3), each(0.01), n_repetitions=6, te=each(0.003)),
    "mrf_fisp": lambda each: mrf_fisp(np.full(6, 0.3), each(0.01), each(0.003), each(0.2)),
    "cpmg": lambda each: cpmg(np.full(6, 2.5), each(0.01), refocusing_phase=each(0.2)),
    "inversion_recovery": lambda each: inversion_recovery(np.full(6, 0.2), each(2.8)),
    "spin_echo": lambda each: spin_echo(np.full(6, 0.02), each(0.5)),
}


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", PER_REPETITION)
def test_one_value_equals_the_same_value_in_each_repetition(name):
    scalar, array, single = (
        [(type(e.event), e.start, e.duration, jax.tree.leaves(e.event)) for e in unrolled(PER_REPETITION[name](each))]
        for each in (lambda x: x, lambda x: np.full(6, x), lambda x: np.full(1, x))
    )
    assert sum(kind is mr.Sample for kind, *_ in scalar) == 6
    assert array == scalar
    assert single == scalar


def test_values_of_each_repetition_reach_it():
    angles, tr, te = jnp.array([0.1, 0.2, 0.3]), jnp.array([10.0, 11.0, 13.0]) * ms, jnp.array([2.0, 3.0, 5.0]) * ms
    events = unrolled(mrf_fisp(angles, tr, te, phase=2 * angles, inversion_time=20 * ms))
    pulses, samples = ([e for e in events if isinstance(e.event, kind)] for kind in (mr.Pulse, mr.Sample))
    starts = 20 * ms + np.array([0.0, 10.0, 21.0]) * ms
    np.testing.assert_allclose([e.start for e in pulses], [0, *starts], atol=1e-15)
    np.testing.assert_allclose([e.start for e in samples], starts + te, atol=1e-15)
    np.testing.assert_allclose([e.event.flip_angle for e in pulses], [np.pi, *angles])
    np.testing.assert_allclose([e.event.phase for e in pulses[1:]], 2 * angles)
    np.testing.assert_allclose([e.event.phase for e in samples], 2 * angles)


def parts(signal):
    return jnp.stack([signal.real, signal.imag])


@pytest.mark.exhaustive
def test_derivatives_in_the_arguments_of_a_fingerprint():
    tissue = mr.Tissue(T1, T2, off_resonance=OFF_RESONANCE, b1=B1)
    # times in units of 10 ms, so that all arguments are of one size
    signal = lambda flip_angle, tr, te: parts(mr.simulate(mrf_fisp(flip_angle, 0.01 * tr, 0.01 * te), tissue))
    arguments = jnp.linspace(0.2, 1.1, 5), jnp.linspace(1.2, 1.5, 5), jnp.linspace(0.2, 0.6, 5)
    check_grads(jax.jit(signal), arguments, order=1, modes=("fwd", "rev"), rtol=1e-6, atol=1e-8, eps=1e-5)


@pytest.mark.exhaustive
def test_derivatives_in_the_echo_time_of_a_spin_echo():
    signal = lambda te: parts(mr.simulate(spin_echo(0.01 * te, 0.4), mr.Tissue(T1, T2)))
    te = jnp.array([0.5, 2.0, 8.0])
    check_grads(jax.jit(signal), (te,), order=1, modes=("fwd", "rev"), rtol=1e-6, atol=1e-8, eps=1e-5)
