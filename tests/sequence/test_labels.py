"""Labels and annotations are kept in a sequence, and seen by nobody who plays it."""

import jax.numpy as jnp
import numpy as np
import pytest

import mrjax as mr
from mrjax.sequence import Annotation, Label, describe
from mrjax.sequence.labels import without_notes
from mrjax.sequence.unrolled import unrolled


def trains():
    """The same train of echoes with and without notes."""
    echo = [mr.Pulse(jnp.pi, jnp.pi / 2), mr.Delay(5e-3), mr.Sample(), mr.Delay(5e-3)]
    start = [mr.Pulse(jnp.pi / 2), mr.Delay(5e-3)]
    plain = mr.Sequence(*start, mr.Repeat(*echo, n_repetitions=4))
    only_notes = mr.Repeat(Label("SLC", 1, increment=True), n_repetitions=3)
    noted = mr.Sequence(
        Label("LIN", 0),
        *start,
        only_notes,
        mr.Repeat(Label("ECO", jnp.arange(4.0)), *echo),
        Annotation("TRIGGERS", ("1",)),
    )
    return plain, noted


@pytest.mark.parametrize("engine", [mr.EPG(), mr.Isochromats(64)], ids=["EPG", "Isochromats"])
def test_engines_pass_over_labels(engine):
    plain, noted = trains()
    tissue = mr.Tissue(t1=1.0, t2=jnp.array([0.05, 0.1]))
    np.testing.assert_array_equal(mr.simulate(noted, tissue, engine), mr.simulate(plain, tissue, engine))


def test_labels_take_no_time():
    plain, noted = trains()
    assert noted.n_samples == plain.n_samples
    assert float(noted.duration) == float(plain.duration)
    np.testing.assert_array_equal(noted.sample_times, plain.sample_times)
    notes = mr.Sequence(Label("LIN", 0), mr.Delay(1e-3), Annotation("TRIGGERS", ("1",)))
    np.testing.assert_array_equal(notes.timeline().edges, [0, 1e-3])


def test_notes_are_taken_out_wherever_they_are():
    plain, noted = trains()
    assert describe(without_notes(noted)) == describe(plain)
    assert without_notes(plain) is plain


def test_labels_are_shown_and_unrolled_with_their_values():
    _, noted = trains()
    assert "Label    name LIN, value 0\n" in str(noted)
    assert "Label    name ECO, value 0 ... 3" in str(noted)
    values = [timed.event.value for timed in unrolled(noted) if getattr(timed.event, "name", "") == "ECO"]
    assert [float(value) for value in values] == [0, 1, 2, 3]


@pytest.mark.parametrize("name", ["", "two words", " LIN"])
def test_a_name_is_one_word(name):
    with pytest.raises(ValueError, match="must be text without spaces, but got"):
        Label(name, 1)


def test_a_value_is_finite():
    with pytest.raises(ValueError, match="`value` of `Label` must be finite, but got nan"):
        Label("LIN", float("nan"))
