"""Sequences of known numbers played as tables: they agree with turning every spin step by step, and share programs."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from compiling import compilations

import mrjax as mr
from mrjax.physics.isochromats.tables import playing_order
from mrjax.physics.isochromats.tables.courses import GradientCourse
from mrjax.physics.maths.sizes import padded_size
from mrjax.units import GAMMA_BAR, ms, mT, us

GAMMA = 2 * np.pi * GAMMA_BAR["1H"]


def hann(n, angle, duration, **carrier):
    shape = np.hanning(n + 2)[1:-1]
    return mr.ShapedPulse(angle / (GAMMA * shape.sum() * duration / n) * shape, duration / n, **carrier)


def irregular(scale=1.0):
    """Everything that a table knows, in and out of repeats that are nested, with leaves of every rank."""
    lines = mr.Gradient.trapezoid(area=np.linspace(-20e-6, 20e-6, 3)[:, None], rise=0.1 * ms, flat=0.8 * ms, axis="y")
    selective = mr.Together(
        mr.Sequence(
            mr.Delay(0.1 * ms), hann(20, 0.7 * scale, 2 * ms, offset=150.0, phase=np.arange(6.0).reshape(3, 2))
        ),
        mr.Gradient([0.0, 8 * mT, 6 * mT, 0.0], [0.0, 0.1 * ms, 2.1 * ms, 2.3 * ms], "z"),
    )
    readout = mr.Together(
        mr.Sequence(mr.Delay(0.2 * ms), mr.Readout(7, 90 * us, phase=0.3, offset=40.0, modulation=np.arange(7) / 5)),
        mr.Gradient.trapezoid(-9 * mT, rise=0.2 * ms, flat=1 * ms, axis="x"),
    )
    return mr.Sequence(
        mr.Pulse(2.9, 0.2),
        mr.Dephase(2, 3 * ms),
        mr.SampleLongitudinal(),
        mr.Repeat(
            mr.Repeat(selective, lines, mr.Delay(np.array([[1.0], [2.0], [3.0]]) * ms), readout, n_repetitions=2),
            mr.ContinuousWave(np.array([2e-6, 3e-6, 4e-6]), 4 * ms, offset=90.0, phase=1.0),
            mr.Spoil(),
            n_repetitions=3,
        ),
        mr.Reset(0.3),
        mr.ContinuousWave(5e-6, 1 * ms),
        mr.Sample(0.4),
        mr.Delay(np.inf),
        mr.ContinuousWave(6e-6, 1 * ms),
        mr.Dephase(-1),
        mr.Dephase(1, 1 * ms),
        mr.Sample(),
    )


def tissue(n=5, **others):
    place = jnp.linspace(-0.03, 0.05, n)
    values = {"off_resonance": 500 * place, "b1": 1 + 4 * place, "x": place, "z": place / 10} | others
    return mr.Tissue(jnp.linspace(0.3, 1.2, n), jnp.linspace(0.03, 0.1, n), jnp.linspace(1.0, 2.0, n), **values)


TISSUES = {
    "points": ({}, {}),
    "nothing": ({"off_resonance": 0.0, "b1": 1.0, "x": 0.0, "z": 0.0}, {}),
    "complex field": ({"b1": jnp.exp(1j * jnp.arange(5.0))}, {}),
    "sub-voxel spins": ({"t2_prime": 0.02}, {"n": 40, "voxel_size": 2e-3}),
}


def step_by_step(monkeypatch):
    monkeypatch.setattr("mrjax.physics.isochromats.engine.rows_of", lambda *_: None)


MORE_OF_THE_SAME = ("nothing", "complex field")


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=pytest.mark.exhaustive) if kind in MORE_OF_THE_SAME else kind for kind in TISSUES]
)
def test_a_table_is_the_sequence_event_by_event(kind, monkeypatch):
    effects, engine = TISSUES[kind]
    with jax.enable_x64(True):
        play = lambda: mr.play(irregular(), tissue(**effects), mr.Isochromats(**engine))
        signal, state = play()
        step_by_step(monkeypatch)
        expected, end = play()
    assert signal.shape == (5, 1 + 42 + 2)
    np.testing.assert_allclose(signal, expected, rtol=0, atol=1e-12)
    for got, due in zip(jax.tree.leaves(state), jax.tree.leaves(end), strict=True):
        np.testing.assert_allclose(got, due, rtol=0, atol=1e-12)


@pytest.mark.exhaustive
def test_a_table_goes_on_from_a_state(monkeypatch):
    with jax.enable_x64(True):
        sequence, voxels = irregular(), tissue()
        _, state = mr.play(sequence, voxels, mr.Isochromats(9))
        play = lambda: mr.play(mr.Sequence(*sequence.events[:6]), voxels, mr.Isochromats(), state=state)
        signal, end = play()
        step_by_step(monkeypatch)
        expected, due = play()
    np.testing.assert_allclose(signal, expected, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(end.wound, due.wound)


@pytest.mark.exhaustive
def test_derivatives_are_those_of_differences():
    with jax.enable_x64(True):
        voxels, weight = tissue(), np.random.default_rng(0).normal(size=(5, 45))

        def loss(maps):
            signal = mr.simulate(irregular(), dataclasses.replace(voxels, **maps), mr.Isochromats())
            return jnp.sum(weight * (signal.real - 0.3 * signal.imag))

        maps = {name: getattr(voxels, name) for name in ("t1", "t2", "m0", "b1", "off_resonance", "x", "z")}
        change = {name: values * np.cos(np.arange(5.0)) for name, values in maps.items()}
        moved = lambda by: jax.tree.map(lambda value, due: value + by * due, maps, change)
        value = jax.jit(loss)  # of traced tissues RF is cut alike
        slope = (value(moved(1e-6)) - value(moved(-1e-6))) / 2e-6
        reverse = jax.jit(jax.grad(loss))(maps)
        forward = jax.jvp(loss, (maps,), (change,))[1]
    inner = sum(jnp.sum(reverse[name] * change[name]) for name in maps)
    np.testing.assert_allclose([inner, forward], slope, rtol=1e-6)


@pytest.mark.exhaustive
def test_derivatives_in_the_sequence_are_those_of_differences(monkeypatch):
    with jax.enable_x64(True):
        voxels, weight = tissue(), np.random.default_rng(0).normal(size=(5, 45))
        numbers, rest = eqx.partition(
            irregular(), lambda leaf: eqx.is_inexact_array(leaf) and np.all(np.isfinite(leaf))
        )
        leaves, structure = jax.tree.flatten(numbers)

        def loss(leaves):
            sequence = eqx.combine(jax.tree.unflatten(structure, leaves), rest)
            signal = mr.simulate(sequence, voxels, mr.Isochromats())
            return jnp.sum(weight * (signal.real - 0.3 * signal.imag))

        change = [np.asarray(leaf) * np.cos(np.arange(leaf.size)).reshape(leaf.shape) / 3 for leaf in leaves]
        moved = lambda by: [leaf + by * due for leaf, due in zip(leaves, change, strict=True)]
        value = jax.jit(loss)
        slope = (value(moved(1e-6)) - value(moved(-1e-6))) / 2e-6
        reverse = jax.jit(jax.grad(loss))(leaves)
        forward = jax.jit(lambda leaves: jax.jvp(loss, (leaves,), (change,))[1])(leaves)
        inner = sum(jnp.sum(found * due) for found, due in zip(reverse, change, strict=True))
        in_rows = value(leaves)
        step_by_step(monkeypatch)
        expected = jax.jit(lambda leaves: loss(leaves))(leaves)
    np.testing.assert_allclose([inner, forward], slope, rtol=1e-6)
    np.testing.assert_allclose(in_rows, expected, rtol=1e-12)


@pytest.mark.exhaustive
def test_single_precision_keeps_its_digits_through_thousands_of_steps():
    """What relaxes in one step of RF is less than the rounding of what is left."""
    pulse = mr.Together(hann(2000, 1.5, 4 * ms), mr.Gradient.trapezoid(10 * mT, rise=0.1 * ms, flat=4 * ms, axis="z"))
    sequence = mr.Repeat(pulse, mr.Delay(6 * ms), mr.Readout(4, 50 * us), n_repetitions=16)
    with jax.enable_x64(True):
        expected = mr.simulate(sequence, tissue(20), mr.Isochromats())
    in_single = mr.simulate(
        jax.tree.map(jnp.float32, sequence), jax.tree.map(jnp.float32, tissue(20)), mr.Isochromats()
    )
    assert in_single.dtype == jnp.complex64
    np.testing.assert_allclose(in_single, expected, rtol=0, atol=5e-5)


def spoiled_echoes(n, flip_angle, spacing=1.0):
    """A gradient echo of `n` lines, of another sequence for each of the numbers."""
    excitation = mr.ContinuousWave(flip_angle / (GAMMA * 0.5 * ms), 0.5 * ms, phase=np.arange(n) ** 2 * 0.3)
    lines = mr.Gradient.trapezoid(area=np.linspace(-1, 1, n) * 10e-6, rise=0.1 * ms, flat=0.5 * ms, axis="y")
    along = mr.Gradient.trapezoid(5 * mT, rise=0.1 * ms, flat=1.6 * ms, axis="x")
    readout = mr.Together(mr.Sequence(mr.Delay(0.1 * ms), mr.Readout(16, 100 * us)), along)
    return mr.Repeat(excitation, lines, readout, mr.Delay(spacing * ms), n_repetitions=n)


@pytest.mark.slow
def test_files_of_a_like_size_share_a_program():
    voxels = tissue(30)
    mr.simulate(spoiled_echoes(23, 0.3), voxels, mr.Isochromats())
    others = [spoiled_echoes(21, 0.2, spacing=2.0), spoiled_echoes(22, 0.4)]
    with compilations() as compiled:
        signals = [mr.simulate(other, voxels, mr.Isochromats()) for other in others]
    assert compiled == []
    assert [signal.shape for signal in signals] == [(30, 21 * 16), (30, 22 * 16)]


IMAGES = ("gre", "epi", "se_epi", "fse", "moled", "spiral", "radial_bssfp", "slice_gre")


def image(reference_data, name, dtype):
    """A Pulseq file, its spins, and its k-space by an independent program, with the coils."""
    with np.load(reference_data(f"imaging/{name}.npz")) as data:
        given = {key: jnp.asarray(data[key], dtype) for key in ("t1", "t2", "off_resonance", "b1", "x", "y", "z")}
        voxels, coils, signal = mr.Tissue(m0=jnp.asarray(data["pd"], dtype), **given), data["coils"], data["signal"]
    return mr.pulseq.to_sequence(mr.pulseq.read(reference_data(f"imaging/{name}.seq"))), voxels, coils, signal


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", IMAGES)
def test_images_are_those_of_an_independent_program(name, reference_data):
    with jax.enable_x64(True):
        sequence, voxels, coils, expected = image(reference_data, name, np.float64)
        found = coils @ np.asarray(mr.simulate(sequence, voxels, mr.Isochromats()))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-11 * np.abs(expected).max())


def test_another_image_compiles_nothing(reference_data):
    first, second = (image(reference_data, name, np.float32) for name in ("gre", "epi"))
    mr.simulate(*first[:2], mr.Isochromats())
    with compilations() as compiled:
        signal = mr.simulate(*second[:2], mr.Isochromats())
    assert compiled == []
    *_, coils, expected = second
    np.testing.assert_allclose(coils @ np.asarray(signal), expected, rtol=0, atol=2e-5 * np.abs(expected).max())


def test_a_single_long_pulse_of_many_spins_is_no_table():
    pulse = mr.Sequence(hann(1000, 1.0, 1 * ms), mr.Sample())
    assert playing_order.rows_of(pulse, tissue(5), "Isochromats", 1) is not None
    assert playing_order.rows_of(pulse, tissue(5), "Isochromats", 10_000) is None
    often = mr.Repeat(*pulse.events, n_repetitions=9)
    assert playing_order.rows_of(mr.Sequence(often), tissue(5), "Isochromats", 10_000) is not None


def test_trains_and_what_diffuses_stay_loops():
    train = mr.protocols.cpmg(jnp.full(5, 3.0), echo_spacing=10 * ms)
    assert playing_order.rows_of(train, tissue(), "Isochromats", 1) is None
    diffusing = tissue(diffusion=1e-9)
    assert playing_order.rows_of(irregular(), diffusing, "Isochromats", 1) is None


def test_equal_pulses_are_worked_out_once():
    sequence = mr.Repeat(hann(30, 1.0, 1 * ms, phase=np.arange(12.0)), mr.Readout(4, 1 * ms))
    plan = mr.Isochromats().plan(mr.Sequence(sequence), tissue(), None, False)
    (changes,) = plan.sequence.events[0].changes.values()
    assert len(changes) == 1


@pytest.mark.slow
def test_integrals_of_gradients_are_those_of_straight_lines():
    gradients = [
        (np.zeros(1), mr.Gradient(np.array([[0.0, 1.0, 1.0, 0.0]]), np.array([[0.0, 1.0, 3.0, 4.0]]), "x")),
        (np.array([2.0]), mr.Gradient(np.array([[0.5, 1.5]]), np.array([[0.0, 2.0]]), "x")),
    ]
    courses = [GradientCourse.of(*one) for one in gradients]
    until = lambda times: [sum(parts) for parts in zip(*(course.until(times) for course in courses), strict=True)]
    area, second = until(np.array([[-1.0, 0.5, 2.0, 3.0, 4.0, 6.0]]))
    np.testing.assert_allclose(area, [[0.0, 0.125, 1.5, 3.25, 5.0, 5.0]], atol=1e-12)
    times = np.linspace(0, 6, 60_001)
    running = until(times[None])[0][0]
    np.testing.assert_allclose(second[0, -1], np.sum((running[1:] + running[:-1]) / 2) * 1e-4, rtol=1e-8)


def test_sizes_are_a_quarter_too_large_at_most():
    sizes = np.array([padded_size(n) for n in range(1, 3000)])
    assert np.all(sizes >= np.arange(1, 3000))
    assert np.all(sizes <= 1.25 * np.arange(1, 3000))
    assert len(set(sizes)) < 50
