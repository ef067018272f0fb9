"""Objects that move: fields of displacement, motions within each other, and what they make of an image."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import mrjax as mr
from mrjax.units import GAMMA_BAR, ms, us

GRID = (np.linspace(-0.1, 0.1, 5), np.array([-0.05, 0.0, 0.08]), np.linspace(0.0, 0.2, 4))
TIMES = np.array([0.0, 0.3, 1.0])


def field(seed):
    return np.random.default_rng(seed).normal(size=(3, 5, 3, 4)) * 1e-3


def spins(*coordinates):
    return [jnp.asarray(x) for x in np.broadcast_arrays(*coordinates)]


def test_a_field_of_displacements_is_itself_on_its_grid():
    with jax.enable_x64(True):
        motion = mr.motion.Displacement(TIMES, GRID, x=field(0), z=field(1))
        places = np.meshgrid(*GRID, indexing="ij")
        for k, time in enumerate(TIMES):
            x, y, z = motion.displaced(*spins(*places, time))
            np.testing.assert_allclose(x - places[0], field(0)[k], atol=1e-15)
            np.testing.assert_array_equal(y, places[1])
            np.testing.assert_allclose(z - places[2], field(1)[k], atol=1e-15)
        beyond = motion.displaced(*spins(-0.3, 0.0, 0.4, 9.0))
        beyond = np.asarray(beyond)
    np.testing.assert_allclose(
        [beyond[0] + 0.3, beyond[2] - 0.4], [field(0)[2, 0, 1, 3], field(1)[2, 0, 1, 3]], atol=1e-15
    )


def test_between_its_points_a_linear_field_is_linear():
    with jax.enable_x64(True):
        t, x, y, z = np.meshgrid(TIMES, *GRID, indexing="ij")
        motion = mr.motion.Displacement(TIMES, GRID, y=0.1 * t * x * z + 0.2 * y)
        place = spins(0.013, 0.021, 0.17, 0.71)
        moved = motion.displaced(*place)
        velocity = jax.jvp(lambda t: motion.displaced(*place[:3], t)[1], (place[3],), (jnp.ones(()),))[1]
    np.testing.assert_allclose(moved[1], 0.021 + 0.1 * 0.71 * 0.013 * 0.17 + 0.2 * 0.021, rtol=1e-12)
    np.testing.assert_allclose(velocity, 0.1 * 0.013 * 0.17, rtol=1e-9)


def test_a_shift_and_a_turn_are_not_a_turn_and_a_shift():
    with jax.enable_x64(True):
        shift = mr.motion.RigidMotion([0.0], [[0.03, 0.0, 0.0]])
        turn = mr.motion.RigidMotion([0.0], rotation=[[0.0, 0.0, np.pi / 2]])
        at = lambda motion: np.stack(motion.displaced(*spins(0.01, 0.02, 0.0, 0.5)))
        np.testing.assert_allclose(at(mr.motion.MotionsInTurn(shift, turn)), [-0.02, 0.04, 0.0], atol=1e-15)
        np.testing.assert_allclose(at(mr.motion.MotionsInTurn(turn, shift)), [0.01, 0.01, 0.0], atol=1e-15)


def test_a_periodic_motion_begins_anew():
    with jax.enable_x64(True):
        once = mr.motion.Displacement([0.0, 1.0, 4.0], ([0.0],) * 3, x=np.array([0.0, 0.02, 0.0]).reshape(3, 1, 1, 1))
        often = mr.motion.PeriodicMotion(once, 4.0)
        times = np.linspace(0.0, 3.9, 14)
        for n in (0, 1, 25):
            found = often.displaced(*spins(0.0, 0.0, 0.0, times + 4 * n))[0]
            np.testing.assert_allclose(found, once.displaced(*spins(0.0, 0.0, 0.0, times))[0], atol=1e-12)


def gradient_echo(n=8, spacing=5 * ms):
    """Lines of k-space from -n/2 on along y, one after each pulse; the trajectory in units of the field of view of 0.2 m."""
    step = 1 / (GAMMA_BAR["1H"] * 0.2)
    lines = (np.arange(n) - n // 2) * step
    amplitude = -step / (100 * us)
    before = lambda area, axis: mr.Gradient.trapezoid(area=area, rise=0.1 * ms, flat=0.5 * ms, axis=axis)
    ramp = 50 * us
    readout = mr.Together(
        mr.Gradient.trapezoid(amplitude, rise=ramp, flat=n * 100 * us, axis="x"),
        mr.Sequence(mr.Delay(ramp), mr.Readout(n, 100 * us)),
    )
    back = -amplitude * (n / 2 * 100 * us + 50 * us + ramp / 2)
    return mr.Repeat(
        mr.Pulse(np.pi / 2),
        mr.Together(before(back, "x"), before(-lines, "y")),
        readout,
        mr.Delay(spacing),
        mr.Reset(),
        n_repetitions=n,
    )


@pytest.mark.exhaustive
def test_a_shift_in_mid_scan_is_a_phase_of_the_later_lines():
    """The image is that of the object at both places, each seen by half of the lines."""
    n, shift = 8, np.array([0.013, -0.021])
    with jax.enable_x64(True):
        echo = gradient_echo(n)
        x, y = np.meshgrid([-0.03, 0.05], [-0.06, 0.0, 0.02], indexing="ij")
        tissue = mr.Tissue(np.inf, np.inf, x=jnp.asarray(x), y=jnp.asarray(y), m0=jnp.arange(1.0, 7.0).reshape(2, 3))
        k = echo.timeline().trajectory()
        jump = float(echo.duration) / 2 - 1 * ms
        moved = [np.zeros(3), np.append(shift, 0.0)]
        motion = mr.motion.RigidMotion([jump - 1e-4, jump + 1e-4], translation=moved)
        found = mr.simulate(echo, tissue, mr.Isochromats(motion=motion)).sum((0, 1))
        still = mr.simulate(echo, tissue, mr.Isochromats()).sum((0, 1))
        later = np.arange(n * n) >= n * n // 2
        expected = still * np.where(later, np.exp(-2j * np.pi * k[:, :2] @ shift), 1.0)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)
        displaced = mr.motion.Displacement(
            motion.times, ([0.0],) * 3, *(np.array([0.0, by]).reshape(2, 1, 1, 1) for by in shift)
        )
        again = mr.simulate(echo, tissue, mr.Isochromats(motion=displaced)).sum((0, 1))
    np.testing.assert_allclose(k[:: n + 1, 0] * 0.2, np.arange(n) - n // 2, atol=1e-9)
    np.testing.assert_allclose(again, found, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("wrong", "message"), [
    (lambda: mr.motion.Displacement([0.0, 1.0], ([0.0],) * 2), "`grid` must hold"),
    (lambda: mr.motion.Displacement([0.0, 1.0], ([0.0],) * 3, x=np.zeros((2, 1, 1))), r"`x` must have shape \(2, 1, 1, 1\)"),
    (lambda: mr.motion.Displacement([0.0, 0.0], ([0.0],) * 3), "`times` must rise"),
    (lambda: mr.motion.PeriodicMotion(mr.motion.RigidMotion([0.0]), -1.0), "`period`"),
])  # fmt: skip
def test_motions_that_make_no_sense_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        wrong()
