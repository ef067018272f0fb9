"""Saturation protocols against closed forms, reference files and published dictionaries."""

import dataclasses
import json
import math
import warnings

import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest

import mrjax as mr
from mrjax.protocols import cest
from mrjax.protocols.cest import pulse_shapes
from mrjax.pulseq import offsets_ppm, read, saturation_sequence
from mrjax.units import GAMMA, deg, ms, uT

ENGINE = mr.BlochMcConnell(b0=3.0)
AMIDE = mr.Pool(fraction=1e-3, exchange_rate=150.0, t1=1.0, t2=0.1, shift_ppm=3.5)
B1 = jnp.linspace(0.5, 1.5, 11)
FILE_CRUSHER = 6.53 * ms  # of the files: 30 us of zeros after a pulse, and the gradient


def z_of(scan, tissue, engine=ENGINE):
    return np.asarray(mr.simulate(scan, tissue, engine).real)


def creatine(reference_data, name):
    """A protocol played on a creatine solution: its table, the tissue, the engine, and the ratio of its conventions."""
    table = np.load(reference_data(f"cest/protocols/{name}.npz"))
    water, solute = json.loads(str(table["meta"]))["pools"]
    pool = mr.Pool(solute["f"], solute["k"], 1 / solute["r1"], 1 / solute["r2"], solute["dw_ppm"])
    conventions = mr.Conventions.pulseq_cest(json.loads(str(table["meta"]))["gamma_rad_per_s_per_uT"] * 1e6)
    tissue = mr.Tissue(1 / water["r1"], 1 / water["r2"], pools=(pool,))
    return table, tissue, mr.BlochMcConnell(3.0, conventions), conventions.gyromagnetic_ratio


def played_offsets(table, gamma):
    """Of the first pulse before each readout, in ppm; files round frequencies to six digits, and some have another field."""
    pulses = np.flatnonzero(table["ev_type"] == 2)
    first = pulses[np.searchsorted(pulses, np.append(0, np.flatnonzero(table["ev_type"] == 3)[:-1]))]
    return table["ev_freq_hz"][first] / (3e-6 * gamma / (2 * math.pi))


# continuous wave and trains


def test_a_continuous_wave_gives_the_reference_spectrum(reference_data):
    table, tissue, engine, gamma = creatine(reference_data, "apt000_2p_creatine")
    b1 = table["shape0_amp_T"]
    scan = cest.continuous_wave(
        played_offsets(table, gamma), b1, 2.0, 3.0, crusher_duration=FILE_CRUSHER, gyromagnetic_ratio=gamma
    )
    np.testing.assert_allclose(z_of(scan, tissue, engine), table["mz_exact"], atol=1e-8)


@pytest.mark.slow
def test_a_train_gives_the_reference_spectrum(reference_data):
    table, tissue, engine, gamma = creatine(reference_data, "apt001_2p_creatine")
    # the file stores 50000 samples, of which every 250th is played
    shape = pulse_shapes.sinc_gauss(50_000)[::250]
    played = {"pulse_duration": 50 * ms, "n_pulses": 36, "b0": 3.0, "gap": 5 * ms, "gyromagnetic_ratio": gamma}
    scan = cest.pulse_train(
        played_offsets(table, gamma)[::4], shape, table["shape0_amp_T"].max(), crusher_duration=6.5 * ms, **played
    )
    # the file rounds phases to six digits
    np.testing.assert_allclose(z_of(scan, tissue, engine), table["mz_exact"][::4], atol=3e-5)


@pytest.mark.exhaustive
def test_pulses_without_gaps_are_one_continuous_wave():
    offset_ppm, tissue = jnp.array([-3.5, 0.3, 3.5]), mr.Tissue(1.0, 0.08, pools=(AMIDE,))
    b1 = jnp.array([2.0, 1.0, 3.0]) * uT
    train = cest.pulse_train(offset_ppm, jnp.ones(2), b1, 17 * ms, 5, 3.0)
    expected = z_of(cest.continuous_wave(offset_ppm, b1, 85 * ms, 3.0), tissue)
    np.testing.assert_allclose(z_of(train, tissue), expected, atol=1e-12)
    assert np.ptp(expected) > 0.05


def test_phases_advance_during_rf_alone_and_no_gap_follows_the_last_pulse():
    scan = cest.pulse_train([-3.5, 3.5], jnp.ones(10), 1 * uT, 50 * ms, 36, 3.0, gap=5 * ms)
    turns = 3.5e-6 * 3.0 * GAMMA["1H"] / (2 * math.pi) * 50 * ms * np.arange(36)
    pulse, gap = scan[0].events[1].events
    assert pulse.phase.shape == (2, 36)
    assert 0 <= pulse.phase.min() <= pulse.phase.max() < 2 * math.pi
    np.testing.assert_allclose(np.exp(1j * pulse.phase), np.exp(2j * math.pi * np.stack([-turns, turns])), atol=1e-10)
    np.testing.assert_allclose(gap.duration, [5 * ms] * 35 + [0])


def test_phases_in_float32_keep_their_digits_over_thousands_of_turns():
    with jax.enable_x64(False):
        pulse = cest.pulse_train(-300.0, jnp.ones(10), 1 * uT, 50 * ms, 36, 3.0)[0].events[1].events[0]
    assert pulse.phase.dtype == jnp.float32
    # 1916 turns in each pulse, of the frequency and the duration as they are played
    turns = np.asarray(pulse.offset, float).item() * float(np.float32(50 * ms)) * np.arange(36)
    errors = np.angle(np.exp(1j * np.asarray(pulse.phase, float)) * np.exp(-2j * math.pi * turns))
    assert abs(errors).max() < 1e-6


def test_each_measurement_begins_with_the_magnetisation_and_the_recovery_it_is_given():
    scan = cest.continuous_wave(
        0.0, 0.0, 0.0, 3.0, magnetisation=jnp.array([0.0, 0.5, 1.0]), recovery=0.7, crusher_duration=0.1
    )
    np.testing.assert_allclose(
        z_of(scan, mr.Tissue(1.2, 0.08)), 1 - np.array([1, 0.5, 0]) * np.exp(-0.8 / 1.2), rtol=1e-12
    )


@pytest.mark.slow
def test_derivatives_in_the_arguments_of_a_train():
    @jax.jit
    @jax.value_and_grad
    def signal(relative):
        offset, (peak, duration, gap, recovery) = relative[:2], relative[2:]
        played = {"pulse_duration": 10 * ms * duration, "n_pulses": 2, "b0": 3.0, "gap": 3 * ms * gap}
        scan = cest.pulse_train(
            jnp.array([1.0, 3.4]) * offset,
            np.ones(1),
            4 * uT * peak,
            recovery=0.4 * recovery,
            magnetisation=0.2,
            **played,
        )
        z = mr.simulate(scan, mr.Tissue(1.0, 0.08, pools=(AMIDE,)), ENGINE).real
        return z[0] - 0.5 * z[1]

    at = np.ones(6)
    differences = [(signal(at + step)[0] - signal(at - step)[0]) / 2e-5 for step in 1e-5 * np.eye(6)]
    assert np.abs(differences).min() > 1e-4
    np.testing.assert_allclose(signal(at)[1], differences, rtol=1e-6, atol=1e-8)


# pulse shapes


@jax.jit
def inverted(times, beta, mu, t1, off_resonance):
    """By a hyperbolic secant of 20 ms and 20 uT at `B1` of nominal."""
    shape = pulse_shapes.hyperbolic_secant(800, beta, mu)
    scan = cest.adiabatic_inversion_recovery(times, shape, 20 * uT, 20 * ms, crusher_duration=5 * ms)
    tissue = mr.Tissue(t1, t1, off_resonance=off_resonance[:, None], b1=B1)
    return mr.simulate(scan, tissue, ENGINE).real


OFF_RESONANCE = np.array([0.0, 150.0, 450.0, 600.0])


@pytest.mark.slow
def test_the_hyperbolic_secant_inverts_as_its_closed_form_says():
    """Silver, Joseph, Hoult 1985, without relaxation; the ends are cut off at sech(10)."""
    beta, mu = 10.0, 3.0
    b = 2 * beta / (20 * ms)
    plus, minus = (math.pi * (math.pi * OFF_RESONANCE[:, None] / b + sign * mu / 2) for sign in (1, -1))
    rabi = np.sqrt((GAMMA["1H"] * 20 * uT * np.asarray(B1) / b) ** 2 - mu**2 + 0j)
    expected = np.tanh(plus) * np.tanh(minus) + np.cos(math.pi * rabi).real / (np.cosh(plus) * np.cosh(minus))
    z = inverted(np.zeros(2), beta, mu, np.inf, OFF_RESONANCE)
    np.testing.assert_allclose(z, np.stack([expected, expected], axis=-1), atol=2e-3)
    assert expected.min() < -0.99
    assert expected.max() > 0.5


def test_inversion_over_b1():
    at_once, later = np.moveaxis(inverted(np.array([0.0, 0.5]), 5.3, 4.9, 20.0, OFF_RESONANCE[:2]), -1, 0)
    assert at_once.max() < -0.97
    np.testing.assert_allclose(later, 1 - (1 - at_once) * np.exp(-0.5 / 20.0), atol=1e-12)


@pytest.mark.slow
def test_saturation_recovery_gives_the_reference(reference_data):
    table, tissue, engine, _ = creatine(reference_data, "t1map_hypsec")
    times = np.array([10, 6, 5, 4, 3, 2.5, 2, 1.5, 1, *np.arange(9, 0, -1) / 10])
    played = {"pulse_duration": table["shape0_amp_T"].size * table["shape0_dt_s"].item(), "crusher_duration": 5.53 * ms}
    of_file = table["shape0_amp_T"] * np.exp(1j * table["shape0_phase_rad"])
    tissue = dataclasses.replace(tissue, b1=B1)
    z = z_of(cest.adiabatic_saturation_recovery(times, of_file, 1.0, **played), tissue, engine)
    np.testing.assert_allclose(z[5], table["mz_exact"], atol=1e-10)
    ours = pulse_shapes.hyperbolic_secant_half_passage(297, beta=1200 * math.pi / 6 * 8 * ms, mu=6.0)
    np.testing.assert_allclose(abs(ours), abs(of_file) / (20 * uT), atol=0.02)
    z = z_of(cest.adiabatic_saturation_recovery(times, ours, 20 * uT, **played), tissue, engine)
    # three leave next to nothing, whatever the B1
    np.testing.assert_allclose(z, np.broadcast_to(table["mz_exact"], z.shape), atol=1e-3)
    np.testing.assert_allclose(z[5], table["mz_exact"], atol=1e-4)


def test_the_sinc_gauss_is_that_of_the_library(reference_data):
    table = np.load(reference_data("cest/protocols/apt001_2p_creatine.npz"))
    amplitude = table["shape0_amp_T"] / table["shape0_amp_T"].max()
    np.testing.assert_allclose(pulse_shapes.sinc_gauss(50_000)[::250], amplitude, atol=1e-7)


@pytest.mark.parametrize(
    ("shape", "rms", "mean"),
    [
        (pulse_shapes.hanning, math.sqrt(3 / 8), 1 / 2),
        (pulse_shapes.gaussian, math.sqrt(math.sqrt(math.pi) * math.erf(3) / 6),
         math.sqrt(math.pi / 18) * math.erf(3 / math.sqrt(2))),
        (pulse_shapes.fermi, math.sqrt(2 * (0.5 - (math.log(999) + 1) / 33.81)), 1 - 2 * math.log(999) / 33.81),
    ],
)  # fmt: skip
def test_power_and_flip_angle_of_shapes_are_their_integrals(shape, rms, mean):
    waveform = 3 * uT * shape(2000)
    assert abs(shape(2001)).max() == pytest.approx(1, abs=1e-4)
    np.testing.assert_allclose(pulse_shapes.b1_rms(waveform, 0.25), 3 * uT * rms / 2, rtol=2e-4)
    np.testing.assert_allclose(
        pulse_shapes.flip_angle(waveform, 4 * ms), GAMMA["1H"] * 3 * uT * 4 * ms * mean, rtol=2e-4
    )


def test_the_ends_of_shapes():
    assert pulse_shapes.gaussian(2000, truncation=2.5)[0] == pytest.approx(math.exp(-(2.5**2) / 2), rel=1e-2)
    assert pulse_shapes.fermi(2000)[0] == pytest.approx(1e-3, rel=1e-2)
    assert abs(pulse_shapes.hyperbolic_secant(2000)[0]) == pytest.approx(1e-2, rel=1e-2)
    halves = pulse_shapes.hyperbolic_secant(64, mu=2.0), pulse_shapes.hyperbolic_secant_half_passage(32, mu=2.0)
    np.testing.assert_array_equal(halves[0][:32], halves[1])
    # the instantaneous frequency at the start, in rad over the whole pulse
    sweep = np.unwrap(np.angle(pulse_shapes.hyperbolic_secant(2000, mu=2.0)))
    assert (sweep[1] - sweep[0]) * 2000 == pytest.approx(2 * 2.0 * 5.3, rel=1e-3)


# spin lock


@pytest.mark.exhaustive
@pytest.mark.parametrize("offset_ppm", [0.0, 1.5, -1.5])
def test_a_lock_decays_with_one_rate_where_a_continuous_wave_nutates(offset_ppm):
    times = jnp.linspace(0.0, 0.4, 33)
    t1, t2 = 1.0, 0.08
    arguments = (offset_ppm, 5 * uT, times, 3.0)
    locked, beating = (z_of(p(*arguments), mr.Tissue(t1, t2)) for p in (cest.spin_lock, cest.continuous_wave))
    f = offset_ppm * 1e-6 * 3.0 * GAMMA["1H"]
    cosine = abs(f) / np.hypot(f, GAMMA["1H"] * 5 * uT)
    rate = mr.signals.cest.r1rho(f / (2 * math.pi), 5 * uT, t1, t2)
    steady = cosine / t1 / rate
    np.testing.assert_allclose(locked, steady + (1 - steady) * np.exp(-rate * np.asarray(times)), atol=5e-5)
    # the part of the water that is along the field decays alike; what is across nutates
    along_z = mr.signals.cest.spin_lock(f / (2 * math.pi), 5 * uT, times, t1, t2)
    assert abs(beating - along_z).max() > 0.3
    assert locked[0] == pytest.approx(1, abs=1e-12)


def test_a_lock_with_exchange_decays_with_r1rho():
    pool = mr.Pool(fraction=1e-3, exchange_rate=1000.0, t1=1.0, t2=0.1, shift_ppm=3.0)
    times, larmor = jnp.array([0.1, 0.2, 0.3, jnp.inf]), 3.0 * mr.units.GAMMA_BAR["1H"]
    # an infinite lock is long against T1
    z = z_of(cest.spin_lock(3.0, 2 * uT, times.at[3].set(15.0), 3.0), mr.Tissue(1.3, 0.08, pools=(pool,)))
    rates = -np.diff(np.log(z[:3] - z[3])) / 0.1
    np.testing.assert_allclose(rates[0], rates[1], rtol=1e-3)
    expected = mr.signals.cest.r1rho(3e-6 * larmor, 2 * uT, 1.3, 0.08, pool)
    np.testing.assert_allclose(rates[0], expected[0], rtol=0.01)
    assert expected[0] > 1.1 * mr.signals.cest.r1rho(3e-6 * larmor, 2 * uT, 1.3, 0.08)[0]


# WASABI


def test_wasabi_is_its_closed_form_without_relaxation():
    offset_ppm, b1 = jnp.linspace(-2, 2, 31), jnp.array([0.6, 1.0])
    tissue = mr.Tissue(jnp.inf, jnp.inf, off_resonance=0.2e-6 * 3.0 * mr.units.GAMMA_BAR["1H"], b1=b1)
    expected = mr.inverse.cest.wasabi_spectrum(
        0.2, b1, 1.0, 2.0, offset_ppm=offset_ppm, rf_amplitude=3.7 * uT, duration=5 * ms
    )
    np.testing.assert_allclose(abs(z_of(cest.wasabi(offset_ppm), tissue)), expected, atol=1e-12)


@pytest.mark.exhaustive
def test_wasabi_gives_the_spectrum_of_the_file(reference_data):
    table, tissue, engine, gamma = creatine(reference_data, "wasabi3T_2p_creatine")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*is not the one in .SIGNATURE.*")
        file = read(reference_data("cest/seq/WASABI_3T_001_3p7uT_1block_5ms.seq"))
    offset_ppm, b1 = played_offsets(table, gamma), table["shape0_amp_T"]
    np.testing.assert_allclose(offset_ppm, offsets_ppm(file), rtol=1e-5, atol=1e-5)
    assert b1 == pytest.approx(3.7 * uT, rel=1e-5)
    scan = cest.wasabi(offset_ppm, b1, crusher_duration=FILE_CRUSHER, gyromagnetic_ratio=gamma)
    z = z_of(scan, tissue, engine)
    np.testing.assert_allclose(z, z_of(saturation_sequence(file, engine.conventions), tissue, engine), atol=1e-8)
    np.testing.assert_allclose(z, table["mz_exact"], atol=1e-8)


# quantitative magnetisation transfer

MYELIN = mr.Pool(0.14, 23.0, t1=1.0, t2=10e-6, lineshape=mr.lineshapes.SuperLorentzian())


MT_OFFSETS, MT_ANGLES = np.array([1.5e3, 4e3, 10e3, 20e3] * 2), np.repeat([142.0, 426.0], 4) * deg


@jax.jit
def qmt_signals(t1, fraction, tip, angles):
    """In the steady state, at each of `MT_OFFSETS` with each of `angles`."""
    tissue = mr.Tissue(t1, 0.05, pools=(dataclasses.replace(MYELIN, fraction=fraction),))

    def signal(offset, angle):
        pulse = {"pulse_shape": pulse_shapes.gaussian(40), "mt_flip_angle": angle, "mt_duration": 10 * ms}
        repetition = cest.quantitative_mt_spgr(tip, 25 * ms, 3 * ms, mt_offset=offset, **pulse)
        return abs(mr.play(repetition, tissue, ENGINE, state=mr.steady_state(repetition, tissue, ENGINE))[0][0])

    return jax.vmap(signal)(MT_OFFSETS, angles)


@pytest.mark.exhaustive
def test_without_a_pool_and_a_pulse_for_transfer_it_is_the_ernst_formula():
    expected = mr.signals.relaxation.spgr(7 * deg, 25 * ms, 1.3, te=3 * ms, t2star=0.05)
    np.testing.assert_allclose(qmt_signals(1.3, 0.0, 7 * deg, 0 * MT_ANGLES), np.repeat(expected, 8), rtol=1e-12)


@pytest.mark.slow
def test_with_small_tips_transfer_is_that_of_the_continuous_wave_of_equal_power():
    tip, shape = 0.05 * deg, pulse_shapes.gaussian(40)
    z = qmt_signals(1.0, 0.14, tip, MT_ANGLES) / (np.sin(tip) * np.exp(-3 / 50))
    peak = MT_ANGLES / pulse_shapes.flip_angle(shape, 10 * ms)
    rms = peak * pulse_shapes.b1_rms(shape, duty_cycle=10 / 25)
    expected = mr.signals.magnetization_transfer.steady_state(MT_OFFSETS, rms, 1.0, 0.05, MYELIN)
    np.testing.assert_allclose(z, expected, atol=4e-3)
    assert np.ptp(expected) > 0.3


@pytest.mark.exhaustive
def test_rf_spoiling_comes_near_ideal_spoiling():
    ideal = qmt_signals(0.3, 0.14, 8 * deg, MT_ANGLES)[5].item()
    pulse = {"pulse_shape": pulse_shapes.gaussian(40), "mt_flip_angle": MT_ANGLES[5], "mt_duration": 10 * ms}
    train = cest.quantitative_mt_spgr(
        8 * deg, 25 * ms, 3 * ms, mt_offset=MT_OFFSETS[5], n_repetitions=100, phase_increment=117 * deg, **pulse
    )
    spoiled = abs(mr.simulate(train, mr.Tissue(0.3, 0.05, pools=(MYELIN,)), ENGINE)[-1]).item()
    assert spoiled == pytest.approx(ideal, rel=3e-3)
    assert spoiled != pytest.approx(ideal, rel=1e-6)


# fingerprinting


@pytest.mark.slow
def test_fingerprints_are_those_of_a_published_dictionary(reference_data):
    """Fifty atoms of open-py-cest-mrf, played from a file that writes frequency and amplitudes in Hz with six digits."""
    schedule = json.loads(reference_data("cest/schedules/larg_cest_mrf_protocol.json").read_text())
    dictionary = np.load(reference_data("cest/phantom_larg_9p4T/open_py_cest_mrf_dictionary_2000.npz"))
    atom = {name: np.asarray(dictionary[name][::40], float) for name in dictionary}
    pool = mr.Pool(atom["fs_0"], atom["ksw_0"], atom["t1s_0"], atom["t2s_0"], atom["dsw_0"])
    tissue = mr.Tissue(atom["t1w"], atom["t2w"], pools=(pool,))
    conventions = mr.Conventions.pulseq_cest(schedule["gamma_rad_per_s_per_uT"] * 1e6)
    b0, gamma = schedule["B0_T"], conventions.gyromagnetic_ratio
    readout = schedule["readout"]
    duration, te = readout["pulse_ms"] * ms, readout["te_ms"] * ms

    @jax.jit
    def signal(b1, offset_ppm):
        scan = cest.fingerprinting(
            b1,
            offset_ppm,
            schedule["Tsat_s"],
            schedule["Tsat_s"] + duration + schedule["Trec_s"],
            b0,
            flip_angle=readout["block_flip_deg"] * deg,
            flip_duration=duration,
            te=te,
            spoiled=False,
            gyromagnetic_ratio=gamma,
        )
        return abs(mr.simulate(scan, tissue, mr.BlochMcConnell(b0, conventions)))

    gamma_bar, b1, offset_ppm = gamma / (2 * math.pi), np.array(schedule["B1_uT"]) * uT, schedule["offset_ppm"]
    file = read(reference_data("cest/phantom_larg_9p4T/acq_protocol.seq"))
    pulses = [file.rf[block.rf] for block in file.blocks if block.rf and file.rf[block.rf].frequency]
    b1_written = np.zeros(len(b1))
    b1_written[b1 > 0] = np.array([pulse.amplitude for pulse in pulses]) / gamma_bar
    ppm_written = pulses[0].frequency / (1e-6 * b0 * gamma_bar)
    np.testing.assert_allclose(b1_written, b1, rtol=1e-5)
    np.testing.assert_allclose(signal(b1_written, ppm_written), atom["sig"], atol=6e-6)
    # what is not spoiled keeps the phase of the saturation, and that of three seconds is written to 0.08 rad
    exact = abs(signal(b1, offset_ppm) - atom["sig"]).max()
    assert 1e-3 < exact < 6e-3


def test_images_start_from_what_the_one_before_has_left():
    t1, tr, saturation = 1.4, np.array([2.0, 3.0, 1.5, 1.5]), np.array([0.5, 1.0, 0.2, 1.5])
    scan = cest.fingerprinting(0.0, 3.5, saturation, tr, 3.0, flip_angle=50 * deg)
    signal, z = [], 1.0
    for whole, before in zip(tr, saturation, strict=True):
        z = 1 - (1 - z) * np.exp(-before / t1)
        signal.append(-1j * z * np.sin(50 * deg))
        z = 1 - (1 - z * np.cos(50 * deg)) * np.exp(-(whole - before) / t1)
    np.testing.assert_allclose(mr.simulate(scan, mr.Tissue(t1, 0.1), ENGINE), signal, atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "n"), [("loas_mtc_40", 40), ("mt_unsuper", 40), ("2D_EPI_CEST", 30)])
def test_published_schedules_are_read(reference_data, name, n):
    schedule = mr.io.read_schedule(reference_data(f"cest/schedules/{name}.csv"))
    assert {len(values) for values in schedule.values()} == {n}
    np.testing.assert_allclose(schedule["flip_angle"], np.pi / 2)
    assert 1e-7 < schedule["b1"].max() < 1e-5
    scan = cest.fingerprinting(**schedule, b0=3.0)
    assert scan.n_samples == n
    np.testing.assert_allclose(scan.duration, schedule["tr"].sum(), rtol=1e-12)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "does not exist or is no file"),
        ("", "is empty"),
        ("TR_s,B1_T\n1,2\n", r"lacks the columns offset_ppm, flip_deg, Tsat_s; a schedule has TR_s, B1_T,"),
        ("TR_s,B1_T,offset_ppm,flip_deg,Tsat_s\n", "has a header but no rows"),
        ("TR_s,B1_T,offset_ppm,flip_deg,Tsat_s\n\n3,1e-6,3,90\n", r"line 3: no cell for `Tsat_s`; the row has 4 cells"),
        ("TR_s,B1_T,offset_ppm,flip_deg,Tsat_s\n3,1 uT,3,90,2\n", r"line 2: '1 uT' for `B1_T` is not a number"),
        ("TR_s,B1_T,offset_ppm,flip_deg,Tsat_s\n3,nan,3,90,2\n", r"line 2: 'nan' for `B1_T` is not finite"),
    ],
)
def test_bad_schedules_are_refused(tmp_path, text, message):
    path = tmp_path / "schedule.csv"
    if text is not None:
        path.write_text(text)
    with pytest.raises(mr.io.FileError, match=message):
        mr.io.read_schedule(path)


# arguments


@pytest.fixture
def _as_users_see_it():
    """The run-time type checks of the tests would answer first; users do not have them."""
    disabled = jaxtyping.config.jaxtyping_disable
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", disabled)


SHAPE = np.ones(4)


@pytest.mark.usefixtures("_as_users_see_it")
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: cest.continuous_wave([1.0, 2.0], [1e-6] * 3, 1.0, 3.0),
            r"`offset_ppm`, `b1` must be scalars or have the same number of entries, but got offset_ppm 2, b1 3\.",
        ),
        (lambda: cest.continuous_wave(1.0, 1e-6, -1.0, 3.0), r"`duration` must not be negative \(s\), but got -1\."),
        (lambda: cest.continuous_wave(1.0, 1e-6, 1.0, 0.0), r"`b0` must be positive \(T\), but got 0\."),
        (lambda: cest.continuous_wave(1.0, 1e-6, 1.0, SHAPE), r"`b0` must be a scalar \(T\), but got shape \(4,\)\."),
        (
            lambda: cest.continuous_wave(1.0, 1e-6, 1.0, 3.0, gyromagnetic_ratio="1H"),
            r"`gyromagnetic_ratio` must be a finite Python number \(rad/s/T\), but got '1H'\.",
        ),
        (lambda: cest.wasabi(0.0, recovery=-1.0), r"`recovery` must not be negative \(s\), but got -1\."),
        (
            lambda: cest.pulse_train(1.0, SHAPE[:0], 1e-6, 0.1, 2, 3.0),
            r"`pulse_shape` must have shape \(n_samples,\) with at least one sample, but got \(0,\); `mrjax.protocols.cest",
        ),
        (lambda: cest.pulse_train(1.0, SHAPE, 1e-6, 0.0, 2, 3.0), r"`pulse_duration` must be positive \(s\), but got 0\."),
        (lambda: cest.pulse_train(1.0, SHAPE, 1e-6, 0.1, 2.0, 3.0), r"`n_pulses` must be an integer of at least 1, but"),
        (lambda: cest.pulse_train(1.0, SHAPE, 1e-6, 0.1, 2, 3.0, gap=-1e-3), r"`gap` must not be negative \(s\), but"),
        (lambda: cest.pulse_train(1.0, SHAPE, 1e-6, 0.1, 2, 3.0, gap=SHAPE), r"`gap` must be a scalar \(s\), but got shape"),
        (lambda: cest.spin_lock([0.0, 1.0], 1e-6, SHAPE, 3.0), r"`offset_ppm`, `locking_time` must be scalars or have"),
        (
            lambda: cest.quantitative_mt_spgr(0.1, 10 * ms, 3 * ms, SHAPE, 7.0, 8 * ms, 2e3),
            r"`mt_duration \+ te` must not be longer than `tr` \(tr - mt_duration \+ te in s\), but got -0\.001\.",
        ),
        (
            lambda: cest.quantitative_mt_spgr(0.1, 30 * ms, 3 * ms, SHAPE * [1, -1, 1, -1], 7.0, 8 * ms, 2e3),
            r"`pulse_shape` must have an integral, .* but got 0\.",
        ),
        (
            lambda: cest.fingerprinting(1e-6, 3.5, 2.0, 2.01, 3.0, te=20 * ms),
            r"`saturation_time \+ flip_duration \+ te` must not be longer than `tr`",
        ),
        (lambda: cest.adiabatic_inversion_recovery(0.1, SHAPE, [1.0], 0.1), r"`b1_peak` must be a scalar \(T\), but got"),
        (lambda: pulse_shapes.gaussian(0), r"`n_samples` must be an integer of at least 1, but got 0\."),
        (lambda: pulse_shapes.gaussian(9, -1.0), r"`truncation` must be positive, but got -1\."),
        (lambda: pulse_shapes.sinc_gauss(9, apodisation=0.7), r"`apodisation` must be between 0 and 0\.5, but got 0\.7\."),
        (lambda: pulse_shapes.b1_rms(SHAPE, 1.5), r"`duty_cycle` must be between 0 and 1, but got 1\.5\."),
    ],
)  # fmt: skip
def test_bad_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
