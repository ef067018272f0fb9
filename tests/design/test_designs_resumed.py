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
import sys, time, jax, jax.numpy as jnp, optax
import mrjax as mr
jax.config.update("jax_enable_x64", True)
append = mr.nn.History.append
mr.nn.History.append = lambda history, line: (time.sleep(0.02), append(history, line))
rosenbrock = lambda x: jnp.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)
OPTIMISERS = {
    "adam": optax.adam(1e-5), "SLSQP": mr.design.Constrained("SLSQP", 1e-14),
    "trust-constr": mr.design.Constrained("trust-constr", 1e-14), "differential evolution": mr.design.GradientFree(),
}
folder, optimiser, steps = sys.argv[1], sys.argv[2], int(sys.argv[3])
result = mr.design.optimise(
    rosenbrock, jnp.full(12, -1.0), free=lambda x: x, bounds=(-2.0, 2.0), optimiser=OPTIMISERS[optimiser], steps=steps,
    constraints=[] if optimiser == "adam" else [mr.design.Constraint(jnp.sum, upper=9.0)],
    folder=folder, checkpoint_every=5, progress=False,
)
print(*result.best.tolist(), result.objective, result.reason)
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


def test_a_search_under_constraints_in_two_parts_is_that_in_one(tmp_path):
    whole, part = constrained(None), constrained(tmp_path, steps=3)
    assert part.objective > 1.01 * whole.objective
    assert_same(constrained(tmp_path), whole)
    assert History.read(tmp_path / "log.jsonl").lines == whole.history.lines
    again = constrained(tmp_path)  # is finished, and given again
    assert_same(again, whole)
    assert again.reason == whole.reason == "SLSQP: Optimization terminated successfully."


def test_what_is_known_of_a_search_is_not_computed_again(tmp_path):
    """However it is stopped: in the middle of a generation, and of a line."""

    def searched(folder, stop_after=None):
        calls = []

        def counted(x):
            calls.append(float(x))
            if len(calls) == stop_after:
                raise SystemError
            return (x**2 - 2.0) ** 2

        result = mr.design.optimise(
            counted, 3.0, free=lambda x: x, bounds=(0.0, 4.0), steps=6, folder=folder, progress=False,
            constraints=[mr.design.Constraint(lambda x: x, upper=3.5)], optimiser=mr.design.GradientFree(),
        )  # fmt: skip
        return result, calls

    whole, every = searched(None)
    with pytest.raises(SystemError):
        searched(tmp_path, stop_after=20)
    file = tmp_path / "evaluations.jsonl"
    assert file.read_text().count("\n") == 20  # what was asked, and nineteen points
    file.write_text(file.read_text()[:-10])
    found, calls = searched(tmp_path)
    assert calls == every[18:]
    assert_same(found, whole)
    assert found.best == pytest.approx(2**0.5, rel=1e-3)


def test_a_search_under_constraints_of_another_design_is_refused(tmp_path):
    constrained(tmp_path, steps=2)
    log = (tmp_path / "log.jsonl").read_text()
    with pytest.raises(ValueError, match="holds a design from another start or within other bounds"):
        constrained(tmp_path, start=1.1)
    assert (tmp_path / "log.jsonl").read_text() == log


def test_a_folder_of_another_design_is_refused(tmp_path):
    designed(tmp_path, steps=5)
    with pytest.raises(ValueError, match="holds a design from another start or within other bounds"):
        designed(tmp_path, start=1.5)


@pytest.mark.exhaustive
@pytest.mark.parametrize("optimiser", ["adam", "SLSQP", "trust-constr", "differential evolution"])
def test_a_design_that_is_killed_goes_on_as_if_it_had_not_been(tmp_path, optimiser):
    def run(folder, steps):
        return [sys.executable, "-c", PROGRAM, str(tmp_path / folder), optimiser, str(steps)]

    program = subprocess.Popen(run("killed", 10**6), stdout=subprocess.DEVNULL)
    log = tmp_path / "killed" / "log.jsonl"
    while not log.exists() or log.read_text().count("\n") < 23:
        assert program.poll() is None
        time.sleep(0.05)
    os.kill(program.pid, signal.SIGKILL)
    assert program.wait() == -signal.SIGKILL
    steps = log.read_text().count("\n") + 20
    found, expected = (
        subprocess.run(run(folder, steps), capture_output=True, text=True, check=True).stdout
        for folder in ("killed", "whole")
    )
    assert found == expected
    whole = tmp_path / "whole"
    for file in log.parent.glob("*.jsonl"):
        assert file.read_text() == (whole / file.name).read_text()
