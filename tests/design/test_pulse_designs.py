"""Pulses by gradient: what they do to spins against other ways to compute it, and designs that are better than their start."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from compiling import compiled_quickly

import mrjax as mr
from mrjax.units import deg, mm, ms, mT, us, uT

PULSE = mr.ShapedPulse(jnp.asarray(6e-6 * np.hanning(22)[1:-1] * np.exp(0.4j * np.arange(20))), 0.1 * ms)


def test_a_response_is_that_of_the_bloch_equations():
    place, frequency, b1 = np.array([-3.0, 0.0, 2.0]) * mm, np.array([[0.0], [150.0]]), 0.8
    lobe = mr.Gradient([8 * mT, 8 * mT], [0.0, 2 * ms], "z")
    response = mr.design.pulse_response(mr.Together(PULSE, lobe), position=place[None], off_resonance=frequency, b1=b1)
    tissue = mr.Tissue(jnp.inf, jnp.inf, off_resonance=np.broadcast_to(frequency, (2, 3)), b1=b1)
    exact = mr.bloch(PULSE.waveform, PULSE.dt, tissue, field_gradient=8 * mT, position=np.broadcast_to(place, (2, 3)))
    np.testing.assert_allclose(response.excited, exact.transverse, rtol=0, atol=1e-12)
    np.testing.assert_allclose(response.inverted, exact.longitudinal, rtol=0, atol=1e-12)


def task(kind="refocusing", **options):
    settings = {"flip_angle": 180 * deg, "n_samples": 20, "dt": 0.1 * ms, "max_b1": 25 * uT}
    return mr.design.PulseTask(
        kind=kind, **(settings | {"wanted": np.ones(2), "off_resonance": [-80.0, 80.0]} | options)
    )


def test_a_block_pulse_on_resonance_is_what_is_wanted():
    for kind, angle in (
        ("excitation", 90 * deg),
        ("refocusing", 180 * deg),
        ("inversion", 180 * deg),
        ("excitation", 1.0),
    ):
        one = task(kind, flip_angle=angle, off_resonance=0.0)
        block = {"real": jnp.full(20, one.nominal_block()), "imaginary": jnp.zeros(20)}
        assert float(one.error(block)) < 1e-20
        nothing = jax.tree.map(jnp.zeros_like, block)
        assert float(one.error(nothing)) == pytest.approx(1.0)


def test_a_field_never_exceeds_the_largest():
    one = task()
    design = {"real": jnp.array([3e-6, -40e-6]), "imaginary": jnp.array([4e-6, 30e-6])}
    np.testing.assert_allclose(one.samples(design), [3e-6 + 4e-6j, -20e-6 + 15e-6j], rtol=1e-12)
    np.testing.assert_allclose(one.energy(design), (25 + 625) / 2 / 625, rtol=1e-12)


@pytest.mark.exhaustive
@pytest.mark.parametrize("kind", ["excitation", "refocusing", "inversion"])
def test_derivatives_are_those_of_finite_differences(kind, rng):
    gradient = {"gradient": [0.0, 6 * mT, 6 * mT, 0.0], "gradient_times": [0.0, 0.1 * ms, 2.1 * ms, 2.2 * ms]}
    one = task(kind, position=np.array([0.0, 5 * mm]), wanted=np.array([1.0, 0.0]), flip_angle=80 * deg, **gradient)
    design = {"real": jnp.asarray(rng.normal(size=20) * 3e-6), "imaginary": jnp.asarray(rng.normal(size=20) * 3e-6)}
    design["rephasing"] = jnp.array([-6e-6])
    along = jax.tree.map(lambda x: jnp.asarray(rng.normal(size=x.shape)) * 1e-6, design)
    value = jax.jit(one.error)
    shifted = lambda step: jax.tree.map(lambda x, d: x + step * d, design, along)
    numeric = (value(shifted(1e-4)) - value(shifted(-1e-4))) / 2e-4
    slope = compiled_quickly(jax.grad(one.error))(design)
    np.testing.assert_allclose(sum(jnp.sum(slope[name] * along[name]) for name in design), numeric, rtol=1e-6)
    forward = compiled_quickly(lambda x: jax.jvp(one.error, (x,), (along,))[1])(design)
    np.testing.assert_allclose(forward, numeric, rtol=1e-6)


@pytest.mark.exhaustive
def test_a_designed_inversion_forgives_field_and_frequency(rng):
    """A block of the same power inverts a third of the spins badly; the design inverts all."""
    b1, frequency = np.meshgrid(np.linspace(0.7, 1.3, 5), np.linspace(-200, 200, 9), indexing="ij")
    spins = {"wanted": np.ones(b1.shape), "b1": b1, "off_resonance": frequency}
    one = task("inversion", n_samples=100, dt=40 * us, max_b1=15 * uT, **spins)
    noise = rng.normal(size=(2, 100)) * 0.3 * one.nominal_block()
    start = {"real": jnp.asarray(one.nominal_block() + noise[0]), "imaginary": jnp.asarray(noise[1])}
    limit = (-15 * uT, 15 * uT)
    bounds = {"real": limit, "imaginary": limit}
    terms = mr.design.weighted_sum({"error": (1.0, one.error), "energy": (0.005, one.energy)})
    result = mr.design.optimise(terms, start, free=lambda x: x, bounds=bounds, steps=300, progress=False)
    power = float(one.energy(result.best))
    block = {"real": jnp.full(100, 15 * uT * power**0.5), "imaginary": jnp.zeros(100)}
    assert float(jnp.max(one.response(block).inverted)) > -0.2
    assert float(jnp.max(one.response(result.best).inverted)) < -0.85
    between = {"b1": np.linspace(0.7, 1.3, 23)[:, None], "off_resonance": np.linspace(-200, 200, 31)[None]}
    denser = mr.design.pulse_response(one.sequence(result.best), **between)
    assert float(jnp.max(denser.inverted)) < -0.8  # between the spins that it was made for


def test_what_cannot_be_says_so():
    with pytest.raises(ValueError, match="`flip_angle` must be above 0 and at most pi"):
        task(flip_angle=180.0)
    with pytest.raises(ValueError, match="`wanted` must be from 0 to 1"):
        task(wanted=np.zeros(2))
    with pytest.raises(
        ValueError, match=r"`off_resonance` must broadcast to the shape of `wanted`, \(2,\), but has \(3,\)"
    ):
        task(off_resonance=np.zeros(3))
    with pytest.raises(ValueError, match="`gradient` and `gradient_times` belong together"):
        task(gradient=[0.0, 1.0])
