"""`mrjax design crlb`: designs that closed forms know, what is written, and what is told of mistakes."""

import csv
import json

import jax.numpy as jnp
import numpy as np
import pytest

import mrjax as mr
from mrjax.cli import main
from mrjax.cli.designs import EXPERIMENTS
from mrjax.nn.history import History
from mrjax.units import deg, ms


def design(*words):
    return main(["--no-cache", "design", "crlb", *map(str, words)])


@pytest.mark.exhaustive
def test_flip_angles_are_those_of_the_closed_form_also_after_an_interrupt(tmp_path, monkeypatch, capsys):
    """Both angles give 1/sqrt(2) of the signal at the Ernst angle."""
    words = ("vfa", "--t1", "1s", "--noise", "1e-4", "--steps", "120", "--out", tmp_path)
    append = History.append

    def interrupted(history, line):
        if line["step"] == 25:
            raise KeyboardInterrupt
        append(history, line)

    monkeypatch.setattr(History, "append", interrupted)
    assert design(*words) == 130
    part = json.loads((tmp_path / "design.json").read_text())
    assert part["reason"] == "Interrupted after 25 of 120 steps."
    monkeypatch.setattr(History, "append", append)
    assert design(*words) == 0
    record = json.loads((tmp_path / "design.json").read_text())
    best = np.array(record["design"]["flip_angle"]["best"])
    ernst = float(mr.signals.relaxation.ernst_angle(5 * ms, 1.0)[0])
    exact = 2 * np.arctan(np.tan(ernst / 2) * np.tan(np.pi / 8 * np.array([1, 3])))
    np.testing.assert_allclose(best, exact, rtol=2e-3)
    model = mr.signals.models.VariableFlipAngle(best, 5 * ms)
    bound = mr.inverse.crlb(model, {"t1": jnp.array([1.0]), "m0": jnp.ones(1)}, 1e-4)
    predicted = record["relative_standard_deviation"]["t1"]["best"]
    np.testing.assert_allclose(predicted, bound.standard_deviation["t1"], rtol=1e-9)
    with (tmp_path / "design.csv").open() as file:
        header, *rows = csv.reader(file)
    assert header == ["flip_angle (deg)"]
    np.testing.assert_allclose([float(row[0]) * deg for row in rows], best, rtol=1e-5)
    assert (tmp_path / "design.png").stat().st_size > 10_000
    assert "variance divided by" in capsys.readouterr().out
    assert design("vfa", "--t1", "1.1s", *words[3:]) == 2
    assert "holds another design: its tissues was" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("vfa", "--t1", "1s", "--tissue", "csf"), "--tissue and --t1 exclude each other."),
        (("vfa", "--tissue", "wite-matter"), "got 'wite-matter'. Did you mean `white-matter`?"),
        (("vfa", "--field", "7T"), "--field must be 1.5T or 3T, for which tissues are known, but got 7 T."),
        (("vfa", "--t1=-1s"), "--t1 must be positive, but got -1."),
        (("vfa", "--noise", "0"), "--noise must be positive, but got 0."),
        (("vfa", "--steps", "0"), "--steps must be at least 1, but got 0."),
        (("vfa", "--fix", "flip-angle"), "Nothing is left to design: --fix must leave one of flip_angle"),
        (("vfa", "--bounds", "tr=1ms:2ms"), "--bounds takes one of flip_angle, but got 'tr'."),
        (("vfa", "--bounds", "flip_angle=1:2"), "with units, such as flip_angle=10deg:20deg, but got 'flip_angle=1:2'"),
        (("vfa", "--bounds", "flip_angle=9deg:2deg"), "--bounds must have the lower value first"),
        (
            ("vfa", "--bounds", "flip_angle=5deg:20deg"),
            "--flip-angle must start within its bounds, 5 deg to 20 deg, but is",
        ),
        (("mrf", "--t1", "1s"), "--t1 and --t2 take a value for each tissue, but got 1 of --t1, 0 of --t2."),
        (("mrf", "--repetitions", "8", "--tr", "9ms", "8ms"), "--tr takes one value or --repetitions (8), but got 2."),
        (("fse", "--echoes", "8", "--splines", "9"), "--splines must be between 4 and the number of samples (8)"),
        (("fse", "--echoes", "1"), "--echoes must be at least 2, but got 1."),
        (("mp2rage", "--n-readouts", "80"), "--n-readouts takes 2 values, but got 1."),
        (("mp2rage", "--inversion-time", "0.7s", "1s"), "the trains overlap"),
        (("ir", "--tr", "2s"), "--inversion-time must start within its bounds, 20 ms to 2000 ms, but is"),
    ],
)
def test_mistakes_are_answered_by_sentences(words, sentence, tmp_path, capsys):
    assert design(*words, "--out", tmp_path) == 2
    assert sentence in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_time_without_a_unit_is_refused(capsys):
    with pytest.raises(SystemExit, match="2"):
        design("vfa", "--tr", "5")
    assert "write 4ms or 0.004s" in capsys.readouterr().err


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_gets_better(name, tmp_path):
    few = {
        "mrf": ("--repetitions", "40", "--splines", "6", "--bounds", "tr=11ms:16ms"),
        "fse": ("--echoes", "8", "--power", "60deg", "--fov", "220mm"),
    }
    assert design(name, *few.get(name, ()), "--steps", "60", "--out", tmp_path) == 0
    record = json.loads((tmp_path / "design.json").read_text())
    assert record["objective"]["factor"] > 1.1
    if name == "fse":
        assert len(mr.pulseq.read(tmp_path / "fse.seq").blocks) > 64
        best = np.array(record["design"]["refocusing_angle"]["best"])
        assert mr.design.energy(best) <= (60 * deg) ** 2 * (1 + 1e-5)
