"""Sequences: counts, times, text, the events written out, and their life as PyTrees."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import mrjax as mr
from mrjax import Delay, Dephase, Pulse, Repeat, Sample, Sequence, Spoil
from mrjax.sequence.unrolled import unrolled
from mrjax.sequence.walk import winding
from mrjax.units import deg, ms


def nested() -> Sequence:
    """Two shots of three readouts; the waiting time changes with the shot, the echo time with the readout."""
    return Sequence(
        Pulse(np.pi),
        Delay(10 * ms),
        Repeat(
            Delay(jnp.array([1.0, 2.0]) * ms),
            Repeat(
                Pulse(jnp.array([10.0, 20.0, 30.0]) * deg, phase=90 * deg),
                Delay(jnp.array([3.0, 4.0, 5.0]) * ms),
                Sample(),
                Delay(jnp.array([[6.0], [7.0]]) * ms),
                Dephase(1, duration=1 * ms),
            ),
            Spoil(),
        ),
        Sample(phase=0.5),
    )


# by hand, in ms: shot 0 starts at 10 and waits 1, shot 1 waits 2
READOUTS = [
    (11.0, 14.0),
    (21.0, 25.0),  # 3 + 6 + 1 later
    (32.0, 37.0),
    (46.0, 49.0),  # shot 0 ends at 44
    (57.0, 61.0),  # 3 + 7 + 1 later
    (69.0, 74.0),
]
END = 82.0


def test_times_of_nested_repeats():
    sequence = nested()
    assert sequence.n_samples == 7
    np.testing.assert_allclose(sequence.sample_times / ms, [sample for _, sample in READOUTS] + [END], rtol=1e-14)
    np.testing.assert_allclose(sequence.duration / ms, END, rtol=1e-14)
    assert sequence.duration.shape == ()


def test_times_without_events_that_take_time():
    sequence = Sequence(Pulse(1.0), Sample(), Spoil(), Sample())
    assert sequence.n_samples == 2
    np.testing.assert_array_equal(sequence.sample_times, [0.0, 0.0])
    assert sequence.duration == 0.0
    assert Sequence().n_samples == 0
    assert Sequence().sample_times.shape == (0,)


def test_an_infinite_delay_ends_all_counting():
    sequence = Sequence(Delay(2 * ms), Sample(), Delay(jnp.inf), Sample())
    np.testing.assert_array_equal(sequence.sample_times, [2 * ms, np.inf])
    assert sequence.duration == np.inf


def test_the_sample_times_of_a_sequence_within_a_sequence():
    part = Sequence(Delay(2 * ms), Sample(), Delay(3 * ms))
    sequence = Sequence(part, Repeat(part, n_repetitions=2), part)
    np.testing.assert_allclose(sequence.sample_times / ms, [2, 7, 12, 17])
    np.testing.assert_allclose(sequence.duration / ms, 20)
    assert sequence.n_samples == 4


@pytest.mark.exhaustive
def test_duration_and_sample_times_are_differentiable():
    gradient = jax.grad(lambda sequence: sequence.duration)(nested())
    shots = gradient[2]
    np.testing.assert_array_equal(gradient[1].duration, 1)
    np.testing.assert_array_equal(shots.events[0].duration, [1, 1])
    readout = shots.events[1].events
    np.testing.assert_array_equal(readout[1].duration, [2, 2, 2])  # played in two shots
    np.testing.assert_array_equal(readout[3].duration, [[3], [3]])  # played in three readouts
    np.testing.assert_array_equal(readout[4].duration, 6)
    np.testing.assert_array_equal(readout[0].flip_angle, [0, 0, 0])
    first = jax.grad(lambda sequence: sequence.sample_times[1])(nested())
    np.testing.assert_array_equal(first[2].events[1].events[1].duration, [1, 1, 0])


def test_a_sequence_is_printed_as_an_indented_list():
    assert str(nested()) == "\n".join(
        [
            "Sequence",
            "  Pulse    flip_angle 180 deg",
            "  Delay    duration 10 ms",
            "  Repeat x 2",
            "    Delay    duration 1 ... 2 ms (2,)",
            "    Repeat x 3",
            "      Pulse    flip_angle 10 ... 30 deg (3,), phase 90 deg",
            "      Delay    duration 3 ... 5 ms (3,)",
            "      Sample",
            "      Delay    duration 6 ... 7 ms (2, 1)",
            "      Dephase  order 1, duration 1 ms",
            "    Spoil",
            "  Sample   phase 28.6479 deg",
        ]
    )


def test_printing_inside_jit_says_what_is_traced():
    texts = []

    def note(angle, duration):
        texts.append(str(Repeat(Pulse(angle), Delay(duration), n_repetitions=3)))
        return angle

    jax.jit(note)(jnp.ones(3), 1.0)
    assert texts == ["Sequence\n  Repeat x 3\n    Pulse    flip_angle traced (3,) deg\n    Delay    duration traced ms"]


def test_a_sequence_is_a_container():
    sequence = nested()
    assert len(sequence) == 4
    assert [type(entry) for entry in sequence] == [Pulse, Delay, Repeat, Sample]
    assert sequence[-1] is sequence.events[3]
    with pytest.raises(IndexError):
        sequence[4]
    assert winding(sequence) == 6
    assert winding(Sequence(Dephase(3), Repeat(Dephase(-2), n_repetitions=4))) == 11


@pytest.mark.parametrize(
    ("repeat", "n"),
    [
        (lambda: Repeat(Pulse(np.ones(4))), 4),
        (lambda: Repeat(Pulse(1.0), n_repetitions=4), 4),
        (lambda: Repeat(Pulse(np.ones(4)), n_repetitions=4), 4),
        (lambda: Repeat(Pulse(np.ones(1)), Delay(np.ones(4))), 4),
        (lambda: Repeat(Pulse(np.ones(1)), n_repetitions=4), 4),
        (lambda: Repeat(Pulse(np.ones(1))), 1),
        (lambda: Repeat(Repeat(Pulse(np.ones((4, 3))))), 4),
        (lambda: Repeat(Repeat(Pulse(np.ones((4, 1))), n_repetitions=3)), 4),
        (lambda: Repeat(Repeat(Pulse(np.ones(3)), Delay(np.ones((4, 1))))), 4),
        (lambda: Repeat(Sequence(Pulse(np.ones(4)))), 4),
    ],
)
def test_repetitions_are_counted(repeat, n):
    assert repeat().n_repetitions == n
    assert repeat().repetitions == (n,)


def test_the_events_written_out():
    events = unrolled(nested())
    of = lambda kind: [timed for timed in events if isinstance(timed.event, kind)]
    starts = [timed.start for timed in of(Pulse)]
    np.testing.assert_allclose(starts, np.array([0.0] + [pulse for pulse, _ in READOUTS]) * ms, rtol=1e-13)
    np.testing.assert_allclose([t.start for t in of(Sample)], nested().sample_times, rtol=1e-13)
    angles = [timed.event.flip_angle for timed in of(Pulse)]
    np.testing.assert_allclose(angles, np.array([180, 10, 20, 30, 10, 20, 30]) * deg)
    assert [timed.event.phase for timed in of(Pulse)] == [0.0] + 6 * [90 * deg]
    delays = np.array([10, 1, 3, 6, 4, 6, 5, 6, 2, 3, 7, 4, 7, 5, 7]) * ms
    np.testing.assert_allclose([timed.duration for timed in of(Delay)], delays)
    assert [timed.start for timed in of(Spoil)] == pytest.approx([44 * ms, END * ms])
    assert len(events) == 1 + 1 + 2 * (1 + 3 * 5 + 1) + 1
    assert all(np.shape(leaf) == () for timed in events for leaf in jax.tree.leaves(timed.event))
    ends = np.array([timed.start + timed.duration for timed in events])
    np.testing.assert_allclose(ends[:-1], [timed.start for timed in events[1:]], rtol=1e-13)


@pytest.mark.exhaustive
def test_leaves_are_written_out_as_numpy_broadcasts_them():
    shapes = [(), (1,), (2,), (1, 2), (3, 1), (3, 2), (1, 1, 2), (4, 1, 1), (1, 3, 1), (4, 1, 2), (4, 3, 2)]
    leaves = [np.random.default_rng(i).random(shape) for i, shape in enumerate(shapes)]
    inner = Repeat(*(Delay(leaf) for leaf in leaves), n_repetitions=2)
    sequence = Sequence(Repeat(Repeat(inner, n_repetitions=3), n_repetitions=4))
    played = [timed.duration for timed in unrolled(sequence)]
    expected = np.stack([np.broadcast_to(leaf, (4, 3, 2)) for leaf in leaves], axis=-1)
    np.testing.assert_array_equal(played, expected.ravel())
    np.testing.assert_allclose(sequence.duration, expected.sum(), rtol=1e-14)


def test_trees_of_numbers():
    sequence = nested()
    doubled = jax.tree.map(lambda leaf: 2 * leaf, sequence)
    assert isinstance(doubled, Sequence)
    np.testing.assert_allclose(doubled.duration, 2 * sequence.duration)
    assert doubled[2].events[1].events[4].order == 1
    assert doubled[0].phase == 0.0
    # what has its default takes part in no computation: two angles, the phases given, five durations
    assert len(jax.tree.leaves(sequence)) == 2 + 2 + 5
    assert len(jax.tree.leaves(Pulse(1.0))) == 1
    assert len(jax.tree.leaves(Pulse(1.0, phase=0))) == 1
    assert len(jax.tree.leaves(Pulse(1.0, phase=jnp.zeros(())))) == 2
    assert len(jax.tree.leaves((Dephase(), Sample(), Spoil()))) == 0


@pytest.mark.exhaustive
def test_a_number_put_into_a_tree_counts_as_an_array_does():
    sequence, tissue = Sequence(Pulse(0.5), Pulse(0.5), Delay(10 * ms), Sample()), mr.Tissue(1.0, 0.1)
    for where in (lambda s: s[1].phase, lambda s: s[1].flip_angle, lambda s: s[2].duration, lambda s: s[3].phase):
        number, array = (eqx.tree_at(where, sequence, value) for value in (0.3, jnp.asarray(0.3)))
        np.testing.assert_allclose(mr.simulate(number, tissue), mr.simulate(array, tissue), rtol=1e-15)
        assert np.abs(mr.simulate(number, tissue) - mr.simulate(sequence, tissue)).max() > 0.01
    longer = eqx.tree_at(lambda s: s[2].duration, sequence, 30 * ms)
    np.testing.assert_allclose(longer.duration, 30 * ms)
    with pytest.raises(ValueError, match=r"`duration` of `event 2 \(Delay\)` must not be negative \(s\), but got -1"):
        mr.simulate(eqx.tree_at(lambda s: s[2].duration, sequence, -1.0), tissue)


def test_sequences_cannot_be_changed_in_place():
    with pytest.raises(dataclasses.FrozenInstanceError):
        nested().events = ()


@pytest.mark.exhaustive
def test_sequences_are_built_and_timed_under_vmap_and_jit():
    te = jnp.array([[1.0, 3.0], [2.0, 5.0], [4.0, 4.5]]) * ms
    build = lambda te: mr.protocols.multi_echo_gre(te, 0.5)
    many = jax.vmap(build)(te)
    assert many[1].events[0].duration.shape == (3, 2)
    np.testing.assert_allclose(jax.vmap(lambda sequence: sequence.sample_times)(many), te)
    np.testing.assert_allclose(jax.vmap(lambda te: build(te).duration)(te), te[:, -1])
    np.testing.assert_allclose(jax.jit(lambda te: build(te).sample_times)(te[0]), te[0])


@pytest.mark.exhaustive
def test_integers_become_floats_in_the_default_precision():
    assert Pulse(1).flip_angle.dtype == jnp.float64
    with jax.enable_x64(False):
        assert Delay(np.array([1, 2])).duration.dtype == jnp.float32
        assert nested().duration.dtype == jnp.float32
        assert nested().sample_times.dtype == np.float64
        assert jax.jit(lambda sequence: sequence.sample_times)(nested()).dtype == jnp.float32
