"""`mrjax design image`: encoding is learned from nothing, resumed and played as it was simulated."""

import json

import numpy as np
import pytest

from mrjax.cli import main
from mrjax.nn.history import History

ASKED = "matrix: 8\nobjects: 6\nsteps: [80, 40, 40, 5]\ndelay: 20ms\nwaiting: 1e-4\n"


def design(tmp_path, out):
    (tmp_path / "image.yaml").write_text(ASKED)
    return main(
        ["--no-cache", "design", "image", "--config", str(tmp_path / "image.yaml"), "--out", str(tmp_path / out)]
    )


@pytest.mark.exhaustive
def test_encoding_is_learned_and_resumed_bit_for_bit(tmp_path, monkeypatch):
    assert design(tmp_path, "out") == 0
    card = json.loads((tmp_path / "out" / "card.json").read_text())
    encoded = json.loads((tmp_path / "out" / "stage_1" / "log.jsonl").read_text().splitlines()[-1])
    assert encoded["error"] < 0.01  # of objects that forget; at the start it is 0.86
    assert card["found"]["error"] < card["found"]["error_at_the_start"]
    assert max(card["found"][name] for name in ("nrmse_of_a_brain_not_trained_on", "nrmse_of_another_slice")) < 0.05
    assert card["found"]["duration_relative_to_the_target"] < 0.5  # small angles hardly need the delays of the target
    assert card["limits"]["largest_change_when_read_back"] < 1e-6
    pulseq = pytest.importorskip("pypulseq")
    theirs = pulseq.Sequence()
    theirs.read(str(tmp_path / "out" / "image_1.5.seq"))
    assert theirs.check_timing()[0]
    append = History.append

    def interrupted(history, line):
        if line["step"] == 25 and "stage_1" in str(history.file):
            raise KeyboardInterrupt
        append(history, line)

    monkeypatch.setattr(History, "append", interrupted)
    assert design(tmp_path, "again") == 130
    monkeypatch.setattr(History, "append", append)
    assert design(tmp_path, "again") == 0
    with np.load(tmp_path / "out" / "design.npz") as whole, np.load(tmp_path / "again" / "design.npz") as resumed:
        for name in whole.files:
            np.testing.assert_array_equal(whole[name], resumed[name])
