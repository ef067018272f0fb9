"""`mrjax design cest`: what is written, what a file plays, and what is told of mistakes."""

import json

import jax.numpy as jnp
import numpy as np
import pytest

import mrjax as mr
from mrjax import zoo
from mrjax.cli import main

FILE = """
field: 9.4T
water: {t1: [2.5s, 3.3s], t2: [0.6s, 1.2s]}
pool: {fraction: [2.7e-4, 3.3e-3], exchange_rate: [100, 1400], t1: 2.8s, t2: 40ms, shift_ppm: 3.0}
estimate: [fraction, exchange_rate]
noise: 0.005
readout: {flip_duration: 1ms, crusher_duration: 5ms}
schedule:
  images: 3
  start: random
  most_time: 10s
  b1: [0uT, 6uT]
  offset_ppm: 3.0
  saturation_time: [10ms, 5s]
  recovery: [10ms, 5s]
  flip_angle: 90deg
network: {steps: 4, batch_size: 8, hidden: 8, checkpoint_every: 2}
"""


def design(path, text, folder):
    path.write_text(text)
    return main(["--no-cache", "design", "cest", "--config", str(path), "--out", str(folder)])


@pytest.mark.exhaustive
def test_a_design_is_written_and_its_file_plays_what_was_simulated(tmp_path, capsys):
    folder = tmp_path / "design"
    assert design(tmp_path / "larg.yaml", FILE, folder) == 0
    assert "duration (s)" in capsys.readouterr().out
    _, config, network = zoo.load(folder)
    played, experiment = network.played(), network.experiment
    schedule = mr.io.read_schedule(folder / "schedule.csv")
    np.testing.assert_allclose(schedule["b1"], played["b1"], rtol=1e-7)
    np.testing.assert_allclose(schedule["saturation_time"], played["saturation_time"], atol=6e-6)
    assert schedule["tr"].sum() <= 10 + 3 * 10e-6
    recovery = schedule["tr"] - schedule["saturation_time"] - experiment.readout_time
    middle = {name: jnp.full(1, np.mean(pair)) for name, pair in experiment.limits.items()}
    rest = {name: jnp.asarray(value) for name, value in schedule.items() if name != "tr"}
    simulated = experiment.magnitudes(rest | {"recovery": jnp.asarray(recovery)}, middle)[0]
    pools = mr.io.read_pools(folder / "pools.yaml")
    file = mr.pulseq.read(folder / "schedule.seq")
    scan = mr.pulseq.saturation_sequence(file, reset=False, readout="transverse")
    images = abs(mr.simulate(scan, pools.tissue, mr.BlochMcConnell(b0=9.4)))
    np.testing.assert_allclose(images, simulated, atol=1e-6)
    mr.Scanner().check(mr.pulseq.to_sequence(file))
    assert (folder / "design.png").stat().st_size > 10_000
    report = (folder / "design.md").read_text()
    assert "at most 10 s in all" in report
    assert "Seed 0, 4 steps of 8 tissues" in report
    assert json.loads(config.question)["b0"] == 9.4
    before = (folder / "weights.npz").read_bytes()
    assert design(tmp_path / "larg.yaml", FILE, folder) == 0  # finished, and given again
    assert (folder / "weights.npz").read_bytes() == before
    assert design(tmp_path / "larg.yaml", FILE.replace("noise: 0.005", "noise: 0.01"), folder) == 2
    assert "holds a training with other settings" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("field: 9.4T", "field: 9.4", "field: '9.4' is not a field with a unit; write 3T"),
        ("noise: 0.005", "", "lacks noise"),
        ("noise: 0.005", "noise: 0.005\nfeild: 3T", "there is no feild. Did you mean `field`?"),
        ("b1: [0uT, 6uT]", "b1: [6uT, 0uT]", "schedule.b1 must be one value, or a pair with the lower first"),
        ("b1: [0uT, 6uT]", "b1: [0, 6]", "schedule.b1: '0' is not an RF field with a unit"),
        ("most_time: 10s", "most_time: 90ms", "`most_time` must leave room for the shortest saturations"),
        ("images: 3", "images: three", "schedule.images must be a whole number, but is 'three'"),
        ("crusher_duration: 5ms}", "crusher_duration: 0.1ms}", "`crusher_duration` must be longer than the dead times"),
        (
            "crusher_duration: 5ms}",
            "crusher_duration: 5ms, te: 20us}",
            "`te` must be at least 3e-05 s, in which RF rings",
        ),
        ("flip_duration: 1ms", "flip_duration: 0.1ms", "exceeds max_b1"),
        ("start: random", "start: best", "`start` must be constant, random or a CSV file, but got 'best'"),
        ("start: random", "start: none.csv", "none.csv does not exist"),
        ("estimate: [fraction, exchange_rate]", "estimate: [pool.t2]", "`estimated` must name some of `limits`"),
        ("t2: 40ms, shift_ppm: 3.0}", "t2: 40ms}", "lacks pool.shift_ppm"),
        ("shift_ppm: 3.0}", "shift_ppm: 3.0, lineshape: lorenzian}", "Did you mean `lorentzian`?"),
        ("field: 9.4T", "field: [9.4T", "is no valid YAML"),
    ],
)
def test_mistakes_are_told_in_a_sentence(tmp_path, capsys, old, new, message):
    assert old in FILE
    assert design(tmp_path / "larg.yaml", FILE.replace(old, new), tmp_path / "design") == 2
    told = capsys.readouterr().err
    assert told.startswith("mrjax design: ")
    assert message in told
    assert not (tmp_path / "design").exists()


def test_nothing_to_learn_is_told(tmp_path, capsys):
    text = FILE.replace("[0uT, 6uT]", "3uT").replace("saturation_time: [10ms, 5s]", "saturation_time: 2s")
    text = text.replace("recovery: [10ms, 5s]", "recovery: 1s")
    assert design(tmp_path / "larg.yaml", text, tmp_path / "design") == 2
    assert "nothing of the schedule is left to design" in capsys.readouterr().err


@pytest.mark.exhaustive
def test_what_nothing_depends_on_is_told(tmp_path, capsys):
    """Without RF, the offset has no influence."""
    text = FILE.replace("b1: [0uT, 6uT]", "b1: 0uT").replace("offset_ppm: 3.0\n", "offset_ppm: [1.0, 4.0]\n")
    assert design(tmp_path / "larg.yaml", text, tmp_path / "design") == 2
    assert "The loss does not depend on ['offset_ppm']: its derivative is zero" in capsys.readouterr().err
