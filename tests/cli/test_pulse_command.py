"""`mrjax design pulse`: what is written, resumed and refused."""

import json
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

import mrjax as mr
from mrjax.cli import main
from mrjax.cli.designs.configuration import configured
from mrjax.nn.history import History

ASKED = """
kind: excitation
flip_angle: 60deg
duration: 2ms
dt: 50us
slice_thickness: 8mm
positions: 21
max_b1: 12uT
energy: 0.001
steps: 40
"""


def design(tmp_path, text=ASKED, out="out"):
    (tmp_path / "pulse.yaml").write_text(text)
    return main(
        ["--no-cache", "design", "pulse", "--config", str(tmp_path / "pulse.yaml"), "--out", str(tmp_path / out)]
    )


@pytest.mark.exhaustive
def test_a_pulse_is_designed_resumed_and_played_as_it_was_simulated(tmp_path, monkeypatch, capsys):
    assert design(tmp_path) == 0
    card = json.loads((tmp_path / "out" / "card.json").read_text())
    found, limits = card["found"], card["limits"]
    assert found["error"] < 0.5 * found["error_at_the_start"]
    assert found["largest_field_of_the_best_uT"] <= 12 * (1 + 1e-9)
    assert limits["largest_change_when_read_back"] < 1e-6
    assert "| error |" in (tmp_path / "out" / "card.md").read_text()
    assert (tmp_path / "out" / "pulse.png").stat().st_size > 10_000
    for version in ("1.4", "1.5"):
        pulseq = pytest.importorskip("pypulseq")
        theirs = pulseq.Sequence()
        theirs.read(str(tmp_path / "out" / f"pulse_{version}.seq"))
        assert theirs.check_timing()[0]
    append = History.append

    def interrupted(history, line):
        if line["step"] == 15:
            raise KeyboardInterrupt
        append(history, line)

    monkeypatch.setattr(History, "append", interrupted)
    assert design(tmp_path, out="again") == 130
    monkeypatch.setattr(History, "append", append)
    assert design(tmp_path, out="again") == 0
    waveforms = [np.load(tmp_path / folder / "pulse.npz")["b1"] for folder in ("out", "again")]
    np.testing.assert_array_equal(*waveforms)  # bit for bit
    assert design(tmp_path, ASKED.replace("60deg", "70deg")) == 2
    assert "holds another design: its flip_angle was" in capsys.readouterr().err


@pytest.mark.exhaustive
def test_several_lobes_know_frequencies(tmp_path):
    """Water is excited in a slice and fat, 440 Hz away, is not: far better than at the start."""
    text = """
kind: excitation
flip_angle: 30deg
duration: 8ms
dt: 40us
lobes: 8
slice_thickness: 12mm
time_bandwidth_product: 3
positions: 31
off_resonance: [-30Hz, 30Hz]
stop_off_resonance: [-470Hz, -410Hz]
frequencies: 3
max_b1: 12uT
max_slew: 180T/m/s
steps: 150
"""
    assert design(tmp_path, text) == 0
    found = json.loads((tmp_path / "out" / "card.json").read_text())["found"]
    assert found["error"] < 0.25 * found["error_at_the_start"]
    sequence = mr.pulseq.to_sequence(mr.pulseq.read(tmp_path / "out" / "pulse_1.5.seq"))
    seen = np.abs(mr.design.pulse_response(sequence, off_resonance=[0.0, -440.0]).excited)
    assert seen[0] > 0.4  # of 0.5 at 30 degrees
    assert seen[1] < seen[0] / 10


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("flip_angel: 3deg", "has an unknown name 'flip_angel'; it takes kind, flip_angle"),
        ("duration: 4", "duration cannot be read: '4' is not a time with a unit"),
        (
            "kind: excite",
            "it must be one of excitation, refocusing, inversion, but got 'excite'. Did you mean `excitation`?",
        ),
        ("off_resonance: 3Hz", "off_resonance must have 2 values, but got 3Hz"),
        ("slice_thickness: 0.1mm", "which is beyond max_gradient or max_slew; take a thicker slice"),
        ("duration: 4.01ms", "duration must be a multiple of dt"),
        ("a: [", "must be YAML, such as `flip_angle: 90deg`"),
    ],
)
def test_mistakes_are_told_in_a_sentence(tmp_path, capsys, text, sentence):
    assert design(tmp_path, text) == 2
    assert sentence in capsys.readouterr().err


def test_all_settings_are_shown(capsys):
    assert main(["--no-cache", "design", "pulse", "--show-config"]) == 0
    assert "slice_thickness: null  # of the slice" in capsys.readouterr().out
    assert main(["--no-cache", "design", "pulse"]) == 2
    assert "--config must name a file of settings" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("pulse", "steps: 0"),
        ("pulse", "dt: -1us"),
        ("image", "steps: [10, 0, 10, 10]"),
        ("image", "objects: 0"),
        ("trajectory", "acceleration: 0"),
        ("trajectory", "rate: -1"),
        ("trajectory", "coefficients: [8, -1]"),
    ],
)
def test_numbers_that_must_be_positive_are_told(kind, text, tmp_path, capsys):
    (tmp_path / "asked.yaml").write_text(text)
    words = ["design", kind, "--config", str(tmp_path / "asked.yaml"), "--out", str(tmp_path / "out")]
    assert main(["--no-cache", *words]) == 2
    name, _, value = text.partition(": ")
    assert f"{name} must be positive, but got {value}." in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["pulse_refocusing", "pulse_water_only", "image", "trajectory"])
def test_the_settings_of_the_examples_can_be_read(name):
    path = Path(__file__).parents[2] / "examples" / "design" / "settings" / f"{name}.yaml"
    module = import_module(f"mrjax.cli.designs.{name.partition('_')[0]}")
    settings = configured(path, module.ENTRIES)
    assert set(settings) == {entry.name for entry in module.ENTRIES}
