"""Readouts are listed with their samples, times and labels, as they are played."""

import jax
import numpy as np
import pytest

import mrjax as mr
from mrjax.sequence import Label, readout_table
from mrjax.sequence.unrolled import unrolled
from mrjax.units import us


def written_out(sequence):
    """Readouts with their labels, by playing event by event."""
    labels, found = {}, []
    for timed in unrolled(sequence):
        if isinstance(timed.event, Label):
            before = labels.get(timed.event.name, 0) if timed.event.increment else 0
            labels[timed.event.name] = before + int(timed.event.value)
        elif timed.event.n_samples:
            found.append((timed.start, timed.event.n_samples, dict(labels)))
    return found


def nested():
    inner = mr.Repeat(
        Label("LIN", 1, increment=True),
        Label("ECO", np.arange(3)),
        mr.Readout(4, dwell=10 * us),
        mr.Delay(50 * us),
        n_repetitions=3,
    )
    outer = mr.Repeat(Label("LIN", np.array([10, 20])), Label("SEG", np.arange(2)), inner, mr.Readout(7, dwell=5 * us))
    return mr.Sequence(mr.Readout(2, dwell=20 * us), outer, Label("REP", 5), mr.Readout(3, dwell=10 * us))


@pytest.mark.exhaustive
def test_tables_are_as_if_played_event_by_event():
    sequence = nested()
    table, expected = readout_table(sequence), written_out(sequence)
    assert table.n_readouts == len(expected) == 10
    assert table.n_samples.tolist() == [n for _, n, _ in expected]
    np.testing.assert_allclose(table.start, [start for start, _, _ in expected], atol=1e-12)
    assert table.first_sample.tolist() == [0, *np.cumsum(table.n_samples)[:-1].tolist()]
    for name in ("LIN", "ECO", "SEG", "REP", "SLC"):
        assert table.label(name).tolist() == [labels.get(name, 0) for _, _, labels in expected], name
    assert table.label("LIN").tolist() == [0, 11, 12, 13, 13, 21, 22, 23, 23, 23]
    times = np.repeat(table.start, table.n_samples) + np.concatenate(
        [(np.arange(n) + 0.5) * dwell for n, dwell in zip(table.n_samples, table.dwell, strict=True)]
    )
    np.testing.assert_allclose(times, sequence.sample_times, atol=1e-12)


def test_readouts_of_one_event_follow_each_other():
    both = mr.Together(mr.Sequence(mr.Readout(2, dwell=10 * us), mr.Delay(50 * us), mr.Readout(3, dwell=10 * us)))
    table = readout_table(mr.Repeat(both, n_repetitions=2))
    assert table.n_samples.tolist() == [2, 3, 2, 3]
    np.testing.assert_allclose(table.start, np.array([0, 70, 100, 170]) * us, atol=1e-12)


def test_sequences_without_readouts_have_none():
    table = readout_table(mr.Sequence(mr.Delay(1.0), Label("LIN", 3)))
    assert table.n_readouts == 0
    assert table.label("LIN").size == 0


def test_traced_sequences_are_refused():
    with pytest.raises(ValueError, match="known"):
        jax.jit(lambda t: readout_table(mr.Sequence(mr.Readout(2, dwell=t))).start)(1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["write_epi_label", "write_gre_label_softdelay"])
def test_labels_of_files_are_those_of_pypulseq(name, reference_data):
    pypulseq = pytest.importorskip("pypulseq")
    path = reference_data(f"pulseq/{name}.seq")
    judge = pypulseq.Sequence()
    judge.read(str(path))
    expected = judge.evaluate_labels(evolution="adc")
    table = readout_table(mr.pulseq.to_sequence(mr.pulseq.read(path)))
    assert {"LIN", "SLC"} & set(expected)
    for label, values in expected.items():
        np.testing.assert_array_equal(table.label(label), values, err_msg=label)
