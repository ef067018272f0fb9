"""Sequences as amplifiers, coils and eddy currents play them."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from compiling import compiled_quickly

import mrjax as mr
from mrjax.units import GAMMA_BAR, ms, mT, us

GAMMA = 2 * np.pi * GAMMA_BAR["1H"]
AMPLITUDES, CONSTANTS = np.array([0.02, -0.01]), np.array([1.0 * ms, 0.3 * ms])
PULSE = mr.Pulse(np.pi / 2)


def train(amplitude=10 * mT):
    """Lobes along x, and along y together with a readout, in a repeat."""
    lobe = mr.Gradient.trapezoid(amplitude, rise=0.1 * ms, flat=1 * ms, axis="x")
    read = mr.Gradient.trapezoid(-9 * mT, rise=0.2 * ms, flat=1 * ms, axis="y")
    sampled = mr.Together(mr.Sequence(mr.Delay(0.2 * ms), mr.Readout(10, 100 * us)), read)
    return mr.Sequence(PULSE, mr.Repeat(lobe, mr.Delay(0.5 * ms), sampled, n_repetitions=3), mr.Delay(5 * ms))


@pytest.fixture
def exact():
    with jax.enable_x64(True):
        yield


def opposed(timeline, times, amplitudes=AMPLITUDES, constants=CONSTANTS):
    """What eddy currents take away: of each straight piece by itself, as the integral over it is known in closed form."""
    edges, lost = timeline.edges, np.zeros((len(times), 3))
    slopes = np.diff(timeline.gradient, axis=1)[:, 0] / np.maximum(timeline.duration, 1e-12)[:, None]
    for begin, end, slope in zip(edges[:-1], edges[1:], slopes, strict=True):
        until = np.minimum(times, end)
        for a, tau in zip(amplitudes, constants, strict=True):
            part = tau * (np.exp(-(times - until) / tau) - np.exp(-(times - begin) / tau))
            lost += a * np.where(times > begin, part, 0.0)[:, None] * slope
    return lost


@pytest.mark.exhaustive
def test_eddy_currents_are_the_sum_of_those_of_all_straight_pieces(exact):
    asked = train().timeline()
    played = mr.hardware.as_played(train(), mr.hardware.EddyCurrents(AMPLITUDES, CONSTANTS)).timeline()
    times = played.edges[(played.edges > 0) & (played.edges < float(train().duration) - 1e-9)]
    expected = asked.at(times)[1] - opposed(asked, times)
    np.testing.assert_allclose(played.at(times)[1], expected, rtol=0, atol=1e-13)
    between = np.linspace(1e-5, float(train().duration) - 1e-5, 2001)
    expected = asked.at(between)[1] - opposed(asked, between)
    np.testing.assert_allclose(played.at(between)[1], expected, rtol=0, atol=1e-5 * 10 * mT)


def test_a_step_is_opposed_and_recovers(exact):
    step = mr.Sequence(mr.Gradient([10 * mT, 10 * mT], [0.0, 4 * ms], "z"))
    crossed = np.zeros((3, 3, 1))
    crossed[0, 2] = 0.05
    played = mr.hardware.as_played(step, mr.hardware.EddyCurrents(crossed, [2 * ms])).timeline()
    t = played.edges[played.edges < 4 * ms]
    x, y, z = played.at(t)[1].T
    np.testing.assert_allclose(x, -0.05 * 10 * mT * np.exp(-t / (2 * ms)), rtol=1e-12)
    np.testing.assert_allclose([y, z], [0 * t, 10 * mT + 0 * t], rtol=1e-12)


@pytest.mark.exhaustive
def test_responses_that_do_nothing_change_nothing(exact):
    asked = train().timeline()
    frequencies = np.linspace(0.0, 50e3, 51)
    whole = np.broadcast_to(np.eye(3)[:, :, None], (3, 3, 51))
    times = np.linspace(0.0, float(train().duration), 1001)[:-1]
    for response in (
        mr.hardware.MeasuredResponse(frequencies, np.ones(51)),
        mr.hardware.MeasuredResponse(frequencies, whole),
        mr.hardware.EddyCurrents([0.0], [1 * ms]),
        mr.hardware.GradientDelay(0.0),
    ):
        played = mr.hardware.as_played(train(), response)
        assert played.n_samples == 30
        np.testing.assert_allclose(played.timeline().at(times)[1], asked.at(times)[1], rtol=0, atol=1e-12)
        np.testing.assert_allclose(played.sample_times, train().sample_times, rtol=0, atol=1e-15)


@pytest.mark.exhaustive
def test_a_delay_shifts_a_trajectory_along_its_axis(exact):
    asked, delay = train().timeline(), np.array([7.3, -4.0, 0.0]) * us
    played = mr.hardware.as_played(train(), mr.hardware.GradientDelay(delay)).timeline()
    shift = played.trajectory() - asked.trajectory()
    np.testing.assert_allclose(shift[:, 1], -GAMMA / (2 * np.pi) * 9 * mT * -4.0 * us, rtol=1e-9)
    np.testing.assert_allclose(shift[:, [0, 2]], 0.0, atol=1e-9)
    times = np.linspace(0.1 * ms, float(train().duration) - 0.1 * ms, 999)
    for axis in (0, 1):
        late = played.at(times + delay[axis])[1][:, axis]
        np.testing.assert_allclose(late, asked.at(times)[1][:, axis], rtol=0, atol=1e-14)
    sequence = train()
    traced = jax.jit(
        lambda delay: mr.hardware.as_played(sequence, mr.hardware.GradientDelay(delay)).timeline().trajectory()
    )
    np.testing.assert_allclose(traced(delay), played.trajectory(), rtol=0, atol=0.02)


@pytest.mark.exhaustive
def test_gradients_that_go_on_from_event_to_event_are_delayed_as_one(exact):
    whole = mr.Sequence(mr.Gradient([0.0, 8 * mT, 0.0], [0.0, 1 * ms, 2 * ms], "x"), mr.Delay(1 * ms))
    halves = [mr.Gradient([0.0, 8 * mT], [0.0, 1 * ms], "x"), mr.Gradient([8 * mT, 0.0], [0.0, 1 * ms], "x")]
    times = np.linspace(0.0, 3 * ms, 777)[:-1]
    for response in (mr.hardware.GradientDelay(31 * us), mr.hardware.EddyCurrents(AMPLITUDES, CONSTANTS)):
        one = mr.hardware.as_played(whole, response).timeline()
        two = mr.hardware.as_played(mr.Sequence(*halves, mr.Delay(1 * ms)), response).timeline()
        np.testing.assert_allclose(two.at(times)[1], one.at(times)[1], rtol=0, atol=2e-9)


@pytest.mark.exhaustive
def test_a_measured_response_of_exponentials_is_that_of_eddy_currents(exact):
    f = np.concatenate([np.linspace(0, 3000, 6001), np.linspace(3000, 50e3, 2001)[1:]])
    each = 2j * np.pi * f * CONSTANTS[:, None]
    girf = mr.hardware.MeasuredResponse(f, 1 - AMPLITUDES @ (each / (1 + each)))
    times = np.linspace(0.0, float(train().duration), 3001)[1:-1]
    measured, eddy = (
        mr.hardware.as_played(train(), response).timeline().at(times)[1]
        for response in (girf, mr.hardware.EddyCurrents(AMPLITUDES, CONSTANTS))
    )
    assert np.abs(eddy - train().timeline().at(times)[1]).max() > 0.01 * 10 * mT
    np.testing.assert_allclose(measured, eddy, rtol=0, atol=2e-5 * 10 * mT)


def epi(n_lines=8, amplitude=20 * mT):
    lobe = lambda sign: mr.Together(
        mr.Gradient.trapezoid(sign * amplitude, rise=0.1 * ms, flat=0.4 * ms, axis="x"),
        mr.Sequence(mr.Delay(0.1 * ms), mr.Readout(4, 100 * us)),
    )
    return mr.Sequence(mr.Pulse(np.pi / 2), *(lobe((-1) ** line) for line in range(n_lines)), mr.Delay(0.1 * ms))


@pytest.mark.exhaustive
def test_a_delay_makes_the_ghost_of_an_epi(exact):
    """Lines read forth and back are turned by opposite angles: of a spin the ghost is their tangent."""
    place, delay = 0.03, 6 * us
    spin = mr.Tissue(np.inf, np.inf, x=place)
    late = mr.hardware.as_played(epi(), mr.hardware.GradientDelay([delay, 0, 0]))
    as_asked, as_late = (mr.simulate(sequence, spin, mr.Isochromats()).reshape(8, 4) for sequence in (epi(), late))
    lines = np.fft.fft(np.asarray(as_late / as_asked), axis=0) / 8
    angle = GAMMA * 20 * mT * delay * place
    np.testing.assert_allclose(np.abs(lines[0]), np.cos(angle), rtol=1e-9)
    np.testing.assert_allclose(np.abs(lines[4]), np.sin(angle), rtol=1e-9)
    np.testing.assert_allclose(np.delete(np.abs(lines), [0, 4], axis=0), 0.0, atol=1e-9)


@pytest.mark.exhaustive
def test_derivatives_are_those_of_differences(exact):
    sequence, of_lobe = train(), lambda sequence: sequence.events[1].events[0].waveform

    def value(numbers):
        scale, amplitudes, constants, b0 = numbers
        scaled = eqx.tree_at(of_lobe, sequence, scale * of_lobe(sequence))
        response = mr.hardware.EddyCurrents(amplitudes, constants, b0)
        return jnp.sum(jnp.sin(mr.hardware.as_played(scaled, response).timeline().trajectory() / 50.0))

    numbers = (jnp.asarray(1.0), jnp.asarray(AMPLITUDES), jnp.asarray(CONSTANTS), jnp.ones((3, 2)))
    change = (jnp.asarray(0.1), jnp.asarray([0.01, 0.02]), jnp.asarray([0.1 * ms, -0.05 * ms]), jnp.zeros((3, 2)))
    along = compiled_quickly(lambda h: value(jax.tree.map(lambda x, d: x + h * d, numbers, change)))
    slope = (along(1e-4) - along(-1e-4)) / 2e-4
    reverse = compiled_quickly(jax.grad(value))(numbers)
    forward = compiled_quickly(lambda: jax.jvp(value, (numbers,), (change,))[1])()
    inner = sum(jnp.sum(g * d) for g, d in zip(reverse, change, strict=True))
    np.testing.assert_allclose([inner, forward], slope, rtol=1e-6)


@pytest.mark.exhaustive
def test_derivatives_in_a_measured_response_are_those_of_differences(exact):
    f = np.linspace(0, 50e3, 501)

    def value(tau):
        girf = mr.hardware.MeasuredResponse(f, 1 / (1 + 2j * jnp.pi * f * tau))
        return jnp.sum(jnp.sin(mr.hardware.as_played(epi(2), girf).timeline().trajectory() / 50.0))

    slope = (value(20.1 * us) - value(19.9 * us)) / (0.2 * us)
    np.testing.assert_allclose(jax.grad(value)(20 * us), slope, rtol=1e-4)
    np.testing.assert_allclose(jax.jvp(value, (20 * us,), (1.0,))[1], slope, rtol=1e-4)


@pytest.mark.exhaustive
def test_a_uniform_field_turns_spins(exact):
    """After a step of a gradient whose field a spin in the middle does not see."""
    tau, strength = 1 * ms, 5e-3
    eddy = mr.hardware.EddyCurrents([0.0], [tau], b0_amplitudes=[[0.0], [strength], [0.0]])
    step = mr.Gradient([10 * mT, 10 * mT], [0.0, 3 * ms], "y")
    rf = mr.Together(
        mr.ContinuousWave(np.pi / (GAMMA * 2 * us), 1 * us), mr.Gradient([10 * mT, 10 * mT], [0.0, 1 * us], "y")
    )
    readout = mr.Together(mr.Readout(20, 100 * us), mr.Gradient([10 * mT, 10 * mT], [0.0, 2 * ms], "y"))
    played = mr.hardware.as_played(mr.Sequence(step, rf, readout, mr.Sample()), eddy, raster=2 * us)
    signal = mr.simulate(played, mr.Tissue(np.inf, np.inf), mr.Isochromats())
    turned = lambda t: -GAMMA * strength * 10 * mT * tau * (1 - np.exp(-t / tau))
    start, times = 3 * ms + 0.5 * us, 3 * ms + 1 * us + (np.arange(20) + 0.5) * 100 * us
    expected = -1j * np.exp(1j * (turned(times) - turned(start)))
    assert np.abs(turned(times) - turned(start)).max() > 0.3
    np.testing.assert_allclose(signal[:20], expected, rtol=0, atol=2e-4)
    np.testing.assert_allclose(jnp.abs(signal[20]), 1.0, rtol=1e-5)


def test_a_wait_without_end_forgets(exact):
    lobe = mr.Gradient.trapezoid(10 * mT, rise=0.1 * ms, flat=1 * ms, axis="x")
    eddy = mr.hardware.EddyCurrents([0.02], [1.0])
    once, again = (
        mr.hardware.as_played(sequence, eddy)
        for sequence in (mr.Sequence(lobe), mr.Sequence(lobe, mr.Delay(np.inf), lobe))
    )
    np.testing.assert_array_equal(again.events[-1].tracks[0][0].waveform, once.events[0].tracks[0][0].waveform)


def test_what_cannot_be_played_is_refused():
    lobe = mr.Gradient.trapezoid(10 * mT, rise=0.1 * ms, flat=1 * ms, axis="x")
    eddy = mr.hardware.EddyCurrents([0.02], [1 * ms])
    with pytest.raises(ValueError, match="Dephase that lasts"):
        mr.hardware.as_played(mr.Sequence(lobe, mr.Dephase(1, 1 * ms)), eddy)
    with pytest.raises(ValueError, match="durations that are known"):
        jax.jit(lambda t: mr.hardware.as_played(mr.Sequence(lobe, mr.Delay(t)), eddy).timeline().edges)(1 * ms)
    with pytest.raises(ValueError, match=r"`amplitudes` must have shape \(2,\)"):
        mr.hardware.EddyCurrents([0.02], [1 * ms, 2 * ms])
    with pytest.raises(ValueError, match="`transfer` must have shape"):
        mr.hardware.MeasuredResponse(np.linspace(0, 1e4, 5), np.ones(4))
    girf = mr.hardware.MeasuredResponse(np.linspace(0, 1e4, 51), np.ones(51))
    with pytest.raises(ValueError, match="too long for a response"):
        mr.hardware.as_played(mr.Sequence(lobe, *5 * (mr.Delay(50.0),)), girf)
