"""Spins in sampled fields against an outside reference, the matrix exponential, and finite differences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads
from scipy.linalg import expm

import mrjax as mr

GAMMA = 2 * np.pi * 42.577478518e6


def test_slice_selective_pulse(reference_data):
    data = np.load(reference_data("bloch/slice_selective_f64.npz"))
    step, t1, t2 = float(data["dt"]), float(data["T1"]), float(data["T2"])
    end = mr.bloch(
        data["b1_T"],
        step,
        mr.Tissue(t1, t2, off_resonance=data["freq_Hz"][None]),
        field_gradient=data["g_T_m"],
        position=data["pos_m"][:, None],
        gyromagnetic_ratio=2 * np.pi * float(data["gamma_Hz_T"]),
    )
    # the reference turns clockwise, and relaxes once after each step: half a step later than the symmetric splitting
    np.testing.assert_allclose(
        end.transverse * np.exp(-step / 2 / t2), data["M"][..., 0] - 1j * data["M"][..., 1], atol=1e-12
    )
    np.testing.assert_allclose(1 + (end.longitudinal - 1) * np.exp(-step / 2 / t1), data["M"][..., 2], atol=1e-12)


def exponential(b1, step, t1, t2, frequency):
    """The Bloch equations of one spin, one step after the other, without splitting."""
    state = np.array([0.0, 0.0, 1.0, 1.0])
    for now in b1:
        x, y, z = GAMMA * now.real, GAMMA * now.imag, 2 * np.pi * frequency
        generator = np.array(
            [[-1 / t2, -z, y, 0], [z, -1 / t2, -x, 0], [-y, x, -1 / t1, 1 / t1], [0, 0, 0, 0]],
        )
        state = expm(generator * step) @ state
    return state[:3]


@pytest.mark.exhaustive
def test_splitting_converges_with_the_second_order_of_the_step():
    t1, t2, frequency, duration = 30e-3, 4e-3, 300.0, 4e-3
    errors = []
    for n in (20, 40, 80):
        b1 = np.full(n, 8e-6 * np.exp(0.4j))
        exact = exponential(b1, duration / n, t1, t2, frequency)
        end = mr.bloch(b1, duration / n, mr.Tissue(t1, t2, off_resonance=frequency), gyromagnetic_ratio=GAMMA)
        errors.append(abs(complex(end.transverse) - exact[0] - 1j * exact[1]) + abs(float(end.longitudinal) - exact[2]))
    assert errors[0] < 3e-3
    np.testing.assert_allclose(np.divide(errors[:-1], errors[1:]), 4, rtol=0.03)


def test_exact_where_relaxation_is_isotropic():
    b1 = np.array([5e-6, 3e-6j, -2e-6])
    end = mr.bloch(b1, 1e-3, mr.Tissue(0.02, 0.02, off_resonance=700.0), gyromagnetic_ratio=GAMMA)
    start = mr.bloch(np.zeros(1), 1e-3, mr.Tissue(0.02, 0.02))
    assert float(start.longitudinal) == 1.0
    lossless = mr.bloch(b1, 1e-3, mr.Tissue(jnp.inf, jnp.inf, off_resonance=700.0), gyromagnetic_ratio=GAMMA)
    length = float(abs(lossless.transverse) ** 2 + lossless.longitudinal**2)
    np.testing.assert_allclose(length, 1.0, rtol=1e-13)
    exact = exponential(b1, 1e-3, 1e9, 1e9, 700.0)
    np.testing.assert_allclose(lossless.transverse, exact[0] + 1j * exact[1], atol=1e-10)
    assert abs(complex(end.transverse)) < abs(complex(lossless.transverse))


@pytest.mark.exhaustive
def test_long_waveforms_are_played_in_parts(rng):
    b1 = rng.normal(size=30) * 3e-6 + 1j * rng.normal(size=30) * 3e-6
    slope = rng.normal(size=30) * 1e-3
    tissue, position = mr.Tissue(0.5, 0.05, b1=np.array([0.8, 1.0, 1.2])), np.array([-0.01, 0.0, 0.02])
    whole = mr.bloch(b1, 2e-5, tissue, field_gradient=slope, position=position)
    first = mr.bloch(b1[:11], 2e-5, tissue, field_gradient=slope[:11], position=position)
    second = mr.bloch(b1[11:], 2e-5, tissue, field_gradient=slope[11:], position=position, start=first)
    np.testing.assert_allclose(second.transverse, whole.transverse, rtol=1e-12)
    np.testing.assert_allclose(second.longitudinal, whole.longitudinal, rtol=1e-12)


def test_agrees_with_instantaneous_pulses():
    """Short steps of a strong field: 70 degrees about an axis of phase 0.6, then a free precession."""
    n, step = 50, 1e-9
    b1 = np.deg2rad(70) / (GAMMA * n * step) * np.exp(0.6j) * np.ones(n)
    pulse = mr.bloch(b1, step, mr.Tissue(1.0, 0.1), gyromagnetic_ratio=GAMMA)
    free = mr.bloch(np.zeros(10), 1e-3, mr.Tissue(1.0, 0.1, off_resonance=13.0), start=pulse)
    sequence = mr.Sequence(mr.Pulse(np.deg2rad(70), 0.6), mr.Delay(10e-3), mr.Sample())
    expected = mr.simulate(sequence, mr.Tissue(1.0, 0.1, off_resonance=13.0))
    np.testing.assert_allclose(free.transverse, expected[0], rtol=1e-6)


@pytest.mark.exhaustive
def test_gradients_in_every_array(rng):
    b1 = jnp.asarray(rng.normal(size=(2, 7)))

    def both(b1, slope, t1, t2, frequency, transmit, position, duration):
        tissue = mr.Tissue(t1 * 1e-2, t2 * 1e-2, off_resonance=frequency * 100, b1=transmit)
        wave = (b1[0] + 1j * b1[1]) * 1e-6
        end = mr.bloch(wave, duration * 1e-4, tissue, field_gradient=slope * 1e-2, position=position * 1e-2)
        return jnp.stack([end.transverse.real, end.transverse.imag, end.longitudinal])

    ones = lambda *x: jnp.asarray(x)
    arguments = (b1, jnp.asarray(rng.normal(size=7)), ones(2.0, 5.0), ones(1.0, 0.5), ones(1.0, -2.0), ones(0.9, 1.1))
    arguments = (*arguments, ones(0.5, -1.0), jnp.asarray(2.0))
    check_grads(jax.jit(both), arguments, order=1, modes=("fwd", "rev"), rtol=1e-6, atol=1e-8, eps=1e-5)


@pytest.mark.slow
def test_gradient_is_finite_without_any_field():
    loss = lambda b1: mr.bloch(b1, 1e-5, mr.Tissue(1.0, 0.1)).longitudinal
    gradient = jax.grad(loss)(jnp.zeros(5))
    np.testing.assert_array_equal(gradient, 0.0)  # z is largest where nothing turns it


def spin(**changes) -> mr.Tissue:
    return mr.Tissue(**({"t1": 1.0, "t2": 0.1} | changes))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: mr.bloch(1e-6, 1e-5, spin()),
            "`b1` must have one axis, with at least one step, but got shape ().",
        ),
        (
            lambda: mr.bloch([1e-6], [1e-5], spin()),
            "`duration` must be one number, that of every step (s), but got shape (1,).",
        ),
        (
            lambda: mr.bloch([1e-6], -1e-5, spin()),
            "`duration` must be positive (s), but got -1e-05.",
        ),
        (
            lambda: mr.bloch([1e-6], 1e-5, spin(), field_gradient=[1.0, 2.0]),
            "`field_gradient` must be one number or one for each of the 1 steps (T/m), but got shape (2,).",
        ),
        (
            lambda: mr.bloch([1e-6], 1e-5, spin(t2_prime=0.1)),
            "`bloch` knows no `t2_prime`; leave it out of the tissue.",
        ),
        (
            lambda: mr.bloch([1e-6], 1e-5, spin(t1=[1.0, 2.0]), position=[0.0, 0.1, 0.2]),
            "Shapes must broadcast to one voxel shape, but got t1 (2,), position (3,).",
        ),
    ],
)
def test_messages(call, message):
    with pytest.raises(ValueError) as error:  # noqa: PT011
        call()
    assert str(error.value) == message
