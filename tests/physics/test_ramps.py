"""RF that is played while gradients change, against thousands of small rotations in NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import mrjax as mr
from mrjax.physics.waveforms import rf_steps
from mrjax.units import GAMMA_BAR, ms, mT, uT

GAMMA = 2 * np.pi * GAMMA_BAR["1H"]
LOSSLESS = {"t1": np.inf, "t2": np.inf}
BLOCK = mr.ContinuousWave(2 * uT, 3 * ms)
TRAPEZOID = mr.Gradient.trapezoid(5 * mT, rise=1 * ms, flat=1 * ms, axis="z")
POSITION = np.linspace(-0.05, 0.05, 21)


def turned(start, angles):
    """Magnetisation after a rotation by a vector of angles, right-handed."""
    angle = np.linalg.norm(angles, axis=0)
    axis = angles / np.where(angle > 0, angle, 1.0)
    along = np.sum(axis * start, axis=0)
    return start * np.cos(angle) + np.cross(axis, start, axis=0) * np.sin(angle) + axis * along * (1 - np.cos(angle))


def played(rf, detuning, duration, t1=np.inf, t2=np.inf, n=8000):
    """From equilibrium in `n` steps: RF in rad/s (complex) and a detuning in rad/s for each spin as functions of time."""
    dt = duration / n
    m = np.zeros((3, *np.shape(detuning(0.0))))
    m[2] = 1.0
    e1, e2 = np.exp(-dt / 2 / t1), np.exp(-dt / 2 / t2)

    def relaxed(m):
        return np.stack([e2 * m[0], e2 * m[1], 1 + e1 * (m[2] - 1)])

    for k in range(n):
        now = (k + 0.5) * dt
        field, frequency = rf(now), detuning(now)
        turn = np.stack(np.broadcast_arrays(np.real(field), np.imag(field), frequency)) * dt
        m = relaxed(turned(relaxed(m), turn))
    return m


def slope_of(gradient):
    return lambda time: np.interp(time, gradient.times, gradient.waveform, left=0.0, right=0.0)


@pytest.fixture(scope="module")
def expected():
    slope = slope_of(TRAPEZOID)
    return played(lambda t: GAMMA * 2 * uT, lambda t: GAMMA * slope(t) * POSITION, 3 * ms)


def magnetisation(engine, sequence, tissue):
    state = mr.play(sequence, tissue, engine)[1]
    if isinstance(engine, mr.EPG):
        return jnp.stack([state.f_plus[0].real, state.f_plus[0].imag, state.z[0].real])
    return jnp.stack([state.x[0], state.y[0], state.z[0]])


@pytest.mark.parametrize("engine", [mr.EPG(), mr.Isochromats()], ids=["EPG", "Isochromats"])
@pytest.mark.parametrize("transform", [jax.jit, lambda f: f], ids=["traced", "known"])
def test_one_block_of_rf_under_a_trapezoid(engine, transform, expected):
    tissue = mr.Tissue(**LOSSLESS, z=POSITION)
    block = lambda b1: mr.Sequence(mr.Together(mr.ContinuousWave(b1, 3 * ms), TRAPEZOID))
    found = transform(lambda b1: magnetisation(engine, block(b1), tissue))(2 * uT)
    assert np.abs(found - expected).max() < 1e-5


@pytest.mark.exhaustive
@pytest.mark.parametrize("engine", [mr.EPG(), mr.Isochromats()], ids=["EPG", "Isochromats"])
def test_derivatives_in_the_height_of_the_trapezoid(engine):
    tissue = mr.Tissue(**LOSSLESS, z=0.004)

    @jax.jit
    def longitudinal(height):
        gradient = mr.Gradient.trapezoid(height, rise=1 * ms, flat=1 * ms, axis="z")
        return magnetisation(engine, mr.Sequence(mr.Together(BLOCK, gradient)), tissue)[2]

    step = 1e-4 * mT
    difference = (longitudinal(5 * mT + step) - longitudinal(5 * mT - step)) / (2 * step)
    np.testing.assert_allclose(jax.grad(longitudinal)(5 * mT), difference, rtol=1e-6)


def test_samples_that_are_short_enough_stay_as_they_are():
    pulse = mr.ShapedPulse(5 * uT * np.hanning(302)[1:-1], 10e-6)
    flat = mr.Sequence(
        mr.Together(
            mr.Sequence(mr.Delay(0.2 * ms), pulse),
            mr.Gradient.trapezoid(10 * mT, rise=0.2 * ms, flat=3 * ms, axis="z"),
        )
    )
    bounds = rf_steps.Bounds.of(mr.Tissue(1.0, 0.05, z=0.02), GAMMA, relaxes=True)
    n = lambda sequence: rf_steps.finely_cut(sequence, bounds).events[0].tracks[0][-1].waveform.shape[-1]
    assert n(flat) == 300
    assert n(mr.Sequence(mr.Together(mr.Sequence(BLOCK), TRAPEZOID))) > 30


def test_the_profile_of_one_block_under_a_trapezoid(expected):
    profile = mr.slice_profile(mr.Together(BLOCK, TRAPEZOID), POSITION)
    assert np.abs(profile.excited - (expected[0] + 1j * expected[1])).max() < 1e-5
    assert np.abs(profile.inverted - expected[2]).max() < 1e-5


LONG_SAMPLES = mr.ShapedPulse(np.array([3, -2j, 1 + 4j, -3 + 1j]) * uT, 0.7 * ms, offset=180.0, phase=0.6)
ALONG_X = mr.Gradient(np.array([-3, 2, 7, 7, -5]) * mT, np.array([0.4, 0.9, 0.9, 1.6, 3.1]) * ms, "x")
ALONG_Z = mr.Gradient.trapezoid(4 * mT, rise=0.8 * ms, flat=1.5 * ms, axis="z")


@pytest.fixture(scope="module")
def points(rng):
    return {"x": rng.uniform(-0.03, 0.03, 12), "z": rng.uniform(-0.05, 0.05, 12), "df": rng.uniform(-80, 80, 12)}


@pytest.fixture(scope="module")
def rng():
    return np.random.default_rng(3)


def long_samples(points, t1=np.inf, t2=np.inf):
    """What four long samples do under two gradients, of which one jumps."""
    samples = np.asarray(LONG_SAMPLES.waveform)

    def rf(t):
        return GAMMA * samples[min(int(t / 0.7e-3), 3)] * np.exp(1j * (2 * np.pi * 180.0 * t + 0.6))

    along = [(GAMMA * points["x"], slope_of(ALONG_X)), (GAMMA * points["z"], slope_of(ALONG_Z))]
    detuning = lambda t: 2 * np.pi * points["df"] + sum(place * slope(t) for place, slope in along)
    return played(rf, detuning, 2.8 * ms, t1, t2, n=14000)


@pytest.mark.exhaustive
def test_long_samples_under_gradients_that_jump(points):
    sequence = mr.Sequence(mr.Together(LONG_SAMPLES, ALONG_X, ALONG_Z))
    # both engines go on until the last gradient ends; what is wound until then is taken back
    areas = [float(g.area - g.area_until(jnp.array([2.8 * ms]))[0]) for g in (ALONG_X, ALONG_Z)]
    angle = GAMMA * (areas[0] * points["x"] + areas[1] * points["z"]) + 2 * np.pi * points["df"] * 0.3e-3
    lossless = mr.Tissue(**LOSSLESS, x=points["x"], z=points["z"], off_resonance=points["df"])
    for engine in (mr.EPG(), mr.Isochromats()):
        x, y, z = np.asarray(magnetisation(engine, sequence, lossless))
        x, y = np.real((x + 1j * y) * np.exp(-1j * angle)), np.imag((x + 1j * y) * np.exp(-1j * angle))
        assert np.abs(np.stack([x, y, z]) - long_samples(points)).max() < 1e-5


def test_long_samples_with_relaxation(points):
    # gradients end with the pulse here
    cut = lambda g: mr.Gradient(np.append(g.waveform[:4], 0.0), np.append(g.times[:4], 2.8 * ms), g.axis)
    sequence = mr.Sequence(mr.Together(LONG_SAMPLES, cut(ALONG_X)))
    tissue = mr.Tissue(0.2, 0.01, x=points["x"], off_resonance=points["df"])
    slope, samples = slope_of(cut(ALONG_X)), np.asarray(LONG_SAMPLES.waveform)
    rf = lambda t: GAMMA * samples[min(int(t / 0.7e-3), 3)] * np.exp(1j * (2 * np.pi * 180.0 * t + 0.6))
    detuning = lambda t: 2 * np.pi * points["df"] + GAMMA * slope(t) * points["x"]
    reference = played(rf, detuning, 2.8 * ms, 0.2, 0.01, n=14000)
    assert np.abs(magnetisation(mr.Isochromats(), sequence, tissue) - reference).max() < 1e-5
