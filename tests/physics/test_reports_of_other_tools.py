"""What users of other simulators reported as wrong, tried here: each test names the report and holds the right answer."""

import warnings

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.linalg import expm

import mrjax as mr
from mrjax import pulseq
from mrjax.units import GAMMA_BAR, deg, ms, mT, us

GAMMA_BAR_1H = GAMMA_BAR["1H"]


def turned_by(b1, frequency, relaxation):
    """The matrix of the Bloch equations on (Mx, My, Mz, 1) for RF in T, off-resonance in Hz and (T1, T2) in s."""
    x, y, z = 2 * np.pi * GAMMA_BAR_1H * b1.real, 2 * np.pi * GAMMA_BAR_1H * b1.imag, 2 * np.pi * frequency
    t1, t2 = relaxation
    return np.array([[-1 / t2, -z, y, 0], [z, -1 / t2, -x, 0], [-y, x, -1 / t1, 1 / t1], [0, 0, 0, 0]])


def test_a_gradient_that_changes_until_rf_ends_leaves_no_stale_field():
    """KomaMRI.jl 784: the field at the end of RF was remembered from one step before, a phase error off centre."""
    duration, ramp, place = 1 * ms, 6 * mT, 20e-3
    rising = mr.Gradient([0.0, ramp, ramp], [0.0, duration, 2 * duration], axis="x")
    pulse = mr.ShapedPulse(jnp.full(200, 90 * deg / (2 * np.pi * GAMMA_BAR_1H * duration)), duration / 200)
    sequence = mr.Sequence(mr.Together(pulse, rising), mr.Sample())
    signal = mr.simulate(sequence, mr.Tissue(0.5, 0.05, x=place), mr.Isochromats())[0]

    field = 90 * deg / (2 * np.pi * GAMMA_BAR_1H * duration)
    frequency = lambda t: GAMMA_BAR_1H * min(ramp * t / duration, ramp) * place
    rate = lambda t, m: turned_by(complex(field if t < duration else 0.0), frequency(t), (0.5, 0.05)) @ m
    solve = lambda start, span: solve_ivp(rate, span, start, rtol=1e-10, atol=1e-12, max_step=1e-5).y[:, -1]
    truth = solve(solve([0, 0, 1, 1], (0, duration * (1 - 1e-12))), (duration, 2 * duration))
    np.testing.assert_allclose(signal, truth[0] + 1j * truth[1], rtol=0, atol=1e-5)


def test_a_train_does_not_depend_on_how_it_is_cut():
    """KomaMRI.jl 583: unwanted peaks in a fingerprint wherever the simulator began a new block."""
    angles = jnp.linspace(5, 60, 26) * deg
    train = lambda part: mr.protocols.mrf_fisp(angles[part], 12 * ms, 5 * ms, inversion=False)
    tissue = mr.Tissue(
        jnp.array([0.8, 1.4, 2.0]), jnp.array([0.05, 0.08, 0.2]), off_resonance=jnp.array([0.0, 9.0, -20.0])
    )
    engine = mr.EPG(n_states=30)
    whole = mr.simulate(train(slice(None)), tissue, engine)
    state, parts = None, []
    for part in (slice(0, 13), slice(13, 26)):
        signal, state = mr.play(train(part), tissue, engine, state=state)
        parts.append(signal)
    np.testing.assert_allclose(jnp.concatenate(parts, axis=-1), whole, rtol=0, atol=1e-14)
    np.testing.assert_allclose(mr.simulate(train(slice(None)), tissue, engine, batch_size=2), whole, rtol=0, atol=1e-14)


def test_a_shifted_slice_by_offset_and_by_modulated_samples_are_one():
    """KomaMRI.jl 557: a pulse shifted by its frequency and one shifted in its samples selected different slices."""
    n, duration, offset = 256, 2 * ms, 900.0
    sinc = mr.sequence.pulses.sinc(30 * deg, duration, time_bandwidth_product=4, n_samples=n)
    times = (np.arange(n) + 0.5) * duration / n
    modulated = mr.ShapedPulse(sinc.waveform * np.exp(2j * np.pi * offset * times), sinc.dt)
    shifted = mr.ShapedPulse(sinc.waveform, sinc.dt, offset=offset)
    z = jnp.linspace(-8e-3, 8e-3, 33)
    profile = lambda pulse: mr.simulate(
        mr.Sequence(mr.Together(pulse, mr.Gradient([5 * mT, 5 * mT], [0, duration], axis="z")), mr.Sample()),
        mr.Tissue(1.0, 0.1, z=z),
        mr.Isochromats(),
    )
    # within a sample the frequency of one turns on and that of the other stands: 900 Hz of 7.8 us
    np.testing.assert_allclose(profile(shifted), profile(modulated), rtol=0, atol=2e-4)
    centre = z[jnp.argmax(jnp.abs(profile(shifted)[:, 0]))]
    # a positive field turns m by exp(+i ...): the pulse meets spins where gamma G z equals its offset
    assert abs(centre - offset / (GAMMA_BAR_1H * 5 * mT)) < 0.6e-3


def test_bssfp_off_centre_needs_the_phase_of_its_pulses_and_then_is_that_of_the_centre():
    """KomaMRI.jl 657: a slice off centre has the band of another frequency, as on a scanner with uncompensated pulses."""
    n, duration, strength, tr, place = 64, 1.6 * ms, 10 * mT, 9 * ms, 4e-3
    offset = GAMMA_BAR_1H * strength * place
    shape = mr.sequence.pulses.sinc(40 * deg, duration, time_bandwidth_product=4, n_samples=n)
    slice_select = mr.Gradient.trapezoid(strength, rise=100 * us, flat=duration, axis="z")
    refocus = mr.Gradient.trapezoid(area=-slice_select.area / 2, rise=100 * us, flat=1 * ms, axis="z")

    def signal(position, offset, phase):
        pulse = mr.ShapedPulse(shape.waveform, shape.dt, offset=offset, phase=phase)
        together = mr.Together(mr.Sequence(mr.Delay(100 * us), pulse), slice_select)
        wait = mr.Delay(tr / 2 - float(together.duration) / 2 - float(refocus.duration))
        body = (mr.Repeat(refocus, together, refocus, wait, mr.Sample(), wait, n_repetitions=200),)
        return mr.simulate(mr.Sequence(*body), mr.Tissue(0.6, 0.1, z=position, off_resonance=3.0), mr.Isochromats())[-1]

    centre = signal(0.0, 0.0, 0.0)
    compensated = signal(place, offset, -2 * np.pi * offset * duration / 2)
    np.testing.assert_allclose(compensated, centre, rtol=0, atol=1e-3 * abs(centre))
    # left alone, the phase is the same in every repetition: only the phase of the signal changes, never its band
    np.testing.assert_allclose(abs(signal(place, offset, 0.0)), abs(centre), rtol=2e-3)


def from_pypulseq(folder, *blocks, **limits):
    pypulseq = pytest.importorskip("pypulseq")
    system = pypulseq.Opts(rf_ringdown_time=30e-6, rf_dead_time=100e-6, adc_dead_time=10e-6, **limits)
    sequence = pypulseq.Sequence(system)
    for block in blocks:
        sequence.add_block(*block(pypulseq, system))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sequence.write(str(folder / "file.seq"))
    return pulseq.to_sequence(pulseq.read(folder / "file.seq"))


def test_an_adiabatic_pulse_of_a_file_inverts(tmp_path):
    """MRzero-Core 186: adiabatic pulses of Pulseq files did nothing any more."""
    hypsec = lambda pp, system: (
        pp.make_adiabatic_pulse(
            pulse_type="hypsec",
            adiabaticity=6,
            beta=800,
            mu=4.9,
            delay=1e-4,
            duration=10e-3,
            system=system,
            use="inversion",
        ),
    )
    sequence = mr.Sequence(from_pypulseq(tmp_path, hypsec), mr.SampleLongitudinal())
    b1, df = (grid.ravel() for grid in jnp.meshgrid(jnp.array([0.7, 1.0, 1.4]), jnp.array([-200.0, 0.0, 200.0])))
    inverted = mr.simulate(sequence, mr.Tissue(jnp.inf, jnp.inf, b1=b1, off_resonance=df), mr.Isochromats())
    assert np.all(np.real(inverted) < -0.98)


def test_rf_spoiled_echoes_of_a_file_have_one_phase(tmp_path):
    """MRzero-Core 7: the phase of the ADC of a file was taken with the other sign, and RF spoiling turned the signal."""
    phases = [n * (n + 1) / 2 * 117 * deg % (2 * np.pi) for n in range(6)]
    blocks = []
    for phase in phases:
        pulse = lambda pp, system, phase=phase: (
            pp.make_block_pulse(
                10 * deg, duration=2e-4, delay=1e-4, phase_offset=phase, system=system, use="excitation"
            ),
        )
        adc = lambda pp, system, phase=phase: (
            pp.make_adc(1, duration=1e-5, delay=1e-4, phase_offset=phase, system=system),
        )
        spoiler = lambda pp, system: (pp.make_trapezoid("z", area=4000, duration=5e-3, system=system),)
        blocks += [pulse, adc, spoiler]
    sequence = from_pypulseq(tmp_path, *blocks, max_grad=100, grad_unit="mT/m", max_slew=500, slew_unit="T/m/s")
    z = jnp.asarray((np.arange(4000) + 0.5) / 4000 / 4000 * 3)  # whole cycles of each spoiler
    signal = jnp.mean(mr.simulate(sequence, mr.Tissue(1.0, 1e-3, z=z), mr.Isochromats()), axis=0)
    np.testing.assert_allclose(np.angle(signal), -np.pi / 2, atol=2e-3)


def test_off_resonance_shifts_as_a_place_along_the_readout():
    """MRzero-Core 31: off-resonance and gradients were of opposite sign."""
    strength, df = 8 * mT, 700.0
    readout = mr.Together(mr.Gradient([strength, strength], [0, 2 * ms], axis="x"), mr.Readout(64, 2 * ms / 64))
    sequence = mr.Sequence(mr.Pulse(90 * deg), readout)
    signal = lambda **where: mr.simulate(sequence, mr.Tissue(1.0, 0.1, **where), mr.Isochromats())
    here, there = signal(off_resonance=df), signal(x=df / (GAMMA_BAR_1H * strength))
    np.testing.assert_allclose(here, there, rtol=0, atol=1e-12)
    # and its phase counts from the excitation, the time before the readout included (OCTOPUS 7)
    late = mr.Sequence(mr.Pulse(90 * deg), mr.Delay(5 * ms), mr.Readout(4, 50 * us))
    found = mr.simulate(late, mr.Tissue(jnp.inf, jnp.inf, off_resonance=df), mr.Isochromats())
    times = 5 * ms + (np.arange(4) + 0.5) * 50 * us
    np.testing.assert_allclose(found, -1j * np.exp(2j * np.pi * df * times), rtol=0, atol=1e-12)


def test_samples_of_a_file_come_when_the_adc_opens(tmp_path):
    """pulseq-zero 48: delay and ringdown of RF counted twice for what followed, and edges of gradients were left out."""
    wave = np.concatenate([np.linspace(1e5, 1e6, 11), np.linspace(1e6, 1e5, 11)])
    pulse = lambda pp, system: (
        pp.make_block_pulse(90 * deg, duration=2e-4, delay=1e-4, system=system, use="excitation"),
    )
    readout = lambda pp, system: (
        pp.make_arbitrary_grad("x", wave, first=5e4, last=5e4, system=system),
        pp.make_adc(20, dwell=1e-5, delay=1e-5, system=system),
    )
    sequence = from_pypulseq(tmp_path, pulse, readout, max_grad=100, grad_unit="mT/m", max_slew=5000, slew_unit="T/m/s")
    timeline = sequence.timeline()
    block = 1e-4 + 2e-4 + 30e-6  # delay, pulse, ringdown
    np.testing.assert_allclose(timeline.sample_times, block + (np.arange(1, 21) + 0.5) * 1e-5, rtol=0, atol=1e-9)
    knots, values = np.r_[0, np.arange(22) + 0.5, 22] * 1e-5, np.r_[5e4, wave, 5e4]
    areas = np.r_[0, np.cumsum((values[1:] + values[:-1]) / 2 * np.diff(knots))]
    np.testing.assert_allclose(-timeline.trajectory()[:, 0], areas[2:-2], rtol=1e-6)


def test_diffusion_of_an_unbalanced_train_is_that_of_its_own_gradients():
    """hMRI-toolbox 117: relaxation, diffusion and shift of a phase graph in the wrong order, and not over all of TR."""
    size, diffusion = 50e-6, 2e-9
    t1, t2, tr, on = 0.9, 0.08, 12 * ms, 4 * ms
    body = (mr.Pulse(30 * deg), mr.Delay(3 * ms), mr.Sample(), mr.Dephase(1, on), mr.Delay(tr - 3 * ms - on))
    sequence = mr.Sequence(mr.Repeat(*body, n_repetitions=12))
    found = mr.simulate(sequence, mr.Tissue(t1, t2, diffusion=diffusion), mr.EPG(voxel_size=size))

    # the same by orders with their own b-values, written out: orders k = -n .. n of F, 0 .. n of Z
    n = 14
    k = 2 * np.pi / size * np.arange(-n, n + 1)
    f, z = np.zeros(2 * n + 1, complex), np.zeros(2 * n + 1, complex)
    z[n] = 1.0
    c, s = np.cos(30 * deg), np.sin(30 * deg)
    signal = []

    def wait(f, z, time, wound):
        """Relaxation and diffusion while order k goes evenly to k + wound."""
        end = k + wound * 2 * np.pi / size
        b_f = time * (k**2 + k * end + end**2) / 3
        f = f * np.exp(-time / t2 - diffusion * b_f)
        z = z * np.exp(-time / t1 - diffusion * time * k**2)
        z[n] += 1 - np.exp(-time / t1)
        return (np.roll(f, wound), z)

    for _ in range(12):
        conjugate = np.conj(f[::-1])
        f, z = (
            (1 + c) / 2 * f + (1 - c) / 2 * conjugate - 1j * s * z,
            c * z + s / 2 * (-1j) * (f - conjugate),
        )
        f, z = wait(f, z, 3 * ms, 0)
        signal.append(f[n])
        f, z = wait(f, z, on, 1)
        f, z = wait(f, z, tr - 3 * ms - on, 0)
    np.testing.assert_allclose(found, signal, rtol=0, atol=1e-12)


def test_the_spectrum_of_water_is_even_about_its_own_frequency():
    """pulseq-cest 22: a gyromagnetic ratio of fewer digits than the file's made the line of shifted water uneven."""
    b0, shift = 3.0, 0.4
    hz = lambda ppm: ppm * GAMMA_BAR_1H * b0 * 1e-6
    away = np.linspace(-0.6, 0.6, 13)
    saturate = mr.ContinuousWave(0.05e-6, jnp.full(13, 3.0), offset=jnp.asarray(hz(shift + away)))
    sequence = mr.Sequence(mr.Repeat(mr.Reset(), saturate, mr.Spoil(), mr.SampleLongitudinal()))
    tissue = mr.Tissue(1.3, 0.075, off_resonance=hz(shift))
    spectrum = np.real(mr.simulate(sequence, tissue, mr.BlochMcConnell(b0=b0)))
    np.testing.assert_allclose(spectrum, spectrum[::-1], rtol=0, atol=1e-12)
    assert spectrum[6] == spectrum.min()


def test_one_waveform_written_three_ways_plays_alike():
    """KomaMRI.jl 764: a pulse as one block, as equal samples and as samples on times of their own gave other signals."""
    b1, duration = 40 * deg / (2 * np.pi * GAMMA_BAR_1H * 1 * ms), 1 * ms
    block = (mr.ContinuousWave(b1, duration),)
    even = (mr.ShapedPulse(jnp.full(50, b1), duration / 50),)
    uneven = (mr.ShapedPulse(jnp.full(3, b1), 100 * us), mr.ShapedPulse(jnp.full(7, b1), 100 * us))
    gradient = mr.Gradient([3 * mT, 3 * mT], [0, duration], axis="y")
    tissue = mr.Tissue(0.7, 2 * ms, y=jnp.linspace(-3e-3, 3e-3, 5))
    signals = []
    for pulses in (block, even, uneven):
        sequence = mr.Sequence(mr.Together(mr.Sequence(*pulses), gradient), mr.Sample())
        signals.append(mr.simulate(sequence, tissue, mr.Isochromats())[:, 0])
    exact = []
    for y in tissue.y:
        matrix = turned_by(complex(b1), GAMMA_BAR_1H * 3 * mT * float(y), (0.7, 2 * ms))
        end = expm(matrix * duration) @ np.array([0, 0, 1, 1])
        exact.append(end[0] + 1j * end[1])
    for signal in signals:
        np.testing.assert_allclose(signal, exact, rtol=0, atol=1e-5)
