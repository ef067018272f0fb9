"""Every `mrjax design` that is killed goes on to the same bits as one that was never stopped, and its files can be played."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import mrjax as mr
from mrjax.units import mT

pulseq = pytest.importorskip("pypulseq")

CEST = """
field: 9.4T
water: {t1: [2.5s, 3.3s], t2: [0.6s, 1.2s]}
pool: {fraction: [2.7e-4, 3.3e-3], exchange_rate: [100, 1400], t1: 2.8s, t2: 40ms, shift_ppm: 3.0}
estimate: [fraction, exchange_rate]
noise: 0.005
schedule:
  images: 3
  b1: [0uT, 6uT]
  offset_ppm: 3.0
  saturation_time: [10ms, 5s]
  recovery: [10ms, 5s]
  flip_angle: 90deg
network: {steps: 60, batch_size: 8, hidden: 8, checkpoint_every: 4}
"""
PULSE = "flip_angle: 60deg\nduration: 2ms\ndt: 50us\nslice_thickness: 8mm\npositions: 21\nsteps: 120\n"
IMAGE = "matrix: 8\nobjects: 3\nsteps: [40, 20, 20, 20]\n"
TRAJECTORY = (
    "matrix: 16\nfov: 200mm\nn_shots: 2\ndwell_time: 10us\ncoefficients: [6, 12]\nsteps: 30\ntrain: [30]\ntest: [33]\n"
)

NETWORK = """
matrix: 16
fov: 200mm
start: radial
n_shots: 3
dwell_time: 10us
coefficients: [5, 6]
steps: 40
network_steps: 20
train: [30]
test: [33]
reconstruction: nc_pdnet
coils: 2
iterations: 2
channels: 4
"""

KINDS = {
    "crlb": (None, "."),
    "crlb under constraints": (None, "."),
    "cest": (CEST, "."),
    "pulse": (PULSE, "."),
    "image": (IMAGE, "stage_1"),
    "trajectory": (TRAJECTORY, "stage_1"),
    "trajectory with a network": (NETWORK, "learned_1"),
}
"""What is asked, and the stage in which the program is killed, once something of it is kept."""


def words(kind, folder):
    """The command; all runs share what has been compiled."""
    config, compiled = folder.parent / "asked.yaml", folder.parent / "compiled"
    if kind.startswith("crlb"):
        kind, *constrained = kind.split(maxsplit=1)
        asked = [
            "fse",
            "--echoes",
            "4",
            "--fov",
            "220mm",
            "--steps",
            "200",
            *(["--power", "60deg"] if constrained else []),
        ]
    else:
        config.write_text(KINDS[kind][0])
        asked = ["--config", str(config)]
    name = kind.partition(" ")[0]
    return [sys.executable, "-m", "mrjax.cli", "--cache", str(compiled), "design", name, *asked, "--out", str(folder)]


def killed_in(stage, command):
    """Run until the stage has a checkpoint, or the first lines of a history, and end it as a machine that fails would."""
    program = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not (any(path.name.isdigit() for path in stage.glob("checkpoints/*")) or is_known(stage)):
        assert program.poll() is None
        time.sleep(0.002)
    os.kill(program.pid, signal.SIGKILL)
    assert program.wait() == -signal.SIGKILL


def is_known(stage):
    """Whether some evaluations of a search without checkpoints are kept."""
    file = stage / "evaluations.jsonl"
    return file.exists() and file.read_text().count("\n") > 3


def numbers(folder):
    """All arrays and texts of a design but times of day and pictures."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.suffix == ".npz":
            with np.load(path) as file:
                found |= {f"{name} {key}": file[key].tobytes() for key in file.files}
        elif path.suffix in (".seq", ".csv", ".md", ".yaml"):
            found[name] = path.read_bytes()
        elif path.suffix == ".jsonl":
            lines = [json.loads(line) for line in path.read_text().splitlines()]
            found[name] = [{key: value for key, value in line.items() if key != "time"} for line in lines]
    return found


@pytest.fixture(scope="module", params=[pytest.param(kind, marks=pytest.mark.exhaustive) for kind in KINDS])
def designs(request, tmp_path_factory):
    """Of each kind the folder of a design that was killed and taken up again, and of one that was not."""
    kind, folder = request.param, tmp_path_factory.mktemp(request.param)
    commands = {name: words(kind, folder / name) for name in ("killed", "whole")}
    killed_in(folder / "killed" / KINDS[kind][1], commands["killed"])
    for command in commands.values():
        subprocess.run(command, capture_output=True, check=True)
    return kind, folder / "killed", folder / "whole"


def test_a_design_that_is_killed_ends_as_if_it_had_not_been(designs):
    kind, *folders = designs
    killed, whole = map(numbers, folders)
    assert f"{KINDS[kind][1]}/log.jsonl".removeprefix("./") in whole
    assert set(killed) == set(whole)
    assert [name for name in whole if killed[name] != whole[name]] == []


SCANNERS = {"trajectory": mr.Scanner(max_gradient=30 * mT, max_slew=120.0)}
"""As the settings have them by default."""


@pytest.mark.filterwarnings("ignore:.*does not say what all RF pulses are for")
def test_files_are_within_limits_and_read_back(designs):
    kind, _, folder = designs
    paths = list(folder.glob("*.seq"))
    assert len(paths) == (1 if kind.startswith("crlb") or kind == "cest" else 2)
    scanner = SCANNERS.get(kind.partition(" ")[0], mr.Scanner())
    for path in paths:
        scanner.check(mr.pulseq.to_sequence(mr.pulseq.read(path)))
        theirs = pulseq.Sequence(system_of(scanner))
        theirs.read(str(path))
        assert theirs.check_timing()[0]
    assert change_when_read_back(folder) < 1e-6


def system_of(scanner):
    """The same rasters and dead times by pypulseq's names."""
    return pulseq.Opts(
        rf_dead_time=scanner.rf_dead_time,
        rf_ringdown_time=scanner.rf_ringdown,
        adc_dead_time=scanner.adc_dead_time,
        rf_raster_time=scanner.rf_raster,
        adc_raster_time=scanner.adc_raster,
        grad_raster_time=scanner.gradient_raster,
        block_duration_raster=scanner.block_raster,
    )


def change_when_read_back(folder):
    """Of the signal of a file, as the command has compared it."""
    for name in ("card.json", "design.json"):
        if (path := folder / name).exists():
            card = json.loads(path.read_text())
            return card.get("limits", card)["largest_change_when_read_back"]
    return float(re.search(r"changes by (\S+) when it is read back", (folder / "design.md").read_text())[1])
