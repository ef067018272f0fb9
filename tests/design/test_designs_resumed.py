"""Designs that are stopped and taken up again: the same numbers, bit for bit."""

import os
import signal
import subprocess
import sys
import time

import jax.numpy as jnp
import numpy as np
import optax
import pytest

import mrjax as mr
from mrjax.nn.history import History

PROGRAM = """
import sys, jax, jax.numpy as jnp, optax
import mrjax as mr
jax.config.update("jax_enable_x64", True)
objective = lambda x: jnp.sum((x**2 - jnp.arange(1.0, 4.0)) ** 2)
result = mr.design.optimise(
    objective, jnp.ones(3), free=lambda x: x, bounds=(0.0, 3.0), optimiser=optax.adam(1e-5), steps=int(sys.argv[2]),
    folder=sys.argv[1], checkpoint_every=5, progress=False,
)
print(*result.best.tolist())
"""


def objective(x):
    return jnp.sum((x**2 - jnp.arange(1.0, 4.0)) ** 2)


def designed(folder=None, steps=12, start=1.0, **options):
    return mr.design.optimise(
        objective,
        jnp.full(3, start),
        free=lambda x: x,
        bounds=(0.0, 3.0),
        optimiser=optax.adam(0.03),
        steps=steps,
        folder=folder,
        checkpoint_every=5,
        progress=False,
        **options,
    )


def assert_same(result, other):
    np.testing.assert_array_equal(result.best, other.best)
    assert (result.objective, result.history.lines) == (other.objective, other.history.lines)


@pytest.mark.exhaustive
def test_a_design_in_two_parts_is_that_in_one(tmp_path):
    designed(tmp_path, steps=7)
    assert_same(designed(tmp_path), designed())
    assert History.read(tmp_path / "log.jsonl").lines == designed().history.lines


def test_a_design_that_is_finished_is_given_again(tmp_path):
    assert_same(designed(tmp_path), designed(tmp_path))


def test_an_interrupt_keeps_what_is_finished(tmp_path, monkeypatch):
    append = History.append

    def interrupted(history, line):
        if line["step"] == 8:
            raise KeyboardInterrupt
        append(history, line)

    monkeypatch.setattr(History, "append", interrupted)
    result = designed(tmp_path)
    assert result.reason == "Interrupted after 8 of 12 steps."
    assert len(result.history.lines) == 8
    assert result.objective == min(result.history.column("objective")[1])
    monkeypatch.setattr(History, "append", append)
    assert_same(designed(tmp_path), designed())


def test_a_search_under_constraints_that_is_interrupted_gives_its_best(monkeypatch):
    append = History.append

    def interrupted(history, line):
        append(history, line)
        if line["step"] == 4:
            raise KeyboardInterrupt

    monkeypatch.setattr(History, "append", interrupted)
    start = jnp.ones(3)
    result = mr.design.optimise(objective, start, free=lambda x: x, optimiser=mr.design.Constrained(), progress=False)
    assert result.reason == "Interrupted after 4 iterations."
    assert result.objective < objective(start)


def constrained(folder, steps=100, start=1.0, tolerance=1e-12):
    return mr.design.optimise(
        objective,
        jnp.full(3, start),
        free=lambda x: x,
        bounds=(0.0, 3.0),
        constraints=[mr.design.Constraint(jnp.sum, upper=4.0)],
        optimiser=mr.design.Constrained(tolerance=tolerance),
        steps=steps,
        folder=folder,
        checkpoint_every=2,
        progress=False,
    )


@pytest.mark.exhaustive
def test_a_search_under_constraints_goes_on_from_its_best(tmp_path):
    whole, part = constrained(None), constrained(tmp_path, steps=3)
    assert part.objective > 1.01 * whole.objective
    result = constrained(tmp_path)
    np.testing.assert_allclose(result.best, whole.best, rtol=1e-5)
    n = len(part.history.lines)
    assert result.history.lines[:n] == part.history.lines
    assert [line["step"] for line in result.history.lines] == list(range(len(result.history.lines)))
    again = constrained(tmp_path)
    assert again.reason == f"SLSQP: had ended by itself after {len(result.history.lines) - 1} iterations."
    assert_same(again, result)


def test_a_search_under_constraints_that_is_killed_loses_little(tmp_path, monkeypatch):
    append = History.append

    def killed(history, line):
        append(history, line)
        if line["step"] == 4:
            raise SystemError

    monkeypatch.setattr(History, "append", killed)
    with pytest.raises(SystemError):
        constrained(tmp_path)
    monkeypatch.setattr(History, "append", append)
    lines = History.read(tmp_path / "log.jsonl").lines
    assert len(lines) == 5
    result = constrained(tmp_path)
    assert result.history.lines[:3] == lines[:3]
    assert result.objective == pytest.approx(constrained(None).objective, rel=1e-6)
    with pytest.raises(ValueError, match="holds a design from another start or within other bounds"):
        constrained(tmp_path, start=1.1)


def test_a_folder_of_another_design_is_refused(tmp_path):
    designed(tmp_path, steps=5)
    with pytest.raises(ValueError, match="holds a design from another start or within other bounds"):
        designed(tmp_path, start=1.5)


@pytest.mark.exhaustive
def test_a_design_that_is_killed_goes_on_as_if_it_had_not_been(tmp_path):
    def run(folder, steps):
        return [sys.executable, "-c", PROGRAM, str(tmp_path / folder), str(steps)]

    program = subprocess.Popen(run("killed", 10**6), stdout=subprocess.DEVNULL)
    log = tmp_path / "killed" / "log.jsonl"
    while not log.exists() or log.read_text().count("\n") < 23:
        assert program.poll() is None
        time.sleep(0.05)
    os.kill(program.pid, signal.SIGKILL)
    program.wait()
    steps = log.read_text().count("\n") + 20
    found, expected = (
        subprocess.run(run(folder, steps), capture_output=True, text=True, check=True).stdout
        for folder in ("killed", "whole")
    )
    assert found == expected
    assert log.read_text() == (tmp_path / "whole" / "log.jsonl").read_text()
