"""Timelines: what is played at every moment, and how it depends on amplitudes and durations."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import mrjax as mr
from mrjax.sequence.timeline import GAMMA
from mrjax.units import GAMMA_BAR, deg, ms, mT, us

GAMMA_BAR_1H = GAMMA_BAR["1H"]
AXES = "xyz"


def trapezoid(amplitude, axis="x", rise=0.1 * ms, flat=1 * ms, fall=None):
    return mr.Gradient.trapezoid(amplitude, rise=rise, flat=flat, fall=fall, axis=axis)


def excitation(n=20, lasting=1 * ms):
    shape = 5e-6 * np.hanning(n + 2)[1:-1]
    return mr.Together(
        mr.Sequence(mr.Delay(0.1 * ms), mr.ShapedPulse(shape, lasting / n, offset=300.0, phase=0.4, use="excitation")),
        trapezoid(10 * mT, "z"),
    )


def directly(gradient, start, times):
    """A gradient at some times, by the definition: straight between its points, zero outside."""
    times = np.asarray(times)
    return np.interp(times - start, gradient.times, gradient.waveform, left=0.0, right=0.0)


# what is played when


@pytest.mark.exhaustive
def test_a_timeline_gives_the_waveforms_at_any_time():
    pulse, slice_select = excitation().tracks[0][1], excitation().tracks[1][0]
    rewind = trapezoid(-8 * mT, "x")
    timeline = mr.Sequence(mr.Delay(0.3 * ms), excitation(), mr.Delay(0.2 * ms), rewind).timeline()
    times = jnp.linspace(-0.1, 3.3, 1000) * ms + 0.123 * us
    b1, gradient = timeline.at(times)
    np.testing.assert_allclose(gradient[:, 2], directly(slice_select, 0.3 * ms, times), atol=1e-15)
    np.testing.assert_allclose(gradient[:, 0], directly(rewind, 1.7 * ms, times), atol=1e-15)
    np.testing.assert_array_equal(gradient[:, 1], 0.0)
    into = times - 0.4 * ms
    sample = np.floor(into / pulse.dt).astype(int)
    inside = (sample >= 0) & (sample < 20)
    field = np.asarray(pulse.waveform)[np.clip(sample, 0, 19)] * np.exp(1j * (2 * np.pi * 300 * into + 0.4))
    np.testing.assert_allclose(b1, np.where(inside, field, 0), atol=1e-18)


def test_the_edges_of_events_are_exact():
    """At an edge the timeline gives what begins there, at the end of the sequence what ends there."""
    first, second = mr.Gradient([3 * mT, 5 * mT], [0, 1 * ms], "y"), mr.Gradient([-2 * mT, 4 * mT], [0, 2 * ms], "y")
    timeline = mr.Sequence(first, second).timeline()
    np.testing.assert_array_equal(np.unique(timeline.edges), [0, 1 * ms, 3 * ms])
    _, gradient = timeline.at(jnp.array([0.0, 1 * ms, np.nextafter(1 * ms, 0), 3 * ms, np.nextafter(3 * ms, 1)]))
    np.testing.assert_allclose(gradient[:, 1], [3 * mT, -2 * mT, 5 * mT, 4 * mT, 0], rtol=1e-12)


def test_jumps_within_a_gradient():
    steps = mr.Gradient([1 * mT, 1 * mT, -2 * mT, -2 * mT], [0.5 * ms, 1 * ms, 1 * ms, 2 * ms], "z")
    timeline = mr.Sequence(steps).timeline()
    _, gradient = timeline.at(jnp.array([0.2, 0.7, 0.999, 1.0, 1.5]) * ms)
    np.testing.assert_allclose(gradient[:, 2], np.array([0, 1, 1, -2, -2]) * mT)
    np.testing.assert_allclose(timeline.area_until(timeline.edges[-1:])[0, 2], steps.area)
    np.testing.assert_allclose(steps.area, (0.5 - 2.0) * mT * ms)


@pytest.mark.exhaustive
def test_durations_add_up():
    sequence = mr.Sequence(
        mr.Pulse(1.0),
        mr.Repeat(
            excitation(),
            mr.Repeat(
                trapezoid(jnp.array([[1.0], [2.0]]) * mT), mr.Delay(jnp.array([1.0, 2.0, 3.0]) * ms), mr.Sample()
            ),
            mr.Dephase(1, duration=0.7 * ms),
            mr.Readout(8, jnp.array([10.0, 20.0]) * us),
        ),
        mr.Spoil(),
    )
    timeline = sequence.timeline()
    np.testing.assert_allclose(timeline.edges[-1], sequence.duration, rtol=1e-14)
    np.testing.assert_allclose(timeline.sample_times, sequence.sample_times, rtol=1e-14)
    assert timeline.n_steps == timeline.duration.shape[0] == timeline.edges.shape[0] - 1
    assert np.all(np.diff(timeline.sample_times) > 0)


@pytest.mark.exhaustive
def test_what_nested_repeats_play_is_what_is_written_out():
    """Repeats are flattened without being written out, but to the same."""
    amplitude, wait = np.array([[1.0], [-2.0]]) * mT, np.array([1.0, 2.0, 3.0]) * ms
    nested = mr.Repeat(
        mr.Repeat(
            mr.Together(trapezoid(amplitude), mr.Sequence(mr.Delay(0.1 * ms), mr.Readout(5, 0.2 * ms))), mr.Delay(wait)
        ),
        mr.ContinuousWave(1e-6, np.array([1.0, 2.0]) * ms),
    )
    written = []
    for i in range(2):
        for j in range(3):
            read = mr.Sequence(mr.Delay(0.1 * ms), mr.Readout(5, 0.2 * ms))
            written += [mr.Together(trapezoid(amplitude[i, 0]), read), mr.Delay(wait[j])]
        written.append(mr.ContinuousWave(1e-6, (i + 1) * ms))
    repeated, unrolled = mr.Sequence(nested).timeline(), mr.Sequence(*written).timeline()
    for one, other in zip(jax.tree.leaves(repeated), jax.tree.leaves(unrolled), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-18)


@pytest.mark.exhaustive
def test_a_wait_without_end_stops_the_clock_and_nothing_before_it():
    recovery = mr.protocols.inversion_recovery([0.1, 0.2])
    timeline = recovery.timeline()
    np.testing.assert_array_equal(timeline.sample_times, recovery.sample_times)
    lobe = mr.Sequence(trapezoid(1 * mT), mr.Delay(jnp.inf), trapezoid(1 * mT)).timeline()
    np.testing.assert_allclose(lobe.area_until(jnp.array([5.0]))[0, 0], trapezoid(1 * mT).area)


# together


@pytest.mark.slow
def test_gradients_along_one_axis_add_up():
    first, second, other = trapezoid(3 * mT, flat=2 * ms), trapezoid(-5 * mT, rise=0.3 * ms), trapezoid(1 * mT, "y")
    timeline = mr.Sequence(mr.Together(first, mr.Sequence(mr.Delay(0.77 * ms), second), other)).timeline()
    times = jnp.linspace(0, 2.4, 333) * ms + 0.1 * us
    _, gradient = timeline.at(times)
    both = directly(first, 0, times) + directly(second, 0.77 * ms, times)
    np.testing.assert_allclose(gradient[:, 0], both, atol=1e-15)
    area = timeline.area_until(timeline.edges[-1:])[0]
    np.testing.assert_allclose(area, [3 * mT * 2.1 * ms - 5 * mT * 1.3 * ms, 1 * mT * 1.1 * ms, 0], rtol=1e-13)
    until = timeline.area_until(times)[:, 0]
    np.testing.assert_allclose(until[1:] - until[:-1], (both[1:] + both[:-1]) / 2 * np.diff(times), atol=2e-10)


@pytest.mark.exhaustive
def test_tracks_with_delays_are_what_is_made_by_hand():
    """The same gradients as points of one waveform, and the same pulse split over the sequence."""
    together = mr.Together(
        mr.Sequence(mr.Delay(0.5 * ms), mr.ContinuousWave(2e-6, 1 * ms, offset=100.0)),
        mr.Sequence(mr.Gradient([2 * mT, 2 * mT], [0, 2 * ms], "x")),
    )
    slab = lambda lasting: mr.Gradient([2 * mT, 2 * mT], [0, lasting], "x")
    by_hand = mr.Sequence(
        slab(0.5 * ms), mr.Together(mr.ContinuousWave(2e-6, 1 * ms, offset=100.0), slab(1 * ms)), slab(0.5 * ms)
    )
    times = jnp.linspace(0, 2, 101) * ms + 0.3 * us
    for one, other in zip(mr.Sequence(together).timeline().at(times), by_hand.timeline().at(times), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-16)
    np.testing.assert_allclose(mr.Sequence(together).duration, by_hand.duration)


def test_the_longest_track_lasts():
    together = mr.Together(mr.Readout(10, 0.1 * ms), trapezoid(1 * mT), mr.Delay(3 * ms))
    timeline = mr.Sequence(together, mr.Sample()).timeline()
    assert together.duration == pytest.approx(3 * ms)
    np.testing.assert_allclose(timeline.edges[-1], 3 * ms)
    np.testing.assert_allclose(timeline.sample_times[-1], 3 * ms)


# steps


def test_a_long_block_pulse_is_one_step():
    timeline = mr.Sequence(mr.ContinuousWave(2e-6, 2.0, offset=447.0, phase=0.3)).timeline()
    np.testing.assert_array_equal(timeline.duration, [2.0])
    np.testing.assert_allclose(timeline.b1, [2e-6 * np.exp(0.3j)])
    np.testing.assert_array_equal(timeline.rf_offset, [447.0])
    b1, _ = timeline.at(jnp.array([1.2345]))
    np.testing.assert_allclose(b1, 2e-6 * np.exp(1j * (2 * np.pi * 447 * 1.2345 + 0.3)))


def test_ramps_are_cut_to_a_longest_step():
    sequence = mr.Sequence(mr.Together(trapezoid(10 * mT, "z", rise=0.25 * ms, flat=5 * ms), mr.Delay(8 * ms)))
    coarse, fine = sequence.timeline(), sequence.timeline(dt=0.1 * ms)
    lasting = lambda timeline: np.asarray(timeline.duration)[np.asarray(timeline.duration) > 0]
    np.testing.assert_allclose(lasting(coarse), np.array([0.25, 5, 0.25, 2.5]) * ms)
    np.testing.assert_allclose(lasting(fine), np.array([0.25 / 3] * 3 + [5] + [0.25 / 3] * 3 + [2.5]) * ms)
    times = jnp.linspace(0, 8, 200) * ms
    np.testing.assert_allclose(fine.at(times)[1], coarse.at(times)[1], atol=1e-15)
    np.testing.assert_allclose(fine.area_until(times), coarse.area_until(times), atol=1e-18)
    mean = fine.mean_gradient * fine.duration[:, None]
    np.testing.assert_allclose(mean.sum(axis=0), [0, 0, 10 * mT * 5.25 * ms])


def test_ramps_need_known_points_to_be_cut():
    def n_steps(rise):
        return mr.Sequence(trapezoid(1 * mT, rise=rise)).timeline(dt=10 * us).n_steps

    with pytest.raises(ValueError, match="`dt` must be None where gradients are traced"):
        jax.eval_shape(n_steps, 0.1 * ms)
    for wrong in (0.0, -1.0, np.inf, np.nan):
        with pytest.raises(ValueError, match=r"`dt` must be positive \(s\), or None, but got"):
            mr.Sequence(trapezoid(1 * mT)).timeline(dt=wrong)


# readouts and pulses


def test_a_readout_samples_the_middles_of_its_intervals():
    readout = mr.Readout(4, 10 * us, phase=0.2, offset=1000.0)
    sequence = mr.Sequence(
        mr.Delay(1 * ms),
        mr.Together(mr.Sequence(mr.Delay(0.1 * ms), readout, mr.Delay(50 * us), readout), trapezoid(1 * mT)),
    )
    timeline = sequence.timeline()
    middles = np.array([5, 15, 25, 35]) * us
    expected = np.concatenate([1.1 * ms + middles, 1.19 * ms + middles])
    np.testing.assert_allclose(timeline.sample_times, expected, rtol=1e-14)
    np.testing.assert_allclose(timeline.receiver_phase, np.tile(0.2 + 2 * np.pi * 1000 * middles, 2))
    assert sequence.n_samples == 8


def test_when_pulses_act_and_what_for():
    hard = lambda angle, **options: mr.ContinuousWave(angle / (GAMMA * 1e-3), 1 * ms, **options)
    late = mr.ShapedPulse(1e-6 * np.array([1.0, 2.0, 2.0, 5.0, 5.0, 1.0]), 1 * ms)
    sequence = mr.Sequence(
        mr.Pulse(90 * deg), hard(180 * deg), hard(180 * deg, use="excitation"), hard(90 * deg, use="refocusing"),
        hard(180 * deg, use="inversion"), late, mr.Pulse(-180 * deg)
    )  # fmt: skip
    timeline = sequence.timeline()
    np.testing.assert_allclose(timeline.rf_centers, np.array([0, 0.5, 1.5, 2.5, 3.5, 4 + 4, 10]) * ms)
    np.testing.assert_array_equal(timeline.rf_turns, [0, -1, 0, -1, 1, -1, -1])
    np.testing.assert_allclose(np.asarray(timeline.flip)[[0, -1]], [90 * deg, -180 * deg], atol=1e-15)


# trajectories


def gradient_echo(lines, read_area=-1.0):
    """Prephasing and phase encoding, then a readout whose middle is the echo."""
    n, dwell, amplitude = 16, 20 * us, 5 * mT
    area = amplitude * (n * dwell / 2 + 0.05 * ms)
    prephase = mr.Together(
        mr.Gradient.trapezoid(area=read_area * area, rise=0.1 * ms, flat=0.5 * ms, axis="x"),
        mr.Gradient.trapezoid(area=jnp.asarray(lines), rise=0.1 * ms, flat=0.5 * ms, axis="y"),
    )
    read = mr.Together(
        mr.Sequence(mr.Delay(0.1 * ms), mr.Readout(n, dwell)),
        mr.Gradient.trapezoid(amplitude, rise=0.1 * ms, flat=n * dwell, axis="x"),
    )
    return prephase, read


def test_the_trajectory_of_a_gradient_echo():
    timeline = mr.Sequence(mr.Pulse(0.3), *gradient_echo(-2e-6)).timeline()
    k = timeline.trajectory()
    np.testing.assert_allclose(k[:, 0], -GAMMA_BAR_1H * 5 * mT * 20 * us * (np.arange(16) - 7.5), rtol=1e-9)
    np.testing.assert_allclose(k[:, 1], GAMMA_BAR_1H * 2e-6, rtol=1e-9)
    np.testing.assert_array_equal(k[:, 2], 0.0)


def test_the_trajectory_of_a_spin_echo():
    """The prephaser stands before the refocusing pulse, which inverts it, and has the sign of the readout."""
    prephase, read = gradient_echo(1e-6, read_area=1.0)
    refocusing = mr.ContinuousWave(np.pi / (GAMMA * 1e-3), 1 * ms)
    timeline = mr.Sequence(
        mr.Pulse(np.pi / 2), prephase, mr.Together(refocusing, trapezoid(7 * mT, "z")), read
    ).timeline()
    k = timeline.trajectory()
    np.testing.assert_allclose(k[:, 0], -GAMMA_BAR_1H * 5 * mT * 20 * us * (np.arange(16) - 7.5), rtol=1e-9)
    np.testing.assert_allclose(k[:, 1], GAMMA_BAR_1H * 1e-6, rtol=1e-9)
    # the crusher is inverted in its middle, where the pulse acts
    halves = directly(trapezoid(7 * mT, "z"), 0, np.linspace(0, 1.2, 24001) * ms)
    before = np.trapezoid(halves[:10001], dx=0.05 * us)
    after = np.trapezoid(halves[10000:], dx=0.05 * us)
    np.testing.assert_allclose(k[:, 2], -GAMMA_BAR_1H * (after - before), rtol=1e-6)
    start = timeline.trajectory(jnp.array([0.0]))
    np.testing.assert_array_equal(start, 0.0)


def test_the_trajectory_is_what_spins_see():
    """The phase of a spin off the middle is 2 pi k r, for the same sequence in a simulation."""
    prephase, read = gradient_echo(0.4e-6)
    sequence = mr.Sequence(mr.Pulse(np.pi / 2), prephase, read)
    position = 1.3e-3
    at = lambda x: mr.simulate(sequence, mr.Tissue(t1=jnp.inf, t2=jnp.inf, x=x), mr.Isochromats(n=1))
    turned = np.asarray(at(position)) / np.asarray(at(0.0))
    expected = np.exp(-2j * np.pi * np.asarray(sequence.timeline().trajectory())[:, 0] * position)
    np.testing.assert_allclose(turned, expected, atol=1e-9)


# derivatives


def numbers_of(timeline):
    """One number that depends on all that a timeline holds."""
    times = jnp.linspace(0.05, 3.77, 23) * ms
    b1, gradient = timeline.at(times)
    cycles = timeline.rf_offset * timeline.duration
    turned = timeline.b1 * jnp.exp(1j * jnp.pi * cycles) * jnp.sinc(cycles)  # the mean over the step
    rf = jnp.sum(timeline.duration * (turned.real + 0.3 * turned.imag)) / 1e-9
    return (
        rf
        + jnp.sum(b1.real) / 1e-6
        + jnp.sum(gradient @ jnp.array([1.0, 2.0, 3.0])) / mT
        + jnp.sum(timeline.trajectory() @ jnp.array([1.0, -1.0, 0.5])) / 100
        + jnp.sum(timeline.sample_times) / ms
        + timeline.edges[-1] / ms
    )


@jax.jit
def shaped(values):
    """An excitation that begins and ends with the flat part of its gradient, a prephaser and a readout."""
    amplitude, rise, flat, dt, delay, dwell = values
    pulse = mr.ShapedPulse(2e-6 * jnp.arange(1.0, 11.0), dt, offset=200.0, use="excitation")
    sequence = mr.Sequence(
        mr.Together(mr.Sequence(mr.Delay(rise), pulse), trapezoid(amplitude, "z", rise=rise, flat=flat)),
        mr.Delay(delay),
        mr.Repeat(
            mr.Together(
                mr.Sequence(mr.Delay(rise), mr.Readout(8, dwell)),
                trapezoid(amplitude * jnp.array([1.0, -0.5]), rise=rise, flat=flat),
            )
        ),
    )
    return numbers_of(sequence.timeline())


VALUES = jnp.array([7 * mT, 0.1 * ms, 1 * ms, 0.1 * ms, 0.3 * ms, 0.1 * ms])


@pytest.mark.exhaustive
def test_derivatives_agree_with_finite_differences():
    """In amplitude, ramp, flat top, sample, delay and dwell time; pulse and flat top end together."""
    exact = jax.jit(jax.grad(shaped))(VALUES)
    _, forward = jax.jit(lambda v: jax.jvp(shaped, (v,), (v,)))(VALUES)
    np.testing.assert_allclose(forward, exact @ VALUES, rtol=1e-12)
    for i, value in enumerate(VALUES):
        step = 1e-5 * value
        along = lambda sign, i=i, step=step: shaped(VALUES.at[i].add(sign * step))
        np.testing.assert_allclose(exact[i], (along(1) - along(-1)) / (2 * step), rtol=1e-6)


def rf_area(start, lasting):
    """Of a block pulse under a gradient whose corners lie where the pulse begins and ends."""
    pulse = mr.Sequence(mr.Delay(start), mr.ContinuousWave(1e-6, lasting))
    timeline = mr.Sequence(mr.Together(trapezoid(10 * mT, "z"), pulse)).timeline()
    return jnp.sum(timeline.b1.real * timeline.duration)


def test_derivatives_where_edges_fall_together():
    """Moving a pulse within its gradient leaves its area, making it longer does not."""
    start, lasting = jax.jit(jax.grad(rf_area, (0, 1)))(0.1 * ms, 1 * ms)
    np.testing.assert_allclose(start, 0.0, atol=1e-20)
    np.testing.assert_allclose(lasting, 1e-6)

    def moved(corner):
        jump = mr.Gradient([1 * mT, 1 * mT, 3 * mT, 3 * mT], jnp.array([0.0, 1.0, 1.0, 2.0]) * ms + corner, "x")
        return mr.Sequence(jump).timeline().area_until(jnp.array([2 * ms]))[0, 0]

    late = jnp.array([0.0, 0.0, 1.0, 0.0])
    np.testing.assert_allclose(
        jax.jit(jax.grad(lambda t: moved(t * late)))(0.0), -1 * mT
    )  # a ramp has the mean of both sides


def test_a_timeline_is_made_within_compiled_functions():
    area = lambda amplitude: mr.Sequence(trapezoid(amplitude)).timeline().area_until(jnp.array([1 * ms]))[0, 0]
    amplitudes = jnp.array([1.0, 2.0, 3.0]) * mT
    np.testing.assert_allclose(jax.jit(jax.vmap(area))(amplitudes), amplitudes * (0.05 + 0.9) * ms, rtol=1e-12)


# what is refused


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: mr.Gradient([0.0, 1.0], [0.0, 1.0, 2.0], "x"), "`waveform` and `times` must have the same number of points"),
        (lambda: mr.Gradient([1.0], [0.0], "x"), "at least 2, but got shapes (1,) and (1,)"),
        (lambda: mr.Gradient(1.0, 0.0, "x"), "at least 2, but got shapes () and ()"),
        (lambda: mr.Gradient([0.0, 1.0], [1.0, 0.5], "x"), "must not fall from point to point, but got"),
        (lambda: mr.Gradient([0.0, 1.0], [-1.0, 0.5], "x"), "must not be negative (s), but got -1"),
        (lambda: mr.Gradient([0.0, np.nan], [0.0, 1.0], "x"), "`waveform` of `Gradient` must be finite"),
        (lambda: mr.Gradient([0.0, 1.0], [0.0, np.inf], "x"), "`times` of `Gradient` must be finite"),
        (lambda: mr.Gradient([0.0, 1j], [0.0, 1.0], "x"), "`waveform` must be real"),
        (lambda: trapezoid(None), "Give either `amplitude` (T/m) or `area` (T s/m)."),
        (lambda: mr.Gradient.trapezoid(1.0, area=1.0, rise=1.0, flat=1.0, axis="x"), "Give either `amplitude`"),
        (lambda: trapezoid(1.0, rise=-1e-3), "must not be negative"),
        (lambda: mr.Gradient.sampled(1.0, 1e-5, "x"), "`samples` must have at least one axis"),
        (lambda: mr.Readout(0, 1e-5), "`n` must be an integer of at least 1, but got 0"),
        (lambda: mr.Readout(4, 0.0), "`dwell` of `Readout` must be positive (s), but got 0"),
        (lambda: mr.Readout(4, 1e-5, phase=np.nan), "`phase` of `Readout` must be finite"),
        (lambda: mr.Together(), "`Together` must hold at least one track"),
        (lambda: mr.Together(mr.Pulse(1.0)), "Track 0 of `Together` must be an event that lasts"),
        (lambda: mr.Together(mr.Sequence(mr.Spoil())), "but holds a Spoil; play it before or after"),
        (lambda: mr.Together(mr.Readout(4, 1e-5), mr.ContinuousWave(1e-6, 1e-3)), "but tracks 0, 1 do"),
    ],
)  # fmt: skip
def test_wrong_events_are_refused(make, message):
    with pytest.raises(ValueError, match="`") as refused:
        make()
    assert message in str(refused.value)


def test_wrong_values_put_in_later_are_refused_with_the_place():
    sequence = mr.Sequence(mr.Delay(1 * ms), mr.Together(mr.Delay(1 * ms), trapezoid(1 * mT)))
    falling = eqx.tree_at(lambda s: s.events[1].tracks[1][0].times, sequence, jnp.array([0.0, 3.0, 2.0, 4.0]))
    with pytest.raises(ValueError, match=r"`times` of `event 1 \(Together\), track 1.0 \(Gradient\)` must not fall"):
        falling.timeline()


def test_one_entry_per_repetition_or_one_for_all():
    two = mr.Repeat(trapezoid(np.array([1.0, 2.0]) * mT), n_repetitions=2)
    np.testing.assert_allclose(mr.Sequence(two).timeline().area_until(jnp.array([1.0]))[0, 0], 3 * mT * 1.1 * ms)
    with pytest.raises(ValueError, match=r"`waveform` of event 0 \(Gradient\) must be a scalar or have one axis"):
        mr.Sequence(trapezoid(np.array([1.0, 2.0]) * mT)).timeline()
    samples = mr.Gradient.sampled(np.ones((3, 5)) * mT, 10 * us, "x")
    np.testing.assert_allclose(samples.area, (4 + 2 * 0.25) * mT * 10 * us * np.ones(3))
