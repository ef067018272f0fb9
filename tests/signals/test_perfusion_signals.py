"""Closed forms of perfusion: against quadrature and differential equations, limits, derivatives, error sentences."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.integrate
from jax.test_util import check_grads

from mrjax.signals import models, perfusion
from mrjax.signals.perfusion import ArterialInput

KNOTS = np.array([0.0, 3.0, 5.0, 6.0, 10.0, 20.0, 45.0, 90.0, 150.0])
VALUES = np.array([0.0, 0.0, 4.0, 6.0, 3.0, 2.0, 1.5, 1.0, 0.7])
PLASMA = ArterialInput(KNOTS, VALUES)
TIME = np.array([-2.0, 2.0, 4.0, 5.5, 10.0, 33.0, 149.0])
RATES = np.array([0.0, 1e-4, 0.01, 0.3, 5.0])


def quadrature(function, until):
    """An integral of what bends at the knots."""
    ends = [*KNOTS[until > KNOTS], until] if until > 0 else [0.0, 0.0]
    return sum(scipy.integrate.quad(function, a, b, epsrel=1e-12)[0] for a, b in itertools.pairwise(ends))


def input_at(t):
    return np.interp(t, KNOTS, VALUES, left=0.0)


def test_convolutions_are_those_of_quadrature():
    found = jax.jit(perfusion.exponential_convolution)(PLASMA, RATES, TIME)
    for rate, row in zip(RATES, np.asarray(found), strict=True):
        expected = [quadrature(lambda s, t=t: input_at(s) * np.exp(-rate * (t - s)), t) for t in TIME]  # noqa: B023
        np.testing.assert_allclose(row, expected, rtol=1e-10, atol=1e-13)


@pytest.mark.exhaustive
def test_convolutions_have_the_derivatives_of_differences():
    between = jnp.asarray([2.0, 4.0, 5.5, 12.0, 33.0, 149.0])
    time = jnp.asarray(TIME[1:])

    @jax.jit
    def convolved(values, rate, time):
        return perfusion.exponential_convolution(ArterialInput(KNOTS, values), rate, time)

    # rates in units in which differences have no curvature to speak of
    hundredths = lambda values, rate, time: convolved(values, rate / 100, time)
    arguments = (jnp.asarray(VALUES), jnp.asarray([1.0, 30.0]), between)
    check_grads(hundredths, arguments, order=1, modes=("fwd", "rev"), rtol=1e-6)
    # at a sample of the input the slope has a bend, but one value
    slope = jax.jvp(lambda time: convolved(VALUES, jnp.asarray([0.3]), time), (time,), (jnp.ones(time.size),))
    np.testing.assert_allclose(slope[1][0], input_at(time) - 0.3 * slope[0][0], rtol=1e-9, atol=1e-12)
    at_zero = jax.grad(lambda rate: perfusion.exponential_convolution(PLASMA, rate, time).sum())(0.0)
    moment = sum(quadrature(lambda s, t=t: -(t - s) * input_at(s), t) for t in TIME[1:])
    np.testing.assert_allclose(at_zero, moment, rtol=1e-9)


@pytest.mark.exhaustive
def test_single_precision_loses_no_more_than_rounding():
    low = lambda value: jnp.asarray(value, jnp.float32)
    found = perfusion.exponential_convolution(ArterialInput(low(KNOTS), low(VALUES)), low(RATES), low(TIME))
    assert found.dtype == jnp.float32
    np.testing.assert_allclose(found, perfusion.exponential_convolution(PLASMA, RATES, TIME), rtol=3e-6, atol=1e-6)


def test_exchange_solves_its_differential_equations():
    flow, surface, ve, vp = 0.012, 0.004, 0.25, 0.07

    def rates(t, c):
        plasma = flow * (input_at(t) - c[0]) + surface * (c[1] - c[0])
        return [plasma / vp, surface * (c[0] - c[1]) / ve]

    start, pieces = np.zeros(2), [np.zeros((2, 1))]
    times = TIME[TIME > 0]
    stops = np.unique(np.r_[KNOTS, times])
    for a, b in itertools.pairwise(stops):
        if b > times[-1]:
            break
        start = scipy.integrate.solve_ivp(rates, (a, b), start, rtol=1e-10, atol=1e-13).y[:, -1]
        pieces.append(start[:, None])
    at = np.concatenate(pieces, axis=1)[:, np.searchsorted(stops, times)]
    found = perfusion.two_compartment_exchange(times, PLASMA, flow, surface, ve, vp)
    np.testing.assert_allclose(found, vp * at[0] + ve * at[1], rtol=1e-7)


@pytest.mark.exhaustive
def test_limits_are_those_of_simpler_models():
    patlak = perfusion.patlak(TIME, PLASMA, 2e-3, 0.05)
    np.testing.assert_allclose(perfusion.extended_tofts(TIME, PLASMA, 2e-3, 1e9, 0.05), patlak, rtol=1e-8)
    np.testing.assert_allclose(
        perfusion.extended_tofts(TIME, PLASMA, 0.0, 0.2, 0.05), 0.05 * input_at(TIME), rtol=1e-13
    )
    np.testing.assert_allclose(
        perfusion.tofts(TIME[2:], PLASMA, 1e4, 0.2), 0.2 * input_at(TIME[2:]), rtol=2e-4, atol=2e-5
    )
    # flow without limit is the extended Tofts model, exchange without limit one compartment
    np.testing.assert_allclose(
        perfusion.two_compartment_exchange(TIME, PLASMA, 1e4, 2e-3, 0.2, 0.05),
        perfusion.extended_tofts(TIME, PLASMA, 2e-3, 0.2, 0.05),
        rtol=1e-4,
        atol=1e-5,
    )
    np.testing.assert_allclose(
        perfusion.two_compartment_exchange(TIME, PLASMA, 8e-3, 1e3, 0.2, 0.05),
        perfusion.tofts(TIME, PLASMA, 8e-3, 0.25),
        rtol=1e-4,
        atol=1e-7,
    )


def test_the_input_of_a_population():
    """The area of the two boluses is that of their parameters, and what follows decays by 0.1685 per minute."""
    time = np.linspace(0, 600, 60001)
    course = np.asarray(perfusion.parker_input(time))
    assert time[course.argmax()] == pytest.approx(60 * 0.17046, abs=0.2)
    tail = course[time > 240]
    np.testing.assert_allclose(np.log(tail[0] / tail[-1]), 0.1685 * (time[-1] - time[time > 240][0]) / 60, rtol=1e-6)
    washout = 1.05 * np.exp(-0.1685 * time / 60) / (1 + np.exp(-38.078 * (time / 60 - 0.483)))
    assert np.trapezoid(course - washout, time / 60) == pytest.approx(
        0.809 + 0.330, rel=4e-3
    )  # what is before zero is cut


@pytest.mark.exhaustive
def test_concentrations_come_back_from_signals():
    concentration = np.array([[0.0, 0.01, 1.0, 8.0], [0.0, 0.02, 2.0, -0.01]])
    t1, b1 = np.array([1.4, 0.9]), np.array([0.9, 1.1])
    signal = perfusion.spgr_of_concentration(concentration, 0.3, 5e-3, t1, 4.5, 100.0, b1)
    e1 = np.exp(-5e-3 * (1 / t1[:, None] + 4.5 * concentration))
    flip = 0.3 * b1[:, None]
    np.testing.assert_allclose(signal, 100 * np.sin(flip) * (1 - e1) / (1 - np.cos(flip) * e1), rtol=1e-12)
    back = perfusion.concentration_from_spgr(signal, signal[:, 0], 0.3, 5e-3, t1, 4.5, b1)
    np.testing.assert_allclose(back, concentration, rtol=1e-9, atol=1e-12)
    beyond = perfusion.concentration_from_spgr(np.array([1.0, 1e3]), 1.0, 0.3, 5e-3, 1.4, 4.5)
    np.testing.assert_array_equal(np.isnan(beyond), [False, True])
    there = jax.jit(lambda signal: perfusion.concentration_from_spgr(signal, 2.0, 0.3, 5e-3, 1.4, 4.5))
    check_grads(there, (jnp.asarray([2.0, 3.0]),), order=1, modes=("fwd", "rev"), rtol=1e-6)


def labelled(t, flow, delay, duration, t1, t1_blood, efficiency, partition, pulsed):
    """The general kinetic model as a convolution of delivery, residue and relaxation."""
    delivery = lambda s: efficiency * np.exp(-(s if pulsed else delay) / t1_blood)
    lost = lambda age: np.exp(-age * (1 / t1 + flow / partition))
    arrived = min(t, delay + duration)
    if arrived <= delay:
        return 0.0
    return (
        2
        / partition
        * flow
        * scipy.integrate.quad(lambda s: delivery(s) * lost(t - s), delay, arrived, epsrel=1e-12)[0]
    )


@pytest.mark.exhaustive
@pytest.mark.parametrize(("kinetics", "pulsed"), [(perfusion.pcasl, False), (perfusion.pasl, True)])
def test_labelled_blood_is_that_of_the_convolution(kinetics, pulsed):
    time, flow = np.array([0.5, 1.0, 2.0, 3.0, 4.0]), np.array([0.01, 0.02])
    delay, duration = np.array([0.7, 1.3]), 1.5
    found = kinetics(time, flow, delay, duration, 1.0, 1.3, 1.65, 0.9, 0.9)
    for voxel in range(2):
        values = (flow[voxel], delay[voxel], duration, 1.3, 1.65, 0.9, 0.9, pulsed)
        np.testing.assert_allclose(found[voxel], [labelled(t, *values) for t in time], rtol=1e-10, atol=1e-16)
    # almost equal relaxation, where a difference of rates is almost zero
    t1_blood = (1 + 4e-5) / (1 / 1.3 + 0.01 / 0.9)
    values = (0.01, 0.7, duration, 1.3, t1_blood, 0.9, 0.9, pulsed)
    equal = kinetics(time, 0.01, 0.7, duration, 1.0, 1.3, t1_blood, 0.9, 0.9)
    np.testing.assert_allclose(equal, [labelled(t, *values) for t in time], rtol=1e-10, atol=1e-16)
    function = jax.jit(lambda flow, delay, t1: kinetics(time, flow, delay, duration, 1.0, t1))
    check_grads(
        function, (jnp.asarray(0.01), jnp.asarray(0.7), jnp.asarray(1.3)), order=1, modes=("fwd", "rev"), rtol=1e-6
    )


def test_mistakes_are_told():
    with pytest.raises(ValueError, match=r"`time` must not exceed the last of the arterial input \(s\), but got 200"):
        perfusion.tofts(np.array([1.0, 200.0]), PLASMA, 1e-3, 0.2)
    with pytest.raises(ValueError, match="`time` must increase"):
        ArterialInput([0.0, 2.0, 1.0], [0.0, 1.0, 1.0])
    with pytest.raises(ValueError, match=r"`time` and `concentration` must have one shape, .* got \(2,\) and \(3,\)"):
        ArterialInput([0.0, 1.0], [0.0, 1.0, 1.0])
    with pytest.raises(ValueError, match=r"`ktrans` must not be negative \(1/s\), but got -1"):
        perfusion.patlak(TIME, PLASMA, -1.0, 0.1)
    with pytest.raises(ValueError, match=r"`plasma_flow` must be positive \(1/s\), but got 0"):
        perfusion.two_compartment_exchange(TIME, PLASMA, 0.0, 1e-3, 0.2, 0.05)
    with pytest.raises(ValueError, match=r"`ve` must be positive \(fraction\), but got 0"):
        perfusion.tofts(TIME, PLASMA, 1e-3, 0.0)
    with pytest.raises(ValueError, match=r"`arrival_time` must not be negative \(s\), but got -1"):
        perfusion.pcasl(1.0, 0.01, -1.0, 1.8)
    with pytest.raises(ValueError, match="`labelling` must be 'pcasl' or 'pasl', but got 'casl'"):
        models.ArterialSpinLabelling([1.0], 1.8, "casl")
