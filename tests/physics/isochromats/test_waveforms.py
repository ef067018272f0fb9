"""RF that lasts, gradients in space, readouts, flow and motion, as isochromats play them."""

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from compiling import compiled_quickly

import mrjax as mr
from mrjax.units import GAMMA_BAR, ms, mT, us

GAMMA = 2 * np.pi * GAMMA_BAR["1H"]
TISSUE = {"t1": 0.9, "t2": 0.06}


def final(sequence, tissue, engine=None):
    state = mr.play(sequence, tissue, engine or mr.Isochromats())[1]
    return np.stack([state.x[0], state.y[0], state.z[0]])


def hann(n, angle, duration):
    shape = np.hanning(n + 2)[1:-1]
    return mr.ShapedPulse(angle / (GAMMA * shape.sum() * duration / n) * shape, duration / n)


def test_the_reference_of_a_slice_selective_pulse_is_matched(reference_data):
    """It relaxes after each rotation; we do so half before and half after, so half a step is missing at the end."""
    data = np.load(reference_data("bloch/slice_selective_f64.npz"))
    dt, g = float(data["dt"]), data["g_T_m"]
    times = np.repeat(np.arange(len(g) + 1) * dt, 2)[1:-1]
    excitation = mr.Together(mr.ShapedPulse(data["b1_T"], dt), mr.Gradient(np.repeat(g, 2), times, "z"))
    tissue = mr.Tissue(
        float(data["T1"]), float(data["T2"]), off_resonance=data["freq_Hz"][None, :], z=data["pos_m"][:, None]
    )
    engine = mr.Isochromats(gyromagnetic_ratio=2 * np.pi * float(data["gamma_Hz_T"]))
    x, y, z = final(mr.Sequence(excitation), tissue, engine)
    e1, e2 = np.exp(-dt / 2 / float(data["T1"])), np.exp(-dt / 2 / float(data["T2"]))
    ours = np.stack([e2 * x, -e2 * y, 1 + e1 * (z - 1)], axis=-1)
    np.testing.assert_allclose(ours, data["M"], atol=1e-11)
    np.testing.assert_allclose(np.stack([x, -y, z], axis=-1), data["M"], atol=3e-5)


def test_a_short_shaped_pulse_is_an_instantaneous_one():
    tissue = mr.Tissue(**TISSUE, off_resonance=30.0, b1=0.8)
    instant = final(mr.Sequence(mr.Pulse(1.1, 0.4)), tissue)
    errors = []
    for duration in (1e-5, 1e-6):
        shaped = hann(12, 1.1, duration)
        turned = mr.ShapedPulse(shaped.waveform, shaped.dt, phase=0.4)
        errors.append(np.abs(final(mr.Sequence(turned), tissue) - instant).max())
    assert errors[1] < 2e-4
    np.testing.assert_allclose(errors[0] / errors[1], 10, rtol=0.02)


@pytest.mark.slow
def test_constant_rf_is_exact_in_one_step_and_samples_of_any_length_come_to_it():
    tissue = mr.Tissue(**TISSUE, off_resonance=jnp.array([0.0, 12.0]), b1=0.9)
    block = mr.ContinuousWave(4e-6, 0.3, offset=25.0, phase=0.7)
    solved = final(mr.Sequence(block), tissue)
    errors = []
    for n in (30, 3000):
        samples = mr.ShapedPulse(jnp.full(n, 4e-6), 0.3 / n, offset=25.0, phase=0.7)
        errors.append(np.abs(final(mr.Sequence(samples), tissue) - solved).max())
    assert max(errors) < 4e-6


@pytest.mark.slow
def test_samples_of_rf_come_to_the_exact_propagators_of_pools():
    """`BlochMcConnell` without pools multiplies matrix exponentials; others split samples as far as need be."""
    tissue = mr.Tissue(**TISSUE, off_resonance=15.0)
    errors = []
    for repeats in (1, 2):
        shape = np.repeat(np.hanning(22)[1:-1], repeats)
        sequence = mr.Sequence(mr.ShapedPulse(2e-6 * shape, 1e-3 / repeats, offset=40.0, phase=0.3), mr.Sample())
        exact = mr.simulate(sequence, tissue, mr.BlochMcConnell(b0=3.0))
        errors.append(np.abs(mr.simulate(sequence, tissue, mr.Isochromats()) - exact).max())
    assert max(errors) < 1e-5


SELECTIVE = mr.Together(
    mr.Sequence(mr.Delay(0.1 * ms), mr.ShapedPulse(6e-6 * np.hanning(42)[1:-1], 25 * us, offset=200.0, phase=0.4)),
    mr.Gradient.trapezoid(10 * mT, rise=0.1 * ms, flat=1 * ms, axis="z"),
)
READOUT = mr.Together(
    mr.Gradient.trapezoid(-8 * mT, rise=0.1 * ms, flat=1 * ms, axis="z"),
    mr.Sequence(mr.Delay(0.1 * ms), mr.Readout(4, 0.25 * ms, phase=0.2, offset=30.0)),
)
PLAYED = mr.Sequence(SELECTIVE, READOUT, mr.ContinuousWave(3e-6, 1e-3, 50.0, 0.2), mr.Sample())
MOVING = mr.Tissue(**TISSUE, off_resonance=20.0, b1=0.9, z=jnp.array([-2e-3, 0.0, 1e-3]), velocity_z=0.1)


@pytest.mark.exhaustive
def test_the_solver_of_waveforms_agrees():
    """Isochromats take the gradient of a moving spin as constant over each sample: that is their error, 1e-5 here."""
    signal, state = mr.play(PLAYED, MOVING, mr.BlochODE())
    np.testing.assert_allclose(mr.simulate(PLAYED, MOVING, mr.Isochromats()), signal, atol=2e-5)
    resting = mr.Tissue(**TISSUE, off_resonance=20.0, b1=0.9)
    np.testing.assert_allclose(
        mr.simulate(PLAYED, resting, mr.Isochromats()), mr.simulate(PLAYED, resting, mr.BlochODE()), atol=3e-6
    )
    assert np.all(state.n_steps > 40)
    assert np.all(state.n_rejected < state.n_steps)


@pytest.mark.exhaustive
def test_the_solver_follows_linear_waveforms():
    """Straight lines between the middles of samples: many constant samples of the same line converge to it."""
    corners = jnp.array([2e-6, 9e-6, 4e-6])
    linear = mr.BlochODE(waveform="linear")
    expected = mr.simulate(mr.Sequence(mr.ShapedPulse(corners, 0.5e-3), mr.Sample()), mr.Tissue(**TISSUE), linear)
    n = 300
    middles = (np.arange(n) + 0.5) / n * 3
    fine = np.interp(middles, [0.5, 1.5, 2.5], corners)
    sampled = mr.simulate(
        mr.Sequence(mr.ShapedPulse(fine, 1.5e-3 / n), mr.Sample()), mr.Tissue(**TISSUE), mr.Isochromats()
    )
    np.testing.assert_allclose(sampled, expected, atol=1e-6)


def test_a_readout_is_the_free_induction_decay():
    tissue = mr.Tissue(**TISSUE, off_resonance=70.0)
    fid = mr.Sequence(mr.Pulse(np.pi / 2), mr.Delay(1e-3), mr.Readout(32, 0.2 * ms, phase=0.3, offset=25.0))
    t = (np.arange(32) + 0.5) * 0.2e-3
    expected = -1j * np.exp(-(t + 1e-3) / 0.06 + 2j * np.pi * 70 * (t + 1e-3) - 1j * (0.3 + 2 * np.pi * 25 * t))
    np.testing.assert_allclose(mr.simulate(fid, tissue, mr.Isochromats()), expected, atol=1e-13)
    np.testing.assert_allclose(fid.sample_times, t + 1e-3)


@pytest.mark.exhaustive
def test_pulses_and_readouts_take_turns_in_one_track():
    tissue = mr.Tissue(**TISSUE, off_resonance=70.0, z=1e-3)
    events = (mr.Readout(2, 1e-4), mr.ContinuousWave(3e-6, 1e-3), mr.Delay(1e-4), mr.Readout(3, 2e-4))
    ramp = lambda start, end, duration: mr.Gradient([start, end], [0.0, duration], "z")
    together = mr.Together(mr.Sequence(*events), ramp(0.0, 9e-3, 1.9e-3))
    # the same gradient, cut where the events are cut
    at = lambda time: 9e-3 * time / 1.9e-3
    parts = [
        mr.Together(events[0], ramp(0.0, at(2e-4), 2e-4)),
        mr.Together(events[1], ramp(at(2e-4), at(1.2e-3), 1e-3)),
        mr.Together(mr.Sequence(*events[2:]), ramp(at(1.2e-3), 9e-3, 7e-4)),
    ]
    sequence = mr.Sequence(mr.Pulse(1.0), together)
    signal = mr.simulate(sequence, tissue, mr.Isochromats())
    apart = mr.simulate(mr.Sequence(mr.Pulse(1.0), *parts), tissue, mr.Isochromats())
    np.testing.assert_allclose(signal, apart, atol=1e-12)
    # under a ramp a constant pulse is played in 64 steps
    np.testing.assert_allclose(signal, mr.simulate(sequence, tissue, mr.BlochODE()), atol=1e-5)


N, FIELD_OF_VIEW = 16, 0.2
AREA = 1 / (GAMMA_BAR["1H"] * FIELD_OF_VIEW)
"""Of a gradient that winds one cycle over the field of view."""


def spin_warp():
    flat = N * 20 * us
    encode = mr.Together(
        mr.Gradient.trapezoid(area=-(np.arange(N) - N / 2) * AREA, rise=0.1 * ms, flat=0.5 * ms, axis="y"),
        mr.Gradient.trapezoid(area=N / 2 * AREA, rise=0.1 * ms, flat=0.5 * ms, axis="x"),
    )
    # the ramp winds before the readout, and is taken back with the encoding
    amplitude = -N * AREA / flat
    before = mr.Gradient.trapezoid(area=-amplitude * 0.05 * ms, rise=0.1 * ms, flat=0.1 * ms, axis="x")
    line = mr.Together(
        mr.Gradient.trapezoid(amplitude, rise=0.1 * ms, flat=flat, axis="x"),
        mr.Sequence(mr.Delay(0.1 * ms), mr.Readout(N, flat / N)),
    )
    return mr.Sequence(mr.Repeat(mr.Reset(), mr.Pulse(np.pi / 2, np.pi / 2), encode, before, line))


@pytest.mark.exhaustive
def test_an_image_comes_out_upright():
    """signal(k) = sum m(r) exp(-2 pi i k r), with k rising along the readout and the encoding."""
    pixels = [(3, 5), (-6, 2), (0, -4)]
    step = FIELD_OF_VIEW / N
    tissue = mr.Tissue(
        np.inf, np.inf, m0=[1.0, 2.0, 3.0], x=[p[0] * step for p in pixels], y=[p[1] * step for p in pixels]
    )
    signal = mr.simulate(spin_warp(), tissue, mr.Isochromats()).sum(0).reshape(N, N)
    k = spin_warp().timeline().trajectory().reshape(N, N, 3)
    np.testing.assert_allclose(k[:, 0, 1] * FIELD_OF_VIEW, np.arange(N) - N / 2, atol=1e-9)
    np.testing.assert_allclose(k[0, :, 0] * FIELD_OF_VIEW, np.arange(N) - N / 2 + 0.5, atol=1e-9)
    by_definition = sum(
        m * np.exp(-2j * np.pi * (k[..., 0] * p * step + k[..., 1] * q * step))
        for m, (p, q) in zip([1, 2, 3], pixels, strict=True)
    )
    np.testing.assert_allclose(signal, by_definition, atol=1e-11)
    # the half sample by which the readout misses the origin is a phase along x, and no shift
    image = np.abs(np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(signal))))
    for m, (p, q) in zip([1.0, 2.0, 3.0], pixels, strict=True):
        np.testing.assert_allclose(image[q + N // 2, p + N // 2], m, atol=1e-9)


def test_a_gradient_over_the_voxel_is_a_sinc():
    cycles = np.array([0.3, 0.8, 1.7])
    voxel = 4e-3
    area = cycles / (GAMMA_BAR["1H"] * voxel)
    wind = mr.Gradient.trapezoid(area=area, rise=0.1 * ms, flat=1 * ms, axis="y")
    sequence = mr.Sequence(mr.Repeat(mr.Reset(), mr.Pulse(np.pi / 2), wind, mr.Sample()))
    signal = mr.simulate(sequence, mr.Tissue(np.inf, np.inf), mr.Isochromats(voxel_size=voxel))
    np.testing.assert_allclose(signal, -1j * np.sinc(cycles), atol=1e-5)


@pytest.mark.filterwarnings("ignore::mrjax.PlausibilityWarning")
def test_gradients_along_two_axes_average_over_the_area():
    voxel = jnp.array([4e-3, 2e-3, 1.0])
    area = 0.7 / (GAMMA_BAR["1H"] * 4e-3), 0.4 / (GAMMA_BAR["1H"] * 2e-3)
    both = mr.Together(
        *(
            mr.Gradient.trapezoid(area=a, rise=0.1 * ms, flat=1 * ms, axis=axis)
            for a, axis in zip(area, "xy", strict=True)
        )
    )
    sequence = mr.Sequence(mr.Pulse(np.pi / 2), both, mr.Sample())
    signal = mr.simulate(sequence, mr.Tissue(np.inf, np.inf), mr.Isochromats(20_000, voxel_size=voxel))
    np.testing.assert_allclose(signal, -1j * np.sinc(0.7) * np.sinc(0.4), atol=1e-3)


def test_diffusion_under_trapezoids_is_that_of_stejskal_and_tanner():
    g, rise, delta, wait, diffusion = 80 * mT, 0.4 * ms, 8 * ms, 12 * ms, 1.2e-9
    lobe = mr.Gradient.trapezoid(g, rise=rise, flat=delta - rise, axis="x")
    voxel = 3 / (GAMMA_BAR["1H"] * g * delta)
    sequence = mr.Sequence(
        mr.Pulse(np.pi / 2), lobe, mr.Delay(wait / 2), mr.Pulse(np.pi, np.pi / 2), mr.Delay(wait / 2), lobe, mr.Sample()
    )
    tissue = mr.Tissue(np.inf, np.inf, diffusion=diffusion)
    signal = mr.simulate(sequence, tissue, mr.Isochromats(voxel_size=voxel))
    separation = wait + delta + rise
    b = (GAMMA * g) ** 2 * (delta**2 * (separation - delta / 3) + rise**3 / 30 - delta * rise**2 / 6)
    assert b * diffusion > 0.3
    np.testing.assert_allclose(np.abs(signal), np.exp(-b * diffusion), rtol=1e-10)


def bipolar(axis="z"):
    lobe = lambda sign: mr.Gradient.trapezoid(sign * 8 * mT, rise=0.2 * ms, flat=1 * ms, axis=axis)
    return mr.Sequence(mr.Pulse(np.pi / 2, np.pi / 2), lobe(1), mr.Delay(2 * ms), lobe(-1), mr.Sample())


def test_flow_gives_the_phase_of_the_first_moment():
    velocity = jnp.array([-0.4, 0.0, 0.25])
    tissue = mr.Tissue(np.inf, np.inf, z=0.02, velocity_z=velocity)
    moment = -8e-3 * 1.2e-3 * (3.4e-3)  # of two lobes whose middles are 3.4 ms apart
    expected = np.exp(1j * GAMMA * moment * velocity)
    np.testing.assert_allclose(mr.simulate(bipolar(), tissue, mr.Isochromats())[:, 0], expected, atol=1e-10)


@pytest.mark.exhaustive
def test_rigid_translation_is_flow_and_rotation_moves_by_its_arc():
    times = [0.0, 0.1]
    flowing = mr.simulate(bipolar(), mr.Tissue(np.inf, np.inf, z=0.02, velocity_z=0.3), mr.Isochromats())
    shifting = mr.Isochromats(motion=mr.motion.RigidMotion(times, translation=[[0.0, 0, 0], [0, 0, 0.03]]))
    np.testing.assert_allclose(mr.simulate(bipolar(), mr.Tissue(np.inf, np.inf, z=0.02), shifting), flowing, atol=1e-10)
    rate = 2.0
    turning = mr.motion.RigidMotion(times, rotation=[[0.0, 0, 0], [0, 0, rate * 0.1]])
    tissue = mr.Tissue(np.inf, np.inf, x=0.05)
    solved = mr.simulate(bipolar("y"), tissue, mr.BlochODE(motion=turning))
    np.testing.assert_allclose(mr.simulate(bipolar("y"), tissue, mr.Isochromats(motion=turning)), solved, atol=1e-6)
    moment = -8e-3 * 1.2e-3 * 3.4e-3
    np.testing.assert_allclose(np.angle(solved), [GAMMA * moment * 0.05 * rate], rtol=1e-4)


def scanned(numbers):
    samples, amplitude, rise, flat, dwell = numbers
    excitation = mr.Together(
        mr.Sequence(mr.Delay(rise), mr.ShapedPulse(samples, flat / len(samples), offset=50.0)),
        mr.Gradient.trapezoid(amplitude, rise=rise, flat=flat, axis="z"),
    )
    readout = mr.Together(
        mr.Gradient.trapezoid(-amplitude, rise=rise, flat=3 * dwell, axis="z"),
        mr.Sequence(mr.Delay(rise), mr.Readout(3, dwell)),
    )
    return mr.Sequence(excitation, readout)


TIGHT = mr.BlochODE(stepsize_controller=diffrax.PIDController(rtol=1e-11, atol=1e-12), max_steps=512)
"""So that differences show no noise of the steps."""


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    "engine", [mr.Isochromats(), pytest.param(TIGHT, marks=pytest.mark.slow)], ids=["isochromats", "ode"]
)
def test_derivatives_in_samples_amplitudes_and_durations(engine):
    """In one direction for each kind of number, in its own size; differences of fourth order."""
    tissue = mr.Tissue(**TISSUE, off_resonance=20.0, z=jnp.array([-1e-3, 2e-3]), velocity_z=0.2)
    # arrays of numpy: jax marks what comes from Python's numbers, and would compile for each pattern of such marks
    numbers = tuple(map(np.asarray, (9e-6 * np.hanning(6)[1:-1], 9 * mT, 0.1 * ms, 1 * ms, 0.2 * ms)))
    random = np.random.default_rng(1)
    directions = [x * random.normal(size=x.shape) for x in numbers]
    rows = [tuple(d if i == j else np.zeros_like(x) for j, x in enumerate(numbers)) for i, d in enumerate(directions)]
    value = lambda numbers: jnp.sum(jnp.abs(mr.simulate(scanned(numbers), tissue, engine) - 0.3j) ** 2)
    along = compiled_quickly(lambda row, h: value(jax.tree.map(lambda x, d: x + h * d, numbers, row)))
    reverse = compiled_quickly(jax.grad(value))(numbers)
    forward = compiled_quickly(lambda row: jax.jvp(value, (numbers,), (row,))[1])
    for row in rows:
        near, far = (along(row, h) - along(row, -h) for h in (4e-3, 8e-3))
        derivative = sum(jnp.sum(g * d) for g, d in zip(reverse, row, strict=True))
        np.testing.assert_allclose(derivative, (8 * near - far) / 48e-3, rtol=1e-6, atol=1e-7)
        if isinstance(engine, mr.Isochromats):
            np.testing.assert_allclose(forward(row), derivative, rtol=1e-9, atol=1e-12)


def test_what_an_engine_cannot_play_is_said():
    lasting = mr.Sequence(mr.Pulse(1.0), mr.Gradient.trapezoid(10 * mT, rise=1e-4, flat=1e-3, axis="x"), mr.Sample())
    diffusing = mr.Tissue(**TISSUE, diffusion=1e-9)
    with pytest.raises(ValueError, match=r"event 0\.1 \(Gradient\).*whole number of cycles.*choose `voxel_size`"):
        mr.simulate(lasting, diffusing, mr.Isochromats(voxel_size=1e-3))
    with pytest.raises(ValueError, match="knows no velocity"):
        mr.simulate(mr.Sequence(mr.Pulse(1.0)), mr.Tissue(**TISSUE, velocity_x=0.1), mr.EPG())
    with pytest.raises(ValueError, match="`n`, the number of spins, must be given"):
        jax.jit(lambda size: mr.simulate(lasting, mr.Tissue(**TISSUE), mr.Isochromats(voxel_size=size)))(1e-3)
    with pytest.raises(ValueError, match="`voxel_size`"):
        mr.simulate(lasting, diffusing, mr.BlochODE())
    with pytest.raises(ValueError, match="`times` must rise"):
        mr.motion.RigidMotion([0.0, 0.0])
    with pytest.raises(ValueError, match="`translation` must have three components"):
        mr.motion.RigidMotion([0.0, 1.0], translation=[0.0, 1.0])


@pytest.mark.parametrize("compiled", [False, True])
def test_pulses_are_mapped_over_their_waveforms(compiled):
    """The longer pulse fills the shorter one up to as many steps; a map over both must stop where each ends."""
    samples = 5e-6 * np.hanning(20)

    def signal(scale):
        pulses = mr.ShapedPulse(scale * samples, 1e-4), mr.ShapedPulse(scale * samples[:7], 1e-4)
        sequence = mr.Sequence(pulses[0], mr.Delay(1e-3), pulses[1], mr.Sample())
        tissue = mr.Tissue(jnp.inf, jnp.inf, off_resonance=jnp.array([20.0, -50.0]))
        return mr.simulate(sequence, tissue, mr.Isochromats(1))

    scales = jnp.array([0.5, 1.0, 2.0])
    mapped = jax.vmap(signal)
    each = jnp.stack([signal(scale) for scale in scales])
    np.testing.assert_allclose((jax.jit(mapped) if compiled else mapped)(scales), each, atol=1e-12)
    power = lambda scale: jnp.sum(jnp.abs(signal(scale)) ** 2)
    by_differences = (jax.vmap(power)(scales + 1e-5) - jax.vmap(power)(scales - 1e-5)) / 2e-5
    np.testing.assert_allclose(jax.vmap(jax.grad(power))(scales), by_differences, rtol=1e-6)
