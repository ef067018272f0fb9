"""Slice profiles against the Bloch equations, Fourier transforms, symmetries and finite differences."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from compiling import compiled_quickly

import mrjax as mr
from mrjax.physics import Magnetisation

GAMMA = 2 * np.pi * mr.units.GAMMA_BAR["1H"]
POSITION = np.linspace(-12e-3, 12e-3, 49)
LOSSLESS = mr.Tissue(jnp.inf, jnp.inf)


def sinc(amplitude=6e-6, n=60, dt=40e-6, **changes) -> mr.ShapedPulse:
    """A windowed sinc, symmetric in time."""
    t = (np.arange(n) + 0.5) / n - 0.5
    return mr.ShapedPulse(amplitude * jnp.asarray(np.sinc(4 * t) * (0.5 + 0.5 * np.cos(2 * np.pi * t))), dt, **changes)


def rephased(pulse: mr.ShapedPulse, slope: float = 8e-3) -> mr.Sequence:
    """With a slice gradient and half of it taken back."""
    duration = float(pulse.duration)
    ramp = 80e-6
    selection = mr.Gradient.trapezoid(slope, rise=ramp, flat=duration, axis="z")
    back = mr.Gradient.trapezoid(area=-selection.area / 2, rise=ramp, flat=1.04e-3, axis="z")
    return mr.Sequence(mr.Together(selection, mr.Sequence(mr.Delay(ramp), pulse)), back)


@pytest.mark.exhaustive
def test_every_sample_turns_as_the_bloch_equations_say(rng):
    waveform = 8e-6 * (rng.normal(size=50) + 1j * rng.normal(size=50))
    slope = 12e-3
    profile = mr.slice_profile(mr.ShapedPulse(waveform, 20e-6, phase=0.7), POSITION, gradient=slope)
    end = mr.bloch(waveform * np.exp(0.7j), 20e-6, LOSSLESS, field_gradient=slope, position=POSITION)
    np.testing.assert_allclose(profile.excited, end.transverse, atol=1e-10)
    np.testing.assert_allclose(profile.inverted, end.longitudinal, atol=1e-10)
    # any magnetisation, by the formula of the docstring
    start = Magnetisation(jnp.full(49, 0.3 - 0.5j), jnp.full(49, 0.2))
    end = mr.bloch(waveform * np.exp(0.7j), 20e-6, LOSSLESS, field_gradient=slope, position=POSITION, start=start)
    alpha, beta = np.conj(profile.alpha), np.asarray(profile.beta)
    transverse = alpha**2 * (0.3 - 0.5j) - beta**2 * (0.3 + 0.5j) + 2 * alpha * beta * 0.2
    np.testing.assert_allclose(transverse, end.transverse, atol=1e-10)


@pytest.mark.exhaustive
def test_gradients_of_a_sequence_are_played_in_all_their_parts():
    """Selection with ramps, then a gradient that rephases: the same steps by hand."""
    pulse = sinc()
    profile = mr.slice_profile(rephased(pulse), POSITION)
    # without RF, the area of a gradient counts alone: two steps for each ramp, thirty for the way back
    b1 = np.concatenate([np.zeros(2), pulse.waveform, np.zeros(32)])
    slope = np.concatenate([np.full(2, 4e-3), np.full(60, 8e-3), np.full(2, 4e-3), np.full(30, -8e-3 * 62 / 2 / 30)])
    end = mr.bloch(b1, 40e-6, LOSSLESS, field_gradient=slope, position=POSITION)
    np.testing.assert_allclose(profile.excited, end.transverse, atol=1e-10)
    np.testing.assert_allclose(profile.inverted, end.longitudinal, atol=1e-10)


def test_an_offset_shifts_the_slice():
    slope, shift = 10e-3, 3e-3
    offset = GAMMA * slope * shift / (2 * np.pi)
    centred = mr.slice_profile(sinc(offset=jnp.zeros(())), POSITION - shift, gradient=slope)
    shifted = mr.slice_profile(sinc(offset=offset), POSITION, gradient=slope)
    np.testing.assert_allclose(shifted.flip_angle, centred.flip_angle, atol=1e-10)
    np.testing.assert_allclose(shifted.nominal_flip_angle, centred.nominal_flip_angle, rtol=1e-12)


def test_small_angles_give_the_fourier_transform_of_the_pulse():
    amplitude = 5e-9  # 0.06 degrees
    profile = mr.slice_profile(sinc(amplitude), POSITION, gradient=8e-3)
    waveform, dt = np.asarray(sinc(amplitude).waveform), 40e-6
    time = (np.arange(60) + 0.5) * dt
    frequency = GAMMA * 8e-3 * POSITION
    # each sample is turned on by what follows it, and averaged over its own length
    phase = np.exp(1j * frequency[:, None] * (60 * dt - time)) * np.sinc(frequency * dt / 2 / np.pi)[:, None]
    expected = -1j * GAMMA * dt * phase @ waveform
    np.testing.assert_allclose(profile.excited, expected, atol=1e-6 * np.abs(expected).max())


def test_a_real_symmetric_pulse_selects_symmetrically():
    profile = mr.slice_profile(sinc(12e-6), POSITION, gradient=8e-3)
    np.testing.assert_allclose(profile.flip_angle, profile.flip_angle[::-1], atol=1e-12)
    np.testing.assert_allclose(profile.excited, -np.conj(profile.excited[::-1]), atol=1e-12)
    # the axis of a symmetric pulse is x, or -x in side lobes; gradients before and after it have no part in that
    within = np.abs(POSITION) < 3e-3
    np.testing.assert_allclose(profile.phase[within], 0.0, atol=1e-12)
    again = mr.slice_profile(rephased(sinc(12e-6)), POSITION)
    np.testing.assert_allclose(again.phase[within], 0.0, atol=1e-12)
    np.testing.assert_allclose(again.flip_angle, profile.flip_angle, atol=1e-10)


def test_what_a_profile_says_of_excitation_inversion_and_refocusing_is_of_one_rotation():
    profile = mr.slice_profile(sinc(20e-6), POSITION, gradient=8e-3)
    np.testing.assert_allclose(np.abs(profile.alpha) ** 2 + np.abs(profile.beta) ** 2, 1.0, rtol=1e-12)
    np.testing.assert_allclose(np.abs(profile.excited), np.sin(profile.flip_angle), atol=1e-12)
    np.testing.assert_allclose(profile.inverted, np.cos(profile.flip_angle), atol=1e-12)
    np.testing.assert_allclose(np.abs(profile.refocused), np.sin(profile.flip_angle / 2) ** 2, atol=1e-12)


def test_the_nominal_angle_is_that_on_resonance():
    profile = mr.slice_profile(sinc(), POSITION, gradient=8e-3)
    area = float(np.sum(sinc().waveform)) * 40e-6
    np.testing.assert_allclose(profile.nominal_flip_angle, GAMMA * area, rtol=1e-12)
    np.testing.assert_allclose(profile.flip_angle[24], GAMMA * area, rtol=1e-12)


def test_weights_integrate_over_the_slice_relative_to_its_thickness(rng):
    profile = mr.slice_profile(sinc(), thickness=5e-3, gradient=8e-3)
    assert profile.position.shape == (101,)
    np.testing.assert_allclose(profile.position[::100], [-5e-3, 5e-3])
    np.testing.assert_allclose(np.sum(profile.weights), 2.0)
    uneven = np.sort(rng.uniform(-5e-3, 5e-3, POSITION.size))
    mean = mr.slice_profile(sinc(), uneven, gradient=8e-3)
    # a straight line is integrated exactly
    np.testing.assert_allclose(np.sum(mean.weights), 1.0)
    np.testing.assert_allclose(np.sum(mean.weights * uneven), (uneven[0] + uneven[-1]) / 2)


@pytest.mark.exhaustive
def test_derivatives_in_waveform_amplitude_and_durations():
    shape = jnp.asarray(np.hanning(12) + 0.2j * np.hanning(12) ** 2)

    def both(real, amplitude, dt, flat, position):
        pulse = mr.ShapedPulse(amplitude * 1e-5 * (real + 1j * shape.imag), dt * 1e-4, offset=100.0)
        selection = mr.Gradient.trapezoid(amplitude * 8e-3, rise=1e-4, flat=flat * 1e-3, axis="z")
        profile = mr.slice_profile(mr.Together(mr.Sequence(mr.Delay(1.5e-4), pulse), selection), position * 1e-3)
        # the phase by its cosine and sine: it may jump by a turn
        axis = jnp.exp(1j * profile.phase)
        numbers = (
            profile.excited.real,
            profile.excited.imag,
            profile.inverted,
            profile.flip_angle,
            axis.real,
            axis.imag,
        )
        return jnp.stack(numbers)

    point = (shape.real, jnp.asarray(1.0), jnp.asarray(1.1), jnp.asarray(2.0), jnp.asarray([-3.0, 0.5, 2.0]))
    direction = (
        jnp.cos(jnp.arange(12.0)),
        jnp.asarray(0.4),
        jnp.asarray(-0.3),
        jnp.asarray(0.2),
        jnp.asarray([0.1, 1.0, -0.5]),
    )
    along = compiled_quickly(lambda step: both(*(p + step * d for p, d in zip(point, direction, strict=True))))
    difference = (along(1e-5) - along(-1e-5)) / 2e-5
    np.testing.assert_allclose(compiled_quickly(jax.jacfwd(along))(0.0), difference, rtol=1e-6, atol=1e-8)
    weight = jnp.cos(jnp.arange(difference.size)).reshape(difference.shape)
    gradient = compiled_quickly(jax.grad(lambda point: jnp.sum(weight * both(*point))))
    pulled = sum(jnp.vdot(g, d) for g, d in zip(gradient(point), direction, strict=True))
    np.testing.assert_allclose(pulled, jnp.sum(weight * difference), rtol=1e-6)
    # where nothing is tipped, angles and axes have no derivative, but finite ones
    nowhere = gradient((shape.real, jnp.asarray(0.0), *point[2:]))
    assert all(np.all(np.isfinite(leaf)) for leaf in nowhere)


def test_float32_is_kept():
    with jax.enable_x64(False):
        waveform = jnp.asarray(sinc().waveform, jnp.float32)
        profile = mr.slice_profile(mr.ShapedPulse(waveform, 40e-6), POSITION, gradient=8e-3)
        assert profile.alpha.dtype == jnp.complex64
    exact = mr.slice_profile(sinc(), POSITION, gradient=8e-3)
    np.testing.assert_allclose(profile.excited, exact.excited, atol=5e-6)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mr.slice_profile(sinc(), POSITION), "`gradient` (T/m) must be given for a bare pulse"),
        (lambda: mr.slice_profile(sinc(), gradient=1e-2), "Give either `position` (m), or the `thickness` (m)"),
        (lambda: mr.slice_profile(sinc(), [0.0], gradient=1e-2), "at least two positions (m), but got shape (1,)"),
        (lambda: mr.slice_profile(sinc(), [0.0, -1e-3], gradient=1e-2), "`position` must rise (m), but got"),
        (lambda: mr.slice_profile(sinc(), thickness=-1e-3, gradient=1e-2), "`thickness` must be positive (m), but got"),
        (lambda: mr.slice_profile(rephased(sinc()), POSITION, gradient=1e-2), "`gradient` is for a bare pulse"),
        (lambda: mr.slice_profile(mr.Delay(1e-3), POSITION), "`pulse` must hold one RF pulse, but holds 0."),
        (
            lambda: mr.slice_profile(mr.Sequence(rephased(sinc()), rephased(sinc())), POSITION),
            "`pulse` must hold one RF pulse, but holds 2.",
        ),
        (
            lambda: mr.slice_profile(mr.Sequence(sinc(), mr.Spoil()), POSITION),
            "`pulse` must hold one RF pulse, gradients and delays alone, but event 1 (Spoil) is or holds something else.",
        ),
        (
            lambda: mr.slice_profile(
                mr.Together(sinc(), *(mr.Gradient.trapezoid(1e-3, rise=1e-4, flat=1e-3, axis=a) for a in "xz")),
                POSITION,
            ),
            "Gradients of a slice must point along one axis, but got x and z.",
        ),
    ],
)
def test_wrong_arguments_are_named(call, message):
    with pytest.raises(ValueError) as error:  # noqa: PT011
        call()
    assert message in str(error.value)


def test_an_angle_is_told_up_to_half_a_turn():
    hard = mr.ShapedPulse(np.full(60, math.pi / GAMMA / 60 / 1e-6), 1e-6)
    profile = mr.slice_profile(hard, POSITION, gradient=1e-6)
    np.testing.assert_allclose(profile.flip_angle[24], math.pi, rtol=1e-7)
    np.testing.assert_allclose(profile.refocused[24], -1.0, rtol=1e-12)
