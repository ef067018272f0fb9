"""Gradients, readouts and what is played together, for water and pools: against isochromats and matrix exponentials."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import expm

import mrjax as mr
from mrjax.units import GAMMA_BAR, ms, mT, uT

GAMMA = 2 * np.pi * GAMMA_BAR["1H"]
X, Z = np.array([-0.011, 0.0, 0.023]), np.array([0.004, -0.02, 0.013])
SELECTIVE = mr.Together(
    mr.Sequence(
        mr.Delay(0.3 * ms),
        mr.ShapedPulse(np.array([3, 7 - 2j, 4 + 1j]) * uT, 0.4 * ms, offset=jnp.array([-90.0, 210.0]), phase=0.4),
        mr.Delay(0.2 * ms),
        mr.Readout(3, 0.1 * ms, phase=0.3, offset=40.0),
        mr.Readout(2, 0.15 * ms),
    ),
    mr.Gradient.trapezoid(6 * mT, rise=0.5 * ms, flat=1 * ms, axis="z"),
    mr.Gradient.trapezoid(-4 * mT, rise=0.2 * ms, flat=2.1 * ms, axis="x"),
)
EVENTS = (
    mr.Pulse(0.4),
    SELECTIVE,
    mr.Together(mr.ContinuousWave(4 * uT, 1 * ms, 60.0), mr.Gradient.trapezoid(3 * mT, rise=0.4 * ms, flat=0.2 * ms, axis="z")),
    mr.Gradient.trapezoid(2 * mT, rise=0.1 * ms, flat=1 * ms, axis="z"),
    mr.Readout(4, 0.2 * ms, modulation=np.array([0.1, -0.4, 2.0, 0.0])),
    mr.SampleLongitudinal(),
)  # fmt: skip
SCAN = mr.Repeat(*EVENTS, n_repetitions=2)


@pytest.mark.exhaustive
def test_without_pools_they_are_isochromats():
    tissue = mr.Tissue(np.inf, np.inf, off_resonance=20.0, b1=0.9, x=X, z=Z, m0=1.5)
    of_spins = mr.simulate(SCAN, tissue, mr.Isochromats())
    np.testing.assert_allclose(mr.simulate(SCAN, tissue, mr.BlochMcConnell(b0=3.0)), of_spins, atol=1e-10)
    # with relaxation where there is no RF that lasts, for isochromats relax before and after its steps
    free = mr.Repeat(mr.Pulse(0.7), *EVENTS[3:5], mr.Dephase(1), mr.Pulse(0.9, 0.3), *EVENTS[3:], n_repetitions=2)
    tissue = mr.Tissue(0.4, 0.02, off_resonance=20.0, x=X, z=Z)
    of_spins = mr.simulate(free, tissue, mr.Isochromats(n=40))
    np.testing.assert_allclose(mr.simulate(free, tissue, mr.BlochMcConnell(b0=3.0)), of_spins, atol=1e-10)
    assert np.abs(of_spins).min() > 1e-3


POOL = {"fraction": 0.12, "exchange_rate": 60.0, "t1": 0.6, "t2": 0.015, "shift_ppm": 0.8}


def generator(field, detuning):
    """Of (x, y, z) of the water, of the pool, and 1."""
    f, k = POOL["fraction"], POOL["exchange_rate"]
    shift = 2 * np.pi * POOL["shift_ppm"] * 1e-6 * 3.0 * GAMMA_BAR["1H"]
    matrix = np.zeros((7, 7))
    for row, (t1, t2, omega, m0) in enumerate(
        [(0.9, 0.05, detuning, 1.0), (POOL["t1"], POOL["t2"], detuning + shift, f)]
    ):
        at = slice(3 * row, 3 * row + 3)
        wx, wy = field.real, field.imag
        matrix[at, at] = [[-1 / t2, -omega, wy], [omega, -1 / t2, -wx], [-wy, wx, -1 / t1]]
        matrix[3 * row + 2, 6] = m0 / t1
    eye = np.eye(3)
    matrix[:3, :3] -= f * k * eye
    matrix[:3, 3:6] += k * eye
    matrix[3:6, 3:6] -= k * eye
    matrix[3:6, :3] += f * k * eye
    return matrix


@pytest.mark.exhaustive
def test_two_pools_under_gradients_match_matrix_exponentials():
    samples, offset = np.array([3, 7 - 2j, 4 + 1j]) * uT, 210.0
    slope_z = lambda t: np.interp(t, [0, 0.5e-3, 1.5e-3, 2e-3], [0, 6e-3, 6e-3, 0.0])
    slope_x = lambda t: np.interp(t, [0, 0.2e-3, 2.3e-3, 2.5e-3], [0, -4e-3, -4e-3, 0.0])
    x, z, off_resonance = X[2], Z[2], 20.0
    state = np.array([0, 0, 1.0, 0, 0, POOL["fraction"], 1.0])
    taken, dt = [], 1e-6
    due = {1750: 0, 1850: 1, 1950: 2, 2075: 3, 2225: 4}
    for step in range(2500):
        t = (step + 0.5) * dt
        if step in due:
            taken.append(state[0] + state[3] + 1j * (state[1] + state[4]))
        rf = 0j
        if 0.3e-3 < t < 1.5e-3:
            rf = samples[int((t - 0.3e-3) / 0.4e-3)] * np.exp(1j * (2 * np.pi * offset * (t - 0.3e-3) + 0.4))
        detuning = 2 * np.pi * off_resonance + GAMMA * (slope_z(t) * z + slope_x(t) * x)
        state = expm(generator(GAMMA * rf, detuning) * dt) @ state
    receiver = 0.3 + 2 * np.pi * 40.0 * np.array([0.05e-3, 0.15e-3, 0.25e-3])
    expected = np.array(taken) * np.exp(-1j * np.append(receiver, [0.0, 0.0]))
    tissue = mr.Tissue(0.9, 0.05, off_resonance=off_resonance, x=x, z=z, pools=(mr.Pool(**POOL),))
    scan = mr.Repeat(mr.Reset(), SELECTIVE)
    for method in (mr.propagation.Propagator(), mr.propagation.Splitting(16)):
        found = mr.simulate(scan, tissue, mr.BlochMcConnell(b0=3.0, method=method))[5:]
        np.testing.assert_allclose(found, expected, atol=1e-5)
    assert np.abs(expected).min() > 0.05


@pytest.mark.slow
def test_a_constant_gradient_is_an_offset_of_every_pool():
    """That of semisolid pools too, at which their line shape is taken."""
    semisolid = mr.Pool(0.1, 30.0, t1=0.5, t2=12e-6, shift_ppm=-2.0, lineshape=mr.lineshapes.SuperLorentzian())
    pools = (semisolid, mr.Pool(**POOL))
    wave = mr.ContinuousWave(20 * uT, 8 * ms, 700.0, 0.3)
    constant = mr.Gradient([8 * mT, 8 * mT], [0.0, 8 * ms], "z")
    engine = mr.BlochMcConnell(b0=3.0)
    read = (mr.Sample(), mr.SampleLongitudinal())
    at_places = mr.Tissue(0.9, 0.05, z=Z, pools=pools)
    shifted = mr.Tissue(0.9, 0.05, off_resonance=GAMMA_BAR["1H"] * 8 * mT * Z, pools=pools)
    found = mr.simulate(mr.Sequence(mr.Together(wave, constant), *read), at_places, engine)
    np.testing.assert_allclose(found, mr.simulate(mr.Sequence(wave, *read), shifted, engine), atol=1e-10)
    assert np.ptp(found[:, 1].real) > 0.01


@pytest.mark.exhaustive
def test_derivatives_in_positions_and_amplitudes():
    pool = mr.Pool(**POOL)

    @jax.jit
    def signal(position, height):
        tissue = mr.Tissue(0.9, 0.05, z=position, pools=(pool,))
        gradient = mr.Gradient.trapezoid(height * mT, rise=0.4 * ms, flat=0.2 * ms, axis="z")
        scan = mr.Sequence(mr.Together(mr.ContinuousWave(4 * uT, 1 * ms), gradient), mr.Readout(1, 1e-5))
        return mr.simulate(scan, tissue, mr.BlochMcConnell(b0=3.0))[0].real

    step = 1e-6
    by_position = (signal(0.01 + step, 3.0) - signal(0.01 - step, 3.0)) / (2 * step)
    by_height = (signal(0.01, 3.0 + step) - signal(0.01, 3.0 - step)) / (2 * step)
    np.testing.assert_allclose(jax.grad(signal, (0, 1))(0.01, 3.0), (by_position, by_height), rtol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("event", [mr.Readout(2, 1e-4), mr.Gradient([0, 1e-3, 0], [0, 1e-3, 2e-3], "z")])
def test_voxels_without_a_position_are_in_the_middle(event):
    sequence, tissue = mr.Sequence(mr.Pulse(1.0), event, mr.Sample()), mr.Tissue(0.3, 0.05)
    of_spins = mr.simulate(sequence, tissue, mr.Isochromats())
    np.testing.assert_allclose(mr.simulate(sequence, tissue, mr.BlochMcConnell(b0=3.0)), of_spins, atol=1e-12)
