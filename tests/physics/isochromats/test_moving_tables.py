"""Tables played by spins that move, and under concomitant fields."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from compiling import compiled_quickly

import mrjax as mr
from mrjax.physics.isochromats.tables.concomitant import products_until
from mrjax.physics.isochromats.tables.courses import GradientCourse
from mrjax.units import GAMMA_BAR, ms, mT, us

GAMMA = 2 * np.pi * GAMMA_BAR["1H"]
PLACE = np.array([-0.03, 0.01, 0.05])
NOD = (
    [0.0, 5 * ms, 20 * ms],
    [[0.0, 0, 0], [1e-3, 0, 2e-3], [3e-3, -1e-3, 0]],
    [[0.0, 0, 0], [0, 0, 0.1], [0, 0.05, 0.2]],
)


def scan():
    """Selective pulses of two kinds with several readouts each, in a repeat."""
    shape = np.hanning(12)[1:-1]
    selective = mr.Together(
        mr.Sequence(mr.Delay(0.1 * ms), mr.ShapedPulse(6e-6 * shape, 0.1 * ms, offset=150.0, phase=np.arange(3.0))),
        mr.Gradient([0.0, 8 * mT, 6 * mT, 0.0], [0.0, 0.1 * ms, 1.1 * ms, 1.3 * ms], "z"),
    )
    lines = mr.Gradient.trapezoid(area=np.linspace(-20e-6, 20e-6, 3), rise=0.1 * ms, flat=0.8 * ms, axis="y")
    readout = mr.Together(
        mr.Sequence(mr.Delay(0.2 * ms), mr.Readout(4, 90 * us, phase=0.3)),
        mr.Gradient.trapezoid(-9 * mT, rise=0.2 * ms, flat=1 * ms, axis="x"),
    )
    return mr.Sequence(
        mr.Repeat(selective, lines, readout, mr.Delay(1 * ms), readout, n_repetitions=3),
        mr.ContinuousWave(6e-6, 1 * ms),
        mr.Pulse(0.7),
        mr.Sample(),
    )


def tissue(**others):
    places = {"x": jnp.asarray(PLACE), "y": jnp.asarray(PLACE[::-1]), "z": jnp.asarray(PLACE / 10)}
    return mr.Tissue(jnp.linspace(0.3, 1.2, 3), jnp.linspace(0.03, 0.1, 3), b1=0.9, **places, **others)


MOVING = {
    "flow": (lambda: ({"velocity_x": 0.3, "velocity_z": jnp.linspace(-1, 1, 3)}, {})),
    "rigid": (lambda: ({}, {"motion": mr.motion.RigidMotion(*NOD)})),
    "both, and sub-voxel spins": (
        lambda: ({"velocity_z": 0.2}, {"motion": mr.motion.RigidMotion(*NOD), "voxel_size": 2e-3, "n": 30})
    ),
}


# events one by one take half a minute to compile, so the one kind that has all of the others stands for them
@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(kind, marks=pytest.mark.slow if kind.startswith("both") else pytest.mark.exhaustive)
        for kind in MOVING
    ],
)
def test_what_moves_is_played_as_event_by_event(kind, monkeypatch):
    with jax.enable_x64(True):
        effects, engine = MOVING[kind]()

        def play():
            first, state = mr.play(scan(), tissue(**effects), mr.Isochromats(**engine))
            second, state = mr.play(scan(), tissue(**effects), mr.Isochromats(**engine), state=state)
            return first, second, state

        found = play()
        monkeypatch.setattr("mrjax.physics.isochromats.engine.rows_of", lambda *_: None)
        expected = play()
    for got, due in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(got, due, rtol=0, atol=1e-12)


def bent(t):
    """A gradient along x that is a triangle, and one along z that jumps and then falls."""
    x = np.interp(t, [0.0, 1.0, 3.0], [0.0, 0.2, 0.0])
    return x, np.where((t > 0.5) & (t < 2.5), 0.3 - t / 10, 0.0)


@pytest.mark.slow
def test_products_of_gradients_are_integrated_exactly():
    courses = {
        0: [GradientCourse.of(np.zeros(1), mr.Gradient(np.array([[0.0, 0.2, 0.0]]), np.array([[0.0, 1.0, 3.0]]), "x"))],
        2: [GradientCourse.of(np.array([0.5]), mr.Gradient(np.array([[0.25, 0.05]]), np.array([[0.0, 2.0]]), "z"))],
    }
    times = np.array([[2.7, 0.2, 0.5, 1.7, -1.0, 9.0]])
    found = products_until(courses, times)[0]
    fine = (np.arange(400_000) + 0.5) / 1e5
    x, z = bent(fine)
    for time, row in zip(times[0], found, strict=True):
        until = fine < time
        expected = [np.sum(product[until]) / 1e5 for product in (z**2, x**2, x * z, 0 * z)]
        np.testing.assert_allclose(row, expected, rtol=0, atol=1e-6)
    traced = jax.jit(lambda times: products_until(courses, times))(jnp.asarray(times))
    np.testing.assert_allclose(traced[0], found, rtol=1e-5, atol=1e-7)


def encoded(b0, **places):
    """The phase that concomitant fields add to a gradient echo of spins, in rad."""
    lobes = [mr.Gradient([20 * mT, 20 * mT], [0.0, 2 * ms], axis) for axis in "xz"]
    back = [mr.Gradient([-20 * mT, -20 * mT], [0.0, 2 * ms], axis) for axis in "xz"]
    echo = mr.Sequence(mr.Pulse(np.pi / 2), mr.Together(*lobes), mr.Together(*back), mr.Readout(1, 1 * us))
    signal = lambda **engine: mr.simulate(echo, mr.Tissue(np.inf, np.inf, **places), mr.Isochromats(**engine))[..., 0]
    return jnp.angle(signal(concomitant_b0=b0) / signal())


@pytest.mark.exhaustive
def test_concomitant_fields_are_what_maxwell_asks_for():
    """The length of the vector of the field, less what is linear in gradients, at high field."""
    with jax.enable_x64(True):
        x, y, z = np.array([[0.02, 0.03, -0.04], [0.02, 0.0, 0.0], [0.0, 0.03, 0.0], [0.0, 0.0, -0.04]]).T
        g, b0 = 20e-3, 30.0
        bx, by, bz = g * z - g * x / 2, -g * y / 2, g * x + g * z
        exact = np.hypot(np.hypot(bx, by), b0 + bz) - b0 - bz
        found = encoded(b0, x=x, y=y, z=z)
    np.testing.assert_allclose(found, GAMMA * exact * 4e-3, rtol=2e-4)
    np.testing.assert_allclose(found[1], GAMMA * g**2 * x[1] ** 2 / (8 * b0) * 4e-3, rtol=1e-9)
    np.testing.assert_allclose(found[3], GAMMA * g**2 * z[3] ** 2 / (2 * b0) * 4e-3, rtol=1e-9)


@pytest.mark.exhaustive
def test_concomitant_fields_act_under_rf_as_off_resonance():
    """Of two pulses that select nothing, one under a gradient along x, that the spin does not see but by its square."""
    with jax.enable_x64(True):
        z, b0 = 0.3, 0.5
        pulse = mr.ShapedPulse(np.full(50, 3e-6), 40 * us)
        under = mr.Sequence(mr.Together(pulse, mr.Gradient([40 * mT, 40 * mT], [0.0, 2 * ms], "x")), mr.Sample())
        shift = GAMMA_BAR["1H"] * 40e-3**2 * z**2 / (2 * b0)
        found = mr.simulate(under, mr.Tissue(1.0, 0.1, z=z), mr.Isochromats(concomitant_b0=b0))
        expected = mr.simulate(
            mr.Sequence(pulse, mr.Sample()), mr.Tissue(1.0, 0.1, off_resonance=shift), mr.Isochromats()
        )
    assert shift > 50
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-6)


PULSE = mr.Together(mr.ShapedPulse(np.full(4, 3e-6), 40 * us), mr.Gradient([40 * mT, 40 * mT], [0.0, 0.16 * ms], "x"))


@pytest.mark.exhaustive
def test_concomitant_fields_have_derivatives_in_field_and_gradient():
    with jax.enable_x64(True):

        def value(numbers):
            b0, scale = numbers
            lobe = mr.Gradient.trapezoid(scale * 20 * mT, rise=0.1 * ms, flat=1 * ms, axis="z")
            moving = dataclasses.replace(tissue(), velocity_x=jnp.asarray(0.2))
            signal = mr.simulate(
                mr.Sequence(mr.Pulse(1.0), lobe, PULSE, mr.Sample()), moving, mr.Isochromats(concomitant_b0=b0)
            )
            return jnp.sum(signal.real - 0.3 * signal.imag)

        numbers = (jnp.asarray(0.3), jnp.asarray(1.1))
        along = compiled_quickly(lambda h: value((numbers[0] + h, numbers[1] - h)))
        reverse = compiled_quickly(jax.grad(value))(numbers)
        forward = compiled_quickly(lambda: jax.jvp(value, (numbers,), ((1.0, -1.0),))[1])()
        slope = (along(1e-5) - along(-1e-5)) / 2e-5
    np.testing.assert_allclose([reverse[0] - reverse[1], forward], slope, rtol=1e-6)


def test_concomitant_fields_are_refused_where_they_are_not_known():
    lobe = mr.Gradient([20 * mT, 20 * mT], [0.0, 1 / (GAMMA_BAR["1H"] * 20 * mT * 1e-3)], axis="z")
    sequence = mr.Sequence(mr.Pulse(1.0), lobe, mr.Sample())
    with pytest.raises(ValueError, match=r"concomitant_b0.*diffusion"):
        mr.simulate(
            sequence, mr.Tissue(1.0, 0.1, diffusion=1e-9), mr.Isochromats(voxel_size=1e-3, concomitant_b0=3.0, n=9)
        )
    with pytest.raises(ValueError, match="`concomitant_b0` must be one number"):
        mr.Isochromats(concomitant_b0=[1.5, 3.0])
    with pytest.raises(ValueError, match="concomitant_b0"):
        mr.Isochromats(concomitant_b0=-3.0)
