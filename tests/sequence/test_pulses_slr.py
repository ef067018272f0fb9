"""Shinnar-Le Roux pulses: the transform, and profiles against the ripples asked for."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

import mrjax as mr
from mrjax.units import GAMMA, deg, ms

pulses = mr.sequence.pulses
DURATION, N, PRODUCT, DT = 4 * ms, 128, 5.0, 4 * ms / 128
FREQUENCIES = np.linspace(0.0, 12e3, 2401)

KINDS = {
    # flip angle in degrees; what is designed, of the magnetisation, and its value in the pass band and in the stop band
    "small_tip": (5, lambda end: abs(end.transverse) / math.sin(5 * deg), 1, 0),
    "excitation": (90, lambda end: abs(end.transverse), 1, 0),
    "saturation": (90, lambda end: end.longitudinal, 0, 1),
    "inversion": (180, lambda end: end.longitudinal, -1, 1),
    "refocusing": (180, lambda end: (1 - end.longitudinal) / 2, 1, 0),
}


def runs(values, wanted, ripple):
    """How many values from the first on lie within a ripple, a tenth more, of the wanted one."""
    outside = np.abs(np.asarray(values) - wanted) > 1.1 * ripple
    return int(np.argmax(outside)) if outside.any() else len(outside)


def height(deviations):
    """Of the highest ripple: where the profile turns, not where it leaves the band."""
    turns = np.diff(deviations[:-1]) * np.diff(deviations[1:]) < 0
    return np.abs(deviations[1:-1][turns]).max()


@pytest.mark.exhaustive
@pytest.mark.parametrize("filter", ["linear", "minimum"])
@pytest.mark.parametrize("kind", KINDS)
def test_profile_has_the_ripples_asked_for(kind, filter):
    """Both within a tenth, and the transition between the bands is narrow."""
    angle, effect, passed, stopped = KINDS[kind]
    pulse = pulses.slr(angle * deg, DURATION, PRODUCT, N, kind=kind, filter=filter, stopband_ripple=0.02)
    profile = np.asarray(
        effect(mr.bloch(pulse.waveform, pulse.dt, mr.Tissue(jnp.inf, jnp.inf, off_resonance=FREQUENCIES)))
    )
    n_pass, n_stop = runs(profile, passed, 0.01), runs(profile[::-1], stopped, 0.02)
    pass_edge, stop_edge = FREQUENCIES[n_pass - 1], FREQUENCIES[len(profile) - n_stop]
    half_band = PRODUCT / DURATION / 2
    transition = (stop_edge - pass_edge) / (2 * half_band)
    assert 0 < pass_edge < half_band < stop_edge
    # of the best linear-phase filters of this length; those of minimum phase are sharper
    assert transition < {"linear": 0.45, "minimum": 0.35}[filter]
    np.testing.assert_allclose((pass_edge + stop_edge) / 2, half_band, rtol=0.05)
    # which is symmetric about its middle
    np.testing.assert_allclose(height(np.append(profile[1], profile[:n_pass]) - passed), 0.01, rtol=0.1)
    np.testing.assert_allclose(height(profile[-n_stop:] - stopped), 0.02, rtol=0.1)


def test_transform_of_known_pulses():
    """One sample is a rotation; two that are a half turn apart in phase cancel on resonance and add half a cycle off it."""
    dt, tip = 1e-5, 40 * deg
    b1 = tip / (GAMMA["1H"] * dt)
    a, b = pulses.forward_slr([b1], dt)
    np.testing.assert_allclose([a[0], b[0]], [math.cos(tip / 2), math.sin(tip / 2)], rtol=1e-13)
    a, b = pulses.forward_slr([b1, -b1], dt)
    np.testing.assert_allclose(a @ jnp.array([1.0, 1.0]), 1.0, rtol=1e-13)
    np.testing.assert_allclose(b @ jnp.array([1.0, -1.0]), -math.sin(tip), rtol=1e-13)


@pytest.mark.slow
def test_transform_agrees_with_the_bloch_equations(rng):
    """Samples short of a turn off resonance, of both parts: to the square of the phase per sample."""
    waveform = (rng.normal(size=N) + 1j * rng.normal(size=N)) * 8e-6
    dt, offsets = 2e-6, np.linspace(-3e3, 3e3, 31)
    a, b = (np.asarray(part) for part in pulses.forward_slr(waveform, dt))
    w = np.exp(2j * np.pi * offsets[:, None] * dt * np.arange(N))
    alpha, beta = w @ a, -1j * (w @ b)
    np.testing.assert_allclose(abs(alpha) ** 2 + abs(beta) ** 2, 1.0, rtol=1e-12)
    end = mr.bloch(waveform, dt, mr.Tissue(jnp.inf, jnp.inf, off_resonance=offsets))
    np.testing.assert_allclose(end.longitudinal, 1 - 2 * abs(beta) ** 2, atol=2e-4)
    # a sample at once stands at the end of its interval here: half an interval late
    late = np.exp(1j * np.pi * offsets * dt)
    np.testing.assert_allclose(end.transverse, 2 * alpha.conj() * beta * late, atol=2e-4)


@pytest.mark.parametrize("complex_part", [0.0, 1.0], ids=["real", "complex"])
def test_inverse_and_forward_transform_are_inverse_to_each_other(rng, complex_part):
    b = (rng.normal(size=N) + complex_part * 1j * rng.normal(size=N)) * np.hanning(N)
    b = b if complex_part else b.real
    b *= 0.995 / np.abs(np.fft.fft(b, 64 * N)).max()
    waveform = pulses.inverse_slr(b, DT)
    assert jnp.iscomplexobj(waveform) == bool(complex_part)
    a, again = pulses.forward_slr(waveform, DT)
    np.testing.assert_allclose(again, b, rtol=0, atol=1e-12)
    # of the waveforms with this B it is the one of least power: A has no zero within the unit circle
    assert np.abs(np.roots(np.asarray(a)[::-1])).min() > 1
    np.testing.assert_allclose(pulses.inverse_slr(again, DT), waveform, atol=1e-10 * float(jnp.abs(waveform).max()))


def test_small_pulses_are_their_own_transform():
    """Up to the square of |B|, 1e-8 at most."""
    b = 1e-6 * np.sin(np.arange(N))
    angles = pulses.inverse_slr(b, DT) * GAMMA["1H"] * DT
    np.testing.assert_allclose(angles, 2 * b[::-1], rtol=0, atol=1e-8 * 2e-6)


@pytest.mark.parametrize("kind", ["excitation", "inversion"])
def test_linear_phase_pulses_are_symmetric_and_exact_on_resonance(kind):
    pulse = pulses.slr(KINDS[kind][0] * deg, DURATION, PRODUCT, N, kind=kind)
    np.testing.assert_allclose(pulse.waveform, pulse.waveform[::-1], rtol=0, atol=1e-9 * float(pulses.peak_b1(pulse)))
    _, b = pulses.forward_slr(pulse.waveform, pulse.dt)
    np.testing.assert_allclose(math.sin(float(pulses.flip_angle_of(pulse)) / 2), b.sum(), rtol=1e-10)


def test_flip_angle_scales_the_polynomial():
    b = [pulses.forward_slr(pulses.slr(angle * deg, DURATION, PRODUCT, N).waveform, DT)[1] for angle in (90, -30)]
    np.testing.assert_allclose(b[1] / math.sin(-15 * deg), b[0] / math.sin(45 * deg), rtol=0, atol=1e-13)


@pytest.mark.parametrize("kind", ["small_tip", "excitation"])
def test_minimum_phase_plays_late(kind):
    make = lambda filter: pulses.slr(KINDS[kind][0] * deg, DURATION, PRODUCT, N, kind=kind, filter=filter)
    linear, minimum = make("linear"), make("minimum")
    middle = lambda pulse: float(jnp.sum(jnp.arange(N) * pulse.waveform**2) / jnp.sum(pulse.waveform**2)) / N
    np.testing.assert_allclose(middle(linear), 0.5, atol=0.01)
    assert middle(minimum) > 0.7


@pytest.mark.exhaustive
def test_derivatives_in_flip_angle_and_duration():
    make = lambda x: pulses.slr(x[0], x[1] * ms, 4, 16, kind="saturation", phase=x[2], offset=x[3])
    values = lambda x: (lambda p: jnp.concatenate([p.waveform * 1e6, jnp.stack([p.dt * 1e3, p.phase, p.offset])]))(
        make(x)
    )
    point = jnp.array([1.3, 3.0, 0.1, 2.0])
    check_grads(jax.jit(values), (point,), order=1, modes=("fwd", "rev"), rtol=1e-6, atol=1e-8, eps=1e-5)
    vmapped = jax.vmap(values)(jnp.stack([point, 0.5 * point]))
    np.testing.assert_allclose(vmapped[1], values(0.5 * point), rtol=1e-12)


@pytest.mark.slow
def test_derivatives_of_the_transforms(rng):
    """Also where a complex coefficient or sample is zero."""
    parts = jnp.asarray(rng.normal(size=(2, 6))).at[:, 2].set(0.0)

    def there_and_back(parts):
        b = (parts[0] + 1j * parts[1]) * 0.06
        waveform = pulses.inverse_slr(b, 1e-3)
        a, again = pulses.forward_slr(waveform * jnp.array([1.0, 0.9, 1.1, 1.0, 0.0, 1.0]), 1e-3)
        values = jnp.concatenate([a, again, waveform * 1e6])
        return jnp.stack([values.real, values.imag])

    check_grads(jax.jit(there_and_back), (parts,), order=1, modes=("fwd", "rev"), rtol=1e-6, atol=1e-8, eps=1e-5)


@pytest.mark.exhaustive
def test_single_precision_gives_the_same_pulse():
    make = lambda: pulses.slr(180 * deg, DURATION, PRODUCT, N, kind="inversion").waveform
    exact = make()
    with jax.enable_x64(False):
        single = make()
    assert single.dtype == jnp.float32
    np.testing.assert_allclose(single, exact, atol=2e-5 * float(jnp.abs(exact).max()))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: pulses.slr(1.0, 1e-3, 4, 64, kind="spin_echo"),
            "`kind` must be one of small_tip, excitation, refocusing, inversion, saturation, but got 'spin_echo'.",
        ),
        (
            lambda: pulses.slr(1.0, 1e-3, 4, 64, filter="ls"),
            "`filter` must be one of linear, minimum, but got 'ls'.",
        ),
        (lambda: pulses.slr(1.0, 1e-3, -4, 64), "`time_bandwidth_product` must be positive and finite, but got -4."),
        (lambda: pulses.slr(1.0, 0, 4, 64), "`duration` must be positive (s), but got 0."),
        (
            lambda: pulses.slr(1.0, 1e-3, 4, 8),
            "`n_samples` must be at least 16 and twice the time-bandwidth product, but got 8 for a product of 4.",
        ),
        (
            lambda: pulses.slr(1.0, 1e-3, 4, 64, stopband_ripple=0.6),
            "`stopband_ripple` must be below 0.5, but got 0.6.",
        ),
        (
            lambda: pulses.slr(1.0, 1e-3, 1, 64),
            "`time_bandwidth_product` of 1 allows no filter of 64 samples with these ripples; raise it, allow larger "
            "ripples, or take another `n_samples`, 16 to 64 times the product.",
        ),
        (
            lambda: pulses.slr(math.pi, 1e-3, 4, 64, kind="excitation"),
            "`flip_angle` must not exceed 2.394 rad for a pulse of kind 'excitation', but got 3.14159.",
        ),
        (
            lambda: jax.vmap(lambda product: pulses.slr(1.0, 1e-3, product, 64).waveform)(jnp.ones(2)),
            "`time_bandwidth_product` must be a plain number, known before tracing, but got a traced one.",
        ),
        (
            lambda: pulses.inverse_slr(np.ones(4), 1e-5),
            "`b` must stay below 1 in magnitude on the unit circle (|B|²), but got 16 (273 of 512 values).",
        ),
        (
            lambda: pulses.forward_slr(1.0, 1e-5),
            "`waveform` must have one axis, with at least one entry, but got shape ().",
        ),
    ],
)
def test_messages(call, message):
    with pytest.raises(ValueError) as error:  # noqa: PT011
        call()
    assert str(error.value) == message
