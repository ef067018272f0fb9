"""Pulses of several transmit channels against one channel, against isochromats, and against what small flip angles do."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from compiling import compiled_quickly

import mrjax as mr
from mrjax.units import GAMMA_BAR, mm, ms, mT, uT

GAMMA = 2 * np.pi * GAMMA_BAR["1H"]
N, CHANNELS, SPINS = 23, 3, 5


@pytest.fixture
def setting(rng):
    """A pulse of three channels under gradients that change all the time, and five spins."""
    complexes = lambda *shape: rng.normal(size=shape) + 1j * rng.normal(size=shape)
    gradient = np.cumsum(rng.normal(size=(N + 1, 3)), axis=0) * 2 * mT
    pulse = mr.design.ParallelPulse(complexes(CHANNELS, N) * 6 * uT, gradient, dt=0.05 * ms)
    spins = {
        "b1_maps": complexes(CHANNELS, SPINS),
        "position": rng.normal(size=(SPINS, 3)) * 4 * mm,
        "off_resonance": rng.normal(size=SPINS) * 100,
    }
    return pulse, spins


def cut(pulse, parts):
    """The same pulse in shorter samples: ramps within a sample cost accuracy."""
    at = np.arange(N * parts + 1) / parts
    gradient = np.stack([np.interp(at, np.arange(N + 1), along) for along in pulse.gradient.T], axis=1)
    return mr.design.ParallelPulse(jnp.repeat(pulse.waveforms, parts, axis=1), gradient, pulse.dt / parts)


@pytest.mark.parametrize("axis", ["x", "y", "z"])
def test_one_channel_is_what_it_was(setting, axis):
    pulse, spins = setting
    one = mr.design.ParallelPulse(pulse.waveforms[:1], pulse.gradient, pulse.dt)
    b1, index = np.linspace(0.5, 1.5, SPINS), "xyz".index(axis)
    place = np.zeros((SPINS, 3))
    place[:, index] = spins["position"][:, index]
    found = mr.design.parallel_response(one, b1_maps=b1[None], position=place, off_resonance=spins["off_resonance"])
    wanted = mr.design.pulse_response(
        one.seen([1.0]), position=place[:, index], off_resonance=spins["off_resonance"], b1=b1, axis=axis
    )
    np.testing.assert_allclose(found.alpha, wanted.alpha, rtol=0, atol=1e-12)
    np.testing.assert_allclose(found.beta, wanted.beta, rtol=0, atol=1e-12)


def test_channels_that_play_alike_are_a_static_shim(setting):
    pulse, spins = setting
    shim = jnp.array([1.0, 0.5j, -0.7 + 0.2j])
    shimmed = mr.design.ParallelPulse(shim[:, None] * pulse.waveforms[:1], pulse.gradient, pulse.dt)
    found = mr.design.parallel_response(shimmed, **spins)
    one = mr.design.ParallelPulse(pulse.waveforms[:1], pulse.gradient, pulse.dt)
    combined = mr.transmit.combined(spins["b1_maps"], shim)
    wanted = mr.design.parallel_response(one, **(spins | {"b1_maps": combined[None]}))
    np.testing.assert_allclose(found.alpha, wanted.alpha, rtol=0, atol=1e-12)
    np.testing.assert_allclose(found.beta, wanted.beta, rtol=0, atol=1e-12)


def test_every_spin_follows_the_bloch_equations(setting):
    """Isochromats play to each spin what it sees. They cut samples until their error is 1e-5; here we cut them by hand."""
    pulse, spins = setting
    found = mr.design.parallel_response(cut(pulse, 16), **spins)

    def played(b1, place, off_resonance):
        x, y, z = place
        tissue = mr.Tissue(jnp.inf, jnp.inf, off_resonance=off_resonance, x=x, y=y, z=z)
        return mr.simulate(mr.Sequence(pulse.seen(b1), mr.Sample()), tissue, mr.Isochromats())[0]

    wanted = [played(*spin) for spin in zip(spins["b1_maps"].T, spins["position"], spins["off_resonance"], strict=True)]
    np.testing.assert_allclose(found.excited, wanted, rtol=0, atol=2e-5)


def test_small_flip_angles_are_a_fourier_integral(setting):
    """Grissom's spatial domain method: what is tipped at t turns by what is left of the gradients."""
    pulse, spins = setting
    weak = mr.design.ParallelPulse(1e-5 * pulse.waveforms, pulse.gradient, pulse.dt)
    area = np.concatenate(
        [np.zeros((1, 3)), np.cumsum((pulse.gradient[1:] + pulse.gradient[:-1]) / 2 * pulse.dt, axis=0)]
    )
    ramp = np.asarray(pulse.gradient[1:] - pulse.gradient[:-1]) * pulse.dt
    parts = 200  # of each sample
    u = (np.arange(parts) + 0.5) / parts
    so_far = (
        area[:-1, None]
        + np.asarray(pulse.gradient[:-1, None] * pulse.dt) * u[:, None]
        + ramp[:, None] * u[:, None] ** 2 / 2
    )
    time = (np.arange(N)[:, None] + u) * pulse.dt
    left = GAMMA * (area[-1] - so_far) @ spins["position"].T
    left = left + 2 * np.pi * (N * pulse.dt - time)[..., None] * spins["off_resonance"]
    turned = np.mean(np.exp(1j * left), axis=1)
    field = np.asarray(weak.waveforms).T @ spins["b1_maps"]
    wanted = -1j * GAMMA * pulse.dt * np.sum(field * turned, axis=0)
    found = mr.design.parallel_response(cut(weak, 16), **spins).excited
    np.testing.assert_allclose(found, wanted, rtol=0, atol=5e-6 * np.abs(wanted).max())


@pytest.mark.exhaustive
def test_derivatives_of_parallel_pulses_are_those_of_finite_differences(setting, rng):
    pulse, spins = setting
    point = {"waveforms": pulse.waveforms, "gradient": pulse.gradient, **{k: jnp.asarray(v) for k, v in spins.items()}}
    along = jax.tree.map(lambda x: jnp.asarray(rng.normal(size=x.shape) * jnp.std(jnp.abs(x))).astype(x.dtype), point)

    def value(point):
        one = mr.design.ParallelPulse(point["waveforms"], point["gradient"], pulse.dt)
        response = mr.design.parallel_response(one, **{name: point[name] for name in spins})
        return jnp.sum(response.flip_angle**2) + jnp.sum(response.excited.real)

    value = compiled_quickly(value)
    moved = lambda step: jax.tree.map(lambda x, d: x + step * d, point, along)
    numeric = (value(moved(1e-5)) - value(moved(-1e-5))) / 2e-5
    slope = jax.grad(value)(point)
    reverse = sum(float(jnp.sum(slope[name] * along[name]).real) for name in point)
    assert reverse == pytest.approx(float(numeric), rel=1e-6)
    assert float(jax.jvp(value, (point,), (along,))[1]) == pytest.approx(float(numeric), rel=1e-6)


def test_shapes_that_do_not_fit_say_so(setting):
    pulse, spins = setting
    with pytest.raises(
        ValueError, match=r"`gradient` must have shape \(n_samples \+ 1, 3\), \(24, 3\), but has \(23, 3\)"
    ):
        mr.design.ParallelPulse(pulse.waveforms, pulse.gradient[:-1], pulse.dt)
    with pytest.raises(ValueError, match=r"`b1_maps` must have shape \(3, \*spins\), .* but has \(2, 5\)"):
        mr.design.parallel_response(pulse, **(spins | {"b1_maps": spins["b1_maps"][:2]}))
    with pytest.raises(ValueError, match=r"`position` must have shape \(\*spins, 3\)"):
        mr.design.parallel_response(pulse, **(spins | {"position": np.zeros(5)}))
    with pytest.raises(ValueError, match="`dt` must be a positive number"):
        mr.design.ParallelPulse(pulse.waveforms, pulse.gradient, 0.0)
