"""Sequences that are joined, repeated and cut, and how they are printed; also what has only their form."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import mrjax as mr
from mrjax import Delay, Pulse, Repeat, Sample, Sequence, Tissue
from mrjax.units import deg, ms

FIRST = Sequence(Pulse(30 * deg), Delay(2 * ms), Sample())
SECOND = Sequence(Delay(3 * ms), Sample(), Delay(1 * ms))
TRAIN = Repeat(Pulse(jnp.array([0.1, 0.2])), Delay(1 * ms), Sample())
WATER = Tissue(t1=0.8, t2=0.07)


def test_what_is_added_is_played_one_after_the_other():
    joined = FIRST + SECOND
    assert joined.events == FIRST.events + SECOND.events
    np.testing.assert_allclose(joined.sample_times, [2 * ms, 5 * ms])
    np.testing.assert_allclose(joined.duration, 6 * ms)
    signal, state = mr.play(FIRST, WATER)
    rest, _ = mr.play(SECOND, WATER, state=state)
    np.testing.assert_allclose(mr.simulate(joined, WATER), jnp.concatenate([signal, rest]), atol=1e-12)


def test_events_and_repeats_are_added_whole():
    joined = Delay(1.0) + FIRST + TRAIN + Sample()
    assert isinstance(joined, Sequence)
    assert [type(entry) for entry in joined] == [Delay, Pulse, Delay, Sample, Repeat, Sample]
    assert (TRAIN + TRAIN).n_samples == 4
    assert (TRAIN + Sample()).n_samples == 3


@pytest.mark.parametrize("three", [3, np.int64(3)])
def test_a_number_times_a_sequence_repeats_it(three):
    for repeated in (three * FIRST, FIRST * three):
        assert isinstance(repeated, Repeat)
        assert repeated.n_repetitions == 3
        assert repeated.events == FIRST.events
        np.testing.assert_allclose(repeated.duration, 6 * ms)
        np.testing.assert_allclose(repeated.sample_times, [2 * ms, 4 * ms, 6 * ms])
        assert repeated.n_samples == 3
    np.testing.assert_allclose(mr.simulate(3 * FIRST, WATER), mr.simulate(FIRST + FIRST + FIRST, WATER), atol=1e-12)


@pytest.mark.exhaustive
def test_a_repeat_is_repeated_whole():
    np.testing.assert_allclose(mr.simulate(2 * TRAIN, WATER), mr.simulate(TRAIN + TRAIN, WATER), atol=1e-12)
    np.testing.assert_allclose((2 * TRAIN).timeline().duration, (TRAIN + TRAIN).timeline().duration)


def test_a_slice_of_a_sequence_is_a_sequence():
    joined = FIRST + SECOND
    assert isinstance(joined[:3], Sequence)
    assert joined[:3].events == FIRST.events
    assert joined[3:].events == SECOND.events
    assert joined[::-1].events == joined.events[::-1]
    np.testing.assert_allclose(joined[1:].duration, 6 * ms)


@pytest.mark.parametrize("wrong", [0, [Sample()], jnp.ones(2), None, Sample, "Sample"])
def test_what_cannot_be_added_is_named(wrong):
    for add in (lambda: FIRST + wrong, lambda: wrong + FIRST, lambda: TRAIN + wrong):
        with pytest.raises(
            TypeError, match=rf"can be added to a sequence, but got {type(wrong).__name__}; .*Sequence\("
        ):
            add()


@pytest.mark.parametrize("wrong", [2.0, True, FIRST, jnp.ones(3), np.ones(3)])
def test_what_cannot_count_repetitions_is_named(wrong):
    for multiply in (lambda: FIRST * wrong, lambda: wrong * FIRST):
        with pytest.raises(
            TypeError, match=f"number of its repetitions, a Python integer, but got {type(wrong).__name__}"
        ):
            multiply()
    with pytest.raises(ValueError, match="must repeat at least once, but got 0"):
        0 * FIRST


def test_a_gradient_in_the_form_of_a_sequence_has_no_units():
    train = Sequence(Pulse(90 * deg), Repeat(Pulse(jnp.array([0.1, 0.2]), 0.3), Delay(1 * ms), Sample()))
    weigh = lambda train: 3 * train[0].flip_angle - 2 * train.duration + 5 * jnp.sum(train[1].events[0].flip_angle)
    gradient = jax.grad(weigh)(train)
    expected = """\
Sequence (as JAX returned it: numbers in SI units, or derivatives by them)
  Pulse    flip_angle 3
  Repeat x 2
    Pulse    flip_angle 5, phase 0
    Delay    duration -4
    Sample"""
    assert repr(gradient) == str(gradient) == expected
    # neither a part of it, nor what is made with it
    assert "deg" not in repr(gradient[:1]) + repr(2 * gradient) + repr(gradient + FIRST)
    assert "deg" in repr(train[:1]) + repr(2 * train)
    assert "    Delay    duration -4000 ms" in mr.sequence.describe(gradient)  # who calls it a sequence sees one


def test_trees_in_the_form_of_a_sequence_are_printed():
    shapes = jax.eval_shape(lambda: TRAIN)
    assert "flip_angle ShapeDtypeStruct" in repr(shapes)
    nothing = jax.tree.map(lambda leaf: None, FIRST)
    assert "flip_angle NoneType" in repr(nothing)
    known = jax.tree.map(lambda leaf: leaf > 0, FIRST)
    assert "flip_angle bool ()" in repr(known)
    names = jax.tree.map(lambda leaf: "name", FIRST)
    assert "flip_angle str" in repr(names)
    assert "Sequence" in repr(jax.tree_util.tree_structure(FIRST).unflatten([object(), object()]))


def test_a_tissue_prints_values_and_units():
    pools = (
        mr.Pool(1e-3, 30.0, t1=1.3, t2=0.1, shift_ppm=3.5),
        mr.Pool(0.14, 23.0, 1.0, 10e-6, lineshape=mr.lineshapes.SuperLorentzian()),
    )
    tissue = Tissue(
        jnp.array([0.8, 1.4]),
        0.07,
        off_resonance=-3.0,
        diffusion=1e-9,
        pools=pools,
        x=jnp.array([[0.01], [-0.02]]),
        velocity_z=0.3,
    )
    assert repr(tissue) == (
        """\
Tissue of (2, 2) voxels
  t1 800 ... 1400 ms (2,)
  t2 70 ms
  off_resonance -3 Hz
  diffusion 1e-09 m^2/s
  x -20 ... 10 mm (2, 1)
  velocity_z 0.3 m/s
  Pool fraction 0.001, exchange_rate 30 1/s, t1 1300 ms, t2 100 ms, shift_ppm 3.5 ppm
  Pool fraction 0.14, exchange_rate 23 1/s, t1 1000 ms, t2 0.01 ms, lineshape SuperLorentzian"""
    )
    assert str(Tissue(1.0, 0.1)) == "Tissue of () voxels\n  t1 1000 ms\n  t2 100 ms"


def test_a_gradient_in_the_form_of_a_tissue_has_no_units():
    tissue = Tissue(1.0, 0.1, pools=(mr.Pool(0.1, 30.0, 1.0, 0.1),))
    gradient = jax.grad(lambda tissue: 2 * tissue.t1 - tissue.t2 + 7 * tissue.pools[0].fraction)(tissue)
    note = "(as JAX returned it: numbers in SI units, or derivatives by them)"
    assert repr(gradient) == (f"Tissue {note}\n  t1 2\n  t2 -1\n  Pool {note} fraction 7, exchange_rate 0, t1 0, t2 0")


def test_a_tissue_is_printed_inside_jit():
    texts = []
    jax.jit(lambda t1: (texts.append(repr(Tissue(t1, 0.1))), t1)[1])(jnp.ones(2))
    assert texts == ["Tissue of (2,) voxels\n  t1 traced (2,) ms\n  t2 traced ms"]
