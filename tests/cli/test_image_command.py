"""`mrjax design image`: a sequence learned from nothing images a brain that it has not seen."""

import json

import numpy as np
import pytest

from mrjax.cli import main
from mrjax.nn.history import History

ASKED = "matrix: 8\nobjects: 6\nsteps: [100, 60, 200]\n"


def design(tmp_path, out):
    (tmp_path / "image.yaml").write_text(ASKED)
    return main(
        ["--no-cache", "design", "image", "--config", str(tmp_path / "image.yaml"), "--out", str(tmp_path / out)]
    )


@pytest.mark.exhaustive
def test_a_sequence_is_learned_and_resumed_bit_for_bit(tmp_path, monkeypatch):
    assert design(tmp_path, "out") == 0
    card = json.loads((tmp_path / "out" / "card.json").read_text())
    assert card["found"]["nrmse_of_a_brain_not_trained_on"] < 0.05
    assert card["found"]["largest_distance_from_cartesian_in_steps"] < 0.3
    assert card["limits"]["largest_change_when_read_back"] < 1e-6
    pulseq = pytest.importorskip("pypulseq")
    theirs = pulseq.Sequence()
    theirs.read(str(tmp_path / "out" / "image_1.5.seq"))
    assert theirs.check_timing()[0]
    append = History.append

    def interrupted(history, line):
        if line["step"] == 55 and "stage_1" in str(history.path):
            raise KeyboardInterrupt
        append(history, line)

    monkeypatch.setattr(History, "append", interrupted)
    assert design(tmp_path, "again") == 130
    monkeypatch.setattr(History, "append", append)
    assert design(tmp_path, "again") == 0
    designs = [np.load(tmp_path / folder / "design.npz") for folder in ("out", "again")]
    for name in designs[0].files:
        np.testing.assert_array_equal(designs[0][name], designs[1][name])
