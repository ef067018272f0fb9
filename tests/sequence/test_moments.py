"""Moments of gradients and b-tensors, beside closed forms and integrals over fine steps."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from compiling import compiled_quickly

import mrjax as mr
from mrjax.sequence.moments import b_tensor, b_value, gradient_moment
from mrjax.sequence.timeline import GAMMA
from mrjax.units import mm, ms, mT, s


def spin_echo(amplitude, lasting, separation, ramp=0.0, axis="x", **refocusing):
    """Two trapezoids; `lasting` is from the start of a ramp to the end of the flat top, as in the closed form."""
    lobe = mr.Gradient.trapezoid(amplitude, rise=ramp, flat=lasting - ramp, axis=axis)
    rest = (separation - lasting - ramp) / 2
    echo = (mr.Delay(rest), mr.Pulse(np.pi, **refocusing), mr.Delay(rest))
    return mr.Sequence(mr.Pulse(np.pi / 2), lobe, *echo, lobe, mr.Sample())


def closed_form(amplitude, lasting, separation, ramp=0.0):
    wound = lasting**2 * (separation - lasting / 3) + ramp**3 / 30 - lasting * ramp**2 / 6
    return GAMMA**2 * amplitude**2 * wound


def finely(timeline, until, n=20001):
    """q q^T summed over fine steps since the last excitation, by the trajectory."""
    excited = np.asarray(timeline.rf_centers)[(np.asarray(timeline.rf_turns) == 0) & (timeline.rf_centers <= until)]
    times = np.linspace(excited[-1], until, n)
    q = 2 * np.pi * np.asarray(timeline.trajectory(jnp.asarray(times)))
    return np.trapezoid(q[:, :, None] * q[:, None, :], times, axis=0)


# b


@pytest.mark.exhaustive
@pytest.mark.parametrize("ramp", [0.0, 0.4 * ms, 3 * ms])
def test_the_b_value_of_stejskal_and_tanner(ramp):
    """With and without ramps; the pulse lies where nothing is played."""
    echo = spin_echo(40 * mT, 12 * ms, 25 * ms, ramp)
    b = b_tensor(echo.timeline())
    assert b.shape == (1, 3, 3)
    np.testing.assert_allclose(b[0, 0, 0], closed_form(40 * mT, 12 * ms, 25 * ms, ramp), rtol=1e-12)
    np.testing.assert_allclose(b_value(echo.timeline()), b[:, 0, 0])
    assert 100 * s / mm**2 < b[0, 0, 0] < 5000 * s / mm**2
    assert np.count_nonzero(b) == 1


@jax.jit
def b_of(values):
    return b_value(spin_echo(*values).timeline())[0]


@pytest.mark.exhaustive
def test_derivatives_of_b():
    """In amplitude, duration, separation and ramp, beside the closed form and finite differences."""
    values = jnp.array([40 * mT, 12 * ms, 25 * ms, 0.5 * ms])
    exact = compiled_quickly(jax.grad(b_of))(values)
    _, forward = compiled_quickly(lambda v: jax.jvp(b_of, (v,), (v,)))(values)
    np.testing.assert_allclose(forward, exact @ values, rtol=1e-10)
    np.testing.assert_allclose(exact, jax.grad(lambda v: closed_form(*v))(values), rtol=1e-9)
    for i, value in enumerate(values):
        step = 1e-4 * value
        slope = (b_of(values.at[i].add(step)) - b_of(values.at[i].add(-step))) / (2 * step)
        np.testing.assert_allclose(exact[i], slope, rtol=1e-6)


@pytest.mark.exhaustive
def test_the_b_tensor_counts_cross_terms_and_what_pulses_do():
    """Any gradients along all axes, pulses within them, and an excitation that begins anew."""
    rng = np.random.default_rng(0)
    points = lambda n: np.concatenate([[0], np.cumsum(rng.uniform(0.1, 1, n - 1))]) * ms
    wave = lambda axis, n: mr.Gradient(rng.uniform(-30, 30, n) * mT, points(n), axis)
    pulse = lambda use, start: mr.Sequence(mr.Delay(start), mr.ContinuousWave(3e-6, 0.7 * ms, use=use))
    waves = lambda: [wave("x", 6), wave("y", 6), wave("z", 6)]
    timeline = mr.Sequence(
        mr.Together(*waves(), pulse("excitation", 0.8 * ms)),
        mr.Together(*waves(), pulse("refocusing", 1.1 * ms)),
        mr.ContinuousWave(3e-6, 0.7 * ms, use="inversion"),
        mr.Together(*waves(), pulse("excitation", 1.3 * ms)),
    ).timeline()
    inside = [0.5 * timeline.rf_centers[1], 0.9 * timeline.rf_centers[3], timeline.edges[-1]]
    b = b_tensor(timeline, jnp.stack(inside)[:, None])
    assert b.shape == (3, 1, 3, 3)
    for time, one in zip(inside, b[:, 0], strict=True):
        expected = finely(timeline, float(time))
        np.testing.assert_allclose(one, expected, atol=1e-6 * np.abs(expected).max())
        np.testing.assert_allclose(one, one.T, rtol=1e-12)
        assert np.linalg.eigvalsh(one).min() > -1e-9 * np.abs(one).max()
    np.testing.assert_array_equal(b_tensor(timeline, timeline.rf_centers[3]), 0.0)


@pytest.mark.slow
def test_diffusion_in_a_simulation_is_that_of_b():
    """Of a sequence whose gradients are wound as one."""
    order, size, lasting = 2, 0.1 * mm, 5 * ms
    area = 2 * np.pi * order / (GAMMA * size)
    lobe = mr.Gradient([area / lasting] * 2, [0.0, lasting], "x")
    played = mr.Sequence(
        mr.Pulse(np.pi / 2), lobe, mr.Delay(8 * ms), mr.Pulse(np.pi), mr.Delay(8 * ms), lobe, mr.Sample()
    )
    wound = mr.Dephase(order, duration=lasting)
    modelled = mr.Sequence(
        mr.Pulse(np.pi / 2), wound, mr.Delay(8 * ms), mr.Pulse(np.pi), mr.Delay(8 * ms), wound, mr.Sample()
    )
    diffusion = 2e-9
    tissue = mr.Tissue(t1=jnp.inf, t2=jnp.inf, diffusion=diffusion)
    signal = mr.simulate(modelled, tissue, mr.EPG(voxel_size=size))
    np.testing.assert_allclose(abs(signal[0]), np.exp(-diffusion * b_value(played.timeline())[0]), rtol=1e-9)


def test_another_nucleus_is_weighted_by_its_own_ratio():
    timeline = spin_echo(40 * mT, 12 * ms, 25 * ms).timeline()
    ratio = b_value(timeline, gyromagnetic_ratio=GAMMA / 4) / b_value(timeline)
    np.testing.assert_allclose(ratio, 1 / 16)


# moments


@pytest.mark.exhaustive
def test_moments_are_the_integrals_of_the_waveform():
    rng = np.random.default_rng(1)
    gradient = mr.Gradient(
        np.append(0, rng.uniform(-1, 1, 6)) * mT, np.concatenate([[0], np.cumsum(rng.uniform(0.1, 1, 6))]) * ms, "y"
    )
    timeline = mr.Sequence(mr.Delay(0.7 * ms), gradient).timeline()
    times = np.linspace(0, float(timeline.edges[-1]), 200001)
    waveform = np.asarray(timeline.at(jnp.asarray(times))[1][:, 1])
    until = times[::40000]
    for order in range(3):
        products = waveform * (times - 0.3 * ms) ** order
        expected = np.concatenate([[0], np.cumsum((products[1:] + products[:-1]) / 2 * np.diff(times))])[::40000]
        moment = gradient_moment(timeline, order, until, origin=0.3 * ms)
        np.testing.assert_allclose(moment[:, 1], expected, atol=1e-9 * np.abs(expected).max())
        np.testing.assert_array_equal(np.asarray(moment)[:, [0, 2]], 0.0)


@pytest.mark.slow
def test_closed_forms_of_moments():
    """Of a rectangle from a to b: G (b^(n+1) - a^(n+1)) / (n + 1)."""
    timeline = mr.Sequence(mr.Delay(2 * ms), mr.Gradient([5 * mT] * 2, [0.0, 3 * ms], "z")).timeline()
    for order in (0, 3):
        expected = 5 * mT * ((5 * ms) ** (order + 1) - (2 * ms) ** (order + 1)) / (order + 1)
        np.testing.assert_allclose(gradient_moment(timeline, order, 5 * ms)[2], expected, rtol=1e-12)


@pytest.mark.exhaustive
def test_moments_follow_the_pulses():
    """Refocused, a pair of equal lobes has no area, and a first moment of its separation; the area is the trajectory."""
    timeline = spin_echo(40 * mT, 5 * ms, 9 * ms, 0.2 * ms).timeline()
    np.testing.assert_allclose(gradient_moment(timeline, 0)[0], 0.0, atol=1e-18)
    np.testing.assert_allclose(gradient_moment(timeline, 1)[0, 0], 40 * mT * 5 * ms * 9 * ms, rtol=1e-12)
    plain = gradient_moment(timeline, 0, effective=False)
    np.testing.assert_allclose(plain[0, 0], 2 * 40 * mT * 5 * ms, rtol=1e-12)
    times = jnp.linspace(0, 20, 50) * ms
    area = gradient_moment(timeline, 0, times)
    np.testing.assert_allclose(-GAMMA / (2 * np.pi) * area, timeline.trajectory(times), atol=1e-9)


@pytest.mark.exhaustive
def test_the_phase_of_moving_spins_is_that_of_moments():
    """Velocity turns by gamma M1 v, acceleration by gamma M2 a / 2."""
    timeline = mr.Sequence(mr.Gradient([3 * mT, -1 * mT, 2 * mT], [0, 2 * ms, 5 * ms], "x")).timeline()
    times = np.linspace(0, 5 * ms, 100001)
    start, velocity, acceleration = 1e-3, 0.4, 30.0
    place = start + velocity * times + acceleration * times**2 / 2
    phase = GAMMA * np.trapezoid(np.asarray(timeline.at(jnp.asarray(times))[1][:, 0]) * place, times)
    moments = [float(gradient_moment(timeline, order, 5 * ms)[0]) for order in range(3)]
    np.testing.assert_allclose(
        GAMMA * (moments[0] * start + moments[1] * velocity + moments[2] * acceleration / 2), phase, rtol=1e-8
    )


@pytest.mark.exhaustive
def test_an_infinite_wait_leaves_the_moments_before_it():
    lobe = mr.Gradient([1 * mT] * 2, [0.0, 1 * ms], "x")
    timeline = mr.Sequence(mr.Pulse(1.0), lobe, mr.Delay(jnp.inf), lobe).timeline()
    np.testing.assert_allclose(gradient_moment(timeline, 0, 1.0)[0], 1 * mT * ms)


@pytest.mark.parametrize("order", [-1, True])
def test_wrong_orders_are_refused(order):
    timeline = mr.Sequence(mr.Delay(1.0)).timeline()
    with pytest.raises(ValueError, match="`order` must be a Python integer, zero or more, but got"):
        gradient_moment(timeline, order, 0.5)
