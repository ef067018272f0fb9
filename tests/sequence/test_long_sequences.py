"""Ten minutes in single precision: what is played last is as exact as what is played first, in value and in derivative."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import mrjax as mr
from mrjax.sequence.moments import b_value, gradient_moment
from mrjax.sequence.timeline import GAMMA
from mrjax.units import mm, ms, mT, us

N, N_SAMPLES, TR = 12_000, 8, 50 * ms
DWELL, AMPLITUDE, BEFORE = 10 * us, 10 * mT, 0.15 * ms


@pytest.fixture(autouse=True)
def _in_single_precision():
    with jax.enable_x64(False):
        yield


def gradient_echoes(values=(DWELL, AMPLITUDE, TR), n=N):
    """Readouts of which each follows an excitation of its own, and a gradient that is left unbalanced."""
    dwell, amplitude, tr = values
    read = mr.Gradient.trapezoid(amplitude, rise=0.1 * ms, flat=0.8 * ms, axis="x")
    echo = mr.Together(mr.Sequence(mr.Delay(BEFORE), mr.Readout(N_SAMPLES, dwell)), read)
    return mr.Sequence(mr.Repeat(mr.Pulse(0.2), mr.Delay(1 * ms), echo, mr.Delay(tr - 2 * ms), n_repetitions=n))


def in_repetitions(values):
    return np.asarray(values, float).reshape(-1, N_SAMPLES, *np.shape(values)[1:])


def k_by_definition(dwell=DWELL, amplitude=AMPLITUDE):
    """Along the readout, since the excitation."""
    times = BEFORE + (np.arange(N_SAMPLES) + 0.5) * dwell
    return -GAMMA / (2 * np.pi) * amplitude * (times - 0.05 * ms)


@pytest.mark.exhaustive
def test_known_times_and_trajectories_of_ten_minutes():
    """Single precision made the last dwell times 0 or 61 us."""
    sequence = gradient_echoes()
    timeline = sequence.timeline()
    assert timeline.edges[-1] == pytest.approx(N * TR, rel=1e-6)
    for times in (sequence.sample_times, timeline.sample_times):
        np.testing.assert_allclose(np.diff(in_repetitions(times), axis=1), DWELL, rtol=1e-6)
        np.testing.assert_allclose(times, sequence.sample_times, rtol=0, atol=1e-9)
    k = in_repetitions(timeline.trajectory()[:, 0])
    np.testing.assert_allclose(k, np.broadcast_to(k_by_definition(), k.shape), rtol=1e-6)
    # whatever a time comes from, its digits count
    np.testing.assert_allclose(timeline.trajectory(sequence.sample_times)[-9:], timeline.trajectory()[-9:], rtol=1e-6)
    area = in_repetitions(timeline.area_until(timeline.sample_times)[:, 0])
    np.testing.assert_allclose(np.diff(area, axis=1), AMPLITUDE * DWELL, rtol=1e-5)


@pytest.mark.exhaustive
def test_what_is_played_at_known_times_after_ten_minutes():
    timeline = gradient_echoes().timeline()
    middle_of_the_ramp = timeline.rf_centers[-1] + 1 * ms + 50 * us
    _, gradient = timeline.at(np.array([middle_of_the_ramp]))
    np.testing.assert_allclose(gradient[0], [AMPLITUDE / 2, 0, 0], rtol=1e-4)


def last_steps(values):
    """Dwell time, step in k and time since the excitation of the last readout, each over what it should be near."""
    timeline = gradient_echoes(values).timeline()
    passed, k = timeline.since_excitation()[-N_SAMPLES:], timeline.trajectory()[-N_SAMPLES:, 0]
    return jnp.stack([(passed[-1] - passed[-2]) / DWELL, k[-1] - k[-2], passed[0] / ms])


VALUES = jnp.array([DWELL, AMPLITUDE, TR], jnp.float32)


@pytest.mark.exhaustive
def test_traced_values_and_derivatives_of_ten_minutes():
    per_area = -GAMMA / (2 * np.pi)
    value = [1, per_area * AMPLITUDE * DWELL, 1 + (BEFORE + DWELL / 2) / ms]
    slopes = np.array([[1 / DWELL, 0, 0], [per_area * AMPLITUDE, per_area * DWELL, 0], [0.5 / ms, 0, 0]])
    of_one = np.abs(slopes * np.array([DWELL, AMPLITUDE, TR]))
    np.testing.assert_allclose(jax.jit(last_steps)(VALUES), value, rtol=1e-4)
    for derivative in (jax.jacrev, jax.jacfwd):
        found = np.asarray(jax.jit(derivative(last_steps))(VALUES)) * np.array([DWELL, AMPLITUDE, TR])
        np.testing.assert_allclose(np.abs(found), of_one, rtol=1e-3, atol=1e-3 * of_one.max(axis=1).min())


@pytest.mark.exhaustive
def test_traced_times_are_right_to_their_last_digit():
    expected = gradient_echoes().sample_times
    traced = jax.jit(lambda values: gradient_echoes(values).sample_times)(VALUES)
    np.testing.assert_allclose(traced, expected, rtol=0, atol=5e-5)  # half of the distance of numbers near 600
    np.testing.assert_allclose(jax.jit(lambda v: gradient_echoes(v).duration)(VALUES), N * TR, rtol=2e-7)
    many = jax.jit(lambda values: gradient_echoes(values).timeline().sample_times)(VALUES)
    np.testing.assert_allclose(many, expected, rtol=0, atol=1.2e-4)


@pytest.mark.exhaustive
def test_absolute_times_find_their_place_where_the_sequence_is_traced():
    known = gradient_echoes().timeline()
    after_the_last_pulse = known.sample_times[-N_SAMPLES:] - known.rf_centers[-1]

    @jax.jit
    def last_pulse(values):
        timeline = gradient_echoes(values).timeline()
        center = timeline.exact_edges[timeline.rf_step[-1]]
        return center.high, center.low

    # in single precision durations add up to another time, which is known
    times = np.sum(np.array(last_pulse(VALUES), float)) + after_the_last_pulse
    k = jax.jit(lambda values: gradient_echoes(values).timeline().trajectory(times)[:, 0])(VALUES)
    np.testing.assert_allclose(k, k_by_definition(), rtol=1e-4)


@pytest.mark.exhaustive
def test_moments_and_diffusion_of_the_last_repetition():
    timeline = gradient_echoes().timeline()
    once = gradient_echoes(n=1).timeline()
    origin = timeline.rf_centers[-1]
    last = gradient_moment(timeline, 1, origin=origin)[-1, 0]
    np.testing.assert_allclose(last, gradient_moment(once, 1)[-1, 0], rtol=1e-5)
    np.testing.assert_allclose(b_value(timeline)[-N_SAMPLES:], b_value(once), rtol=1e-5)
    traced = jax.jit(lambda values: b_value(gradient_echoes(values).timeline())[-1])
    np.testing.assert_allclose(traced(VALUES), b_value(once)[-1], rtol=1e-4)


@pytest.mark.exhaustive
def test_the_first_moment_of_a_compensated_lobe_after_ten_minutes():
    """Its zeroth vanishes, so that the first is the same from any time on, also from the start of the sequence."""
    lobe = lambda amplitude: mr.Gradient([amplitude, amplitude], [0.0, 1 * ms], "z")
    waits = mr.Repeat(mr.Delay(TR), n_repetitions=N)
    timeline = mr.Sequence(waits, mr.Pulse(0.2), lobe(AMPLITUDE), lobe(-AMPLITUDE), mr.Sample()).timeline()
    np.testing.assert_allclose(gradient_moment(timeline, 1)[0, 2], -AMPLITUDE * ms**2, rtol=1e-3)


def test_a_sample_is_before_the_pulse_that_follows_at_once():
    read = mr.Gradient([AMPLITUDE, AMPLITUDE], [0.0, 1 * ms], "x")
    timeline = mr.Sequence(mr.Pulse(0.2), read, mr.Sample(), mr.Pulse(0.2), mr.Sample()).timeline()
    expected = -GAMMA / (2 * np.pi) * AMPLITUDE * ms
    np.testing.assert_allclose(timeline.trajectory()[:, 0], [expected, 0], rtol=1e-6)
    np.testing.assert_allclose(timeline.since_excitation(), [1 * ms, 0], rtol=1e-6)


@pytest.mark.exhaustive
def test_infinite_waits_are_forgotten_at_excitations():
    sequence = mr.Sequence(mr.Delay(np.inf), mr.Sample(), mr.Pulse(0.2), mr.Delay(3 * ms), mr.Sample())
    np.testing.assert_allclose(sequence.timeline().since_excitation(), [np.inf, 3 * ms], rtol=1e-6)
    traced = jax.jit(lambda flip: mr.Sequence(*sequence.events[:2], mr.Pulse(flip), *sequence.events[3:]))(0.2)
    np.testing.assert_allclose(jax.jit(lambda s: s.timeline().since_excitation())(traced), [np.inf, 3 * ms], rtol=1e-6)
    last = lambda wait: mr.Sequence(*sequence.events[:3], mr.Delay(wait), mr.Sample()).timeline().since_excitation()[1]
    np.testing.assert_allclose(jax.grad(last)(3 * ms), 1.0)


def test_a_scanner_that_can_play_the_first_repetition_can_play_all():
    scanner = mr.Scanner(max_gradient=20 * mT, max_slew=150.0)
    assert scanner.breaches(gradient_echoes(n=1)) == scanner.breaches(gradient_echoes())


@pytest.mark.exhaustive
def test_objects_are_where_they_have_moved_after_ten_minutes():
    """Summed in single precision, the time was off by 0.14 s."""
    waits, speed = 30_000, 1 * mm
    lobe = mr.Gradient([AMPLITUDE, AMPLITUDE], [0.0, 0.5 * ms], "x")
    sequence = mr.Sequence(mr.Repeat(mr.Delay(20.01 * ms), n_repetitions=waits), mr.Pulse(np.pi / 2), lobe, mr.Sample())
    motion = mr.motion.RigidMotion([0.0, 1000.0], translation=[[0.0, 0, 0], [1000 * speed, 0, 0]])
    signal = mr.simulate(sequence, mr.Tissue(t1=1.0, t2=0.1), mr.Isochromats(n=1, motion=motion))[0]
    wound = GAMMA * AMPLITUDE * 0.5 * ms * speed * (waits * float(np.float32(20.01 * ms)) + 0.25 * ms)
    # gradients turn by + gamma G x, pulses about x take z to -y
    np.testing.assert_allclose(np.exp(1j * np.angle(signal)), -1j * np.exp(1j * wound), atol=0.02)
